//! `/auth/sign-in/passkey`, and what the pages that ask for a passkey share.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::extract::MaybeSignedIn;
use super::super::problem::PortalError;
use super::onward::Onward;
use super::sheet::{Block, Sheet};
use super::sign_in::{arrive, count};
use super::visit::{Fields, Posted, Visit};
use super::{sign_in, words};
use crate::identity::second_factor::PasskeyAnswer;
use crate::identity::sign_in::{Into, SignedIn};

pub(super) const PATH: &str = "/auth/sign-in/passkey";

/// What the script put into a form; nothing when it did not run.
pub(super) fn answer(fields: &mut Fields) -> Option<PasskeyAnswer> {
    let response = fields.take("passkey_response");
    let token = fields.take("passkey_token");
    (!response.is_empty()).then_some(PasskeyAnswer { token, response })
}

/// The form that signs in with a passkey alone, for the sign-in page.
pub(super) async fn put_on(
    sheet: &mut Sheet,
    portal: &PortalState,
    visit: &Visit,
    onward: &Onward,
) -> Result<(), PortalError> {
    let ceremony = portal.identity.ask_for_passkey(None).await?;
    let form = visit.form(PATH, words::SIGN_IN_BY_PASSKEY).hidden(onward.hidden());
    sheet.push(form.passkey("get", &ceremony).quiet().into());
    Ok(())
}

/// The form alone: where somebody comes to after a failure.
pub(super) async fn show(
    State(portal): State<PortalState>,
    visit: Visit,
) -> Result<Response, PortalError> {
    let onward = Onward::of(&visit.query);
    visit.show(sheet(&portal, &visit, &onward).await?)
}

async fn sheet(portal: &PortalState, visit: &Visit, onward: &Onward) -> Result<Sheet, PortalError> {
    let mut sheet = Sheet::new(portal, words::SIGN_IN_BY_PASSKEY);
    put_on(&mut sheet, portal, visit, onward).await?;
    sheet.push(Block::link(words::BEGIN_AGAIN, onward.link(sign_in::PATH, &[])));
    Ok(sheet)
}

pub(super) async fn act(
    State(portal): State<PortalState>,
    before: MaybeSignedIn,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    let onward = Onward::of(&posted.fields);
    match give(&portal, &mut posted).await {
        Ok(signed_in) => arrive(&portal, &posted.visit, &onward, before, signed_in).await,
        Err(error) => {
            let sheet = sheet(&portal, &posted.visit, &onward).await?;
            posted.visit.again(sheet, error)
        }
    }
}

async fn give(portal: &PortalState, posted: &mut Posted) -> Result<SignedIn, PortalError> {
    posted.genuine()?;
    let answer = answer(&mut posted.fields).ok_or(PortalError::WrongFactor)?;
    let into = Into::Cookie(posted.visit.host.clone());
    let began = portal.clock.now();
    let client = &posted.visit.client;
    let signed_in = portal.identity.sign_in_with_passkey(&answer, into, client).await;
    count(portal, "passkey", signed_in.as_ref().err(), began);
    Ok(signed_in?)
}
