//! `GET /auth/rate-limit`: what is left of the caller's budget.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::json;

use super::extract::Left;

/// | status | when |
/// |---|---|
/// | 200 | the tightest limit that this request was charged to; nulls when there is none |
pub(super) async fn handle(Left(budget): Left) -> Response {
    let budget = budget.as_ref();
    let seconds = |wait: Duration| wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let body = json!({
        "policy": budget.map(|budget| budget.policy.as_ref()),
        "limit": budget.map(|budget| budget.quota.limit()),
        "window_seconds": budget.map(|budget| budget.quota.window().as_secs()),
        "remaining": budget.map(|budget| budget.remaining),
        "reset_seconds": budget.map(|budget| seconds(budget.reset_after)),
    });
    let private = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (private, Json(body)).into_response()
}
