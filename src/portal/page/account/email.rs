//! `/auth/account/email`: another address, which the new one and the old one are asked about by mail.

use axum::extract::State;
use axum::response::Response;

use super::super::sheet::{Block, Field, Sheet};
use super::super::visit::{Posted, Visit};
use super::super::words;
use crate::identity::User;
use crate::portal::PortalState;
use crate::portal::extract::{Fresh, own};
use crate::portal::problem::PortalError;
use crate::portal::way_in::see_other;

pub(in super::super) const PATH: &str = "/auth/account/email";

pub(in super::super) async fn show(
    State(portal): State<PortalState>,
    Fresh { user }: Fresh,
    visit: Visit,
) -> Result<Response, PortalError> {
    let user = own(&portal, user).await?;
    visit.show(sheet(&portal, &visit, &user, "").notice(visit.query.get("done")))
}

fn sheet(portal: &PortalState, visit: &Visit, user: &User, typed: &str) -> Sheet {
    let present = vec![(words::PRESENT_EMAIL, user.email.as_str().to_owned().into())];
    let sheet = Sheet::new(portal, words::CHANGE_EMAIL).part(PATH).with(Block::Facts(present));
    if !portal.identity.settings().mail {
        return sheet.with(Block::text(words::NO_MAIL));
    }
    let email = Field::email("email", words::NEW_EMAIL).value(typed);
    sheet
        .with(Block::text(words::CHANGE_EMAIL_WHY))
        .with(visit.form(PATH, words::SEND_LINK).field(email).into())
}

pub(in super::super) async fn act(
    State(portal): State<PortalState>,
    Fresh { user }: Fresh,
    posted: Posted,
) -> Result<Response, PortalError> {
    let (visit, email) = (&posted.visit, posted.fields.trimmed("email"));
    let asked = portal.identity.ask_email_change(user, &email, &visit.client);
    match posted.if_genuine(asked).await {
        Ok(()) => Ok(see_other(&format!("{PATH}?done=email-asked"))),
        Err(error) => {
            let user = own(&portal, user).await?;
            visit.again(sheet(&portal, visit, &user, &email), error)
        }
    }
}
