//! `/auth/setup`: the first administrator, with the code that the gateway printed.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::problem::PortalError;
use super::super::way_in::see_other;
use super::sheet::{Block, Field, Sheet};
use super::sign_up::{account, new_account};
use super::visit::{Fields, Posted, Visit};
use super::words;
use crate::identity::setup::FirstAdmin;

pub(super) const PATH: &str = "/auth/setup";

pub(super) async fn show(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    visit.show(sheet(&portal, &visit, &Fields::default()))
}

fn sheet(portal: &PortalState, visit: &Visit, typed: &Fields) -> Sheet {
    let code = Field::text("setup_code", words::SETUP_CODE, "off").verbatim();
    let code = code.value(typed.trimmed("setup_code"));
    let form = visit.form(PATH, words::CREATE_ACCOUNT).field(code);
    Sheet::new(portal, words::SETUP)
        .with(Block::text(words::SETUP_WHY))
        .with(new_account(form, typed).into())
}

pub(super) async fn act(
    State(portal): State<PortalState>,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    match set_up(&portal, &mut posted).await {
        Ok(()) => Ok(see_other("/auth/sign-in?done=set-up")),
        Err(error) => posted.visit.again(sheet(&portal, &posted.visit, &posted.fields), error),
    }
}

async fn set_up(portal: &PortalState, posted: &mut Posted) -> Result<(), PortalError> {
    posted.genuine()?;
    let code = posted.fields.trimmed("setup_code");
    let first = FirstAdmin { code, account: account(&mut posted.fields)? };
    portal.identity.set_up(first, &posted.visit.client).await?;
    Ok(())
}
