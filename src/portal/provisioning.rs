//! How far people are in Nextcloud: `GET /auth/me/provisioning`, and for administrators what holds it up.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PortalState;
use super::admin::Paging;
use super::extract::{AdminCaller, Query, SignedIn, own_user};
use super::problem::PortalError;
use super::view::Page;
use crate::identity::UserId;
use crate::identity::provisioning::{Entry, Stage, State as Progress};

/// How far the caller is in Nextcloud.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Provisioning")]
pub(super) struct OwnView {
    /// `off` when accounts are not provisioned, else `waiting`, `done` or `failed`.
    state: &'static str,
    /// `absent`, `creating`, `enabled` or `disabled`: the caller's account in Nextcloud.
    stage: &'static str,
    /// What the caller is called there, once that is settled.
    user_id: Option<String>,
}

/// How far somebody is in Nextcloud, and what holds it up.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "ProvisioningEntry")]
pub(super) struct EntryView {
    /// The id here.
    user: String,
    /// What they are called in Nextcloud, once that is settled.
    user_id: Option<String>,
    /// `waiting`, `done` or `failed`.
    state: &'static str,
    /// `absent`, `creating`, `enabled` or `disabled`.
    stage: &'static str,
    /// The kind of the event that was the last cause.
    reason: String,
    /// How often in a row it was refused.
    attempts: u32,
    /// Since when it waits, or of when the last cause was.
    since: String,
    /// When it is looked at next, while it waits.
    due_at: Option<String>,
    /// Why the last look did not end well: `exists_already`, `user_id_taken`, `no_user_id`, or a step and the code of
    /// Nextcloud's answer, as `create:107`.
    last_error: Option<String>,
}

impl EntryView {
    fn of(entry: &Entry) -> Self {
        let waits = entry.state == Progress::Waiting;
        Self {
            user: entry.user.to_string(),
            user_id: entry.cloud.as_ref().map(ToString::to_string),
            state: entry.state.name(),
            stage: entry.stage.name(),
            reason: entry.reason.clone(),
            attempts: entry.attempts,
            since: entry.since.to_string(),
            due_at: waits.then(|| entry.due_at.to_string()),
            last_error: entry.last_error.clone(),
        }
    }
}

pub(super) async fn own(
    State(portal): State<PortalState>,
    SignedIn { principal }: SignedIn,
) -> Result<Json<OwnView>, PortalError> {
    let entry = portal.identity.provisioning_of(own_user(&principal)?).await?;
    let is_on = portal.identity.provisioning().is_some();
    let state = entry.as_ref().map_or(Progress::Done, |entry| entry.state);
    let stage = entry.as_ref().map_or(Stage::Absent, |entry| entry.stage);
    let user_id = entry.and_then(|entry| entry.cloud).map(|id| id.to_string());
    let state = if is_on { state.name() } else { "off" };
    Ok(Json(OwnView { state, stage: stage.name(), user_id }))
}

/// Which entries.
#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    state: Option<String>,
}

pub(super) async fn list(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<EntryView>>, PortalError> {
    admin.looked(&portal, "provisioning", None).await?;
    let state = filter.state.as_deref().map_or(Some(Progress::Failed), Progress::from_name);
    let state = state.ok_or(PortalError::BadQuery("state"))?;
    let (skip, limit) = paging.bounds();
    let (found, total) = portal.identity.provisioning_in(state, skip, limit).await?;
    let items = found.iter().map(EntryView::of).collect();
    Ok(Json(Page { items, total, skip, limit }))
}

pub(super) async fn find(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
) -> Result<Json<EntryView>, PortalError> {
    let user = id(&user)?;
    let entry = portal.identity.provisioning_of(user).await?.ok_or(PortalError::NotFound)?;
    admin.looked(&portal, "provisioning", Some(user)).await?;
    Ok(Json(EntryView::of(&entry)))
}

pub(super) async fn retry(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
) -> Result<(StatusCode, Json<EntryView>), PortalError> {
    let user = id(&user)?;
    if portal.identity.provisioning().is_none() {
        return Err(PortalError::NotProvisioning);
    }
    if !portal.identity.retry_provisioning(user, &admin.by()).await? {
        return Err(PortalError::NotFound);
    }
    let entry = portal.identity.provisioning_of(user).await?.ok_or(PortalError::NotFound)?;
    Ok((StatusCode::ACCEPTED, Json(EntryView::of(&entry))))
}

fn id(text: &str) -> Result<UserId, PortalError> {
    text.parse().map_err(|_| PortalError::NotFound)
}
