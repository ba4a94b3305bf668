//! `/auth/account/second-factor`: the authenticator app and the recovery codes. Whoever changes them proves first, and
//! lately, who they are.

use axum::extract::State;
use axum::response::Response;

use super::super::sheet::{Block, Sheet};
use super::super::visit::{Posted, Visit};
use super::super::{authenticator, words};
use crate::identity::User;
use crate::identity::second_factor::Factors;
use crate::portal::PortalState;
use crate::portal::extract::{Fresh, OwnSession, own};
use crate::portal::problem::PortalError;
use crate::portal::second_factor::shown;
use crate::portal::way_in::see_other;

pub(in super::super) const PATH: &str = "/auth/account/second-factor";

pub(in super::super) async fn show(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    visit: Visit,
) -> Result<Response, PortalError> {
    let factors = portal.identity.factors(user).await?;
    visit.show(sheet(&portal, &visit, &factors).notice(visit.query.get("done")))
}

fn sheet(portal: &PortalState, visit: &Visit, factors: &Factors) -> Sheet {
    let step = |name: &'static str, submit| {
        visit.form(PATH, submit).hidden(vec![("step", name.to_owned())])
    };
    let mut sheet = Sheet::new(portal, words::SECOND_FACTOR).part(PATH);
    if factors.totp.as_ref().is_some_and(|totp| totp.confirmed) {
        sheet.push(Block::Heading(words::APP.to_owned()));
        sheet.push(Block::text(words::APP_ON));
        sheet.push(Block::text(words::REMOVE_APP_WHY));
        sheet.push(step("remove", words::REMOVE_APP).danger().into());
    } else {
        sheet.push(Block::text(words::APP_OFF));
        sheet.push(Block::Heading(words::APP.to_owned()));
        sheet.push(Block::text(words::WHAT_AN_APP_IS));
        sheet.push(step("begin", words::SET_UP_APP).into());
    }
    // Passkeys: their list stands here, once there is the script that adding one needs.
    if factors.enrolled() {
        sheet.push(Block::Heading(words::RECOVERY_CODES.to_owned()));
        sheet.push(Block::text(words::CODES_WHY));
        sheet.push(Block::text(words::codes_left(factors.recovery_codes_left)));
        sheet.push(Block::text(words::RENEW_CODES_WHY));
        sheet.push(step("renew", words::RENEW_CODES).quiet().into());
    }
    sheet
}

fn offer(portal: &PortalState, visit: &Visit, uri: &str) -> Sheet {
    let mut sheet = Sheet::new(portal, words::SET_UP_APP).part(PATH);
    authenticator::put_on(&mut sheet, visit.form(PATH, words::CONFIRM), uri);
    sheet
}

pub(in super::super) async fn act(
    State(portal): State<PortalState>,
    Fresh { user }: Fresh,
    posted: Posted,
) -> Result<Response, PortalError> {
    let (visit, user) = (&posted.visit, own(&portal, user).await?);
    match change(&portal, &user, &posted).await {
        Ok(Changed::Offered(uri)) => visit.show(offer(&portal, visit, &uri)),
        Ok(Changed::Codes(codes)) => {
            let sheet = Sheet::new(&portal, words::RECOVERY_CODES)
                .part(PATH)
                .with(Block::text(words::KEEP_RECOVERY_CODES))
                .with(Block::Codes(codes))
                .with(Block::main_link(words::HAVE_SAVED_THEM, PATH));
            visit.show(sheet)
        }
        Ok(Changed::Done(key)) => Ok(see_other(&format!("{PATH}?done={key}"))),
        Err(error) => {
            if let Some(uri) = authenticator::uri_of(&posted.fields) {
                return visit.again(offer(&portal, visit, uri), error);
            }
            let factors = portal.identity.factors(user.id).await?;
            visit.again(sheet(&portal, visit, &factors), error)
        }
    }
}

/// What a step came to.
enum Changed {
    /// Recovery codes, to be shown once.
    Codes(Vec<String>),
    /// Something to be told.
    Done(&'static str),
    /// An app to be confirmed, by its URI.
    Offered(String),
}

async fn change(
    portal: &PortalState,
    user: &User,
    posted: &Posted,
) -> Result<Changed, PortalError> {
    posted.genuine()?;
    let (identity, client) = (&portal.identity, &posted.visit.client);
    match posted.fields.get("step").unwrap_or_default() {
        "begin" => Ok(Changed::Offered(identity.enrol_totp(user).await?.uri.expose().clone())),
        "confirm" => {
            let code = posted.fields.trimmed("code");
            let codes = identity.confirm_totp(user, &code, client).await?;
            let kept = codes.is_empty();
            Ok(if kept { Changed::Done("app-added") } else { Changed::Codes(shown(&codes)) })
        }
        "remove" => {
            identity.remove_totp(user, client).await?;
            Ok(Changed::Done("app-removed"))
        }
        "renew" => {
            let codes = identity.renew_recovery_codes(user, client).await?;
            Ok(Changed::Codes(shown(&codes)))
        }
        _ => Err(PortalError::MissingField("step")),
    }
}
