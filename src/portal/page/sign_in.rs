//! `/auth/sign-in`: the name and the password, and what follows the password.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;

use super::super::PortalState;
use super::super::extract::{MaybeSignedIn, own_user};
use super::super::login::outcome;
use super::super::problem::PortalError;
use super::super::way_in::see_other;
use super::onward::Onward;
use super::sheet::{Block, Field, Sheet};
use super::visit::{Posted, Visit, set_pending, set_session};
use super::{enrol, passkey, second_factor, words};
use crate::clock::Timestamp;
use crate::identity::password::Password;
use crate::identity::registration::RegistrationMode;
use crate::identity::sign_in::{HeldBy, Into, Needs, SignIn, SignInError, SignedIn, Step};

pub(super) const PATH: &str = "/auth/sign-in";

pub(super) async fn show(
    State(portal): State<PortalState>,
    MaybeSignedIn(principal): MaybeSignedIn,
    visit: Visit,
) -> Result<Response, PortalError> {
    let onward = Onward::of(&visit.query);
    let again = visit.query.get("again").is_some();
    let name = match principal {
        Some(_) if !again => return Ok(onward.go()),
        Some(principal) => principal.username.as_deref().unwrap_or_default().to_owned(),
        // As the client that sent them here said.
        None => visit.query.optional("name").filter(|name| name.len() <= 254).unwrap_or_default(),
    };
    let sheet = sheet(&portal, &visit, &onward, &name, again).await?;
    visit.show(sheet.notice(visit.query.get("done")))
}

async fn sheet(
    portal: &PortalState,
    visit: &Visit,
    onward: &Onward,
    name: &str,
    again: bool,
) -> Result<Sheet, PortalError> {
    let username = Field::text("username", words::NAME_OR_EMAIL, "username").verbatim().value(name);
    let password = Field::password("password", words::PASSWORD, "current-password");
    let (username, password) =
        if name.is_empty() { (username.focus(), password) } else { (username, password.focus()) };
    let form = visit.form(PATH, words::SIGN_IN).hidden(onward.hidden());
    let form = if again { form.hidden(vec![("again", "1".to_owned())]) } else { form };
    let mut sheet = Sheet::new(portal, words::SIGN_IN);
    if again {
        sheet.push(Block::text(words::SIGN_IN_AGAIN));
    }
    sheet.push(form.field(username).field(password).into());
    passkey::put_on(&mut sheet, portal, visit, onward).await?;
    let settings = portal.identity.settings();
    if settings.mail {
        sheet.push(Block::link(words::FORGOT_PASSWORD, "/auth/forgot-password"));
    }
    if !matches!(settings.registration, RegistrationMode::Invite | RegistrationMode::Off) {
        sheet.push(Block::link(words::SIGN_UP, "/auth/sign-up"));
    }
    Ok(sheet)
}

pub(super) async fn act(
    State(portal): State<PortalState>,
    before: MaybeSignedIn,
    mut posted: Posted,
) -> Result<Response, PortalError> {
    let onward = Onward::of(&posted.fields);
    let name = posted.fields.trimmed("username");
    let step = match give_password(&portal, &mut posted, name.clone()).await {
        Ok(step) => step,
        Err(error) => {
            let again = posted.fields.get("again").is_some();
            let sheet = sheet(&portal, &posted.visit, &onward, &name, again).await?;
            return posted.visit.again(sheet, error);
        }
    };
    match step {
        Step::Done(signed_in) => arrive(&portal, &posted.visit, &onward, before, *signed_in).await,
        Step::Pending(pending) => {
            let page = match pending.needs {
                Needs::Enrolment => enrol::PATH,
                Needs::SecondFactor(_) => second_factor::PATH,
            };
            let mut response = see_other(&onward.link(page, &[]));
            set_pending(&mut response, pending.token.expose(), pending.expires_in);
            Ok(response)
        }
    }
}

async fn give_password(
    portal: &PortalState,
    posted: &mut Posted,
    name: String,
) -> Result<Step, PortalError> {
    posted.genuine()?;
    // One that is too long for a password is simply not anybody's.
    let password = Password::new(posted.fields.take("password"))
        .map_err(|_| PortalError::WrongNameOrPassword)?;
    let into = Into::Cookie(posted.visit.host.clone());
    let sign_in = SignIn { name, password, into };
    let began = portal.clock.now();
    let step = portal.identity.sign_in(sign_in, &posted.visit.client).await;
    count(portal, "password", step.as_ref().err(), began);
    Ok(step?)
}

/// Counts an attempt, as the API does.
pub(super) fn count(
    portal: &PortalState,
    method: &'static str,
    error: Option<&SignInError>,
    began: Timestamp,
) {
    let (result, reason) = outcome(error);
    portal.metrics.login(method, result, reason, portal.clock.now().since(began));
}

/// Leads somebody who has signed in to where they were going.
pub(super) async fn arrive(
    portal: &PortalState,
    visit: &Visit,
    onward: &Onward,
    before: MaybeSignedIn,
    signed_in: SignedIn,
) -> Result<Response, PortalError> {
    let mut response = onward.go_from_form(portal, visit)?;
    welcome(&mut response, portal, visit, before, signed_in).await?;
    Ok(response)
}

/// Gives the browser its cookie. The session it had before ends: one browser, one session.
pub(super) async fn welcome(
    response: &mut Response,
    portal: &PortalState,
    visit: &Visit,
    MaybeSignedIn(before): MaybeSignedIn,
    signed_in: SignedIn,
) -> Result<(), PortalError> {
    let HeldBy::Cookie(value) = &signed_in.held else {
        return Err(PortalError::Internal("tokens where a cookie was asked for"));
    };
    set_session(response, portal, value, &signed_in.session);
    if visit.pending().is_some() {
        set_pending(response, "", Duration::ZERO);
    }
    if let Some(before) = before
        && let Some(session) = before.session
    {
        portal.identity.sign_out(session, own_user(&before)?, &visit.client).await?;
    }
    Ok(())
}
