//! What an ID token says (OpenID Connect Core §2), and what userinfo does.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde_json::{Map, Value, json};

use super::Provider;
use super::authorize::Grant;
use super::request::Scopes;
use crate::clock::Timestamp;
use crate::identity::token::Algorithm;
use crate::identity::{CloudId, SecretText, Session, User};
use crate::secret::Secret;

/// How long an ID token and the access token beside it are good. A client reads them at once.
pub(super) const LIFE: Duration = Duration::from_mins(5);

/// `typ` of ID tokens. Access tokens of ours have another one, so neither is taken for the other (RFC 8725 §3.11).
pub(super) const TYPE: &str = "JWT";

/// `acr` of a session with one factor, and with two.
pub const ACR: [&str; 2] = ["urn:stormdoor:acr:one-factor", "urn:stormdoor:acr:two-factors"];

impl Provider {
    /// An ID token for `grant`. `None` when there is no key that a client can know.
    pub(super) fn id_token(
        &self,
        grant: &Grant,
        id: &CloudId,
        (user, session): (&User, &Session),
        access_token: &SecretText,
        now: Timestamp,
    ) -> Option<Secret<String>> {
        let key = self.keys.settled(now)?;
        let [one, two] = ACR;
        // What the first factor was is not recorded; a passkey is both at once.
        let (acr, amr) = match session.second_factor_at {
            Some(at) if at == session.created_at => (two, json!(["mfa"])),
            Some(_) => (two, json!(["pwd", "mfa"])),
            None => (one, json!(["pwd"])),
        };
        let mut claims = json!({
            "iss": self.issuer, "sub": id.as_str(), "aud": grant.client, "azp": grant.client,
            "iat": now.as_secs(), "exp": (now + LIFE).as_secs(),
            "auth_time": session.created_at.as_secs(), "sid": session.id.to_string(),
            "acr": acr, "amr": amr,
            "at_hash": half_digest(key.algorithm, access_token.expose()),
        });
        if let Some(claims) = claims.as_object_mut() {
            if let Some(nonce) = &grant.nonce {
                claims.insert("nonce".to_owned(), json!(nonce));
            }
            claims.extend(about(user, grant.scopes));
        }
        Some(Secret::new(key.sign(TYPE, &claims)))
    }
}

/// What the scopes allow to be told (OpenID Connect Core §5.4). An address that is not proven is not told: clients take
/// it for the person's.
pub(super) fn about(user: &User, scopes: Scopes) -> Map<String, Value> {
    let mut claims = Map::new();
    if scopes.profile {
        let name = user.full_name.as_deref().unwrap_or(user.username.as_str());
        claims.insert("name".to_owned(), json!(name));
        claims.insert("preferred_username".to_owned(), json!(user.username.as_str()));
    }
    if scopes.email && user.email_verified_at.is_some() {
        claims.insert("email".to_owned(), json!(user.email.as_str()));
        claims.insert("email_verified".to_owned(), json!(true));
    }
    claims
}

/// The left half of a digest as long as the signature's own: `at_hash` (OpenID Connect Core §3.1.3.6). Ed25519 has
/// SHA-512 in it (RFC 8032 §5.1).
fn half_digest(algorithm: Algorithm, text: &str) -> String {
    let digest = match algorithm {
        Algorithm::EdDsa => digest::digest(&digest::SHA512, text.as_bytes()),
        Algorithm::Es256 | Algorithm::Hs256 | Algorithm::Rs256 => {
            digest::digest(&digest::SHA256, text.as_bytes())
        }
    };
    let half = digest.as_ref().len() / 2;
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..half).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_digest_is_that_of_the_standard() {
        // OpenID Connect Core, appendix A.3.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(half_digest(Algorithm::Rs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(half_digest(Algorithm::EdDsa, token).len(), 43);
    }
}
