//! `/auth/step-up`: the second factor again, for whoever is signed in and wants more than that opens.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::extract::{OwnSession, own};
use super::super::problem::PortalError;
use super::onward::Onward;
use super::second_factor::{Asked, beside_its_field, given};
use super::sheet::{Block, Sheet};
use super::visit::{Posted, Visit, set_session};
use super::words;
use crate::identity::second_factor::GivenFactor;
use crate::identity::{SecretText, Session};

const PATH: &str = "/auth/step-up";

pub(super) async fn show(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    visit: Visit,
) -> Result<Response, PortalError> {
    let methods = portal.identity.factors(user).await?.methods();
    let onward = Onward::of(&visit.query);
    let recovery = visit.query.get("recovery").is_some();
    let asked = Asked { user, methods };
    visit.show(sheet(&portal, &visit, &onward, &asked, recovery).await?)
}

async fn sheet(
    portal: &PortalState,
    visit: &Visit,
    onward: &Onward,
    asked: &Asked,
    recovery: bool,
) -> Result<Sheet, PortalError> {
    let mut sheet = Sheet::new(portal, words::STEP_UP);
    if asked.methods.is_empty() {
        return Ok(sheet
            .with(Block::text(words::STEP_UP_NEEDS_FACTOR))
            .with(Block::main_link(words::SET_UP_APP, "/auth/account/second-factor")));
    }
    asked.put_on(&mut sheet, portal, (visit, onward, PATH), recovery).await?;
    Ok(sheet)
}

pub(super) async fn act(
    State(portal): State<PortalState>,
    own_session: OwnSession,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    let user = own_session.user;
    let onward = Onward::of(&posted.fields);
    let (factor, recovery) = given(&mut posted.fields);
    match give(&portal, &posted, own_session, factor).await {
        Ok((cookie, session)) => {
            let mut response = onward.go_from_form(&portal, &posted.visit)?;
            set_session(&mut response, &portal, &cookie, &session);
            Ok(response)
        }
        Err(error) => {
            let methods = portal.identity.factors(user).await?.methods();
            let asked = Asked { user, methods };
            let sheet = sheet(&portal, &posted.visit, &onward, &asked, recovery).await?;
            posted.visit.again(sheet, beside_its_field(error, recovery))
        }
    }
}

/// The cookie is another one from here on: one that was stolen before does not rise with it.
async fn give(
    portal: &PortalState,
    posted: &Posted,
    OwnSession { user, session }: OwnSession,
    factor: GivenFactor,
) -> Result<(SecretText, Session), PortalError> {
    posted.genuine()?;
    let user = own(portal, user).await?;
    let (identity, visit) = (&portal.identity, &posted.visit);
    let session = identity.step_up(&user, session, factor, &visit.client).await?;
    let cookie = identity.cookie_on(session.id, &visit.host, visit.session_cookie()).await?;
    Ok((cookie.ok_or(PortalError::Unauthenticated)?, session))
}
