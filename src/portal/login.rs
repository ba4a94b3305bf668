//! `POST /auth/login`: a name and a password for tokens.

use axum::Form;
use axum::extract::{FromRequest, Request, State};
use http::StatusCode;
use serde::Deserialize;

use super::PortalState;
use super::extract::{AskedBy, MediaType, body, json, required};
use super::problem::PortalError;
use super::token_answer::TokenAnswer;
use crate::identity::password::Password;
use crate::identity::sign_in::{SignIn, SignInError};

/// JSON with `username` or `email`, or the password form of OAuth 2.0 (RFC 6749 §4.3.2).
#[derive(Deserialize)]
struct Fields {
    grant_type: Option<String>,
    username: Option<String>,
    email: Option<String>,
    password: Option<String>,
}

pub(super) struct Credentials(SignIn);

impl<S: Send + Sync> FromRequest<S> for Credentials {
    type Rejection = PortalError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PortalError> {
        let fields: Fields = match MediaType::of(request.headers()) {
            MediaType::Json => json(&body(request, state).await?)?,
            MediaType::Form => form(request, state).await?,
            MediaType::Other => {
                let expected = "application/json or application/x-www-form-urlencoded";
                return Err(PortalError::MediaType { expected });
            }
        };
        if fields.grant_type.is_some_and(|grant| grant != "password") {
            return Err(PortalError::UnsupportedGrantType);
        }
        let name = match (fields.username, fields.email) {
            (Some(_), Some(_)) => return Err(PortalError::NameTwice),
            (username, email) => required(username.or(email), "username")?,
        };
        // One that is too long for a password is simply not anybody's.
        let password = Password::new(required(fields.password, "password")?)
            .map_err(|_| PortalError::WrongNameOrPassword)?;
        Ok(Self(SignIn { name, password }))
    }
}

async fn form<S: Send + Sync>(request: Request, state: &S) -> Result<Fields, PortalError> {
    let rejection = match Form::from_request(request, state).await {
        Ok(Form(fields)) => return Ok(fields),
        Err(rejection) => rejection,
    };
    Err(match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => PortalError::BodyTooLarge,
        _ => PortalError::BadForm,
    })
}

/// | status | when |
/// |---|---|
/// | 200 | signed in: a new session and its first tokens |
/// | 401 `wrong-name-or-password` | nobody has this name, another password, or the account is locked by an admin |
/// | 422 | a field is missing |
/// | 429 `locked` | too many failures on this name or from this network; `Retry-After` says when it ends |
/// | 503 `busy` | too many sign-ins at the moment |
pub(super) async fn handle(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Credentials(sign_in): Credentials,
) -> Result<TokenAnswer, PortalError> {
    let began = portal.clock.now();
    let signed_in = portal.identity.sign_in(sign_in, &client).await;
    let (result, reason) = match &signed_in {
        Ok(_) => ("success", ""),
        Err(SignInError::Busy(_)) => ("error", "busy"),
        Err(SignInError::Locked { .. }) => ("failure", "locked"),
        Err(SignInError::Store(_)) => ("error", "store"),
        Err(SignInError::WrongNameOrPassword { reason }) => ("failure", reason.name()),
    };
    portal.metrics.login("password", result, reason, portal.clock.now().since(began));
    Ok(TokenAnswer(signed_in?.tokens))
}
