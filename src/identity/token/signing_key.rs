//! Our own keys: made, kept, published, retired.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::json;

use super::jws::{PublicKey, encode};
use super::{Algorithm, IssuerKeys, KeySet, VerificationKey};
use crate::clock::Timestamp;
use crate::identity::event::EventKind;
use crate::identity::{Event, StoreError};
use crate::secret::Secret;

/// A key that we sign with, or signed with.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// Its name in tokens and in the JWKS: the beginning of a digest of the public key.
    pub kid: String,
    /// What it is for.
    pub algorithm: Algorithm,
    /// PKCS#8 DER; for HS256 the secret itself.
    pub private: Secret<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it no longer signs. Its tokens are good until they expire.
    pub retired_at: Option<Timestamp>,
}

/// Why a key cannot be made or used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SigningKeyError {
    /// The bytes are not a key for this algorithm.
    #[error("not a private key for {0}")]
    Unusable(Algorithm),
    /// RSA keys are not made here.
    #[error(
        "RS256 keys are not made here; use EdDSA or ES256, or import one made with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -outform DER"
    )]
    NotMadeHere,
}

/// The need for a place where keys survive.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// All keys, newest first.
    async fn all(&self) -> Result<Vec<SigningKey>, StoreError>;

    /// Adds a key, retires all others when it was made, and records [that it was](SigningKey::made), in one step.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] on `kid`.
    async fn rotate(&self, key: &SigningKey) -> Result<(), StoreError>;

    /// Adds a key unless there is one of its algorithm that is not retired. Returns the one that is there then, so
    /// that nodes which start together agree. Records [that it was made](SigningKey::made) if there were others: to
    /// the first one ever nobody has to change.
    async fn insert_first(&self, key: &SigningKey) -> Result<SigningKey, StoreError>;

    /// Removes a key that was retired before `before`. True when this call did it.
    async fn remove(&self, kid: &str, before: Timestamp) -> Result<bool, StoreError>;
}

impl SigningKey {
    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::NotMadeHere`] for RS256; HS256 has a configured secret and makes none.
    pub fn generate(algorithm: Algorithm, now: Timestamp) -> Result<Self, SigningKeyError> {
        let random = SystemRandom::new();
        let unusable = |_| SigningKeyError::Unusable(algorithm);
        let private = match algorithm {
            Algorithm::EdDsa => {
                Ed25519KeyPair::generate_pkcs8(&random).map_err(unusable)?.as_ref().to_vec()
            }
            Algorithm::Es256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                    .map_err(unusable)?
                    .as_ref()
                    .to_vec()
            }
            Algorithm::Hs256 => return Err(SigningKeyError::Unusable(algorithm)),
            Algorithm::Rs256 => return Err(SigningKeyError::NotMadeHere),
        };
        Self::from_private(algorithm, private, now)
    }

    /// A key of these bytes: PKCS#8 DER, or the secret for HS256.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Unusable`] when they are no such key.
    pub fn from_private(
        algorithm: Algorithm,
        private: Vec<u8>,
        created_at: Timestamp,
    ) -> Result<Self, SigningKeyError> {
        let mut key = Self {
            kid: String::new(),
            algorithm,
            private: Secret::new(private),
            created_at,
            retired_at: None,
        };
        let signer = Signer::of(&key)?;
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        match signer.public() {
            PublicKey::EcdsaP256(bytes) | PublicKey::Ed25519(bytes) => digest.update(&bytes),
            PublicKey::Rsa { n, .. } => digest.update(&n),
            // A keyed digest: the name of a secret must not help to find it.
            PublicKey::Hmac(secret) => digest.update(hmac::sign(&secret, b"kid").as_ref()),
        }
        let name = encode(digest.finish());
        name.get(..16).unwrap_or(&name).clone_into(&mut key.kid);
        Ok(key)
    }

    /// What is recorded when it is made beside others: every gateway that reads of it takes the key at once.
    pub fn made(&self) -> Event {
        let kind = EventKind::SigningKeyMade { kid: self.kid.clone() };
        let at = self.created_at;
        Event { at, kind, subject: None, session: None, actor: None, client: None }
    }
}

/// A parsed key, ready to sign.
enum Signer {
    EcdsaP256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac(hmac::Key),
    Rsa(RsaKeyPair),
}

impl Signer {
    fn of(key: &SigningKey) -> Result<Self, SigningKeyError> {
        let bytes = key.private.expose();
        let unusable = SigningKeyError::Unusable(key.algorithm);
        Ok(match key.algorithm {
            Algorithm::EdDsa => {
                Self::Ed25519(Ed25519KeyPair::from_pkcs8(bytes).map_err(|_| unusable)?)
            }
            Algorithm::Es256 => {
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_pkcs8(algorithm, bytes, &SystemRandom::new());
                Self::EcdsaP256(pair.map_err(|_| unusable)?)
            }
            // RFC 7518 §3.2: at least as long as the hash.
            Algorithm::Hs256 if bytes.len() < 32 => return Err(unusable),
            Algorithm::Hs256 => Self::Hmac(hmac::Key::new(hmac::HMAC_SHA256, bytes)),
            Algorithm::Rs256 => Self::Rsa(RsaKeyPair::from_pkcs8(bytes).map_err(|_| unusable)?),
        })
    }

    fn public(&self) -> PublicKey {
        match self {
            Self::EcdsaP256(pair) => PublicKey::EcdsaP256(pair.public_key().as_ref().to_vec()),
            Self::Ed25519(pair) => PublicKey::Ed25519(pair.public_key().as_ref().to_vec()),
            Self::Hmac(key) => PublicKey::Hmac(key.clone()),
            Self::Rsa(pair) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                PublicKey::Rsa { n: public.n, e: public.e }
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::EcdsaP256(pair) => pair
                .sign(&random, message)
                .expect("the operating system gives random bytes")
                .as_ref()
                .to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("the signature is as long as the modulus");
                signature
            }
        }
    }
}

/// All keys of ours that matter now: the one that signs, and those whose tokens may still be about.
pub struct KeyRing(ArcSwap<Keys>);

struct Keys {
    /// All keys, in the order in which they were given.
    all: Vec<OwnKey>,
    /// Which of them signs what is verified here.
    signing: usize,
    verification: Arc<KeySet>,
    jwks: Arc<str>,
}

struct OwnKey {
    kid: String,
    algorithm: Algorithm,
    signer: Signer,
    created_at: Timestamp,
}

/// How long a key is published before others are asked to know it. Nextcloud keeps a JWKS for an hour and does not look
/// again for a bearer token's unknown key; the rest is for a running gateway to notice a new key.
pub const PUBLISHED_BEFORE_USE: Duration = Duration::from_mins(65);

impl KeyRing {
    /// A ring of `keys`; the newest that is not retired signs.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError`] when a key cannot be used, or none signs.
    pub fn new(keys: &[SigningKey]) -> Result<Self, SigningKeyError> {
        Ok(Self(ArcSwap::from_pointee(Keys::of(keys)?)))
    }

    /// Puts other keys in force, at once and for everybody.
    ///
    /// # Errors
    ///
    /// As for [`KeyRing::new`]; the present keys then stay.
    pub fn replace(&self, keys: &[SigningKey]) -> Result<(), SigningKeyError> {
        self.0.store(Arc::new(Keys::of(keys)?));
        Ok(())
    }

    /// The public keys as a JWKS document (RFC 7517 §5). Secrets are not in it.
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.0.load().jwks)
    }

    /// Signs `claims` into a token of this `typ`, with the key that signs now. For tokens that we verify ourselves.
    pub(super) fn sign(&self, typ: &str, claims: &serde_json::Value) -> String {
        let keys = self.0.load();
        // `Keys::of` put a key of this index there.
        keys.all.get(keys.signing).map(|key| key.sign(typ, claims)).unwrap_or_default()
    }

    /// The key for tokens that others verify: the newest one with a public half that was published long enough at
    /// `now`, else the oldest. A retired key goes on here until its successor is known everywhere. `None` when there
    /// is only a shared secret.
    pub(in crate::identity) fn settled(&self, now: Timestamp) -> Option<SettledKey> {
        let keys = self.0.load_full();
        let public = keys
            .all
            .iter()
            .map(|key| (key.algorithm != Algorithm::Hs256).then_some(key.created_at));
        let at = settled(public, now)?;
        let algorithm = keys.all.get(at)?.algorithm;
        Some(SettledKey { keys, at, algorithm })
    }
}

/// Which of the keys that were made at these instants is settled at `now`; those without one are not asked.
fn settled(made: impl Iterator<Item = Option<Timestamp>>, now: Timestamp) -> Option<usize> {
    let made: Vec<_> = made.enumerate().filter_map(|(at, made)| Some((made?, at))).collect();
    let known = made.iter().filter(|(made, _)| *made + PUBLISHED_BEFORE_USE <= now).max();
    known.or_else(|| made.iter().min()).map(|(_, at)| *at)
}

/// A key that is known to whoever reads our JWKS, ready to sign.
pub(in crate::identity) struct SettledKey {
    keys: Arc<Keys>,
    at: usize,
    /// What it signs with.
    pub(in crate::identity) algorithm: Algorithm,
}

impl SettledKey {
    /// Signs `claims` into a token of this `typ`.
    pub(in crate::identity) fn sign(&self, typ: &str, claims: &serde_json::Value) -> String {
        self.keys.all.get(self.at).map(|key| key.sign(typ, claims)).unwrap_or_default()
    }
}

impl OwnKey {
    fn sign(&self, typ: &str, claims: &serde_json::Value) -> String {
        let header = json!({ "alg": self.algorithm.name(), "typ": typ, "kid": self.kid });
        let mut token = encode(header.to_string());
        token.push('.');
        token.push_str(&encode(claims.to_string()));
        let signature = self.signer.sign(token.as_bytes());
        token.push('.');
        token.push_str(&encode(signature));
        token
    }
}

impl Keys {
    fn of(keys: &[SigningKey]) -> Result<Self, SigningKeyError> {
        let mut all = Vec::new();
        let mut verification = Vec::new();
        let mut published = Vec::new();
        for key in keys {
            let signer = Signer::of(key)?;
            let public = signer.public();
            published.extend(published_form(&key.kid, &public));
            verification.push(VerificationKey { kid: Some(key.kid.clone()), key: public });
            let (kid, algorithm, created_at) = (key.kid.clone(), key.algorithm, key.created_at);
            all.push(OwnKey { kid, algorithm, signer, created_at });
        }
        let signing = keys.iter().position(|key| key.retired_at.is_none());
        let signing = signing.ok_or(SigningKeyError::Unusable(Algorithm::EdDsa))?;
        let jwks = json!({ "keys": published }).to_string().into();
        Ok(Self { all, signing, verification: Arc::new(KeySet::new(verification)), jwks })
    }
}

fn published_form(kid: &str, key: &PublicKey) -> Option<serde_json::Value> {
    let mut jwk = match key {
        PublicKey::EcdsaP256(point) => {
            let (x, y) = point.get(1..)?.split_at_checked(32)?;
            json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
        }
        PublicKey::Ed25519(point) => {
            json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(point) })
        }
        PublicKey::Hmac(_) => return None,
        PublicKey::Rsa { n, e } => json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }),
    };
    let more = json!({ "kid": kid, "use": "sig", "alg": key.algorithm().name() });
    jwk.as_object_mut()?.extend(more.as_object()?.clone());
    Some(jwk)
}

#[async_trait]
impl IssuerKeys for KeyRing {
    fn current(&self) -> Option<Arc<KeySet>> {
        Some(Arc::clone(&self.0.load().verification))
    }

    /// Our keys are always the newest there are.
    async fn refresh(&self, _kid: &str) -> Option<Arc<KeySet>> {
        self.current()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn a_key_signs_for_others_when_it_was_published_long_enough() {
        let ago = |minutes: u64| Some(NOW - Duration::from_mins(minutes));
        for (case, made, expected) in [
            ("no key", vec![], None),
            ("only a secret", vec![None], None),
            ("the first key ever", vec![ago(0)], Some(0)),
            ("one old key", vec![ago(900)], Some(0)),
            ("a new one in front of an old one", vec![ago(5), ago(900)], Some(1)),
            ("a new one after an hour", vec![ago(64), ago(900)], Some(1)),
            ("a new one after long enough", vec![ago(65), ago(900)], Some(0)),
            ("two new ones", vec![ago(1), ago(2)], Some(1)),
            ("several old ones, in any order", vec![ago(900), ago(100), ago(300)], Some(1)),
            ("a secret in front of a key", vec![None, ago(1)], Some(1)),
            ("a key of tomorrow", vec![Some(NOW + Duration::from_hours(24)), ago(70)], Some(1)),
        ] {
            assert_eq!(settled(made.into_iter(), NOW), expected, "{case}");
        }
    }

    #[test]
    fn a_rotated_key_signs_for_us_at_once_and_for_others_later() {
        let before = NOW - Duration::from_hours(48);
        let old = SigningKey::generate(Algorithm::EdDsa, before).expect("a key");
        let new = SigningKey::generate(Algorithm::Es256, NOW).expect("a key");
        let retired = SigningKey { retired_at: Some(NOW), ..old.clone() };
        let ring = KeyRing::new(&[new.clone(), retired]).expect("a ring");
        let signed_by = |token: &str| {
            let token = super::super::jws::Compact::parse(token).expect("a token");
            token.header.kid.unwrap_or_default()
        };
        let claims = json!({});
        let for_others = |now| {
            let key = ring.settled(now).expect("a public key");
            (signed_by(&key.sign("JWT", &claims)), key.algorithm)
        };
        assert_eq!(signed_by(&ring.sign("JWT", &claims)), new.kid);
        assert_eq!(for_others(NOW), (old.kid.clone(), Algorithm::EdDsa));
        assert_eq!(for_others(NOW + PUBLISHED_BEFORE_USE), (new.kid.clone(), Algorithm::Es256));
        assert!(
            ring.jwks().contains(&new.kid) && ring.jwks().contains(&old.kid),
            "both are published"
        );
    }
}
