//! `/auth/devices`: device passwords for sync clients, API tokens for programs.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PortalState;
use super::extract::{AskedBy, Fresh, Json, OwnSession, required, timestamp};
use super::problem::PortalError;
use super::view::DeviceView;
use crate::identity::device::{NewDevice, Scope};
use crate::identity::registration::InvalidField;

/// The devices of somebody.
#[derive(JsonSchema, Serialize)]
pub(super) struct Devices {
    devices: Vec<DeviceView>,
}

/// What to make.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewDevice")]
pub(super) struct Body {
    /// What to call it: 1 to 64 characters.
    name: Option<String>,
    /// Without: a device password for files, calendars and contacts. With: an API token that may do this at most.
    permissions: Option<Vec<String>>,
    /// RFC 3339; without, it ends when it was not used for long.
    expires_at: Option<String>,
}

/// A device with its secret, which is shown this once.
#[derive(JsonSchema, Serialize)]
pub(super) struct Made {
    #[serde(flatten)]
    device: DeviceView,
    /// As the password of HTTP Basic, or as a bearer token.
    secret: String,
}

pub(super) async fn list(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
) -> Result<Answer<Devices>, PortalError> {
    let devices = portal.identity.devices(user).await?;
    Ok(Answer(Devices { devices: devices.iter().map(DeviceView::of).collect() }))
}

pub(super) async fn add(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Fresh { user, .. }: Fresh,
    Json(body): Json<Body>,
) -> Result<Response, PortalError> {
    let scope = match body.permissions {
        None => Scope::Dav,
        Some(texts) => {
            let listed: Result<Vec<_>, _> = texts.iter().map(|text| text.parse()).collect();
            Scope::Permissions(listed.map_err(|_| InvalidField::Permission)?)
        }
    };
    let new = NewDevice {
        name: required(body.name, "name")?,
        scope,
        expires_at: body.expires_at.as_deref().map(timestamp).transpose()?,
    };
    let (device, secret) = portal.identity.add_device(user, new, Some(&client)).await?;
    let made = Made { device: DeviceView::of(&device), secret: secret.expose().to_owned() };
    let private = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, private, Answer(made)).into_response())
}

pub(super) async fn remove(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    OwnSession { user, .. }: OwnSession,
    Path(id): Path<String>,
) -> Result<StatusCode, PortalError> {
    let id = id.parse().map_err(|_| PortalError::NotFound)?;
    let removed = portal.identity.remove_device(user, id, Some(&client)).await?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(PortalError::NotFound) }
}
