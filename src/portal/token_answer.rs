//! How tokens leave (RFC 6749 §5.1).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::json;

use crate::identity::TokenPair;

/// `{"access_token","token_type","expires_in","refresh_token","refresh_expires_in"}`, in seconds, never cached.
pub(super) struct TokenAnswer(pub(super) TokenPair);

impl IntoResponse for TokenAnswer {
    fn into_response(self) -> Response {
        let tokens = self.0;
        let body = json!({
            "access_token": tokens.access_token.expose(),
            "token_type": "Bearer",
            "expires_in": tokens.expires_in.as_secs(),
            "refresh_token": tokens.refresh_token.expose(),
            "refresh_expires_in": tokens.refresh_expires_in.as_secs(),
        });
        let headers = [
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::PRAGMA, HeaderValue::from_static("no-cache")),
        ];
        (headers, Json(body)).into_response()
    }
}
