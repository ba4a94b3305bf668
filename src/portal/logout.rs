//! `POST /auth/logout`: end the session of the access token.

use axum::extract::State;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::PortalState;
use super::extract::{AskedBy, Json, OwnSession};
use super::problem::PortalError;

/// Further sessions of the same user to end.
#[derive(Default, Deserialize, JsonSchema)]
#[schemars(rename = "Logout")]
pub(super) struct Body {
    /// Every session, this one included. Default `false`.
    #[serde(default)]
    everywhere: bool,
    /// The session of this one, too.
    refresh_token: Option<String>,
}

/// | status | when |
/// |---|---|
/// | 204 | the session is over, its access tokens at once; so is that of the refresh token in the body, if one of the same user's was given; with `everywhere`, so is every other of the user's |
/// | 401 `unauthenticated` | no access token |
/// | 403 `no-session-here` | the access token is of another issuer: sign out there |
pub(super) async fn handle(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    OwnSession { user, session }: OwnSession,
    body: Option<Json<Body>>,
) -> Result<StatusCode, PortalError> {
    let Body { everywhere, refresh_token } = body.map(|Json(body)| body).unwrap_or_default();
    if everywhere {
        for _ in 0..portal.identity.end_other_sessions(user, None, &client).await? {
            portal.metrics.session_ended("sign_out_everywhere");
        }
        return Ok(StatusCode::NO_CONTENT);
    }
    portal.identity.sign_out(session, user, &client).await?;
    portal.metrics.session_ended("sign_out");
    if let Some(token) = refresh_token {
        portal.identity.sign_out_by_refresh_token(&token, user, &client).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
