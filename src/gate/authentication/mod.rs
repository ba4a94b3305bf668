//! Stage: who is calling?
//!
//! | | |
//! |---|---|
//! | reads | `Authorization`, else the session cookie, on routes that ask for a caller; on public ones no credential is looked at |
//! | passes on | what is none of ours, where the route says so: the app judges it |
//! | refuses with | [`Refusal::Unauthenticated`] (401), [`Refusal::TooManyRequests`] (429), [`Refusal::Unavailable`] (503) |
//! | when keys cannot be had | 503: a token that cannot be checked is neither good nor bad |
//!
//! Two steps, with the client's rate limit between them. [`Authentication::recognise`] looks at the head and at memory
//! only; [`Authentication::identify`] may verify a signature, and so runs after the limit.
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

use super::rate_limit::RateLimit;
use super::{Caller, Refusal};
use crate::clock::Timestamp;
use crate::edge::Arrival;
use crate::identity::credential::Credential;
use crate::identity::device;
use crate::identity::{CredentialKind, Issuer, Principal};
use crate::observe::Metrics;
use crate::route::{AccessRule, Route};

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
    /// One that is none of ours, on a route that passes those on.
    PassedOn,
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
}

impl<'h> Held<'h> {
    /// What the store knows it as; nothing for a signed token.
    fn credential(&self) -> Option<Credential<'_>> {
        match self {
            Self::Token(_) => None,
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
        if accept.takes_basic()
            && let Some(pair) = basic::pair(headers)?
        {
            return Ok(Some(Self::Basic(pair)));
        }
        match bearer::token(headers)? {
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
            Self::Nothing | Self::Unverified(_) | Self::Unusable(_) | Self::PassedOn => None,
        }
    }
}

/// Whether what stands in `Authorization` is for the app: it does not look like anything that we hand out, nor, where we look
/// at tokens, like a signed token. What looks like ours and is not stays with us, and is refused.
fn is_of_app(headers: &HeaderMap, route: &Route) -> bool {
    if !headers.contains_key(header::AUTHORIZATION) {
        return false;
    }
    match basic::pair(headers) {
        Ok(Some(pair)) => return !device::looks_like(pair.secret()),
        Ok(None) => {}
        Err(_) => return false,
    }
    match bearer::token(headers) {
        Ok(Some(token)) if token.contains('.') => route.access == AccessRule::Public,
        Ok(Some(token)) => !device::looks_like(token),
        Ok(None) | Err(_) => false,
    }
}

/// Finds out who is calling.
pub(super) struct Authentication {
    tokens: Arc<dyn VerifyTokens>,
    metrics: Arc<Metrics>,
}

impl Authentication {
    pub(super) fn new(tokens: Arc<dyn VerifyTokens>, metrics: Arc<Metrics>) -> Self {
        Self { tokens, metrics }
    }

    /// What the request shows. Neither verifies nor waits.
    pub(super) fn recognise<'h>(
        &self,
        arrival: &Arrival,
        headers: &'h HeaderMap,
        route: &Route,
    ) -> Shown<'h> {
        if route.accept.pass_through && is_of_app(headers, route) {
            return Shown::PassedOn;
        }
        if route.access == AccessRule::Public {
            return Shown::Nothing;
        }
        let held = match Held::read(headers, route) {
            Ok(None) => return Shown::Nothing,
            Ok(Some(held)) => held,
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
        rate_limit: &RateLimit,
    ) -> Result<Caller, Refusal> {
        let held = match shown {
            Shown::Nothing => return Ok(Caller::Anonymous),
            Shown::Known(principal) => return Ok(Caller::Known(principal)),
            Shown::Unusable(refusal) => return Err(refusal),
            Shown::PassedOn => {
                rate_limit.may_pass(arrival).await?;
                return Ok(Caller::PassedOn);
            }
            Shown::Unverified(held) => held,
        };
        rate_limit.may_guess(arrival).await?;
        match self.verify(&held, arrival).await {
            Ok(principal) => Ok(Caller::Known(principal)),
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
