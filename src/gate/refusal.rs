//! Why a request does not pass, and the one translation of that to the outside (RFC 9457).

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

/// Why a request does not pass. `Display` is for us; [`Refusal::problem`] is for the client.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request has more than one reading, or breaks a rule of HTTP.
    #[error("malformed request: {reason}")]
    Malformed {
        /// From a fixed list; the `reason` label of `stormdoor_http_rejected_total`.
        reason: &'static str,
        /// 400, 414 or 431.
        status: StatusCode,
    },
    /// The method is not on the allow-list (501), or not what this resource takes (405).
    #[error("method not allowed")]
    MethodNotAllowed,
    /// The connection's server name is not this host (RFC 9110 §15.5.20).
    #[error("misdirected request")]
    Misdirected,
    /// No app answers to this host, or no route of it matches.
    #[error("no route")]
    NoRoute,
    /// The client's network may not use this route.
    #[error("network not allowed")]
    NetworkNotAllowed,
    /// Nobody is signed in, or the credential is not good.
    #[error("unauthenticated: {reason}")]
    Unauthenticated {
        /// From a fixed list; for metrics and the log.
        reason: &'static str,
        /// A bad credential was shown, as opposed to none: `error="invalid_token"` (RFC 6750 §3.1).
        invalid_token: bool,
    },
    /// Signed in, but not allowed.
    #[error("forbidden: {reason}")]
    Forbidden {
        /// From a fixed list.
        reason: &'static str,
        /// Missing OAuth scopes, for `error="insufficient_scope"`.
        scopes: Vec<Arc<str>>,
    },
    /// Allowed after a fresh second factor (RFC 9470).
    #[error("second factor required")]
    SecondFactorRequired {
        /// How fresh.
        max_age: Duration,
    },
    /// A rate limit is used up.
    #[error("too many requests: {policy}")]
    TooManyRequests {
        /// Which.
        policy: Arc<str>,
        /// When one unit is back.
        retry_after: Duration,
    },
    /// The body is larger than allowed.
    #[error("body too large")]
    BodyTooLarge,
    /// The body breaks the JSON limits.
    #[error("body not acceptable: {reason}")]
    BodyNotAcceptable {
        /// From a fixed list.
        reason: &'static str,
    },
    /// Something we need did not answer; it is worth trying again.
    #[error("unavailable: {what}")]
    Unavailable {
        /// From a fixed list.
        what: &'static str,
    },
    /// The upstream could not be reached or broke off (502).
    #[error("bad gateway: {reason}")]
    BadGateway {
        /// From a fixed list.
        reason: &'static str,
    },
    /// No endpoint of the upstream is up (503).
    #[error("no healthy endpoint")]
    NoHealthyEndpoint,
    /// The upstream was too slow (504).
    #[error("gateway timeout: {reason}")]
    GatewayTimeout {
        /// From a fixed list.
        reason: &'static str,
    },
    /// The client was too slow (408).
    #[error("request timeout")]
    RequestTimeout,
    /// Our fault.
    #[error("internal error: {reason}")]
    Internal {
        /// From a fixed list.
        reason: &'static str,
    },
}

/// What the client may know of a refusal: the members of an RFC 9457 problem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// The last part of `type`, below `/problems/`.
    pub slug: &'static str,
    /// One short sentence, the same for every occurrence.
    pub title: &'static str,
    /// `Retry-After`, in whole seconds, rounded up (RFC 9110 §10.2.3).
    pub retry_after: Option<u64>,
    /// `WWW-Authenticate` (RFC 9110 §11.6.1).
    pub challenge: Option<String>,
}
