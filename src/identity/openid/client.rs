//! A program that may ask us who somebody is. All of them are known beforehand; none registers itself.

use std::sync::Arc;

use ring::hmac;

use crate::identity::{CloudIds, random};

/// A relying party.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name, as it says it (RFC 6749 §2.2).
    pub id: Arc<str>,
    /// What it proves itself with.
    pub secret: ClientSecret,
    /// Where a code may be sent, each compared as text (RFC 9700 §2.1).
    pub redirect_uris: Vec<Arc<str>>,
    /// Where somebody who signed out may be sent, compared as text.
    pub post_logout_redirect_uris: Vec<Arc<str>>,
    /// Whether it must bind its codes.
    pub pkce: Pkce,
    /// What people are called there: `sub`.
    pub ids: CloudIds,
}

/// Whether codes must be bound to whoever asked for them (RFC 7636).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pkce {
    /// A request without a challenge is answered all the same; one with it is held to it.
    Optional,
    /// A request without a challenge is refused (RFC 9700 §2.1.1).
    Required,
}

/// Knows a client's secret without having it.
#[derive(Clone)]
pub struct ClientSecret {
    key: hmac::Key,
    tag: Arc<[u8]>,
}

impl ClientSecret {
    /// Knows `secret`.
    pub fn new(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>());
        let tag = hmac::sign(&key, secret).as_ref().into();
        Self { key, tag }
    }

    /// Whether `shown` is it. In constant time.
    pub fn is(&self, shown: &[u8]) -> bool {
        hmac::verify(&self.key, shown, &self.tag).is_ok()
    }
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

#[cfg(test)]
impl Client {
    /// A client `cloud` with the secret `secret` at `https://cloud.example`.
    pub(super) fn example() -> Self {
        Self {
            id: "cloud".into(),
            secret: ClientSecret::new(b"secret"),
            redirect_uris: vec!["https://cloud.example/code".into()],
            post_logout_redirect_uris: vec!["https://cloud.example/".into()],
            pkce: Pkce::Required,
            ids: CloudIds::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_and_not_shown() {
        let secret = ClientSecret::new(b"canary");
        assert!(secret.is(b"canary"));
        for wrong in [&b""[..], b"canar", b"canary ", b"CANARY"] {
            assert!(!secret.is(wrong));
        }
        assert!(!format!("{:?}", Client { secret, ..Client::example() }).contains("canary"));
    }
}
