//! How tokens leave (RFC 6749 §5.1).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use schemars::JsonSchema;
use serde::Serialize;

use crate::identity::TokenPair;

/// What a client gets, in seconds, never cached.
pub(super) struct TokenAnswer(pub(super) TokenPair);

/// The members of it.
#[derive(JsonSchema, Serialize)]
pub(super) struct Tokens {
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
    refresh_expires_in: u64,
}

impl Tokens {
    pub(super) fn of(tokens: &TokenPair) -> Self {
        Self {
            access_token: tokens.access_token.expose().clone(),
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
            refresh_token: tokens.refresh_token.expose().clone(),
            refresh_expires_in: tokens.refresh_expires_in.as_secs(),
        }
    }
}

impl IntoResponse for TokenAnswer {
    fn into_response(self) -> Response {
        let headers = [
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::PRAGMA, HeaderValue::from_static("no-cache")),
        ];
        (headers, Json(Tokens::of(&self.0))).into_response()
    }
}
