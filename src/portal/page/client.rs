//! The way of a browser through us for a client: `/auth/openid/authorize`, `continue` after a sign-in, and `end-session`.
//!
//! None of them is a form of ours. One that a client's page sends with `POST` begins anew with `GET`: our cookies do not come
//! along with a form of another site, but they do with a navigation.

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;

use super::super::PortalState;
use super::super::extract::{AskedBy, MaybeSignedIn, MediaType, Query, own_user};
use super::super::login::form;
use super::super::problem::PortalError;
use super::super::way_in::{escaped, see_other};
use super::onward::Onward;
use super::sheet::{Block, Sheet};
use super::visit::{Visit, clear_session};
use super::{sign_in, sign_out, words};
use crate::identity::event::Client;
use crate::identity::openid::{AuthorizationRequest, Authorized, Refused};

const AUTHORIZE: &str = "/auth/openid/authorize";

pub(super) const CONTINUE: &str = "/auth/openid/continue";

const END_SESSION: &str = "/auth/openid/end-session";

/// What a form of a client's page brings is small.
const QUERY_MAX: usize = 4096;

type Parameters = Vec<(String, String)>;

/// `GET /auth/openid/authorize`: a client asks who somebody is.
pub(in super::super) async fn authorize(
    State(portal): State<PortalState>,
    signed_in: MaybeSignedIn,
    AskedBy(asker): AskedBy,
    visit: Visit,
    Query(parameters): Query<Parameters>,
) -> Result<Response, PortalError> {
    let refused = match portal.openid.read(&parameters) {
        Ok(request) => return answer(&portal, signed_in, &asker, &visit, &request).await,
        Err(refused) => refused,
    };
    match refused {
        Refused::SentBack(back) => {
            portal.metrics.openid("authorize", back.error.name());
            Ok(see_other(&back.location(portal.openid.issuer())))
        }
        Refused::Shown(why) => {
            portal.metrics.openid("authorize", "unanswerable");
            Err(PortalError::Unanswerable(why))
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Continue {
    openid: String,
}

/// `GET /auth/openid/continue`: on with a request that was read before, now that somebody signed in.
pub(super) async fn go_on(
    State(portal): State<PortalState>,
    signed_in: MaybeSignedIn,
    AskedBy(asker): AskedBy,
    visit: Visit,
    Query(Continue { openid }): Query<Continue>,
) -> Result<Response, PortalError> {
    let request = portal.openid.open(&openid).map_err(|_| PortalError::WayInOver)?;
    answer(&portal, signed_in, &asker, &visit, &request).await
}

async fn answer(
    portal: &PortalState,
    MaybeSignedIn(principal): MaybeSignedIn,
    asker: &Client,
    visit: &Visit,
    request: &AuthorizationRequest,
) -> Result<Response, PortalError> {
    let session = principal.and_then(|principal| principal.session);
    let authorized = portal.openid.authorize(request, session, asker).await?;
    let (result, page, more) = match authorized {
        Authorized::SentBack(location) => {
            portal.metrics.openid("authorize", "answered");
            return Ok(see_other(&location));
        }
        Authorized::NoAccount { why, back } => {
            portal.metrics.openid("authorize", "no_account");
            let sheet = Sheet::new(portal, words::NO_ACCOUNT_THERE)
                .with(Block::text(words::NO_ACCOUNT_THERE_WHY))
                .with(Block::text(words::sentence(&why.to_string())))
                .with(Block::main_link(words::BACK_TO_APP, back));
            return visit.show(sheet);
        }
        Authorized::SignIn => ("sign_in", sign_in::PATH, None),
        Authorized::SignInAgain => ("sign_in", sign_in::PATH, Some(("again", "1"))),
        Authorized::StepUp => ("step_up", "/auth/step-up", None),
    };
    portal.metrics.openid("authorize", result);
    let hint = request.login_hint.as_deref().map(|hint| ("name", hint));
    let more: Vec<_> = more.into_iter().chain(hint).collect();
    Ok(see_other(&Onward::OpenId(portal.openid.seal(request)).link(page, &more)))
}

/// `GET /auth/openid/end-session`: a client sends somebody to sign out.
pub(in super::super) async fn end_session(
    State(portal): State<PortalState>,
    MaybeSignedIn(principal): MaybeSignedIn,
    AskedBy(asker): AskedBy,
    Query(parameters): Query<Parameters>,
) -> Result<Response, PortalError> {
    let asked = portal.openid.end_request(&parameters);
    let Some((principal, session)) =
        principal.and_then(|principal| principal.session.map(|session| (principal, session)))
    else {
        let back = asked.back.as_deref();
        portal.metrics.openid("end_session", "nobody");
        return Ok(see_other(back.unwrap_or(sign_out::PATH)));
    };
    if asked.hinted != Some(session) {
        portal.metrics.openid("end_session", "asked");
        return Ok(see_other(&with_query(sign_out::PATH, &asked.kept)));
    }
    portal.identity.sign_out(session, own_user(&principal)?, &asker).await?;
    portal.metrics.session_ended("sign_out");
    portal.metrics.openid("end_session", "ended");
    let mut response = see_other(asked.back.as_deref().unwrap_or(sign_out::PATH));
    clear_session(&mut response);
    Ok(response)
}

/// `POST /auth/openid/authorize`.
pub(in super::super) async fn authorize_by_form(
    State(portal): State<PortalState>,
    request: Request,
) -> Result<Response, PortalError> {
    begin_anew(&portal, AUTHORIZE, request).await
}

/// `POST /auth/openid/end-session`.
pub(in super::super) async fn end_session_by_form(
    State(portal): State<PortalState>,
    request: Request,
) -> Result<Response, PortalError> {
    begin_anew(&portal, END_SESSION, request).await
}

async fn begin_anew(
    portal: &PortalState,
    path: &str,
    request: Request,
) -> Result<Response, PortalError> {
    if MediaType::of(request.headers()) != MediaType::Form {
        return Err(PortalError::MediaType { expected: "application/x-www-form-urlencoded" });
    }
    let parameters: Parameters = form(request, portal).await?;
    let location = with_query(path, &parameters);
    if location.len() > QUERY_MAX {
        return Err(PortalError::BodyTooLarge);
    }
    Ok(see_other(&location))
}

fn with_query<N: AsRef<str>>(path: &str, parameters: &[(N, String)]) -> String {
    let mut location = path.to_owned();
    for (name, value) in parameters {
        location.push(if location.contains('?') { '&' } else { '?' });
        location.push_str(&escaped(name.as_ref()));
        location.push('=');
        location.push_str(&escaped(value));
    }
    location
}
