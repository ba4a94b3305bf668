//! Errors as the client sees them, in one exhaustive match.
//!
//! | | |
//! |---|---|
//! | here | every error, and the problem that it is for the client |
//! | `answer` | how a problem is written: JSON or a page |
//! | `of_use_cases` | which of them the errors of the use cases are |

mod answer;
mod of_use_cases;

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use self::answer::Problem;
pub(super) use self::answer::write_problems;
use crate::identity::StoreError;
use crate::identity::openid::Unanswerable;
use crate::identity::password::{Busy, Weakness};
use crate::identity::registration::InvalidField;

/// Why a request to the portal does not get what it asked for. `Display` is for us, `problem` for the client.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortalError {
    #[error("the address has an account")]
    AddressTaken,
    #[error("the form came from another site")]
    CrossSite,
    #[error("there is one already")]
    AlreadyEnrolled,
    #[error("the form cannot be read")]
    BadForm,
    #[error("the JSON body cannot be read at line {line}, column {column}")]
    BadJson { is_json: bool, line: usize, column: usize },
    #[error("{0} in the query cannot be read")]
    BadQuery(&'static str),
    #[error("beyond what the caller may do")]
    Beyond,
    #[error("the body broke off")]
    BodyIncomplete,
    #[error("the body is too large")]
    BodyTooLarge,
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("registration is by invitation only")]
    ByInvitationOnly,
    #[error("the invitation is not good")]
    BadInvitation,
    #[error("addresses of this domain may not register")]
    DomainNotAdmitted,
    #[error("more than one second factor")]
    FactorTwice,
    #[error("internal error: {0}")]
    Internal(&'static str),
    #[error(transparent)]
    InvalidField(#[from] InvalidField),
    #[error("{0}")]
    InvalidDevice(String),
    #[error("the access token is not good")]
    InvalidAccessToken,
    #[error("the refresh token is not good")]
    InvalidRefreshToken,
    #[error("this is the last administrator")]
    LastAdmin,
    #[error("the mailed link is not good")]
    LinkSpent,
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
    #[error("there is no access token")]
    NoAccessToken,
    #[error(transparent)]
    Unanswerable(Unanswerable),
    #[error("no mail is configured")]
    NoMail,
    #[error("the credential belongs to no session of ours")]
    NoSessionHere,
    #[error("the word that confirms it was not typed")]
    NotConfirmed,
    #[error("no such resource")]
    NotFound,
    #[error("the caller did not prove lately who it is")]
    NotFresh { enrolled: bool },
    #[error("no sign-in is in progress")]
    NotPending,
    #[error("accounts are not provisioned")]
    NotProvisioning,
    #[error("nothing to confirm")]
    NothingToConfirm,
    #[error(
        "no puzzle of ours is solved, or it is too old, or was used before; see GET /auth/puzzle"
    )]
    PuzzleUnsolved,
    #[error("registration is off")]
    RegistrationOff,
    #[error("a role demands a second factor")]
    FactorRequired,
    #[error("the first-run setup is closed")]
    SetupClosed,
    #[error("the account is {0}")]
    Standing(&'static str),
    #[error("changed meanwhile")]
    Stale,
    #[error("the form was not made for this browser")]
    StaleForm,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("too many devices")]
    TooManyDevices,
    #[error("nobody is signed in")]
    Unauthenticated,
    #[error("there is no role {0:?}")]
    UnknownRole(String),
    #[error("grant type not supported")]
    UnsupportedGrantType,
    #[error("the way in is over")]
    WayInOver,
    #[error(transparent)]
    Weak(#[from] Weakness),
    #[error("the second factor is wrong")]
    WrongFactor,
    #[error("wrong name or password")]
    WrongNameOrPassword,
    #[error("wrong password")]
    WrongPassword,
    #[error("the recovery code is wrong")]
    WrongRecoveryCode,
    #[error("wrong setup code")]
    WrongSetupCode,
}

/// Every 401 has a challenge (RFC 9110 §15.5.2), and tokens are what we take.
const BEARER: &str = "Bearer realm=\"stormdoor\"";
/// RFC 9470 §3.
const STEP_UP: &str =
    "Bearer realm=\"stormdoor\", error=\"insufficient_user_authentication\", max_age=\"900\"";
const BEARER_INVALID: &str = "Bearer realm=\"stormdoor\", error=\"invalid_token\"";

impl PortalError {
    /// What the outside world sees of each. There is no `_` arm: whoever adds an error decides it here.
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::AddressTaken => (S::CONFLICT, "address-taken", "The address has an account"),
            Self::AlreadyEnrolled => {
                (S::CONFLICT, "already-enrolled", "There is one already; remove it first")
            }
            Self::BadInvitation => {
                (S::FORBIDDEN, "bad-invitation", "The invitation is not good any more")
            }
            Self::BadQuery(_) => (S::BAD_REQUEST, "bad-query", "The query cannot be read"),
            Self::Beyond => (
                S::FORBIDDEN,
                "beyond-your-rights",
                "This would touch or give more than you may do yourself",
            ),
            Self::CrossSite => (S::FORBIDDEN, "cross-site", "This form came from another site"),
            Self::ByInvitationOnly => {
                (S::FORBIDDEN, "by-invitation-only", "Registration is by invitation only")
            }
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
            Self::FactorRequired => {
                (S::CONFLICT, "second-factor-required", "Your role demands a second factor")
            }
            Self::InvalidDevice(_)
            | Self::InvalidField(_)
            | Self::NameTwice
            | Self::FactorTwice
            | Self::UnknownRole(_) => {
                (S::UNPROCESSABLE_ENTITY, "invalid-field", "A field is not as expected")
            }
            Self::InvalidAccessToken => {
                (S::UNAUTHORIZED, "invalid-access-token", "The access token is not good")
            }
            Self::InvalidRefreshToken => {
                (S::UNAUTHORIZED, "invalid-refresh-token", "The refresh token is not good any more")
            }
            Self::LastAdmin => {
                (S::CONFLICT, "last-administrator", "Nobody else could administer then")
            }
            Self::LinkSpent => (S::GONE, "link-spent", "The link is not good any more"),
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
            Self::NoMail => (S::CONFLICT, "no-mail", "Mail is not set up here"),
            Self::NotConfirmed => (S::UNPROCESSABLE_ENTITY, "not-confirmed", "Confirm it first"),
            Self::NotFound => (S::NOT_FOUND, "not-found", "There is nothing here"),
            Self::NotFresh { .. } => (
                S::UNAUTHORIZED,
                "prove-it-is-you",
                "Prove again that it is you before you change this",
            ),
            Self::NotProvisioning => {
                (S::CONFLICT, "provisioning-off", "Accounts are not provisioned here")
            }
            Self::NotPending => {
                (S::UNAUTHORIZED, "sign-in-over", "This sign-in is over; begin again")
            }
            Self::NothingToConfirm => {
                (S::CONFLICT, "nothing-to-confirm", "There is nothing to confirm; begin again")
            }
            Self::PuzzleUnsolved => {
                (S::PRECONDITION_REQUIRED, "puzzle-unsolved", "Solve a puzzle first")
            }
            Self::RegistrationOff => (S::FORBIDDEN, "registration-off", "Nobody may register here"),
            Self::SetupClosed => (S::GONE, "setup-closed", "The first admin was made already"),
            Self::Stale => {
                (S::CONFLICT, "changed-meanwhile", "The account changed meanwhile; look again")
            }
            Self::StaleForm => (S::FORBIDDEN, "stale-form", "The form is too old; send it again"),
            Self::Standing(_) => {
                (S::CONFLICT, "wrong-standing", "The account's standing does not allow this")
            }
            Self::TooManyDevices => {
                (S::CONFLICT, "too-many-devices", "There are too many; remove one first")
            }
            Self::Store(_) => {
                (S::SERVICE_UNAVAILABLE, "unavailable", "A part that is needed does not answer")
            }
            Self::NoAccessToken => {
                (S::UNAUTHORIZED, "no-access-token", "This needs an access token")
            }
            Self::Unanswerable(_) => (
                S::BAD_REQUEST,
                "unanswerable",
                "The app that sent you here asked in a way that cannot be answered",
            ),
            Self::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated", "Sign in first"),
            Self::UnsupportedGrantType => {
                (S::BAD_REQUEST, "unsupported-grant-type", "This grant type is not supported")
            }
            Self::WayInOver => {
                (S::GONE, "way-in-over", "This way in is over; go to the page again")
            }
            Self::Weak(_) => {
                (S::UNPROCESSABLE_ENTITY, "weak-password", "This password is not accepted")
            }
            Self::WrongNameOrPassword => {
                (S::UNAUTHORIZED, "wrong-name-or-password", "The name or the password is wrong")
            }
            Self::WrongFactor | Self::WrongRecoveryCode => {
                (S::UNAUTHORIZED, "wrong-second-factor", "The second factor is wrong")
            }
            Self::WrongPassword => (S::FORBIDDEN, "wrong-password", "The password is wrong"),
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
            Self::BadQuery(name) => problem.detail(format!("{name} cannot be read")),
            Self::FactorTwice => {
                problem.detail("give one of code, recovery_code and passkey, not several")
            }
            Self::InvalidDevice(detail) => problem.detail(detail.clone()),
            Self::NotFresh { enrolled: true } => problem
                .challenge(STEP_UP)
                .detail("give a second factor: POST /auth/second-factor/verify")
                .mended_at("/auth/step-up?next="),
            Self::NotFresh { enrolled: false } => problem
                .challenge(STEP_UP)
                .detail("sign in again")
                .mended_at("/auth/sign-in?again=1&next="),
            Self::NotPending | Self::WrongFactor | Self::WrongRecoveryCode => {
                problem.challenge(BEARER)
            }
            Self::Standing(standing) => problem.detail(format!("the account is {standing}")),
            Self::UnknownRole(role) => problem.detail(format!("there is no role {role:?}")),
            Self::Busy(_) => problem.retry_after(Duration::from_secs(2)),
            Self::InvalidField(field) => problem.detail(field.to_string()),
            Self::InvalidAccessToken | Self::InvalidRefreshToken => {
                problem.challenge(BEARER_INVALID)
            }
            Self::Unanswerable(why) => problem.detail(why.to_string()),
            Self::Locked { retry_after } => problem.retry_after(*retry_after),
            Self::MediaType { expected } => problem.detail(format!("expected {expected}")),
            Self::MissingField(name) => problem.detail(format!("{name} is missing")),
            Self::NameTwice => problem.detail("give username or email, not both"),
            Self::Store(_) => problem.retry_after(Duration::from_secs(5)),
            Self::Unauthenticated => problem.challenge(BEARER).mended_at("/auth/sign-in?next="),
            Self::NoAccessToken | Self::WrongNameOrPassword => problem.challenge(BEARER),
            Self::UnsupportedGrantType => problem.detail("expected grant_type=password, or none"),
            Self::Weak(Weakness::Guessable { warning, suggestions }) => problem
                .detail(warning.clone().unwrap_or_else(|| self.to_string()))
                .member("suggestions", json!(suggestions)),
            Self::Weak(weakness) => problem.detail(weakness.to_string()),
            Self::PuzzleUnsolved => problem.detail(self.to_string()),
            Self::WrongSetupCode => {
                problem.detail("a code is printed at each start, until one was used")
            }
            Self::AddressTaken
            | Self::AlreadyEnrolled
            | Self::BadInvitation
            | Self::Beyond
            | Self::BodyIncomplete
            | Self::BodyTooLarge
            | Self::ByInvitationOnly
            | Self::CrossSite
            | Self::DomainNotAdmitted
            | Self::FactorRequired
            | Self::Internal(_)
            | Self::LastAdmin
            | Self::LinkSpent
            | Self::MethodNotAllowed
            | Self::NoMail
            | Self::NoSessionHere
            | Self::NotConfirmed
            | Self::NotFound
            | Self::NotProvisioning
            | Self::NothingToConfirm
            | Self::RegistrationOff
            | Self::SetupClosed
            | Self::Stale
            | Self::StaleForm
            | Self::TooManyDevices
            | Self::WayInOver
            | Self::WrongPassword => problem,
        }
    }

    /// The status that it is answered with.
    pub(super) fn status(&self) -> StatusCode {
        self.kind().0
    }

    /// What happened, in a few words.
    pub(super) fn title(&self) -> &'static str {
        self.kind().2
    }

    /// The headers that belong to it, on whatever tells of it.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        self.problem().add_headers(headers);
    }

    /// Whether no form can be mended so that it goes away.
    pub(super) fn belongs_to_no_form(&self) -> bool {
        self.is_ours() || self.problem().mended_at.is_some()
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
            tracing::error!(error = %with_causes(&self), "the portal failed");
        }
        let problem = self.problem();
        let mut response = problem.status.into_response();
        response.extensions_mut().insert(problem);
        response
    }
}

/// An error, and why, and why that.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        // Some say what they pass on.
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

/// The answer to a path that does not exist.
pub(super) async fn not_found() -> PortalError {
    PortalError::NotFound
}

/// The answer to a method that the path does not take.
pub(super) async fn method_not_allowed() -> PortalError {
    PortalError::MethodNotAllowed
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

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

    /// One of each, for the list of problems.
    fn every_error() -> Vec<PortalError> {
        use PortalError as P;
        vec![
            P::AddressTaken,
            P::CrossSite,
            P::AlreadyEnrolled,
            P::BadForm,
            P::BadJson { is_json: true, line: 1, column: 1 },
            P::BadQuery(""),
            P::Beyond,
            P::BodyIncomplete,
            P::BodyTooLarge,
            P::Busy(Busy),
            P::ByInvitationOnly,
            P::BadInvitation,
            P::DomainNotAdmitted,
            P::FactorTwice,
            P::Internal(""),
            P::InvalidField(InvalidField::Time),
            P::InvalidDevice(String::new()),
            P::InvalidAccessToken,
            P::InvalidRefreshToken,
            P::NoAccessToken,
            P::Unanswerable(Unanswerable::Client),
            P::LastAdmin,
            P::LinkSpent,
            P::Locked { retry_after: Duration::ZERO },
            P::MediaType { expected: "" },
            P::MethodNotAllowed,
            P::MissingField(""),
            P::NameTwice,
            P::NoMail,
            P::NoSessionHere,
            P::NotConfirmed,
            P::NotFound,
            P::NotFresh { enrolled: true },
            P::NotPending,
            P::NotProvisioning,
            P::NothingToConfirm,
            P::PuzzleUnsolved,
            P::RegistrationOff,
            P::FactorRequired,
            P::SetupClosed,
            P::Standing(""),
            P::Stale,
            P::StaleForm,
            P::Store(StoreError::Unavailable("".into())),
            P::TooManyDevices,
            P::Unauthenticated,
            P::UnknownRole(String::new()),
            P::UnsupportedGrantType,
            P::WayInOver,
            P::Weak(Weakness::TooLong),
            P::WrongFactor,
            P::WrongNameOrPassword,
            P::WrongPassword,
            P::WrongRecoveryCode,
            P::WrongSetupCode,
        ]
    }

    /// `docs/PROBLEMS.md` is written by `STORMDOOR_BLESS=1`.
    #[test]
    fn every_problem_is_documented() {
        let own = every_error();
        let own = own.iter().map(|error| {
            let (status, slug, title) = error.kind();
            (slug.to_owned(), status.as_u16(), title.to_owned())
        });
        let of_gate = crate::gate::Refusal::every().into_iter().map(|refusal| {
            let problem = refusal.problem();
            (problem.slug.to_owned(), problem.status.as_u16(), problem.title.to_owned())
        });
        let all: std::collections::BTreeSet<_> = own.chain(of_gate).collect();
        let mut text = String::from(
            "# Problems\n\nEvery error is a problem (RFC 9457): `type` is `/problems/` and one of these slugs.\n\n\
             | slug | status | title |\n|---|---|---|\n",
        );
        for (slug, status, title) in all {
            writeln!(text, "| `{slug}` | {status} | {title} |").expect("text takes text");
        }
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/PROBLEMS.md");
        if std::env::var_os("STORMDOOR_BLESS").is_some() {
            std::fs::write(file, &text).expect("the file can be written");
        }
        let kept = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            kept == text,
            "docs/PROBLEMS.md is not what the code says; STORMDOOR_BLESS=1 writes it"
        );
    }
}
