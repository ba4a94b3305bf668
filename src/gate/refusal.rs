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

impl Refusal {
    /// What the client may know (RFC 9457). What *we* know goes to the log through `Display`.
    ///
    /// There is no `_` arm: whoever adds a refusal decides here what the outside world sees.
    pub fn problem(&self) -> Problem {
        let plain = |status, slug, title| Problem {
            status,
            slug,
            title,
            retry_after: None,
            challenge: None,
        };
        match self {
            Self::Malformed { status, .. } => {
                plain(*status, "malformed-request", "The request has no single meaning")
            }
            Self::MethodNotAllowed => plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "This method is not allowed here",
            ),
            Self::Misdirected => plain(
                StatusCode::MISDIRECTED_REQUEST,
                "misdirected-request",
                "This connection was made for another host",
            ),
            Self::NoRoute => plain(StatusCode::NOT_FOUND, "no-route", "There is nothing here"),
            Self::NetworkNotAllowed => {
                plain(StatusCode::FORBIDDEN, "network-not-allowed", "Not from this network")
            }
            Self::Unauthenticated { invalid_token, .. } => {
                let error = if *invalid_token { r#", error="invalid_token""# } else { "" };
                Problem {
                    challenge: Some(format!(r#"Bearer realm="stormdoor"{error}"#)),
                    ..plain(StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first")
                }
            }
            Self::Forbidden { scopes, .. } => {
                let challenge = (!scopes.is_empty()).then(|| {
                    let scopes = scopes.join(" ");
                    format!(
                        r#"Bearer realm="stormdoor", error="insufficient_scope", scope="{scopes}""#
                    )
                });
                let problem = plain(StatusCode::FORBIDDEN, "forbidden", "You may not do this");
                Problem { challenge, ..problem }
            }
            Self::SecondFactorRequired { max_age } => Problem {
                challenge: Some(format!(
                    r#"Bearer realm="stormdoor", error="insufficient_user_authentication", max_age="{}""#,
                    max_age.as_secs()
                )),
                ..plain(
                    StatusCode::UNAUTHORIZED,
                    "second-factor-required",
                    "Give your second factor first",
                )
            },
            Self::TooManyRequests { retry_after, .. } => Problem {
                retry_after: Some(whole_seconds(*retry_after)),
                ..plain(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
            },
            Self::BodyTooLarge => {
                plain(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large")
            }
            Self::BodyNotAcceptable { .. } => plain(
                StatusCode::UNPROCESSABLE_ENTITY,
                "body-not-acceptable",
                "The body is not JSON within the limits",
            ),
            Self::Unavailable { .. } => Problem {
                retry_after: Some(5),
                ..plain(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again later")
            },
            Self::BadGateway { .. } => {
                plain(StatusCode::BAD_GATEWAY, "bad-gateway", "The app did not answer properly")
            }
            Self::NoHealthyEndpoint => Problem {
                retry_after: Some(5),
                ..plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "no-healthy-endpoint",
                    "The app is not there at the moment",
                )
            },
            Self::GatewayTimeout { .. } => {
                plain(StatusCode::GATEWAY_TIMEOUT, "gateway-timeout", "The app took too long")
            }
            Self::RequestTimeout => plain(
                StatusCode::REQUEST_TIMEOUT,
                "request-timeout",
                "The request took too long to arrive",
            ),
            Self::Internal { .. } => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal-error",
                "Something went wrong on our side",
            ),
        }
    }

    /// One word for metrics and the access log, from a fixed list.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadGateway { reason }
            | Self::BodyNotAcceptable { reason }
            | Self::Forbidden { reason, .. }
            | Self::GatewayTimeout { reason }
            | Self::Internal { reason }
            | Self::Malformed { reason, .. }
            | Self::Unauthenticated { reason, .. } => reason,
            Self::BodyTooLarge => "body_too_large",
            Self::MethodNotAllowed => "method",
            Self::Misdirected => "sni_mismatch",
            Self::NetworkNotAllowed => "network",
            Self::NoHealthyEndpoint => "no_healthy_endpoint",
            Self::NoRoute => "no_route",
            Self::RequestTimeout => "request_timeout",
            Self::SecondFactorRequired { .. } => "second_factor",
            Self::TooManyRequests { .. } => "rate_limit",
            Self::Unavailable { what } => what,
        }
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

impl Problem {
    /// The JSON body.
    pub fn body(&self, request_id: &str) -> String {
        format!(
            r#"{{"type":"/problems/{}","title":"{}","status":{},"request_id":"{request_id}"}}"#,
            self.slug,
            self.title,
            self.status.as_u16()
        )
    }
}
