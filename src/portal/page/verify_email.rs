//! `/auth/verify-email?token=…`: the link that was mailed after signing up, and the password that was chosen then.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::problem::PortalError;
use super::sheet::{Block, Field, Sheet};
use super::visit::{Posted, Visit};
use super::{sign_in, words};
use crate::identity::Standing;
use crate::identity::password::Password;

pub(super) const PATH: &str = "/auth/verify-email";

pub(super) async fn show(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    let token = visit.query.optional("token").ok_or(PortalError::LinkSpent)?;
    visit.show(sheet(&portal, &visit, token))
}

fn sheet(portal: &PortalState, visit: &Visit, token: String) -> Sheet {
    let form = visit.form(PATH, words::CONFIRM).hidden(vec![("token", token)]);
    let password = Field::password("password", words::PASSWORD, "current-password").focus();
    Sheet::new(portal, words::VERIFY_EMAIL)
        .with(Block::text(words::VERIFY_EMAIL_WHY))
        .with(form.field(password).into())
}

pub(super) async fn act(
    State(portal): State<PortalState>,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    let token = posted.fields.trimmed("token");
    let (text, onward) = match verify(&portal, &mut posted, &token).await {
        Ok(Standing::Active) => (words::VERIFIED_ACTIVE, words::SIGN_IN),
        Ok(_) => (words::VERIFIED_WAITING, words::BACK_TO_SIGN_IN),
        Err(error) => return posted.visit.again(sheet(&portal, &posted.visit, token), error),
    };
    let sheet = Sheet::new(&portal, words::VERIFIED)
        .with(Block::text(text))
        .with(Block::main_link(onward, sign_in::PATH));
    posted.visit.show(sheet)
}

async fn verify(
    portal: &PortalState,
    posted: &mut Posted,
    token: &str,
) -> Result<Standing, PortalError> {
    posted.genuine()?;
    let password = Password::new(posted.fields.take("password"));
    let password = password.map_err(|_| PortalError::WrongPassword)?;
    Ok(portal.identity.verify_email(token, password, &posted.visit.client).await?)
}
