//! `/auth/forgot-password` and `/auth/reset-password?token=…`: a new password by way of mail.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::problem::PortalError;
use super::super::way_in::see_other;
use super::sheet::{Block, Field, Sheet};
use super::visit::{Posted, Visit};
use super::{sign_in, words};
use crate::identity::password::Password;

pub(super) const FORGOT: &str = "/auth/forgot-password";
pub(super) const RESET: &str = "/auth/reset-password";

pub(super) async fn show_forgot(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    if !portal.identity.settings().mail {
        return Err(PortalError::NoMail);
    }
    if visit.query.get("done").is_none() {
        return visit.show(forgot(&portal, &visit, ""));
    }
    let sheet = Sheet::new(&portal, words::LINK_SENT)
        .with(Block::text(words::LINK_SENT_WHY))
        .with(Block::link(words::BACK_TO_SIGN_IN, sign_in::PATH));
    visit.show(sheet)
}

fn forgot(portal: &PortalState, visit: &Visit, email: &str) -> Sheet {
    let field = Field::email("email", words::EMAIL).value(email).focus();
    Sheet::new(portal, words::FORGOT)
        .with(Block::text(words::FORGOT_WHY))
        .with(
            visit
                .form(FORGOT, words::SEND_LINK)
                .puzzle(portal.identity.puzzle())
                .field(field)
                .into(),
        )
        .with(Block::link(words::BACK_TO_SIGN_IN, sign_in::PATH))
}

/// The answer tells nothing about who has an account.
pub(super) async fn act_forgot(
    State(portal): State<PortalState>,
    posted: Posted,
) -> Result<Response, PortalError> {
    let email = posted.fields.trimmed("email");
    if let Err(error) = posted.if_genuine(posted.solved(&portal)).await {
        return posted.visit.again(forgot(&portal, &posted.visit, &email), error);
    }
    portal.identity.forgot_password(&email, &posted.visit.client).await?;
    Ok(see_other(&format!("{FORGOT}?done=yes")))
}

pub(super) async fn show_reset(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    let token = visit.query.optional("token").ok_or(PortalError::LinkSpent)?;
    visit.show(reset(&portal, &visit, token))
}

fn reset(portal: &PortalState, visit: &Visit, token: String) -> Sheet {
    let form = visit.form(RESET, words::SET_PASSWORD).hidden(vec![("token", token)]);
    let password = Field::password("new_password", words::NEW_PASSWORD, "new-password");
    Sheet::new(portal, words::RESET)
        .with(Block::text(words::RESET_WHY))
        .with(form.field(password.hint(words::PASSPHRASE_HINT).focus()).into())
        .with(Block::link(words::ASK_AGAIN, FORGOT))
}

pub(super) async fn act_reset(
    State(portal): State<PortalState>,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    let token = posted.fields.trimmed("token");
    match set(&portal, &mut posted, &token).await {
        Ok(()) => Ok(see_other("/auth/sign-in?done=password-reset")),
        Err(error) => posted.visit.again(reset(&portal, &posted.visit, token), error),
    }
}

async fn set(portal: &PortalState, posted: &mut Posted, token: &str) -> Result<(), PortalError> {
    posted.genuine()?;
    let password = Password::new(posted.fields.take("new_password"))?;
    Ok(portal.identity.reset_password(token, password, &posted.visit.client).await?)
}
