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
    /// The method does not exist here (501).
    #[error("method not allowed")]
    MethodNotAllowed,
    /// The path is known, but no route of it takes this method (405).
    #[error("method not routed")]
    MethodNotRouted {
        /// What the routes of this path take, for `Allow` (RFC 9110 §10.2.1).
        allow: String,
    },
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
    /// Signed in, but nobody in Nextcloud.
    #[error("no account in Nextcloud: {reason}")]
    NoCloudAccount {
        /// From a fixed list.
        reason: &'static str,
    },
    /// Nextcloud is told who is calling by an app password, and there is none that is good.
    #[error("no app password of Nextcloud")]
    NoCloudPassword,
    /// The upstream answered as somebody else than was meant (502).
    #[error("the upstream answered as somebody else")]
    WrongIdentity,
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
    /// The body must say how long it is (411).
    #[error("length required")]
    LengthRequired,
    /// The body breaks the JSON limits, or is no JSON although it says so (422).
    #[error("body not acceptable: {reason}")]
    BodyNotAcceptable {
        /// From a fixed list.
        reason: &'static str,
    },
    /// The body is in a form that cannot be checked (415).
    #[error("body not readable: {reason}")]
    BodyNotReadable {
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

impl Refusal {
    /// The reason from a fixed list, for metrics and the access log.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { reason, .. }
            | Self::Unauthenticated { reason, .. }
            | Self::Forbidden { reason, .. }
            | Self::NoCloudAccount { reason }
            | Self::BodyNotAcceptable { reason }
            | Self::BodyNotReadable { reason }
            | Self::BadGateway { reason }
            | Self::GatewayTimeout { reason }
            | Self::Internal { reason } => reason,
            Self::MethodNotAllowed => "method",
            Self::MethodNotRouted { .. } => "method_not_routed",
            Self::Misdirected => "misdirected",
            Self::NoRoute => "no_route",
            Self::NetworkNotAllowed => "network",
            Self::NoCloudPassword => "no_cloud_password",
            Self::WrongIdentity => "wrong_identity",
            Self::SecondFactorRequired { .. } => "second_factor",
            Self::TooManyRequests { .. } => "rate_limit",
            Self::BodyTooLarge => "body_too_large",
            Self::LengthRequired => "length_required",
            Self::Unavailable { what } => what,
            Self::NoHealthyEndpoint => "no_healthy_endpoint",
            Self::RequestTimeout => "request_timeout",
        }
    }

    /// What the client may know (RFC 9457). What *we* know goes to the log through `Display`.
    ///
    /// There is no `_` arm: whoever adds a refusal decides here what the outside world sees.
    #[expect(clippy::too_many_lines, reason = "a table: one arm per refusal")]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Malformed { status, .. } => Self::malformed(*status),
            Self::MethodNotAllowed => Problem::new(
                StatusCode::NOT_IMPLEMENTED,
                "method-unknown",
                "This method does not exist here.",
            ),
            Self::MethodNotRouted { allow } => Problem {
                allow: Some(allow.clone()),
                ..Problem::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method-not-allowed",
                    "This resource does not take this method.",
                )
            },
            Self::Misdirected => Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "misdirected",
                "This connection was opened for another host.",
            ),
            Self::NoRoute => {
                Problem::new(StatusCode::NOT_FOUND, "no-route", "Nothing answers to this address.")
            }
            Self::NetworkNotAllowed => Problem::new(
                StatusCode::FORBIDDEN,
                "network-not-allowed",
                "This resource may not be used from your network.",
            ),
            Self::Unauthenticated { invalid_token, .. } => Problem {
                challenge: Some(if *invalid_token {
                    format!("{CHALLENGE}, error=\"invalid_token\"")
                } else {
                    CHALLENGE.to_owned()
                }),
                ..Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "unauthenticated",
                    "Sign in to use this resource.",
                )
            },
            Self::Forbidden { scopes, .. } => Problem {
                challenge: insufficient_scope(scopes),
                ..Problem::new(StatusCode::FORBIDDEN, "forbidden", "You may not use this resource.")
            },
            Self::NoCloudAccount { .. } => Problem::new(
                StatusCode::FORBIDDEN,
                "no-nextcloud-account",
                "You have no account in Nextcloud: your name there is taken by another account, reserved or not legal.",
            ),
            Self::NoCloudPassword => Problem::new(
                StatusCode::FORBIDDEN,
                "no-nextcloud-password",
                "Store a good app password of Nextcloud in your account first.",
            ),
            Self::WrongIdentity => Problem::new(
                StatusCode::BAD_GATEWAY,
                "wrong-identity",
                "The app answered as somebody else. Try again.",
            ),
            Self::SecondFactorRequired { max_age } => Problem {
                challenge: Some(step_up(*max_age)),
                ..Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "second-factor-required",
                    "Give a second factor to use this resource.",
                )
            },
            Self::TooManyRequests { retry_after, .. } => Problem {
                retry_after: Some(whole_seconds(*retry_after)),
                ..Problem::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too-many-requests",
                    "There were too many requests; come back later.",
                )
            },
            Self::BodyTooLarge => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The body is larger than this resource takes.",
            ),
            Self::LengthRequired => Problem::new(
                StatusCode::LENGTH_REQUIRED,
                "length-required",
                "Say with Content-Length how long the upload is.",
            ),
            Self::BodyNotAcceptable { .. } => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "body-not-acceptable",
                "The JSON of the body is malformed, too deep or too long.",
            ),
            Self::BodyNotReadable { .. } => Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "body-not-readable",
                "Send JSON without a content coding to this resource.",
            ),
            Self::Unavailable { .. } => Problem {
                retry_after: Some(1),
                ..Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "Something this needs is not ready or does not answer; try again.",
                )
            },
            Self::BadGateway { .. } => Problem::new(
                StatusCode::BAD_GATEWAY,
                "bad-gateway",
                "The application behind this gateway could not be reached.",
            ),
            Self::NoHealthyEndpoint => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "no-healthy-endpoint",
                "The application behind this gateway is down.",
            ),
            Self::GatewayTimeout { .. } => Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                "gateway-timeout",
                "The application behind this gateway was too slow.",
            ),
            Self::RequestTimeout => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "request-timeout",
                "The request took too long to arrive.",
            ),
            Self::Internal { .. } => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong on our side.",
            ),
        }
    }

    fn malformed(status: StatusCode) -> Problem {
        match status {
            StatusCode::URI_TOO_LONG => {
                Problem::new(status, "target-too-long", "The target of the request is too long.")
            }
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Problem::new(status, "head-too-large", "The head of the request is too large.")
            }
            _ => Problem::new(
                StatusCode::BAD_REQUEST,
                "malformed",
                "The request is malformed or has more than one reading.",
            ),
        }
    }
}

const CHALLENGE: &str = "Bearer realm=\"stormdoor\"";

/// RFC 6750 §3.1. Scopes of other than scope-token characters (RFC 6749 §3.3) stay out of the header.
fn insufficient_scope(scopes: &[Arc<str>]) -> Option<String> {
    if scopes.is_empty() {
        return None;
    }
    let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let scopes: Vec<&str> =
        scopes.iter().map(|scope| &**scope).filter(|scope| scope.bytes().all(legal)).collect();
    Some(format!("{CHALLENGE}, error=\"insufficient_scope\", scope=\"{}\"", scopes.join(" ")))
}

/// RFC 9470 §3.
fn step_up(max_age: Duration) -> String {
    let seconds = max_age.as_secs();
    format!("{CHALLENGE}, error=\"insufficient_user_authentication\", max_age=\"{seconds}\"")
}

/// Headers have no finer unit, and coming back too early is refused again: rounded up, and never 0.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}

/// What the client may know of a refusal: the members of an RFC 9457 problem, and the headers beside it.
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
    /// `Allow` (RFC 9110 §10.2.1).
    pub allow: Option<String>,
}

impl Problem {
    /// A problem without headers beside it.
    pub fn new(status: StatusCode, slug: &'static str, title: &'static str) -> Self {
        Self { status, slug, title, retry_after: None, challenge: None, allow: None }
    }

    /// The body, `application/problem+json`. Nothing in it comes from the request but its id.
    pub fn body(&self, request_id: &str) -> String {
        serde_json::json!({
            "type": format!("/problems/{}", self.slug),
            "title": self.title,
            "status": self.status.as_u16(),
            "request_id": request_id,
        })
        .to_string()
    }
}

#[cfg(test)]
impl Refusal {
    /// One of each, for tables.
    pub(crate) fn every() -> Vec<Self> {
        tests::every_refusal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn every_refusal() -> Vec<Refusal> {
        const REASON: &str = "canary";
        let status = StatusCode::BAD_REQUEST;
        let long = Duration::from_millis(1_001);
        vec![
            Refusal::Malformed { reason: REASON, status },
            Refusal::Malformed { reason: REASON, status: StatusCode::URI_TOO_LONG },
            Refusal::MethodNotAllowed,
            Refusal::MethodNotRouted { allow: "GET".into() },
            Refusal::Misdirected,
            Refusal::NoRoute,
            Refusal::NetworkNotAllowed,
            Refusal::Unauthenticated { reason: REASON, invalid_token: false },
            Refusal::Unauthenticated { reason: REASON, invalid_token: true },
            Refusal::Forbidden { reason: REASON, scopes: vec![] },
            Refusal::Forbidden { reason: REASON, scopes: vec!["files".into()] },
            Refusal::NoCloudAccount { reason: REASON },
            Refusal::NoCloudPassword,
            Refusal::WrongIdentity,
            Refusal::SecondFactorRequired { max_age: long },
            Refusal::TooManyRequests { policy: REASON.into(), retry_after: long },
            Refusal::BodyTooLarge,
            Refusal::LengthRequired,
            Refusal::BodyNotAcceptable { reason: REASON },
            Refusal::BodyNotReadable { reason: REASON },
            Refusal::Unavailable { what: REASON },
            Refusal::BadGateway { reason: REASON },
            Refusal::NoHealthyEndpoint,
            Refusal::GatewayTimeout { reason: REASON },
            Refusal::RequestTimeout,
            Refusal::Internal { reason: REASON },
        ]
    }

    #[test]
    fn no_problem_tells_what_only_we_should_know() {
        for refusal in every_refusal() {
            let problem = refusal.problem();
            let shown = format!("{}{problem:?}", problem.body("0123"));
            for word in ["canary", "sqlx", "panicked", "src/", ".rs", "/root", "pingora"] {
                assert!(!shown.contains(word), "{refusal} shows {word}: {shown}");
            }
        }
    }

    #[test]
    fn every_body_is_a_problem_of_its_status() {
        for refusal in every_refusal() {
            let problem = refusal.problem();
            let body: serde_json::Value =
                serde_json::from_str(&problem.body("a\"b")).expect("JSON");
            assert_eq!(body["status"], problem.status.as_u16());
            assert_eq!(body["type"], format!("/problems/{}", problem.slug));
            assert_eq!(body["request_id"], "a\"b");
            assert!(!refusal.reason().is_empty());
        }
    }

    #[test]
    fn every_401_has_a_challenge_and_every_429_a_time() {
        for problem in every_refusal().iter().map(Refusal::problem) {
            match problem.status {
                StatusCode::UNAUTHORIZED => assert!(problem.challenge.is_some(), "{problem:?}"),
                StatusCode::TOO_MANY_REQUESTS => assert_eq!(problem.retry_after, Some(2)),
                StatusCode::METHOD_NOT_ALLOWED => assert_eq!(problem.allow.as_deref(), Some("GET")),
                _ => {}
            }
        }
    }

    #[test]
    fn challenges_read_as_rfc_6750_and_rfc_9470_say() {
        let challenge = |refusal: Refusal| refusal.problem().challenge.unwrap_or_default();
        let unauthenticated =
            |invalid_token| Refusal::Unauthenticated { reason: "x", invalid_token };
        assert_eq!(challenge(unauthenticated(false)), r#"Bearer realm="stormdoor""#);
        assert_eq!(
            challenge(unauthenticated(true)),
            r#"Bearer realm="stormdoor", error="invalid_token""#
        );
        let scopes = ["read", "bad\"one", "files:write"].map(Arc::from).to_vec();
        assert_eq!(
            challenge(Refusal::Forbidden { reason: "scope", scopes }),
            r#"Bearer realm="stormdoor", error="insufficient_scope", scope="read files:write""#
        );
        assert_eq!(
            challenge(Refusal::SecondFactorRequired { max_age: Duration::from_mins(15) }),
            r#"Bearer realm="stormdoor", error="insufficient_user_authentication", max_age="900""#
        );
    }
}
