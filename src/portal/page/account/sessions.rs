//! `/auth/account/sessions`: where one is signed in.

use axum::extract::State;
use axum::response::Response;

use super::super::sheet::{Block, Item, Sheet};
use super::super::visit::{Posted, Visit};
use super::super::words;
use crate::identity::{Session, SessionId};
use crate::portal::PortalState;
use crate::portal::extract::OwnSession;
use crate::portal::problem::PortalError;
use crate::portal::way_in::see_other;

pub(in super::super) const PATH: &str = "/auth/account/sessions";

pub(in super::super) async fn show(
    State(portal): State<PortalState>,
    OwnSession { user, session }: OwnSession,
    visit: Visit,
) -> Result<Response, PortalError> {
    let sessions = portal.identity.sessions(user).await?;
    let sheet = sheet(&portal, &visit, &sessions, session);
    visit.show(sheet.notice(visit.query.get("done")))
}

fn sheet(portal: &PortalState, visit: &Visit, sessions: &[Session], current: SessionId) -> Sheet {
    let items = sessions.iter().map(|session| item(portal, visit, session, current)).collect();
    let sheet = Sheet::new(portal, words::SESSIONS)
        .part(PATH)
        .with(Block::text(words::SESSIONS_WHY))
        .with(Block::Items(items));
    if sessions.len() < 2 {
        return sheet;
    }
    let others = vec![("others", "yes".to_owned())];
    sheet.with(visit.form(PATH, words::END_OTHERS).hidden(others).danger().into())
}

fn item(portal: &PortalState, visit: &Visit, session: &Session, current: SessionId) -> Item {
    let title = words::client(session.user_agent.as_deref());
    let address = session.client_address.as_deref().unwrap_or_default().to_owned();
    let address = match portal.identity.place_of(&address) {
        Some(place) => format!("{address} ({place})"),
        None => address,
    };
    let is_current = session.id == current;
    let form = visit
        .form(PATH, words::END)
        .hidden(vec![("session", session.id.to_string())])
        .about(title.clone())
        .quiet();
    Item {
        title,
        mark: is_current.then_some(words::THIS_ONE),
        facts: vec![
            (words::ADDRESS, address.into()),
            (words::SIGNED_IN_AT, session.created_at.into()),
            (words::LAST_USED, session.last_seen_at.into()),
        ],
        // This one is ended by signing out.
        form: (!is_current).then_some(form),
    }
}

pub(in super::super) async fn act(
    State(portal): State<PortalState>,
    OwnSession { user, session }: OwnSession,
    posted: Posted,
) -> Result<Response, PortalError> {
    match end(&portal, OwnSession { user, session }, &posted).await {
        Ok(done) => Ok(see_other(&format!("{PATH}?done={done}"))),
        Err(error) => {
            let sessions = portal.identity.sessions(user).await?;
            posted.visit.again(sheet(&portal, &posted.visit, &sessions, session), error)
        }
    }
}

async fn end(
    portal: &PortalState,
    OwnSession { user, session }: OwnSession,
    posted: &Posted,
) -> Result<&'static str, PortalError> {
    posted.genuine()?;
    let client = &posted.visit.client;
    if posted.fields.get("others").is_some() {
        portal.identity.end_other_sessions(user, Some(session), client).await?;
        return Ok("others-ended");
    }
    let id = posted.fields.trimmed("session").parse().map_err(|_| PortalError::NotFound)?;
    let ended = portal.identity.end_own_session(user, id, client).await?;
    if ended { Ok("ended") } else { Err(PortalError::NotFound) }
}
