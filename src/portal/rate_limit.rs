//! `GET /auth/rate-limit`: what is left of the caller's budget.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::extract;

/// The tightest limit that a request was charged to.
#[derive(JsonSchema, Serialize)]
pub(super) struct Left {
    policy: Option<String>,
    limit: Option<u32>,
    window_seconds: Option<u64>,
    remaining: Option<u32>,
    reset_seconds: Option<u64>,
}

pub(super) async fn handle(extract::Left(budget): extract::Left) -> Response {
    let budget = budget.as_ref();
    let seconds = |wait: Duration| wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let left = Left {
        policy: budget.map(|budget| budget.policy.to_string()),
        limit: budget.map(|budget| budget.quota.limit()),
        window_seconds: budget.map(|budget| budget.quota.window().as_secs()),
        remaining: budget.map(|budget| budget.remaining),
        reset_seconds: budget.map(|budget| seconds(budget.reset_after)),
    };
    let private = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (private, Json(left)).into_response()
}
