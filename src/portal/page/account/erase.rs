//! `/auth/account/erase`: the end of an account.

use axum::extract::State;
use axum::response::Response;

use super::super::sheet::{Block, Field, Sheet};
use super::super::visit::{Posted, Visit, clear_session};
use super::super::words;
use crate::identity::UserId;
use crate::portal::PortalState;
use crate::portal::extract::Fresh;
use crate::portal::problem::PortalError;

pub(in super::super) const PATH: &str = "/auth/account/erase";

pub(in super::super) async fn show(
    State(portal): State<PortalState>,
    _: Fresh,
    visit: Visit,
) -> Result<Response, PortalError> {
    visit.show(sheet(&portal, &visit))
}

fn sheet(portal: &PortalState, visit: &Visit) -> Sheet {
    let word = Field::text("word", words::ERASE_TYPE, "off").verbatim();
    Sheet::new(portal, words::ERASE)
        .part(PATH)
        .with(Block::text(words::ERASE_WHY))
        .with(Block::link(words::EXPORT, "/auth/me/export"))
        .with(Block::Gap)
        .with(visit.form(PATH, words::ERASE).field(word).danger().into())
}

pub(in super::super) async fn act(
    State(portal): State<PortalState>,
    Fresh { user }: Fresh,
    posted: Posted,
) -> Result<Response, PortalError> {
    if let Err(error) = erase(&portal, user, &posted).await {
        return posted.visit.again(sheet(&portal, &posted.visit), error);
    }
    let sheet = Sheet::new(&portal, words::ERASED).with(Block::text(words::ERASED_WHY));
    let mut response = posted.visit.show(sheet)?;
    clear_session(&mut response);
    Ok(response)
}

async fn erase(portal: &PortalState, user: UserId, posted: &Posted) -> Result<(), PortalError> {
    posted.genuine()?;
    if !posted.fields.trimmed("word").eq_ignore_ascii_case(words::ERASE_WORD) {
        return Err(PortalError::NotConfirmed);
    }
    Ok(portal.identity.erase_own(user, &posted.visit.client).await?)
}
