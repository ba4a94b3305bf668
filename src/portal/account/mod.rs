//! `/auth/me` and what belongs to it: profile, password, address, export, erasing.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PortalState;
use super::extract::{AskedBy, Fresh, Json, OwnSession, required};
use super::problem::PortalError;
use super::view::{ExportView, UserView};
use crate::identity::password::Password;

const NO_STORE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// What of the profile changes.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ChangeProfile")]
pub(super) struct Profile {
    /// At most 128 characters; null or empty removes it.
    full_name: Option<String>,
}

pub(super) async fn change(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    OwnSession { user, .. }: OwnSession,
    Json(profile): Json<Profile>,
) -> Result<Answer<UserView>, PortalError> {
    let user = portal.identity.rename(user, profile.full_name, &client).await?;
    Ok(Answer(UserView::of(&user, &portal.identity)))
}

/// The old password and the new one.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ChangePassword")]
pub(super) struct Passwords {
    old_password: Option<String>,
    new_password: Option<String>,
}

pub(super) async fn change_password(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    OwnSession { user, session }: OwnSession,
    Json(passwords): Json<Passwords>,
) -> Result<StatusCode, PortalError> {
    let old = Password::new(required(passwords.old_password, "old_password")?)
        .map_err(|_| PortalError::WrongPassword)?;
    let new = Password::new(required(passwords.new_password, "new_password")?)?;
    portal.identity.change_password(user, session, old, new, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The new address.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ChangeEmail")]
pub(super) struct NewEmail {
    email: Option<String>,
}

pub(super) async fn change_email(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Fresh { user, .. }: Fresh,
    Json(new): Json<NewEmail>,
) -> Result<(StatusCode, Answer<Accepted>), PortalError> {
    let email = required(new.email, "email")?;
    portal.identity.ask_email_change(user, &email, &client).await?;
    Ok((StatusCode::ACCEPTED, Answer(Accepted::default())))
}

pub(super) async fn export(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
) -> Result<Response, PortalError> {
    let export = portal.identity.export(user).await?;
    let name = HeaderValue::from_static("attachment; filename=\"stormdoor-account.json\"");
    let named = [(header::CONTENT_DISPOSITION, name)];
    let view = ExportView::of(export, &portal.identity);
    Ok((NO_STORE, named, Answer(view)).into_response())
}

pub(super) async fn erase(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Fresh { user, .. }: Fresh,
) -> Result<StatusCode, PortalError> {
    portal.identity.erase_own(user, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// It will be done, if it can be. Says nothing about who has an account.
#[derive(JsonSchema, Serialize)]
pub(super) struct Accepted {
    /// `accepted`.
    status: &'static str,
}

impl Default for Accepted {
    fn default() -> Self {
        Self { status: "accepted" }
    }
}

/// What a mailed link is shown with.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "MailedToken")]
pub(super) struct Link {
    token: Option<String>,
}

/// A mailed link and the password that was chosen at registration.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "VerifyEmail")]
pub(super) struct Proof {
    token: Option<String>,
    password: Option<String>,
}

/// What the account is now.
#[derive(JsonSchema, Serialize)]
pub(super) struct Verified {
    /// `active`, or `awaiting_approval`.
    standing: &'static str,
}

pub(super) async fn verify_email(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(proof): Json<Proof>,
) -> Result<Answer<Verified>, PortalError> {
    let token = required(proof.token, "token")?;
    let password = Password::new(required(proof.password, "password")?)
        .map_err(|_| PortalError::WrongPassword)?;
    let standing = portal.identity.verify_email(&token, password, &client).await?;
    Ok(Answer(Verified { standing: standing.name() }))
}

pub(super) async fn confirm_email(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(link): Json<Link>,
) -> Result<StatusCode, PortalError> {
    portal.identity.confirm_email(&required(link.token, "token")?, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn agree_to_email(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(link): Json<Link>,
) -> Result<(StatusCode, Answer<Accepted>), PortalError> {
    portal.identity.agree_to_email(&required(link.token, "token")?, &client).await?;
    Ok((StatusCode::ACCEPTED, Answer(Accepted::default())))
}

pub(super) async fn cancel_email(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(link): Json<Link>,
) -> Result<StatusCode, PortalError> {
    portal.identity.cancel_email(&required(link.token, "token")?, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody who lost a password.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ForgotPassword")]
pub(super) struct Forgotten {
    email: Option<String>,
    /// Where the configuration asks for it: a puzzle of `/auth/puzzle`.
    puzzle: Option<String>,
    /// Its solution.
    solution: Option<String>,
}

pub(super) async fn forgot_password(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(body): Json<Forgotten>,
) -> Result<(StatusCode, Answer<Accepted>), PortalError> {
    let (puzzle, solution) = (body.puzzle.unwrap_or_default(), body.solution.unwrap_or_default());
    portal.identity.take_solution(&puzzle, &solution).await?;
    portal.identity.forgot_password(&required(body.email, "email")?, &client).await?;
    Ok((StatusCode::ACCEPTED, Answer(Accepted::default())))
}

/// A mailed link and a new password.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ResetPassword")]
pub(super) struct Reset {
    token: Option<String>,
    password: Option<String>,
}

pub(super) async fn reset_password(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(reset): Json<Reset>,
) -> Result<StatusCode, PortalError> {
    let token = required(reset.token, "token")?;
    let password = Password::new(required(reset.password, "password")?)?;
    portal.identity.reset_password(&token, password, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A password that somebody thinks of.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "MeasurePassword")]
pub(super) struct Candidate {
    password: Option<String>,
}

/// How good it is.
#[derive(JsonSchema, Serialize)]
pub(super) struct Strength {
    /// 0 to 100.
    score: u8,
    /// Whether it would be accepted.
    accepted: bool,
    warning: Option<String>,
    suggestions: Vec<String>,
}

pub(super) async fn strength(
    State(portal): State<PortalState>,
    Json(candidate): Json<Candidate>,
) -> Result<Answer<Strength>, PortalError> {
    let password = Password::new(required(candidate.password, "password")?)?;
    let found = portal.identity.strength(password).await?;
    let crate::identity::password::Strength { score, accepted, warning, suggestions } = found;
    Ok(Answer(Strength { score, accepted, warning, suggestions }))
}
