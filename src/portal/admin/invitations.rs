//! `/auth/admin/invitations`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::Email;
use crate::identity::registration::InvalidField;
use crate::portal::PortalState;
use crate::portal::extract::{AdminCaller, Json, required};
use crate::portal::problem::PortalError;
use crate::portal::view::InvitationView;

/// Invitations that are good.
#[derive(JsonSchema, Serialize)]
pub(in crate::portal) struct Invitations {
    invitations: Vec<InvitationView>,
}

pub(in crate::portal) async fn invitations(
    State(portal): State<PortalState>,
    admin: AdminCaller,
) -> Result<Answer<Invitations>, PortalError> {
    admin.looked(&portal, "invitations", None).await?;
    let found = portal.identity.invitations().await?;
    let invitations = found.iter().map(|found| InvitationView::of(found, None)).collect();
    Ok(Answer(Invitations { invitations }))
}

/// Whom to invite.
#[derive(Deserialize, JsonSchema)]
pub(in crate::portal) struct NewInvitation {
    email: Option<String>,
    /// Default: those of anybody who registers.
    roles: Option<Vec<String>>,
}

pub(in crate::portal) async fn invite(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Json(new): Json<NewInvitation>,
) -> Result<Response, PortalError> {
    let email: Email = required(new.email, "email")?.parse().map_err(InvalidField::Email)?;
    let roles = match new.roles {
        Some(roles) => roles.into_iter().map(Arc::from).collect(),
        None => portal.identity.settings().default_roles.clone(),
    };
    let (invitation, link) = portal.identity.invite(email, roles, &admin.by()).await?;
    let view = InvitationView::of(&invitation, Some(link.expose().clone()));
    let private = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, private, Answer(view)).into_response())
}

pub(in crate::portal) async fn revoke_invitation(
    State(portal): State<PortalState>,
    admin: AdminCaller,
    Path(email): Path<String>,
) -> Result<StatusCode, PortalError> {
    let email: Email = email.parse().map_err(|_| PortalError::NotFound)?;
    let revoked = portal.identity.revoke_invitation(&email, &admin.by()).await?;
    if revoked { Ok(StatusCode::NO_CONTENT) } else { Err(PortalError::NotFound) }
}
