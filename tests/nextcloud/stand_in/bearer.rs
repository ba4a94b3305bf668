//! How `user_oidc` judges a bearer token (the table of section 3.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::Value;

use super::Inside;
use super::oidc::{Documents, Freshness, documents, provision};
use super::settings::OidcProvider;

/// Tolerated for `iat` and `nbf`, in seconds; `exp` is compared strictly.
const LEEWAY: i64 = 60;

/// The account that a token of the provider speaks for. The key set is an hour old at most, and a token with an unknown
/// key does not make it younger.
pub(crate) async fn accept(inside: &Inside, token: &str) -> Option<String> {
    let provider = inside.state().oidc.provider.clone()?;
    if !provider.check_bearer || token.split('.').count() != 3 {
        return None;
    }
    let documents = documents(inside, Freshness::Cached).await?;
    let claims = validate(&documents, &provider, token, inside.clock.now())?;
    provision(inside, &provider, &claims)
}

/// The claims, if signature, issuer, audience and times are right.
pub(crate) fn validate(
    documents: &Documents,
    provider: &OidcProvider,
    token: &str,
    now: i64,
) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let part = |text: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    };
    let (header, claims) = (part(header)?, part(payload)?);
    let algorithm = header.get("alg")?.as_str()?;
    let kid = header.get("kid")?;
    let keys = documents.keys.get("keys")?.as_array()?;
    let key = keys.iter().find(|key| key.get("kid") == Some(kid))?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    verify(key, algorithm, signed.as_bytes(), &signature)?;

    let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
    let is_alive = seconds("exp")? > now;
    let has_begun =
        ["iat", "nbf"].iter().all(|name| seconds(name).is_none_or(|at| at <= now + LEEWAY));
    let is_from_provider = claims.get("iss")? == documents.discovery.get("issuer")?;
    // No audience at all is no objection.
    let is_for_us = match claims.get("aud") {
        None => true,
        Some(Value::Array(audiences)) => {
            audiences.iter().any(|audience| audience == provider.client_id.as_str())
        }
        Some(audience) => audience == provider.client_id.as_str(),
    };
    (is_alive && has_begun && is_from_provider && is_for_us).then_some(claims)
}

/// Asymmetric algorithms only; the key's type must fit.
fn verify(key: &Value, algorithm: &str, message: &[u8], signature: &[u8]) -> Option<()> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let point = || {
        let mut point = vec![4];
        point.extend(bytes("x")?);
        point.extend(bytes("y")?);
        Some(point)
    };
    match (algorithm, text("kty")?, text("crv")) {
        ("RS256" | "RS384" | "RS512", "RSA", _) => {
            let parameters = match algorithm {
                "RS256" => &RSA_PKCS1_2048_8192_SHA256,
                "RS384" => &RSA_PKCS1_2048_8192_SHA384,
                _ => &RSA_PKCS1_2048_8192_SHA512,
            };
            let key = RsaPublicKeyComponents { n: bytes("n")?, e: bytes("e")? };
            key.verify(parameters, message, signature).ok()
        }
        ("ES256", "EC", Some("P-256")) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point()?)
                .verify(message, signature)
                .ok()
        }
        ("ES384", "EC", Some("P-384")) => {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point()?)
                .verify(message, signature)
                .ok()
        }
        ("EdDSA", "OKP", Some("Ed25519")) => {
            UnparsedPublicKey::new(&ED25519, bytes("x")?).verify(message, signature).ok()
        }
        _ => None,
    }
}
