//! `/auth/admin`: other people's accounts, for whoever has the permissions. Every call is audited.

mod invitations;
mod users;

pub(super) use invitations::{Invitations, NewInvitation, invitations, invite, revoke_invitation};
pub(super) use users::{
    ChangeUser, Grants, NewUserBody, RolesBody, add, approve, change, delete, end_sessions, erase,
    find, list, lock, reset_second_factor, restore, sessions_of, set_grants, set_roles, unlock,
};

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PortalState;
use super::extract::{AdminCaller, Query};
use super::problem::PortalError;
use super::view::{EventView, Page, SessionView};
use crate::identity::event::EventQuery;

/// Most items of a page.
pub(super) const PAGE_MAX: u32 = 200;

/// Items of a page when nothing is said.
const PAGE: u32 = 50;

/// Which part of a list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Paging {
    skip: Option<u32>,
    limit: Option<u32>,
}

impl Paging {
    pub(super) fn bounds(&self) -> (u32, u32) {
        (self.skip.unwrap_or(0), self.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX))
    }
}

/// A role.
#[derive(JsonSchema, Serialize)]
pub(super) struct RoleView {
    name: String,
    permissions: Vec<String>,
    tier: String,
    /// Seconds.
    idle_timeout: u64,
    /// Seconds.
    absolute_timeout: u64,
    second_factor_required: bool,
}

/// All roles.
#[derive(JsonSchema, Serialize)]
pub(super) struct RolesView {
    roles: Vec<RoleView>,
}

pub(super) async fn roles(State(portal): State<PortalState>) -> Json<RolesView> {
    let settings = portal.identity.settings();
    let roles = settings.roles.iter().map(|role| RoleView {
        name: role.name.to_string(),
        permissions: role.permissions.iter().map(ToString::to_string).collect(),
        tier: role.tier.to_string(),
        idle_timeout: role.idle_timeout.as_secs(),
        absolute_timeout: role.absolute_timeout.as_secs(),
        second_factor_required: role.second_factor,
    });
    Json(RolesView { roles: roles.collect() })
}

pub(super) async fn sessions(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<SessionView>>, PortalError> {
    admin.looked(&portal, "sessions", None).await?;
    let (skip, limit) = paging.bounds();
    let (found, total) = portal.identity.all_sessions(skip, limit).await?;
    let items = found
        .iter()
        .map(|session| SessionView::of(session, admin.session, &portal.identity))
        .collect();
    Ok(Json(Page { items, total, skip, limit }))
}

pub(super) async fn end_session(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(id): Path<String>,
) -> Result<StatusCode, PortalError> {
    let id = id.parse().map_err(|_| PortalError::NotFound)?;
    let ended = portal.identity.end_session(id, &admin.by()).await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(PortalError::NotFound) }
}

/// Which events.
#[derive(Debug, Deserialize)]
pub(super) struct EventFilter {
    user: Option<String>,
    kind: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

/// Events, newest first.
#[derive(JsonSchema, Serialize)]
pub(super) struct Events {
    events: Vec<EventView>,
}

pub(super) async fn events(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Query(filter): Query<EventFilter>,
) -> Result<Json<Events>, PortalError> {
    admin.looked(&portal, "audit", None).await?;
    let user = filter.user.as_deref().map(str::parse).transpose();
    let query = EventQuery {
        user: user.map_err(|_| PortalError::NotFound)?,
        kind: filter.kind,
        before: filter.before,
        limit: filter.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX),
    };
    let events = portal.identity.recorded(&query).await?;
    Ok(Json(Events { events: events.into_iter().map(EventView::of).collect() }))
}
