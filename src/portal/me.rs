//! `GET /auth/me`: who is calling.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::PortalState;
use super::extract::{SignedIn, own_user};
use super::problem::PortalError;
use crate::identity::{Issuer, Principal, User};

/// | status | when |
/// |---|---|
/// | 200 | the account; for an outside issuer's token, what the token says |
/// | 401 `unauthenticated` | no access token, or the account is gone or locked |
pub(super) async fn handle(
    State(portal): State<PortalState>,
    SignedIn { principal }: SignedIn,
) -> Result<Response, PortalError> {
    let facts = match &principal.issuer {
        Issuer::Own => {
            let user = portal.identity.me(own_user(&principal)?).await?;
            account(&user.ok_or(PortalError::Unauthenticated)?, &principal, &portal)
        }
        Issuer::Outside(issuer) => outside(issuer, &principal),
    };
    let private = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((private, Json(facts)).into_response())
}

fn account(user: &User, principal: &Principal, portal: &PortalState) -> Value {
    json!({
        "id": user.id.to_string(),
        "email": user.email.as_str(),
        "username": user.username.as_str(),
        "full_name": user.full_name,
        "is_active": user.is_active(),
        "is_admin": user.is_admin(),
        "roles": user.roles,
        "permissions": permissions(principal),
        "tier": portal.identity.tier(user),
        "created_at": user.created_at.to_string(),
        "updated_at": user.updated_at.to_string(),
        "last_login_at": user.last_login_at.map(|at| at.to_string()),
        "session": principal.session.map(|session| session.to_string()),
    })
}

fn outside(issuer: &str, principal: &Principal) -> Value {
    json!({
        "issuer": issuer,
        "subject": principal.subject.as_str(),
        "email": principal.email,
        "username": principal.username,
        "roles": principal.roles,
        "groups": principal.groups,
        "permissions": permissions(principal),
        "tier": principal.tier,
    })
}

fn permissions(principal: &Principal) -> Vec<String> {
    principal.permissions.iter().map(ToString::to_string).collect()
}
