//! `POST /auth/register`: sign up.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::PortalState;
use super::extract::{AskedBy, Json, required};
use super::problem::PortalError;
use crate::identity::Client;
use crate::identity::password::Password;
use crate::identity::registration::{Registered, RegistrationError};
use crate::identity::service::NewUser;

/// Somebody who signs up.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Register")]
pub(super) struct Body {
    email: Option<String>,
    username: Option<String>,
    full_name: Option<String>,
    password: Option<String>,
    /// The token of an invitation.
    invitation: Option<String>,
    /// Where the configuration asks for it, and nobody is invited: a puzzle of `/auth/puzzle`.
    puzzle: Option<String>,
    /// Its solution.
    solution: Option<String>,
}

/// | status | when |
/// |---|---|
/// | 202 | accepted, whether the address has an account already or not |
/// | 403 `registration-off`, `domain-not-admitted` | who may register is configured |
/// | 428 `puzzle-unsolved` | the configuration asks for a puzzle |
/// | 422 | a field is missing or not as expected, or the password is weak |
pub(super) async fn handle(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(body): Json<Body>,
) -> Result<(StatusCode, Answer<Value>), PortalError> {
    if body.invitation.is_none() {
        let (puzzle, solution) =
            (body.puzzle.unwrap_or_default(), body.solution.unwrap_or_default());
        portal.identity.take_solution(&puzzle, &solution).await?;
    }
    let new = NewUser {
        email: required(body.email, "email")?,
        username: body.username,
        full_name: body.full_name,
        password: Password::new(required(body.password, "password")?)?,
    };
    registered(&portal, new, body.invitation.as_deref(), &client).await?;
    Ok((StatusCode::ACCEPTED, Answer(json!({ "status": "accepted" }))))
}

/// Signs somebody up and counts it.
pub(super) async fn registered(
    portal: &PortalState,
    new: NewUser,
    invitation: Option<&str>,
    client: &Client,
) -> Result<(), PortalError> {
    let registered = portal.identity.register(new, invitation, client).await;
    portal.metrics.registration(match &registered {
        Ok(Registered::Created) => "created",
        Ok(Registered::Repeated) => "repeated",
        Err(RegistrationError::Busy(_) | RegistrationError::Store(_)) => "error",
        Err(_) => "refused",
    });
    registered?;
    Ok(())
}
