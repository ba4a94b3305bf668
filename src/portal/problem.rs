//! Errors as the client sees them: RFC 9457 problems, one exhaustive match.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::extract::Caller;
use crate::identity::StoreError;
use crate::identity::password::{Busy, TooLong, Weakness};
use crate::identity::registration::{InvalidField, RegistrationError};
use crate::identity::service::RefreshError;
use crate::identity::setup::SetupError;
use crate::identity::sign_in::SignInError;

/// Why a request to the portal does not get what it asked for. `Display` is for us, `problem` for the client.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortalError {
    #[error("the JSON body cannot be read at line {line}, column {column}")]
    BadJson { is_json: bool, line: usize, column: usize },
    #[error("the form cannot be read")]
    BadForm,
    #[error("the body broke off")]
    BodyIncomplete,
    #[error("the body is too large")]
    BodyTooLarge,
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("addresses of this domain may not register")]
    DomainNotAdmitted,
    #[error("internal error: {0}")]
    Internal(&'static str),
    #[error(transparent)]
    InvalidField(#[from] InvalidField),
    #[error("the refresh token is not good")]
    InvalidRefreshToken,
    #[error("locked after too many failures")]
    Locked { retry_after: Duration },
    #[error("the body has another media type")]
    MediaType { expected: &'static str },
    #[error("method not allowed")]
    MethodNotAllowed,
    #[error("{0} is missing")]
    MissingField(&'static str),
    #[error("username and email together")]
    NameTwice,
    #[error("the credential belongs to no session of ours")]
    NoSessionHere,
    #[error("no such resource")]
    NotFound,
    #[error("registration is off")]
    RegistrationOff,
    #[error("the first-run setup is closed")]
    SetupClosed,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("nobody is signed in")]
    Unauthenticated,
    #[error("grant type not supported")]
    UnsupportedGrantType,
    #[error(transparent)]
    Weak(#[from] Weakness),
    #[error("wrong name or password")]
    WrongNameOrPassword,
    #[error("wrong setup code")]
    WrongSetupCode,
}

/// What the client may know.
#[derive(Clone, Debug)]
struct Problem {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
    detail: Option<String>,
    challenge: Option<&'static str>,
    retry_after: Option<u64>,
    members: Map<String, Value>,
}

impl Problem {
    fn new(status: StatusCode, slug: &'static str, title: &'static str) -> Self {
        let (detail, challenge, retry_after, members) = (None, None, None, Map::new());
        Self { status, slug, title, detail, challenge, retry_after, members }
    }

    fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    fn challenge(self, challenge: &'static str) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    fn retry_after(self, wait: Duration) -> Self {
        // `Retry-After` has no finer unit than a second (RFC 9110 §10.2.3).
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after: Some(seconds.max(1)), ..self }
    }

    fn member(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }
}

/// Every 401 has a challenge (RFC 9110 §15.5.2), and tokens are what we take.
const BEARER: &str = "Bearer realm=\"stormdoor\"";
const BEARER_INVALID: &str = "Bearer realm=\"stormdoor\", error=\"invalid_token\"";

impl PortalError {
    /// What the outside world sees of each. There is no `_` arm: whoever adds an error decides it here.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadForm => (S::BAD_REQUEST, "bad-form", "The form cannot be read"),
            Self::BadJson { .. } => (S::BAD_REQUEST, "bad-json", "The body cannot be read"),
            Self::BodyIncomplete => (S::BAD_REQUEST, "body-incomplete", "The body broke off"),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::Busy(_) => (S::SERVICE_UNAVAILABLE, "busy", "Too many sign-ins at the moment"),
            Self::DomainNotAdmitted => {
                (S::FORBIDDEN, "domain-not-admitted", "Addresses of this domain may not register")
            }
            Self::Internal(_) => {
                (S::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here")
            }
            Self::InvalidField(_) | Self::NameTwice => {
                (S::UNPROCESSABLE_ENTITY, "invalid-field", "A field is not as expected")
            }
            Self::InvalidRefreshToken => {
                (S::UNAUTHORIZED, "invalid-refresh-token", "The refresh token is not good any more")
            }
            Self::Locked { .. } => (
                S::TOO_MANY_REQUESTS,
                "locked",
                "Too many failed attempts; wait before the next one",
            ),
            Self::MediaType { .. } => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body has another media type than expected",
            ),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "This resource does not take this method",
            ),
            Self::MissingField(_) => {
                (S::UNPROCESSABLE_ENTITY, "missing-field", "A field is missing")
            }
            Self::NoSessionHere => {
                (S::FORBIDDEN, "no-session-here", "This credential belongs to no session here")
            }
            Self::NotFound => (S::NOT_FOUND, "not-found", "There is nothing here"),
            Self::RegistrationOff => (S::FORBIDDEN, "registration-off", "Nobody may register here"),
            Self::SetupClosed => (S::GONE, "setup-closed", "The first admin was made already"),
            Self::Store(_) => {
                (S::SERVICE_UNAVAILABLE, "unavailable", "A part that is needed does not answer")
            }
            Self::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated", "Sign in first"),
            Self::UnsupportedGrantType => {
                (S::BAD_REQUEST, "unsupported-grant-type", "This grant type is not supported")
            }
            Self::Weak(_) => {
                (S::UNPROCESSABLE_ENTITY, "weak-password", "This password is not accepted")
            }
            Self::WrongNameOrPassword => {
                (S::UNAUTHORIZED, "wrong-name-or-password", "The name or the password is wrong")
            }
            Self::WrongSetupCode => (S::FORBIDDEN, "wrong-setup-code", "The setup code is wrong"),
        }
    }

    /// The whole problem: [`kind`](Self::kind), and what this occurrence adds to it.
    fn problem(&self) -> Problem {
        let (status, slug, title) = self.kind();
        let problem = Problem::new(status, slug, title);
        match self {
            Self::BadForm => problem.detail("expected each field once, URL-encoded, in UTF-8"),
            Self::BadJson { is_json, line, column } => {
                let type_or_syntax =
                    if *is_json { "a value of another type than expected" } else { "not JSON" };
                problem.detail(format!("{type_or_syntax}, at line {line}, column {column}"))
            }
            Self::Busy(_) => problem.retry_after(Duration::from_secs(2)),
            Self::InvalidField(field) => problem.detail(field.to_string()),
            Self::InvalidRefreshToken => problem.challenge(BEARER_INVALID),
            Self::Locked { retry_after } => problem.retry_after(*retry_after),
            Self::MediaType { expected } => problem.detail(format!("expected {expected}")),
            Self::MissingField(name) => problem.detail(format!("{name} is missing")),
            Self::NameTwice => problem.detail("give username or email, not both"),
            Self::Store(_) => problem.retry_after(Duration::from_secs(5)),
            Self::Unauthenticated | Self::WrongNameOrPassword => problem.challenge(BEARER),
            Self::UnsupportedGrantType => problem.detail("expected grant_type=password, or none"),
            Self::Weak(Weakness::Guessable { warning, suggestions }) => problem
                .detail(warning.clone().unwrap_or_else(|| self.to_string()))
                .member("suggestions", json!(suggestions)),
            Self::Weak(weakness) => problem.detail(weakness.to_string()),
            Self::WrongSetupCode => {
                problem.detail("a code is printed at each start, until one was used")
            }
            Self::BodyIncomplete
            | Self::BodyTooLarge
            | Self::DomainNotAdmitted
            | Self::Internal(_)
            | Self::MethodNotAllowed
            | Self::NoSessionHere
            | Self::NotFound
            | Self::RegistrationOff
            | Self::SetupClosed => problem,
        }
    }

    /// Whether we are to blame: then it is logged, once, here.
    fn is_ours(&self) -> bool {
        matches!(self, Self::Internal(_) | Self::Store(_))
    }
}

impl IntoResponse for PortalError {
    /// Leaves the problem among the extensions; [`write_problems`] knows the request and writes the body.
    fn into_response(self) -> Response {
        if self.is_ours() {
            tracing::error!(error = &self as &dyn std::error::Error, "the portal failed");
        }
        let problem = self.problem();
        let mut response = problem.status.into_response();
        response.extensions_mut().insert(problem);
        response
    }
}

/// Writes the body of every problem, with the request's id.
pub(super) async fn write_problems(request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    let request_id = caller.map(|caller| caller.request_id.as_str().to_owned());
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let mut body = Map::new();
    body.insert("type".to_owned(), json!(format!("/problems/{}", problem.slug)));
    body.insert("title".to_owned(), json!(problem.title));
    body.insert("status".to_owned(), json!(problem.status.as_u16()));
    if let Some(detail) = problem.detail {
        body.insert("detail".to_owned(), json!(detail));
    }
    if let Some(request_id) = request_id {
        body.insert("request_id".to_owned(), json!(request_id));
    }
    body.extend(problem.members);

    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = problem.challenge {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    *response.body_mut() = Body::from(Value::Object(body).to_string());
    response
}

/// The answer to a path that does not exist.
pub(super) async fn not_found() -> PortalError {
    PortalError::NotFound
}

/// The answer to a method that the path does not take.
pub(super) async fn method_not_allowed() -> PortalError {
    PortalError::MethodNotAllowed
}

impl From<SignInError> for PortalError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Busy(busy) => busy.into(),
            SignInError::Locked { retry_after } => Self::Locked { retry_after },
            SignInError::Store(store) => store.into(),
            SignInError::WrongNameOrPassword { .. } => Self::WrongNameOrPassword,
        }
    }
}

impl From<RefreshError> for PortalError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Refused | RefreshError::Replayed => Self::InvalidRefreshToken,
            RefreshError::Store(store) => store.into(),
        }
    }
}

impl From<RegistrationError> for PortalError {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::Busy(busy) => busy.into(),
            RegistrationError::DomainNotAdmitted => Self::DomainNotAdmitted,
            RegistrationError::Invalid(field) => field.into(),
            RegistrationError::Off => Self::RegistrationOff,
            RegistrationError::Store(store) => store.into(),
            RegistrationError::Weak(weakness) => weakness.into(),
        }
    }
}

impl From<SetupError> for PortalError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Busy(busy) => busy.into(),
            SetupError::Closed => Self::SetupClosed,
            SetupError::Invalid(field) => field.into(),
            SetupError::Store(store) => store.into(),
            SetupError::Weak(weakness) => weakness.into(),
            SetupError::WrongCode => Self::WrongSetupCode,
        }
    }
}

impl From<TooLong> for PortalError {
    fn from(_: TooLong) -> Self {
        Self::Weak(Weakness::TooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nobody outside may read in an answer.
    const OURS: [&str; 7] = ["sqlx", "sqlite", "panicked", "src/", "users", "No such file", "::"];

    #[test]
    fn no_problem_tells_how_we_are_made() {
        let io = || Box::new(std::io::Error::other("sqlx: src/store/sqlite: no such table: users"));
        for error in [
            PortalError::Internal("sqlx"),
            PortalError::Store(StoreError::Unavailable(io())),
            PortalError::Store(StoreError::Corrupt {
                record: "users",
                id: "x".into(),
                source: io(),
            }),
            PortalError::Store(StoreError::Conflict { record: "users", field: "email" }),
        ] {
            let problem = error.problem();
            let seen = format!("{:?} {:?} {:?}", problem.title, problem.detail, problem.members);
            assert!(OURS.iter().all(|word| !seen.contains(word)), "{seen}");
            assert!(problem.status.is_server_error());
        }
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (29_500, 30)] {
            let error = PortalError::Locked { retry_after: Duration::from_millis(millis) };
            assert_eq!(error.problem().retry_after, Some(seconds));
        }
    }
}
