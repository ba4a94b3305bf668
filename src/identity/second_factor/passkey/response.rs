//! The outside of what browsers send back (WebAuthn §5.1): JSON with bytes in base64url.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use super::{CredentialId, PasskeyError};

/// Longest response that is read, in bytes. The longest parts are attestation certificates and keys of four kilobits;
/// few responses have more than two kilobytes.
pub const MAX_RESPONSE: usize = 32 * 1024;

/// A `PublicKeyCredentialJSON`. Members that are not read here may be there: there are some, and will be more.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<R> {
    id: Base64Url,
    raw_id: Base64Url,
    #[serde(rename = "type")]
    kind: String,
    response: R,
}

/// Reads what a browser sent: which passkey it is about, and the inside.
pub(super) fn read<R: DeserializeOwned>(json: &str) -> Result<(CredentialId, R), PasskeyError> {
    if json.len() > MAX_RESPONSE {
        return Err(PasskeyError::TooLarge);
    }
    let envelope: Envelope<R> =
        serde_json::from_str(json).map_err(|_| PasskeyError::Malformed("response"))?;
    if envelope.kind != "public-key" {
        return Err(PasskeyError::Malformed("type of credential"));
    }
    if envelope.id.0 != envelope.raw_id.0 {
        return Err(PasskeyError::Malformed("two credential ids"));
    }
    Ok((CredentialId::new(envelope.raw_id.0)?, envelope.response))
}

/// Bytes, written in base64url without padding.
#[derive(Debug)]
pub(super) struct Base64Url(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(|_| D::Error::custom("not base64url"))
    }
}
