//! `/auth/sign-in/enrol`: a sign-in of somebody whose role demands a second factor and who has none yet.

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::extract::MaybeSignedIn;
use super::super::problem::PortalError;
use super::super::second_factor::shown;
use super::super::way_in::see_other;
use super::onward::Onward;
use super::second_factor::{over, pending};
use super::sheet::{Block, Sheet};
use super::sign_in::welcome;
use super::visit::{Posted, Visit};
use super::{authenticator, second_factor, sign_in, words};
use crate::identity::second_factor::recovery::RecoveryCode;
use crate::identity::sign_in::{Needs, SignInError, SignedIn};

pub(super) const PATH: &str = "/auth/sign-in/enrol";

pub(super) async fn show(
    State(portal): State<PortalState>,
    before: MaybeSignedIn,
    visit: Visit,
) -> Result<Response, PortalError> {
    let onward = Onward::of(&visit.query);
    match pending(&portal, &visit).await {
        Ok((_, Needs::Enrolment)) => visit.show(intro(&portal, &visit, &onward)),
        Ok((_, Needs::SecondFactor(_))) => Ok(see_other(&onward.link(second_factor::PATH, &[]))),
        Err(SignInError::NotPending) => Ok(over(&before, &onward)),
        Err(error) => Err(error.into()),
    }
}

/// Looking at a page makes no secret, so it begins with a button.
fn intro(portal: &PortalState, visit: &Visit, onward: &Onward) -> Sheet {
    let form = visit.form(PATH, words::SET_UP_APP).hidden(onward.hidden());
    Sheet::new(portal, words::SECOND_FACTOR)
        .with(Block::text(words::ROLE_DEMANDS_FACTOR))
        .with(Block::text(words::WHAT_AN_APP_IS))
        .with(form.into())
        .with(Block::link(words::BEGIN_AGAIN, onward.link(sign_in::PATH, &[])))
}

fn offer(portal: &PortalState, visit: &Visit, onward: &Onward, uri: &str) -> Sheet {
    let form = visit.form(PATH, words::CONFIRM).hidden(onward.hidden());
    let mut sheet = Sheet::new(portal, words::SET_UP_APP);
    authenticator::put_on(&mut sheet, form, uri);
    sheet
}

pub(super) async fn act(
    State(portal): State<PortalState>,
    before: MaybeSignedIn,
    posted: Posted,
) -> Result<Response, PortalError> {
    let (visit, onward) = (&posted.visit, Onward::of(&posted.fields));
    match authenticator::uri_of(&posted.fields) {
        None => match begin(&portal, &posted).await {
            Ok(uri) => visit.show(offer(&portal, visit, &onward, &uri)),
            Err(PortalError::NotPending) => Ok(over(&before, &onward)),
            Err(error) => visit.again(intro(&portal, visit, &onward), error),
        },
        Some(uri) => match confirm(&portal, &posted).await {
            Ok((signed_in, codes)) => {
                let mut response = visit.show(kept(&portal, &onward, &codes))?;
                welcome(&mut response, &portal, visit, before, signed_in).await?;
                Ok(response)
            }
            Err(PortalError::NotPending) => Ok(over(&before, &onward)),
            Err(error) => visit.again(offer(&portal, visit, &onward, uri), error),
        },
    }
}

async fn begin(portal: &PortalState, posted: &Posted) -> Result<String, PortalError> {
    let token = posted.visit.pending().ok_or(PortalError::NotPending)?;
    posted.genuine()?;
    let offer = portal.identity.enrol_totp_to_sign_in(token).await?;
    Ok(offer.uri.expose().clone())
}

async fn confirm(
    portal: &PortalState,
    posted: &Posted,
) -> Result<(SignedIn, Vec<RecoveryCode>), PortalError> {
    let token = posted.visit.pending().ok_or(PortalError::NotPending)?;
    posted.genuine()?;
    let code = posted.fields.trimmed("code");
    Ok(portal.identity.confirm_totp_to_sign_in(token, &code, &posted.visit.client).await?)
}

fn kept(portal: &PortalState, onward: &Onward, codes: &[RecoveryCode]) -> Sheet {
    Sheet::new(portal, words::RECOVERY_CODES)
        .with(Block::text(words::KEEP_RECOVERY_CODES))
        .with(Block::Codes(shown(codes)))
        .with(Block::main_link(words::HAVE_SAVED_THEM, onward.location()))
}
