//! Keys of an issuer: a JWKS (RFC 7517 §5), one PEM public key, or a shared secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::Algorithm;
use super::jws::PublicKey;

/// One key of an issuer.
#[derive(Clone, Debug)]
pub struct VerificationKey {
    /// Its name, when it has one.
    pub kid: Option<String>,
    /// The key.
    pub key: PublicKey,
}

/// The keys of an issuer at one moment.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<VerificationKey>);

/// Why keys could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseKeysError {
    /// Neither a JWKS nor a PEM public key.
    #[error("not a JWKS and not a PEM public key (BEGIN PUBLIC KEY)")]
    Unreadable,
    /// Readable, but nothing in it can verify one of our algorithms.
    #[error("no usable key for signatures (Ed25519, P-256, or RSA from 2,048 to 8,192 bits)")]
    Empty,
}

/// Most keys of a set that are kept.
const MAX_KEYS: usize = 100;

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// The members of a JWK that are read. Private ones are not (RFC 7517 §9.3).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

impl KeySet {
    /// These keys.
    pub fn new(keys: Vec<VerificationKey>) -> Self {
        Self(keys)
    }

    /// A shared secret as the only key.
    pub fn secret(secret: &[u8]) -> Self {
        let key = PublicKey::Hmac(hmac::Key::new(hmac::HMAC_SHA256, secret));
        Self(vec![VerificationKey { kid: None, key }])
    }

    /// Reads a JWKS or a PEM public key. Keys of a set that we cannot use are left out.
    ///
    /// # Errors
    ///
    /// [`ParseKeysError`] when nothing usable is left: a set without keys would refuse everybody in silence.
    pub fn parse(text: &[u8]) -> Result<Self, ParseKeysError> {
        let keys: Vec<_> = if text.trim_ascii_start().starts_with(b"-----BEGIN") {
            let info = SubjectPublicKeyInfoDer::from_pem_slice(text)
                .map_err(|_| ParseKeysError::Unreadable)?;
            pem_key(&info).into_iter().collect()
        } else {
            let document: Document =
                serde_json::from_slice(text).map_err(|_| ParseKeysError::Unreadable)?;
            document.keys.into_iter().filter_map(read_jwk).take(MAX_KEYS).collect()
        };
        if keys.is_empty() {
            return Err(ParseKeysError::Empty);
        }
        Ok(Self(keys))
    }

    /// The key for a token: the one it names, or, when it names none, the only one of its algorithm.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&VerificationKey> {
        let mut fitting = self.0.iter().filter(|key| key.key.algorithm() == algorithm);
        match kid {
            // A key without a name, such as a PEM file's, is meant by every name.
            Some(kid) => fitting.find(|key| key.kid.as_deref().is_none_or(|own| own == kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }

    /// Whether a key has this name.
    pub fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid.as_deref().is_none_or(|own| own == kid))
    }
}

fn read_jwk(value: serde_json::Value) -> Option<VerificationKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    if jwk.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
        return None;
    }
    let bytes = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_ref()?).ok();
    let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("OKP", Some("Ed25519")) => {
            PublicKey::Ed25519(bytes(&jwk.x).filter(|point| point.len() == 32)?)
        }
        ("EC", Some("P-256")) => {
            let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
            if x.len() != 32 || y.len() != 32 {
                return None;
            }
            PublicKey::EcdsaP256([&[4][..], &x, &y].concat())
        }
        ("RSA", _) => rsa(&bytes(&jwk.n)?, &bytes(&jwk.e)?)?,
        // A symmetric key in a published set is a published secret.
        _ => return None,
    };
    if jwk.alg.as_deref().is_some_and(|alg| alg != key.algorithm().name()) {
        return None;
    }
    Some(VerificationKey { kid: jwk.kid, key })
}

/// An RSA key of 2,048 to 8,192 bits with an odd exponent of at least 65,537.
fn rsa(n: &[u8], e: &[u8]) -> Option<PublicKey> {
    let strip =
        |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let (n, e) = (strip(n), strip(e));
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    let exponent = e.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let sound =
        (2048..=8192).contains(&bits) && e.len() <= 4 && exponent >= 65_537 && exponent % 2 == 1;
    sound.then_some(PublicKey::Rsa { n, e })
}

fn pem_key(info: &SubjectPublicKeyInfoDer<'_>) -> Option<VerificationKey> {
    let (_, info) = SubjectPublicKeyInfo::from_der(info).ok()?;
    let raw = info.subject_public_key.data.as_ref();
    let key = match info.algorithm.algorithm.to_id_string().as_str() {
        "1.3.101.112" => PublicKey::Ed25519(<[u8; 32]>::try_from(raw).ok()?.to_vec()),
        "1.2.840.10045.2.1" if raw.len() == 65 && raw.first() == Some(&4) => {
            PublicKey::EcdsaP256(raw.to_vec())
        }
        "1.2.840.113549.1.1.1" => match info.parsed().ok()? {
            x509_parser::public_key::PublicKey::RSA(key) => rsa(key.modulus, key.exponent)?,
            _ => return None,
        },
        _ => return None,
    };
    Some(VerificationKey { kid: None, key })
}
