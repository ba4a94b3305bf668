//! `GET /.well-known/jwks.json`: our public keys (RFC 7517 §5).

use axum::extract::State;
use http::{HeaderName, HeaderValue, header};

use crate::portal::PortalState;

/// | status | when |
/// |---|---|
/// | 200 | always; with a shared secret (HS256) there is no key to show |
pub(in crate::portal) async fn handle(
    State(portal): State<PortalState>,
) -> ([(HeaderName, HeaderValue); 2], String) {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json")),
        // Rotation publishes a key for longer than this before it signs with it.
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    (headers, (portal.jwks)().to_string())
}
