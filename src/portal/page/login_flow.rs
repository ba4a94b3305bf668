//! `/login/v2/flow/…` on the host of Nextcloud: asks whether a program may come in, and lets it. See
//! [`crate::identity::login_flow`].

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;

use super::super::PortalState;
use super::super::extract::{Asked, OwnSession, own};
use super::super::login_flow::server;
use super::super::problem::PortalError;
use super::sheet::{Block, Sheet};
use super::visit::{Posted, Visit};
use super::words;
use crate::identity::login_flow::{LoginFlow, LoginFlowError};
use crate::identity::{CloudId, NoCloudId, UserId};
use crate::route::nextcloud::FLOW_GRANT;

/// The page.
pub(in super::super) fn page() -> MethodRouter<PortalState> {
    get(show)
}

/// What its form does.
pub(in super::super) fn grant() -> MethodRouter<PortalState> {
    post(act)
}

async fn show(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    Path(token): Path<String>,
    visit: Visit,
) -> Result<Response, PortalError> {
    let name = match cloud_id(&portal, user).await? {
        Ok(name) => name,
        Err(why) => return nobody(&visit, why),
    };
    match portal.identity.login_flow(&token, &visit.host).await {
        Ok(flow) => visit.show(question(&visit, &flow, &token, &name)),
        Err(error) => refused(&visit, error),
    }
}

/// What somebody is called in Nextcloud, or why there is nothing.
async fn cloud_id(
    portal: &PortalState,
    user: UserId,
) -> Result<Result<CloudId, NoCloudId>, PortalError> {
    let user = own(portal, user).await?;
    Ok(portal.cloud_ids.of(user.username.as_str(), user.email.as_str()))
}

fn question(visit: &Visit, flow: &LoginFlow, token: &str, name: &CloudId) -> Sheet {
    let facts = vec![
        (words::PROGRAM, flow.device.clone().into()),
        (words::PROGRAM_FROM, flow.from.to_string().into()),
        (words::PROGRAM_AS, name.to_string().into()),
    ];
    let form = visit.form(FLOW_GRANT, words::LET_IN).hidden(vec![("flow", token.to_owned())]);
    Sheet::anywhere(words::LET_IN_TITLE)
        .with(Block::text(words::ASK_LET_IN))
        .with(Block::Facts(facts))
        .with(Block::text(words::LET_IN_ONLY_IF))
        .with(form.into())
}

async fn act(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    Asked(caller): Asked,
    posted: Posted,
) -> Result<Response, PortalError> {
    let (visit, token) = (&posted.visit, posted.fields.trimmed("flow"));
    let name = match cloud_id(&portal, user).await? {
        Ok(name) => name,
        Err(why) => return nobody(visit, why),
    };
    if let Err(error) = posted.genuine() {
        return match portal.identity.login_flow(&token, &visit.host).await {
            Ok(flow) => visit.again(question(visit, &flow, &token, &name), error),
            Err(error) => refused(visit, error),
        };
    }
    let (server, client) = (server(&caller), Some(&visit.client));
    let granted =
        portal.identity.grant_login_flow(&token, &visit.host, server, user, &name, client);
    match granted.await {
        Ok(device) => {
            let remove_at =
                format!("{}/auth/account/devices", portal.identity.settings().public_url);
            let sheet = Sheet::anywhere(words::LET_IN_DONE)
                .with(Block::text(words::LET_IN_DONE_WHY))
                .with(Block::Facts(vec![(words::PROGRAM, device.name.into())]))
                .with(Block::Small(words::LET_IN_REMOVE.to_owned()))
                .with(Block::link(words::DEVICES, &remove_at));
            visit.show(sheet)
        }
        Err(error) => refused(visit, error),
    }
}

fn refused(visit: &Visit, error: LoginFlowError) -> Result<Response, PortalError> {
    match error {
        LoginFlowError::Over => {
            let sheet =
                Sheet::anywhere(words::LET_IN_OVER).with(Block::text(words::LET_IN_OVER_WHY));
            visit.show_as(StatusCode::GONE, sheet)
        }
        LoginFlowError::Device(error) => {
            visit.again(Sheet::anywhere(words::LET_IN_TITLE), error.into())
        }
        LoginFlowError::Store(error) => Err(error.into()),
    }
}

/// Somebody who is nobody in Nextcloud lets nothing in there.
fn nobody(visit: &Visit, why: NoCloudId) -> Result<Response, PortalError> {
    let sheet = Sheet::anywhere(words::NO_CLOUD_ID)
        .with(Block::text(words::NO_CLOUD_ID_WHY))
        .with(Block::Small(why.to_string()));
    visit.show_as(StatusCode::FORBIDDEN, sheet)
}
