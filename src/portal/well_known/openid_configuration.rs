//! `GET /.well-known/openid-configuration`: what we can do as an OpenID provider (OpenID Connect Discovery 1.0 §3).

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::json;

use crate::identity::openid::{ACR, CLAIMS, SCOPES};
use crate::portal::PortalState;
use crate::portal::problem::PortalError;

/// | status | when |
/// |---|---|
/// | 200 | there is a key that clients can know |
/// | 404 | tokens are signed with a shared secret (HS256): then this is no provider |
pub(in crate::portal) async fn handle(
    State(portal): State<PortalState>,
) -> Result<Response, PortalError> {
    let algorithm = portal.openid.algorithm(portal.clock.now()).ok_or(PortalError::NotFound)?;
    let url = &portal.identity.settings().public_url;
    let at = |path: &str| format!("{url}{path}");
    let document = json!({
        "issuer": portal.openid.issuer(),
        "authorization_endpoint": at("/auth/openid/authorize"),
        "token_endpoint": at("/auth/openid/token"),
        "userinfo_endpoint": at("/auth/openid/userinfo"),
        "end_session_endpoint": at("/auth/openid/end-session"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "scopes_supported": SCOPES,
        "claims_supported": CLAIMS,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm.name()],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "acr_values_supported": ACR,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
    });
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))];
    Ok((headers, Answer(document)).into_response())
}
