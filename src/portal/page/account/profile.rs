//! `/auth/account`: who one is here.

use axum::extract::State;
use axum::response::Response;

use super::super::sheet::{Block, Field, Sheet};
use super::super::visit::{Posted, Visit};
use super::super::words;
use crate::identity::User;
use crate::portal::PortalState;
use crate::portal::extract::{OwnSession, own};
use crate::portal::problem::PortalError;
use crate::portal::way_in::see_other;

pub(in super::super) const PATH: &str = "/auth/account";

pub(in super::super) async fn show(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    visit: Visit,
) -> Result<Response, PortalError> {
    let user = own(&portal, user).await?;
    let typed = user.full_name.clone().unwrap_or_default();
    visit.show(sheet(&portal, &visit, &user, typed).notice(visit.query.get("done")))
}

fn sheet(portal: &PortalState, visit: &Visit, user: &User, full_name: String) -> Sheet {
    let roles: Vec<&str> = user.roles.iter().map(|role| &**role).collect();
    let roles = if roles.is_empty() { words::NO_ROLES.to_owned() } else { roles.join(", ") };
    let facts = vec![
        (words::SIGN_IN_NAME, user.username.as_str().to_owned().into()),
        (words::EMAIL, user.email.as_str().to_owned().into()),
        (words::ROLES, roles.into()),
        (words::SINCE, user.created_at.into()),
    ];
    let name = Field::text("full_name", words::FULL_NAME, "name").value(full_name).optional();
    Sheet::new(portal, words::PROFILE)
        .part(PATH)
        .with(Block::Facts(facts))
        .with(visit.form(PATH, words::SAVE).field(name).into())
        .with(Block::link(words::EXPORT, "/auth/me/export"))
}

pub(in super::super) async fn act(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    posted: Posted,
) -> Result<Response, PortalError> {
    let visit = &posted.visit;
    let name = posted.fields.optional("full_name");
    match posted.if_genuine(portal.identity.rename(user, name, &visit.client)).await {
        Ok(_) => Ok(see_other(&format!("{PATH}?done=saved"))),
        Err(error) => {
            let user = own(&portal, user).await?;
            let typed = posted.fields.trimmed("full_name");
            visit.again(sheet(&portal, visit, &user, typed), error)
        }
    }
}
