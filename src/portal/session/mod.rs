//! `/auth/sessions`: where one is signed in, and the end of it.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::PortalState;
use super::extract::{AskedBy, OwnSession};
use super::problem::PortalError;
use super::view::SessionView;

/// Live sessions, the one used last first.
#[derive(JsonSchema, Serialize)]
pub(super) struct Sessions {
    sessions: Vec<SessionView>,
}

/// How many ended.
#[derive(JsonSchema, Serialize)]
pub(super) struct Ended {
    pub(super) ended: usize,
}

pub(super) async fn list(
    State(portal): State<PortalState>,
    OwnSession { user, session }: OwnSession,
) -> Result<Json<Sessions>, PortalError> {
    let found = portal.identity.sessions(user).await?;
    let sessions =
        found.iter().map(|found| SessionView::of(found, Some(session), &portal.identity)).collect();
    Ok(Json(Sessions { sessions }))
}

pub(super) async fn end_others(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    OwnSession { user, session }: OwnSession,
) -> Result<Json<Ended>, PortalError> {
    let ended = portal.identity.end_other_sessions(user, Some(session), &client).await?;
    Ok(Json(Ended { ended }))
}

pub(super) async fn find(
    State(portal): State<PortalState>,
    OwnSession { user, session }: OwnSession,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, PortalError> {
    let found = portal.identity.sessions(user).await?;
    let found = found.iter().find(|found| found.id.to_string() == id);
    let found = found.ok_or(PortalError::NotFound)?;
    Ok(Json(SessionView::of(found, Some(session), &portal.identity)))
}

pub(super) async fn end(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    OwnSession { user, .. }: OwnSession,
    Path(id): Path<String>,
) -> Result<StatusCode, PortalError> {
    let id = id.parse().map_err(|_| PortalError::NotFound)?;
    let ended = portal.identity.end_own_session(user, id, &client).await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(PortalError::NotFound) }
}
