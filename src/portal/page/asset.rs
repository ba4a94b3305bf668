//! The stylesheet and the scripts: for passkeys, for puzzles, for times. They lie under the reserved path of every host,
//! because error pages are shown on every host, and are named by their content, so that browsers may keep them for good.

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

/// A file that pages load.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asset {
    /// Passes what is asked of a passkey to the browser.
    PasskeyScript,
    /// Solves puzzles.
    PuzzleScript,
    /// The looks.
    Style,
    /// Tells times in the browser's own zone and language.
    TimeScript,
}

/// All of them, by their names.
static NAMED: LazyLock<[(String, Asset); 4]> = LazyLock::new(|| {
    [Asset::PasskeyScript, Asset::PuzzleScript, Asset::Style, Asset::TimeScript]
        .map(|asset| (asset.name(), asset))
});

impl Asset {
    /// Where it is to be had.
    pub(super) fn path(self) -> String {
        let found = NAMED.iter().find(|(_, asset)| *asset == self);
        let name = found.map_or("", |(name, _)| name);
        format!("/.stormdoor/assets/{name}")
    }

    /// `{hash}.{kind}`.
    fn name(self) -> String {
        let digest = digest::digest(&digest::SHA256, self.text().as_bytes());
        let start = digest.as_ref().get(..9).unwrap_or_default();
        let kind = if self == Self::Style { "css" } else { "js" };
        format!("{}.{kind}", URL_SAFE_NO_PAD.encode(start))
    }

    fn text(self) -> &'static str {
        match self {
            Self::PasskeyScript => include_str!("passkey.js"),
            Self::PuzzleScript => include_str!("puzzle.js"),
            Self::Style => include_str!("style.css"),
            Self::TimeScript => include_str!("time.js"),
        }
    }

    fn media_type(self) -> &'static str {
        if self == Self::Style {
            "text/css; charset=utf-8"
        } else {
            "text/javascript; charset=utf-8"
        }
    }
}

/// `GET /.stormdoor/assets/{name}`.
pub(in super::super) async fn asset(Path(name): Path<String>) -> Result<Response, PortalError> {
    let found = NAMED.iter().find(|(known, _)| *known == name);
    let (_, asset) = found.ok_or(PortalError::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type())),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    Ok((headers, asset.text()).into_response())
}
