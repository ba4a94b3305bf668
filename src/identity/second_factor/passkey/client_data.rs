//! What the browser says of a ceremony (WebAuthn §5.8.1). It is signed with the rest, so a page elsewhere cannot pass
//! for ours.

use ring::digest;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::{Challenge, PasskeyError, RelyingParty};

/// Which ceremony it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ceremony {
    Authentication,
    Registration,
}

/// The members that are read; there may be others, and more in the future. None of these may be there twice.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: Option<bool>,
    #[serde(default)]
    top_origin: Option<String>,
}

/// Checks client data as it came and returns its SHA-256, which is what authenticators sign. The numbers are the steps
/// of WebAuthn §7.1, and after the stroke those of §7.2.
pub(super) fn check(
    json: &[u8],
    ceremony: Ceremony,
    challenge: &Challenge,
    rp: &RelyingParty,
) -> Result<[u8; 32], PasskeyError> {
    // 5, 6 / 8, 9: the byte order mark must be let pass.
    let text = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
    let client: ClientData =
        serde_json::from_slice(text).map_err(|_| PasskeyError::Malformed("clientDataJSON"))?;

    // 7 / 10.
    let expected = match ceremony {
        Ceremony::Authentication => "webauthn.get",
        Ceremony::Registration => "webauthn.create",
    };
    if client.kind != expected {
        return Err(PasskeyError::WrongType);
    }

    // 8 / 11.
    let same = client.challenge.as_bytes().ct_eq(challenge.to_string().as_bytes());
    if !bool::from(same) {
        return Err(PasskeyError::WrongChallenge);
    }

    // 9 / 12.
    if !rp.origins.contains(&client.origin) {
        return Err(PasskeyError::WrongOrigin);
    }

    // 10, 11 / 13, 14: nobody has a reason to show our sign-in page in a frame of theirs.
    if client.cross_origin == Some(true) || client.top_origin.is_some() {
        return Err(PasskeyError::CrossOrigin);
    }

    // 12 / 20: over the bytes as they came.
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, json).as_ref());
    Ok(hash)
}
