//! `/auth/me/nextcloud/app-password`, and the same for somebody by an admin: how Nextcloud is told who is calling, with
//! `bridge: app_password`.

use axum::extract::{Path, State};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::PortalState;
use crate::identity::UserId;
use crate::identity::cloud_password::CloudPassword;
use crate::portal::extract::{AdminCaller, AskedBy, Fresh, Json, OwnSession, required};
use crate::portal::problem::PortalError;

/// An app password of Nextcloud.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NextcloudAppPassword")]
pub(in crate::portal) struct Body {
    /// As Nextcloud shows it once, under Settings, Security.
    password: Option<String>,
}

impl Body {
    fn read(self) -> Result<CloudPassword, PortalError> {
        let text = required(self.password, "password")?;
        CloudPassword::new(&text).map_err(|wrong| PortalError::InvalidDevice(wrong.to_string()))
    }
}

pub(in crate::portal) async fn set_own(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Fresh { user, .. }: Fresh,
    Json(body): Json<Body>,
) -> Result<StatusCode, PortalError> {
    portal.identity.set_own_cloud_password(user, &body.read()?, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::portal) async fn remove_own(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    OwnSession { user, .. }: OwnSession,
) -> Result<StatusCode, PortalError> {
    removed(portal.identity.remove_own_cloud_password(user, &client).await?)
}

pub(in crate::portal) async fn set(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
    Json(body): Json<Body>,
) -> Result<StatusCode, PortalError> {
    portal.identity.set_cloud_password(id(&user)?, &body.read()?, &admin.by()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::portal) async fn remove(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(user): Path<String>,
) -> Result<StatusCode, PortalError> {
    removed(portal.identity.remove_cloud_password(id(&user)?, &admin.by()).await?)
}

fn removed(any: bool) -> Result<StatusCode, PortalError> {
    if any { Ok(StatusCode::NO_CONTENT) } else { Err(PortalError::NotFound) }
}

fn id(text: &str) -> Result<UserId, PortalError> {
    text.parse().map_err(|_| PortalError::NotFound)
}
