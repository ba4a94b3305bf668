//! Stage: who is calling?
//!
//! | | |
//! |---|---|
//! | reads | `Authorization`, else the session cookie, on routes that ask for a caller; on public ones only where the route looks at what is shown |
//! | refuses with | [`Refusal::Unauthenticated`] (401), [`Refusal::TooManyRequests`] (429), [`Refusal::Unavailable`] (503) |
//! | when keys cannot be had | 503: a token that cannot be checked is neither good nor bad |
//!
//! Two steps, with the client's rate limit between them. [`Authentication::recognise`] looks at the head and at memory
//! only; [`Authentication::identify`] may verify a signature, and so runs after the limit.
//!
//! On a public route that looks at credentials, one that is not good makes its caller anonymous and is no reason to refuse.
//!
//! A route may take credentials of its app's own ([`Accept::upstream`](crate::route::Accept)). They are not verified here: the app
//! does that, and what it says of one is remembered, so that guessing at the app spends the guesser's budget of failures, too.
//!
//! One file for each place where a credential can stand: [`bearer`], [`basic`], [`cookie`]. `Authorization` wins over the
//! cookie: whoever writes one means it, and a browser adds the other by itself.

mod basic;
mod bearer;
mod cookie;

pub use cookie::{COOKIE, value_of as cookie_value};

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, header};
use quick_cache::sync::Cache;

use super::rate_limit::RateLimit;
use super::{Caller, Refusal};
use crate::clock::Timestamp;
use crate::edge::Arrival;
use crate::identity::credential::Credential;
use crate::identity::device::is_shaped_like_ours;
use crate::identity::{CredentialKind, Issuer, Principal, Purpose, SecretDigest};
use crate::observe::Metrics;
use crate::route::{AccessRule, IdentityMode, Route};

/// Verifies bearer tokens: the gate's need, which the keeper of keys fulfils.
#[async_trait]
pub trait VerifyTokens: Send + Sync {
    /// Whom `token` speaks for, when it was verified before and is good at `now`: not expired, not revoked. From memory
    /// only.
    fn cached(&self, token: &str, now: Timestamp) -> Option<Arc<Principal>>;

    /// Whom `token` speaks for at `now`. May fetch keys.
    ///
    /// # Errors
    ///
    /// [`VerifyError`].
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Principal>, VerifyError>;

    /// Whom a cookie, device password or API token speaks for, when memory knows it to be good.
    fn known(&self, _credential: &Credential<'_>, _arrival: &Arrival) -> Option<Arc<Principal>> {
        None
    }

    /// As [`known`](Self::known), but looks it up. May ask the store.
    ///
    /// # Errors
    ///
    /// [`VerifyError`].
    async fn recognise(
        &self,
        _credential: &Credential<'_>,
        _arrival: &Arrival,
    ) -> Result<Arc<Principal>, VerifyError> {
        Err(VerifyError::Invalid("unknown_credential"))
    }
}

/// Why a token does not tell who is calling. The texts are from fixed lists, for metrics and the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VerifyError {
    /// It is not good, and will not become so.
    #[error("invalid token: {0}")]
    Invalid(&'static str),
    /// It could not be checked. Trying again may work.
    #[error("token not verifiable: {0}")]
    Unavailable(&'static str),
}

/// The credential that a request shows, as far as memory knows it.
#[derive(Debug)]
pub(super) enum Shown<'h> {
    /// None, or none that the route looks at.
    Nothing,
    /// One that was verified before.
    Known(Arc<Principal>),
    /// One that was not seen before.
    Unverified(Held<'h>),
    /// Something that cannot be a good credential.
    Unusable(Refusal),
}

/// A credential as it stands in the head.
#[derive(Debug)]
pub(super) enum Held<'h> {
    /// A signed token.
    Token(&'h str),
    /// A session's cookie.
    Cookie(&'h str),
    /// An API token or device password, as a bearer.
    Bearer(&'h str),
    /// The same with a sign-in name (RFC 7617).
    Basic(basic::Pair),
    /// One that only the app knows, by its digest.
    OfUpstream(SecretDigest),
}

impl<'h> Held<'h> {
    /// What the store knows it as; nothing for a signed token.
    fn credential(&self) -> Option<Credential<'_>> {
        match self {
            Self::Token(_) | Self::OfUpstream(_) => None,
            Self::Cookie(value) => Some(Credential::Cookie(value)),
            Self::Bearer(secret) => Some(Credential::Device { name: None, secret }),
            Self::Basic(pair) => {
                Some(Credential::Device { name: pair.name(), secret: pair.secret() })
            }
        }
    }

    /// What the request shows, if anything that `route` takes.
    fn read(headers: &'h HeaderMap, route: &Route) -> Result<Option<Self>, Refusal> {
        let accept = route.accept;
        // What is shaped like ours is ours to judge, and goes no further.
        let is_the_apps = |secret: &str| accept.upstream && !is_shaped_like_ours(secret);
        if (accept.takes_basic() || accept.upstream)
            && let Some(pair) = basic::pair(headers)?
        {
            if is_the_apps(pair.secret()) {
                return Ok(digest_of_shown(headers).map(Self::OfUpstream));
            }
            return Ok(Some(Self::Basic(pair)));
        }
        match bearer::token(headers)? {
            // Where nothing signed is looked at, that is the app's, too.
            Some(token) if !(accept.session && token.contains('.')) && is_the_apps(token) => {
                Ok(digest_of_shown(headers).map(Self::OfUpstream))
            }
            // A signed token has two dots; what we hand out has none.
            Some(token) if accept.takes_basic() && !token.contains('.') => {
                Ok(Some(Self::Bearer(token)))
            }
            Some(token) => Ok(Some(Self::Token(token))),
            None if accept.session => Ok(cookie::session(headers)?.map(Self::Cookie)),
            None => Ok(None),
        }
    }
}

impl Shown<'_> {
    /// Whom memory knows by this credential.
    pub(super) fn principal(&self) -> Option<&Arc<Principal>> {
        match self {
            Self::Known(principal) => Some(principal),
            Self::Nothing | Self::Unverified(_) | Self::Unusable(_) => None,
        }
    }
}

/// The digest of the whole value of `Authorization`.
fn digest_of_shown(headers: &HeaderMap) -> Option<SecretDigest> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    Some(SecretDigest::of(value, Purpose::Upstream))
}

/// Credentials of apps that are remembered to be good.
const GOOD_MAX: usize = 8192;

/// Finds out who is calling.
pub(super) struct Authentication {
    tokens: Arc<dyn VerifyTokens>,
    /// Credentials of apps that their app took when it saw them last.
    good: Cache<SecretDigest, ()>,
    metrics: Arc<Metrics>,
}

impl Authentication {
    pub(super) fn new(tokens: Arc<dyn VerifyTokens>, metrics: Arc<Metrics>) -> Self {
        Self { tokens, good: Cache::new(GOOD_MAX), metrics }
    }

    /// What the request shows. Neither verifies nor waits.
    pub(super) fn recognise<'h>(
        &self,
        arrival: &Arrival,
        headers: &'h HeaderMap,
        route: &Route,
    ) -> Shown<'h> {
        let public = route.access == AccessRule::Public;
        // Whose Nextcloud's cookies are must be known wherever they come along.
        let binds = matches!(route.app.identity, IdentityMode::Nextcloud { .. });
        if public && !route.accept.optional && !binds {
            return Shown::Nothing;
        }
        let held = match Held::read(headers, route) {
            Ok(None) => return Shown::Nothing,
            Ok(Some(held)) => held,
            Err(_) if public => return Shown::Nothing,
            Err(refusal) => return Shown::Unusable(refusal),
        };
        let known = match (&held, held.credential()) {
            (Held::Token(token), _) => self.tokens.cached(token, arrival.received_at),
            (_, Some(credential)) => self.tokens.known(&credential, arrival),
            (_, None) => None,
        };
        match known {
            Some(principal) if principal.expires_at > arrival.received_at => {
                self.count(&principal, "valid", "cached");
                Shown::Known(principal)
            }
            Some(_) | None => Shown::Unverified(held),
        }
    }

    /// Who is calling. A bad credential is charged to the client's budget of failures; while that is used up, no
    /// further unknown token is verified, and no good caller is hindered.
    ///
    /// # Errors
    ///
    /// As in the table above.
    pub(super) async fn identify(
        &self,
        shown: Shown<'_>,
        arrival: &Arrival,
        route: &Route,
        rate_limit: &RateLimit,
    ) -> Result<Caller, Refusal> {
        let held = match shown {
            Shown::Nothing => return Ok(Caller::Anonymous),
            Shown::Known(principal) => return Ok(Caller::Known(principal)),
            Shown::Unusable(refusal) => return Err(refusal),
            Shown::Unverified(held) => held,
        };
        let public = route.access == AccessRule::Public;
        if let Held::OfUpstream(digest) = held {
            if self.good.get(&digest).is_none() {
                rate_limit.may_pass(arrival).await?;
            }
            return Ok(Caller::OfUpstream(digest));
        }
        match rate_limit.may_guess(arrival).await {
            Err(Refusal::TooManyRequests { .. }) if public => return Ok(Caller::Anonymous),
            asked => asked?,
        }
        match self.verify(&held, arrival).await {
            Ok(principal) => Ok(Caller::Known(principal)),
            // A page that anybody may see has many parts, and each brings the cookie that is over.
            Err(VerifyError::Invalid(_)) if public && matches!(held, Held::Cookie(_)) => {
                Ok(Caller::Anonymous)
            }
            Err(VerifyError::Invalid(_)) if public => {
                rate_limit.charge_failure(arrival).await;
                Ok(Caller::Anonymous)
            }
            // A cookie that is over is no attack: a browser brings it until it is told not to.
            Err(VerifyError::Invalid(_)) if matches!(held, Held::Cookie(_)) => {
                rate_limit.charge_failure(arrival).await;
                Ok(Caller::Anonymous)
            }
            Err(VerifyError::Invalid(reason)) => {
                rate_limit.charge_failure(arrival).await;
                Err(Refusal::Unauthenticated { reason, invalid_token: true })
            }
            Err(VerifyError::Unavailable(what)) => Err(Refusal::Unavailable { what }),
        }
    }

    /// Notes what the app said of a credential of its own.
    pub(super) fn judged(&self, credential: SecretDigest, good: bool) {
        if good {
            self.good.insert(credential, ());
        } else {
            self.good.remove(&credential);
        }
    }

    async fn verify(
        &self,
        held: &Held<'_>,
        arrival: &Arrival,
    ) -> Result<Arc<Principal>, VerifyError> {
        let now = arrival.received_at;
        let verified = match (held, held.credential()) {
            (Held::Token(token), _) => self.tokens.verify(token, now).await,
            (_, Some(credential)) => self.tokens.recognise(&credential, arrival).await,
            (_, None) => Err(VerifyError::Invalid("unknown_credential")),
        };
        let verified = verified.and_then(|principal| {
            let alive = principal.expires_at > now;
            if alive { Ok(principal) } else { Err(VerifyError::Invalid("expired")) }
        });
        match &verified {
            Ok(principal) => self.count(principal, "valid", "verified"),
            // Whose token it claims to be is not to be believed, and so is no label.
            Err(VerifyError::Invalid(reason)) => {
                self.metrics.jwt_validation("unknown", "invalid", reason);
            }
            Err(VerifyError::Unavailable(what)) => {
                self.metrics.jwt_validation("unknown", "unavailable", what);
            }
        }
        verified
    }

    fn count(&self, principal: &Principal, result: &'static str, reason: &'static str) {
        let issuer = match (&principal.issuer, principal.kind) {
            (Issuer::Own, CredentialKind::AccessToken) => "own",
            (Issuer::Own, kind) => kind.name(),
            (Issuer::Outside(issuer), _) => issuer,
        };
        self.metrics.jwt_validation(issuer, result, reason);
    }
}
