//! Access tokens of ours (RFC 9068), and the short ones that tell an app who is calling.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use super::KeyRing;
use super::jws::encode;
use crate::clock::Timestamp;
use crate::identity::{AccessGrant, CloudId, Principal, SessionId, TokenIssuer};

/// How long a token for an app is valid.
const UPSTREAM_LIFE: Duration = Duration::from_mins(1);

/// How long one is given out again, so that a busy caller costs no signature per request.
pub const UPSTREAM_REUSE: Duration = Duration::from_secs(30);

const REMEMBERED: usize = 8192;

/// Issues tokens with the key that signs now.
pub struct AccessTokens {
    keys: Arc<KeyRing>,
    issuer: Arc<str>,
    audience: Arc<str>,
    life: Duration,
    random: SystemRandom,
    for_upstream: Cache<UpstreamKey, (Timestamp, Arc<str>)>,
}

/// A token for an app is about one credential of one caller, for one audience.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct UpstreamKey {
    issuer: crate::identity::Issuer,
    subject: Arc<str>,
    session: Option<SessionId>,
    token_id: Option<Arc<str>>,
    /// Grows when the facts behind a cookie change.
    issued_at: Timestamp,
    audience: Arc<str>,
}

impl AccessTokens {
    /// Tokens of `issuer` for `audience`, valid for `life`.
    pub fn new(keys: Arc<KeyRing>, issuer: Arc<str>, audience: Arc<str>, life: Duration) -> Self {
        let random = SystemRandom::new();
        Self { keys, issuer, audience, life, random, for_upstream: Cache::new(REMEMBERED) }
    }

    /// How long an access token is valid.
    pub fn life(&self) -> Duration {
        self.life
    }

    /// Issues an access token.
    fn issue_access(&self, grant: &AccessGrant, now: Timestamp) -> String {
        // A permission that ends earlier ends the token: the next one does not have it.
        let until = grant.until.map_or(now + self.life, |until| until.min(now + self.life));
        let mut claims = json!({
            "iss": self.issuer, "aud": self.audience, "sub": grant.user.to_string(),
            "iat": now.as_secs(), "nbf": now.as_secs(), "exp": until.as_secs(),
            "iat_ms": now.as_millis(),
            "jti": self.fresh_id(), "sid": grant.session.to_string(),
            "preferred_username": grant.username,
            "email": grant.email, "email_verified": grant.email_verified,
            "roles": grant.roles, "tier": grant.tier,
        });
        if let Some(claims) = claims.as_object_mut() {
            if let Some(at) = grant.second_factor_at {
                claims.insert("second_factor_at".into(), at.as_secs().into());
            }
            if !grant.permissions.is_empty() {
                claims.insert("permissions".into(), json!(grant.permissions));
            }
        }
        self.keys.sign("at+jwt", &claims)
    }

    /// A token that tells the app `audience` who is calling. The same one is given out for up to half a minute.
    pub fn issue_for_upstream(
        &self,
        principal: &Principal,
        audience: &Arc<str>,
        now: Timestamp,
    ) -> Arc<str> {
        let key = UpstreamKey {
            issuer: principal.issuer.clone(),
            subject: principal.subject.to_arc(),
            session: principal.session,
            token_id: principal.token_id.clone(),
            issued_at: principal.issued_at,
            audience: Arc::clone(audience),
        };
        if let Some((issued, token)) = self.for_upstream.get(&key)
            && now.since(issued) < UPSTREAM_REUSE
        {
            return token;
        }
        let claims = json!({
            "iss": self.issuer, "aud": audience, "sub": principal.subject.as_str(),
            "iat": now.as_secs(), "nbf": now.as_secs(), "exp": (now + UPSTREAM_LIFE).as_secs(),
            "jti": self.fresh_id(), "sid": principal.session.map(|session| session.to_string()),
            "preferred_username": principal.username,
            "email": principal.email, "email_verified": principal.email_verified,
            "roles": principal.roles, "groups": principal.groups, "tier": principal.tier,
        });
        let token: Arc<str> = self.keys.sign("identity+jwt", &claims).into();
        self.for_upstream.insert(key, (now, Arc::clone(&token)));
        token
    }

    /// A token that tells Nextcloud's `user_oidc` that the caller is `id` there; none while we have no key but a shared secret,
    /// which Nextcloud does not take.
    ///
    /// `email` must be proven to be theirs, since Nextcloud signs in by addresses, too. It says nothing about groups: where Nextcloud keeps them by such tokens, a list that is not complete takes people out
    /// of the rest.
    pub fn issue_for_nextcloud(
        &self,
        id: &CloudId,
        email: Option<&str>,
        client_id: &str,
        now: Timestamp,
    ) -> Option<String> {
        let mut claims = json!({
            "iss": self.issuer, "aud": client_id, "sub": id.as_str(),
            "iat": now.as_secs(), "exp": (now + UPSTREAM_LIFE).as_secs(), "jti": self.fresh_id(),
        });
        if let (Some(email), Some(claims)) = (email, claims.as_object_mut()) {
            claims.insert("email".into(), email.into());
            claims.insert("email_verified".into(), true.into());
        }
        Some(self.keys.settled(now)?.sign("JWT", &claims))
    }

    fn fresh_id(&self) -> String {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).expect("the operating system gives random bytes");
        encode(bytes)
    }
}

impl TokenIssuer for AccessTokens {
    fn issue(&self, grant: &AccessGrant, now: Timestamp) -> String {
        self.issue_access(grant, now)
    }
}
