//! The stylesheet. It lies under the reserved path of every host, because error pages are shown on every host, and is named
//! by its content, so that browsers may keep it for good.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, header};
use ring::digest;

use super::super::problem::PortalError;

/// Where it is served.
pub(in super::super) const PATH: &str = "/.stormdoor/assets/{name}";

const STYLE: &str = include_str!("style.css");

/// `{hash}.css`.
static NAME: LazyLock<String> = LazyLock::new(|| {
    let digest = digest::digest(&digest::SHA256, STYLE.as_bytes());
    let start = digest.as_ref().get(..9).unwrap_or_default();
    format!("{}.css", URL_SAFE_NO_PAD.encode(start))
});

/// Where it is to be had.
pub(super) fn style_path() -> String {
    format!("/.stormdoor/assets/{}", *NAME)
}

/// `GET /.stormdoor/assets/{name}`.
pub(in super::super) async fn stylesheet(
    Path(name): Path<String>,
) -> Result<Response, PortalError> {
    if name != *NAME {
        return Err(PortalError::NotFound);
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    Ok((headers, STYLE).into_response())
}
