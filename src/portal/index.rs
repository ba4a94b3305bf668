//! `GET /`: what this is.

use axum::Json;
use serde_json::{Value, json};

/// | status | when |
/// |---|---|
/// | 200 | always |
pub(super) async fn handle() -> Json<Value> {
    Json(json!({
        "service": "stormdoor",
        "about": "The door in front of the apps here. Sign in with POST /auth/login.",
        "endpoints": {
            "login": "/auth/login",
            "refresh": "/auth/refresh",
            "logout": "/auth/logout",
            "me": "/auth/me",
            "rate_limit": "/auth/rate-limit",
            "register": "/auth/register",
            "setup": "/auth/setup",
            "jwks": "/.well-known/jwks.json",
        },
    }))
}
