//! `/auth/sign-out`: asks, and ends the session. Public, so that it also says when nobody is signed in any more.
//!
//! A client may have sent them here (`client.rs`): then they are led back to it.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::extract::{MaybeSignedIn, own_user};
use super::super::problem::PortalError;
use super::super::way_in::see_other;
use super::onward::moving_on;
use super::sheet::{Block, Sheet};
use super::visit::{Posted, Visit, clear_session};
use super::{sign_in, words};
use crate::identity::openid::EndRequest;

pub(super) const PATH: &str = "/auth/sign-out";

pub(super) async fn show(
    State(portal): State<PortalState>,
    MaybeSignedIn(principal): MaybeSignedIn,
    visit: Visit,
) -> Result<Response, PortalError> {
    if principal.is_some() {
        let back = portal.openid.end_request(visit.query.pairs());
        return visit.show(question(&portal, &visit, back));
    }
    let sheet = Sheet::new(&portal, words::SIGNED_OUT)
        .with(Block::text(words::SIGNED_OUT_EVERYWHERE_HERE))
        .with(Block::main_link(words::SIGN_IN, sign_in::PATH));
    visit.show(sheet)
}

fn question(portal: &PortalState, visit: &Visit, asked: EndRequest) -> Sheet {
    Sheet::new(portal, words::SIGN_OUT)
        .with(Block::text(words::ASK_SIGN_OUT))
        .with(visit.form(PATH, words::SIGN_OUT).hidden(asked.kept).into())
        .with(Block::link(words::BACK_TO_ACCOUNT, "/auth/account"))
}

pub(super) async fn act(
    State(portal): State<PortalState>,
    MaybeSignedIn(principal): MaybeSignedIn,
    posted: Posted,
) -> Result<Response, PortalError> {
    let asked = portal.openid.end_request(posted.fields.pairs());
    if let Err(error) = posted.genuine() {
        return posted.visit.again(question(&portal, &posted.visit, asked), error);
    }
    if let Some(principal) = principal
        && let Some(session) = principal.session
    {
        portal.identity.sign_out(session, own_user(&principal)?, &posted.visit.client).await?;
        portal.metrics.session_ended("sign_out");
    }
    let mut response = match asked.back {
        Some(back) => moving_on(&portal, &posted.visit, back)?,
        None => see_other(PATH),
    };
    clear_session(&mut response);
    Ok(response)
}
