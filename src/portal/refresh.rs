//! `POST /auth/refresh`: trade a refresh token for the next pair.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::PortalState;
use super::extract::{AskedBy, Json, required};
use super::problem::PortalError;
use super::token_answer::TokenAnswer;
use crate::identity::service::{Freshness, RefreshError};

/// A refresh token.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Refresh")]
pub(super) struct Body {
    refresh_token: Option<String>,
}

/// | status | when |
/// |---|---|
/// | 200 | a new pair; the old refresh token is spent. For 10 s it may be shown again, for the same successor |
/// | 401 `invalid-refresh-token` | not ours, expired, revoked, or replayed: then the session is over |
/// | 422 | the field is missing |
pub(super) async fn handle(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(body): Json<Body>,
) -> Result<TokenAnswer, PortalError> {
    let token = required(body.refresh_token, "refresh_token")?;
    let refreshed = portal.identity.refresh(&token, &client).await;
    portal.metrics.refresh(match &refreshed {
        Ok(refreshed) => match refreshed.how {
            Freshness::Fresh => "rotated",
            Freshness::Repeated => "grace",
        },
        Err(RefreshError::Replayed) => "reuse",
        Err(RefreshError::Refused) => "refused",
        Err(RefreshError::Store(_)) => "error",
    });
    if matches!(refreshed, Err(RefreshError::Replayed)) {
        portal.metrics.session_ended("replay");
    }
    Ok(TokenAnswer(refreshed?.tokens))
}
