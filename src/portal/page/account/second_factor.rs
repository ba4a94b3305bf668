//! `/auth/account/second-factor`: the authenticator app and the recovery codes. Whoever changes them proves first, and
//! lately, who they are.

use axum::extract::State;
use axum::response::Response;

use super::super::sheet::{Block, Field, Item, Sheet, Value};
use super::super::visit::{Posted, Visit};
use super::super::{authenticator, passkey, words};
use crate::identity::User;
use crate::identity::second_factor::{Factors, StoredPasskey};
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
    let user = own(&portal, user).await?;
    let factors = portal.identity.factors(user.id).await?;
    let sheet = sheet(&portal, &visit, &user, &factors).await?;
    visit.show(sheet.notice(visit.query.get("done")))
}

async fn sheet(
    portal: &PortalState,
    visit: &Visit,
    user: &User,
    factors: &Factors,
) -> Result<Sheet, PortalError> {
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
        if !factors.enrolled() {
            sheet.push(Block::text(words::NO_FACTOR));
        }
        sheet.push(Block::Heading(words::APP.to_owned()));
        sheet.push(Block::text(words::WHAT_AN_APP_IS));
        sheet.push(step("begin", words::SET_UP_APP).into());
    }
    sheet.push(Block::Heading(words::PASSKEYS.to_owned()));
    sheet.push(Block::text(words::WHAT_PASSKEYS_ARE));
    if !factors.passkeys.is_empty() {
        sheet.push(Block::Items(factors.passkeys.iter().map(|found| item(visit, found)).collect()));
    }
    let ceremony = portal.identity.enrol_passkey(user).await?;
    let name = Field::text("name", words::PASSKEY_NAME, "off").hint(words::PASSKEY_NAME_HINT);
    let add = step("add-passkey", words::ADD_PASSKEY).field(name);
    sheet.push(add.passkey("create", &ceremony).quiet().into());
    if factors.enrolled() {
        sheet.push(Block::Heading(words::RECOVERY_CODES.to_owned()));
        sheet.push(Block::text(words::CODES_WHY));
        sheet.push(Block::text(words::codes_left(factors.recovery_codes_left)));
        sheet.push(Block::text(words::RENEW_CODES_WHY));
        sheet.push(step("renew", words::RENEW_CODES).quiet().into());
    }
    Ok(sheet)
}

fn item(visit: &Visit, stored: &StoredPasskey) -> Item {
    let form = visit.form(PATH, words::REMOVE_PASSKEY).quiet().about(stored.name.clone());
    let step = ("step", "remove-passkey".to_owned());
    let form = form.hidden(vec![step, ("id", stored.id.to_string())]);
    Item {
        title: stored.name.clone(),
        mark: None,
        facts: vec![
            (words::ADDED, stored.created_at.into()),
            (words::LAST_USED, Value::time_or(stored.last_used_at, words::NEVER)),
        ],
        form: Some(form),
    }
}

fn offer(portal: &PortalState, visit: &Visit, uri: &str) -> Sheet {
    let mut sheet = Sheet::new(portal, words::SET_UP_APP).part(PATH);
    authenticator::put_on(&mut sheet, visit.form(PATH, words::CONFIRM), uri);
    sheet
}

pub(in super::super) async fn act(
    State(portal): State<PortalState>,
    Fresh { user }: Fresh,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    let user = own(&portal, user).await?;
    let changed = change(&portal, &user, &mut posted).await;
    let visit = &posted.visit;
    match changed {
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
            visit.again(sheet(&portal, visit, &user, &factors).await?, error)
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
    posted: &mut Posted,
) -> Result<Changed, PortalError> {
    posted.genuine()?;
    let answer = passkey::answer(&mut posted.fields);
    let (identity, client) = (&portal.identity, &posted.visit.client);
    match posted.fields.get("step").unwrap_or_default() {
        "begin" => Ok(Changed::Offered(identity.enrol_totp(user).await?.uri.expose().clone())),
        "confirm" => {
            let code = posted.fields.trimmed("code");
            let codes = identity.confirm_totp(user, &code, client).await?;
            let kept = codes.is_empty();
            Ok(if kept { Changed::Done("app-added") } else { Changed::Codes(shown(&codes)) })
        }
        "add-passkey" => {
            let name = posted.fields.trimmed("name");
            let answer = answer.ok_or(PortalError::WrongFactor)?;
            let (_, codes) = identity.confirm_passkey(user, &name, &answer, client).await?;
            let kept = codes.is_empty();
            Ok(if kept { Changed::Done("passkey-added") } else { Changed::Codes(shown(&codes)) })
        }
        "remove-passkey" => {
            let id = posted.fields.trimmed("id").parse().map_err(|_| PortalError::NotFound)?;
            identity.remove_passkey(user, id, client).await?;
            Ok(Changed::Done("passkey-removed"))
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
