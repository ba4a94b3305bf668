//! The compact serialisation of a JWS (RFC 7515 §7.1), read strictly, and its signatures on ring.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;

use super::Algorithm;

/// Longest token that is read, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// A token in its three parts, not verified.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    /// What the signature is over.
    pub(super) signed: &'a [u8],
    pub(super) header: Header,
    pub(super) payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What is read of a protected header. Keys that a token brings along (`jwk`, `jku`, `x5c`, `x5u`) are not in it: a
/// token must not say what proves it (RFC 8725 §3.10).
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    #[serde(default)]
    pub(super) typ: Option<String>,
    #[serde(default)]
    pub(super) kid: Option<String>,
    /// Extensions that must be understood. None are (RFC 7515 §4.1.11).
    #[serde(default)]
    crit: Option<serde_json::Value>,
    /// An unencoded payload (RFC 7797) is not a JWT.
    #[serde(default)]
    b64: Option<serde_json::Value>,
}

/// The token is not a compact JWS that we read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed;

impl<'a> Compact<'a> {
    /// Takes a token apart: exactly three parts in base64url without padding (five would be a JWE).
    pub(super) fn parse(token: &'a str) -> Result<Self, Malformed> {
        if token.len() > MAX_TOKEN {
            return Err(Malformed);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed);
        };
        let signed = token.as_bytes().get(..header.len() + 1 + payload.len()).ok_or(Malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Malformed)?;
        if header.crit.is_some() || header.b64.is_some() {
            return Err(Malformed);
        }
        Ok(Self { signed, header, payload: decode(payload)?, signature: decode(signature)? })
    }

    pub(super) fn is_signed_by(&self, key: &PublicKey) -> bool {
        match key {
            PublicKey::EcdsaP256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(self.signed, &self.signature)
                .is_ok(),
            PublicKey::Ed25519(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(self.signed, &self.signature).is_ok()
            }
            PublicKey::Hmac(key) => hmac::verify(key, self.signed, &self.signature).is_ok(),
            PublicKey::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, self.signed, &self.signature)
                .is_ok(),
        }
    }
}

/// A key to verify with. Its kind is its algorithm: an RSA key cannot verify an HMAC.
#[derive(Clone, Debug)]
pub enum PublicKey {
    /// An uncompressed point on P-256.
    EcdsaP256(Vec<u8>),
    /// A point on Curve25519.
    Ed25519(Vec<u8>),
    /// A shared secret.
    Hmac(hmac::Key),
    /// Modulus and exponent, big-endian.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
}

impl PublicKey {
    /// The algorithm that this key is for.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::EcdsaP256(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::Hmac(_) => Algorithm::Hs256,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }
}

/// Base64url without padding, as everything in JOSE is written.
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
