//! `/auth/agree-email?token=…`, `/auth/confirm-email?token=…` and `/auth/cancel-email?token=…`: what the mails of a change
//! of address lead to.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::problem::PortalError;
use super::sheet::{Block, Sheet};
use super::visit::{Posted, Visit};
use super::words;

pub(super) const AGREE: &str = "/auth/agree-email";
pub(super) const CONFIRM: &str = "/auth/confirm-email";
pub(super) const CANCEL: &str = "/auth/cancel-email";

pub(super) async fn show_confirm(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    let token = visit.query.optional("token").ok_or(PortalError::LinkSpent)?;
    visit.show(confirm(&portal, &visit, token))
}

fn confirm(portal: &PortalState, visit: &Visit, token: String) -> Sheet {
    let form = visit.form(CONFIRM, words::CONFIRM_EMAIL_DO).hidden(vec![("token", token)]);
    Sheet::new(portal, words::CONFIRM_EMAIL)
        .with(Block::text(words::CONFIRM_EMAIL_WHY))
        .with(form.into())
}

pub(super) async fn act_confirm(
    State(portal): State<PortalState>,
    posted: Posted,
) -> Result<Response, PortalError> {
    let (token, visit) = (posted.fields.trimmed("token"), &posted.visit);
    let done = match posted.genuine() {
        Ok(()) => portal.identity.confirm_email(&token, &visit.client).await.map_err(Into::into),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => {
            let on = Block::main_link(words::YOUR_ACCOUNT, "/auth/account");
            visit.show(Sheet::new(&portal, words::EMAIL_CHANGED).with(on))
        }
        Err(error) => visit.again(confirm(&portal, visit, token), error),
    }
}

pub(super) async fn show_agree(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    let token = visit.query.optional("token").ok_or(PortalError::LinkSpent)?;
    visit.show(agree(&portal, &visit, token))
}

fn agree(portal: &PortalState, visit: &Visit, token: String) -> Sheet {
    let form = visit.form(AGREE, words::AGREE_TO_EMAIL_DO).hidden(vec![("token", token)]);
    Sheet::new(portal, words::AGREE_TO_EMAIL)
        .with(Block::text(words::AGREE_TO_EMAIL_WHY))
        .with(form.into())
}

pub(super) async fn act_agree(
    State(portal): State<PortalState>,
    posted: Posted,
) -> Result<Response, PortalError> {
    let (token, visit) = (posted.fields.trimmed("token"), &posted.visit);
    let done = match posted.genuine() {
        Ok(()) => portal.identity.agree_to_email(&token, &visit.client).await.map_err(Into::into),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => {
            let sheet = Sheet::new(&portal, words::AGREED_TO_EMAIL)
                .with(Block::text(words::AGREED_TO_EMAIL_WHY));
            visit.show(sheet)
        }
        Err(error) => visit.again(agree(&portal, visit, token), error),
    }
}

pub(super) async fn show_cancel(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    let token = visit.query.optional("token").ok_or(PortalError::LinkSpent)?;
    visit.show(cancel(&portal, &visit, token))
}

fn cancel(portal: &PortalState, visit: &Visit, token: String) -> Sheet {
    let form = visit.form(CANCEL, words::CANCEL_EMAIL_DO).hidden(vec![("token", token)]);
    Sheet::new(portal, words::CANCEL_EMAIL)
        .with(Block::text(words::CANCEL_EMAIL_WHY))
        .with(form.into())
}

pub(super) async fn act_cancel(
    State(portal): State<PortalState>,
    posted: Posted,
) -> Result<Response, PortalError> {
    let (token, visit) = (posted.fields.trimmed("token"), &posted.visit);
    let done = match posted.genuine() {
        Ok(()) => portal.identity.cancel_email(&token, &visit.client).await.map_err(Into::into),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => {
            let sheet = Sheet::new(&portal, words::EMAIL_KEPT)
                .with(Block::text(words::EMAIL_KEPT_WHY))
                .with(Block::main_link(words::RESET, super::password_reset::FORGOT));
            visit.show(sheet)
        }
        Err(error) => visit.again(cancel(&portal, visit, token), error),
    }
}
