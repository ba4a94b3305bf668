//! `/auth/agree-email?token=…`, `/auth/confirm-email?token=…` and `/auth/cancel-email?token=…`: what the mails of a change
//! of address lead to. Each asks one question, whose answer is a button.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::problem::PortalError;
use super::sheet::{Block, Sheet};
use super::visit::{Posted, Visit};
use super::{password_reset, words};

pub(super) const AGREE: &str = "/auth/agree-email";
pub(super) const CONFIRM: &str = "/auth/confirm-email";
pub(super) const CANCEL: &str = "/auth/cancel-email";

/// What one of the mails asks.
struct Question {
    path: &'static str,
    title: &'static str,
    why: &'static str,
    answer: &'static str,
}

impl Question {
    fn show(&self, portal: &PortalState, visit: &Visit) -> Result<Response, PortalError> {
        let token = visit.query.optional("token").ok_or(PortalError::LinkSpent)?;
        visit.show(self.sheet(portal, visit, token))
    }

    fn sheet(&self, portal: &PortalState, visit: &Visit, token: String) -> Sheet {
        let form = visit.form(self.path, self.answer).hidden(vec![("token", token)]);
        Sheet::new(portal, self.title).with(Block::text(self.why)).with(form.into())
    }

    /// Shows what came of the answer.
    fn answered(
        &self,
        portal: &PortalState,
        posted: &Posted,
        done: Result<Sheet, PortalError>,
    ) -> Result<Response, PortalError> {
        let visit = &posted.visit;
        match done {
            Ok(sheet) => visit.show(sheet),
            Err(error) => {
                visit.again(self.sheet(portal, visit, posted.fields.trimmed("token")), error)
            }
        }
    }
}

const TO_CONFIRM: Question = Question {
    path: CONFIRM,
    title: words::CONFIRM_EMAIL,
    why: words::CONFIRM_EMAIL_WHY,
    answer: words::CONFIRM_EMAIL_DO,
};

pub(super) async fn show_confirm(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    TO_CONFIRM.show(&portal, &visit)
}

pub(super) async fn act_confirm(
    State(portal): State<PortalState>,
    posted: Posted,
) -> Result<Response, PortalError> {
    let token = posted.fields.trimmed("token");
    let confirm = portal.identity.confirm_email(&token, &posted.visit.client);
    let done = posted.if_genuine(confirm).await.map(|()| {
        let on = Block::main_link(words::YOUR_ACCOUNT, "/auth/account");
        Sheet::new(&portal, words::EMAIL_CHANGED).with(on)
    });
    TO_CONFIRM.answered(&portal, &posted, done)
}

const TO_AGREE: Question = Question {
    path: AGREE,
    title: words::AGREE_TO_EMAIL,
    why: words::AGREE_TO_EMAIL_WHY,
    answer: words::AGREE_TO_EMAIL_DO,
};

pub(super) async fn show_agree(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    TO_AGREE.show(&portal, &visit)
}

pub(super) async fn act_agree(
    State(portal): State<PortalState>,
    posted: Posted,
) -> Result<Response, PortalError> {
    let token = posted.fields.trimmed("token");
    let agree = portal.identity.agree_to_email(&token, &posted.visit.client);
    let done = posted.if_genuine(agree).await.map(|()| {
        Sheet::new(&portal, words::AGREED_TO_EMAIL).with(Block::text(words::AGREED_TO_EMAIL_WHY))
    });
    TO_AGREE.answered(&portal, &posted, done)
}

const TO_CANCEL: Question = Question {
    path: CANCEL,
    title: words::CANCEL_EMAIL,
    why: words::CANCEL_EMAIL_WHY,
    answer: words::CANCEL_EMAIL_DO,
};

pub(super) async fn show_cancel(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    TO_CANCEL.show(&portal, &visit)
}

pub(super) async fn act_cancel(
    State(portal): State<PortalState>,
    posted: Posted,
) -> Result<Response, PortalError> {
    let token = posted.fields.trimmed("token");
    let cancel = portal.identity.cancel_email(&token, &posted.visit.client);
    let done = posted.if_genuine(cancel).await.map(|()| {
        Sheet::new(&portal, words::EMAIL_KEPT)
            .with(Block::text(words::EMAIL_KEPT_WHY))
            .with(Block::main_link(words::RESET, password_reset::FORGOT))
    });
    TO_CANCEL.answered(&portal, &posted, done)
}
