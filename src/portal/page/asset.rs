//! The stylesheet, and the scripts for passkeys and for puzzles. They lie under the reserved path of every host, because error pages are shown
//! on every host, and are named by their content, so that browsers may keep them for good.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, header};
use ring::digest;

use super::super::problem::PortalError;

/// Where they are served.
pub(in super::super) const PATH: &str = "/.stormdoor/assets/{name}";

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("passkey.js");
const PUZZLE: &str = include_str!("puzzle.js");

static STYLE_NAME: LazyLock<String> = LazyLock::new(|| name(STYLE, "css"));
static SCRIPT_NAME: LazyLock<String> = LazyLock::new(|| name(SCRIPT, "js"));
static PUZZLE_NAME: LazyLock<String> = LazyLock::new(|| name(PUZZLE, "js"));

/// `{hash}.{kind}`.
fn name(text: &str, kind: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let start = digest.as_ref().get(..9).unwrap_or_default();
    format!("{}.{kind}", URL_SAFE_NO_PAD.encode(start))
}

/// Where the stylesheet is to be had.
pub(super) fn style_path() -> String {
    format!("/.stormdoor/assets/{}", *STYLE_NAME)
}

/// Where the script for passkeys is to be had.
pub(super) fn script_path() -> String {
    format!("/.stormdoor/assets/{}", *SCRIPT_NAME)
}

/// Where the script is to be had that solves puzzles.
pub(super) fn puzzle_path() -> String {
    format!("/.stormdoor/assets/{}", *PUZZLE_NAME)
}

/// `GET /.stormdoor/assets/{name}`.
pub(in super::super) async fn asset(Path(name): Path<String>) -> Result<Response, PortalError> {
    let (kind, text) = if name == *STYLE_NAME {
        ("text/css; charset=utf-8", STYLE)
    } else if name == *SCRIPT_NAME {
        ("text/javascript; charset=utf-8", SCRIPT)
    } else if name == *PUZZLE_NAME {
        ("text/javascript; charset=utf-8", PUZZLE)
    } else {
        return Err(PortalError::NotFound);
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    Ok((headers, text).into_response())
}
