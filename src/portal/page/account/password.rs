//! `/auth/account/password`.

use axum::extract::State;
use axum::response::Response;

use super::super::sheet::{Block, Field, Sheet};
use super::super::visit::{Posted, Visit};
use super::super::words;
use crate::identity::password::Password;
use crate::portal::PortalState;
use crate::portal::extract::{OwnSession, own};
use crate::portal::problem::PortalError;
use crate::portal::way_in::see_other;

pub(in super::super) const PATH: &str = "/auth/account/password";

pub(in super::super) async fn show(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    visit: Visit,
) -> Result<Response, PortalError> {
    let name = own(&portal, user).await?.username;
    visit.show(sheet(&portal, &visit, name.as_str()).notice(visit.query.get("done")))
}

/// The name is for password managers: they keep the new password for it.
fn sheet(portal: &PortalState, visit: &Visit, name: &str) -> Sheet {
    let old = Field::password("password", words::OLD_PASSWORD, "current-password");
    let new = Field::password("new_password", words::NEW_PASSWORD, "new-password");
    let form = visit
        .form(PATH, words::SET_PASSWORD)
        .hidden_name(name)
        .field(old)
        .field(new.hint(words::PASSPHRASE_HINT));
    Sheet::new(portal, words::CHANGE_PASSWORD)
        .part(PATH)
        .with(Block::text(words::CHANGE_PASSWORD_WHY))
        .with(form.into())
}

pub(in super::super) async fn act(
    State(portal): State<PortalState>,
    own_session: OwnSession,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    let id = own_session.user;
    match change(&portal, own_session, &mut posted).await {
        Ok(()) => Ok(see_other(&format!("{PATH}?done=password"))),
        Err(error) => {
            let name = own(&portal, id).await?.username;
            posted.visit.again(sheet(&portal, &posted.visit, name.as_str()), error)
        }
    }
}

async fn change(
    portal: &PortalState,
    OwnSession { user, session }: OwnSession,
    posted: &mut Posted,
) -> Result<(), PortalError> {
    posted.genuine()?;
    let old = Password::new(posted.fields.take("password"));
    let old = old.map_err(|_| PortalError::WrongPassword)?;
    let new = Password::new(posted.fields.take("new_password"))?;
    let client = &posted.visit.client;
    Ok(portal.identity.change_password(user, session, old, new, client).await?)
}
