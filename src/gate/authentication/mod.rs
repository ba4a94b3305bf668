//! Stage: who is calling?
//!
//! | | |
//! |---|---|
//! | reads | `Authorization`, on routes that ask for a caller; on public ones no credential is looked at |
//! | refuses with | [`Refusal::Unauthenticated`] (401), [`Refusal::TooManyRequests`] (429), [`Refusal::Unavailable`] (503) |
//! | when keys cannot be had | 503: a token that cannot be checked is neither good nor bad |
//!
//! Two steps, with the client's rate limit between them. [`Authentication::recognise`] looks at the head and at memory
//! only; [`Authentication::identify`] may verify a signature, and so runs after the limit.
//!
//! [`bearer`] reads the credential. Browser sessions will be a second file beside it.

mod bearer;

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;

use super::rate_limit::RateLimit;
use super::{Caller, Refusal};
use crate::clock::Timestamp;
use crate::edge::Arrival;
use crate::identity::{Issuer, Principal};
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
    /// A token that was verified before.
    Known(Arc<Principal>),
    /// A token that was not seen before.
    Unverified(&'h str),
    /// Something that cannot be a good credential.
    Unusable(Refusal),
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
        if route.access == AccessRule::Public {
            return Shown::Nothing;
        }
        match bearer::token(headers) {
            Ok(None) => Shown::Nothing,
            Ok(Some(token)) => match self.tokens.cached(token, arrival.received_at) {
                Some(principal) if principal.expires_at > arrival.received_at => {
                    self.count(&principal.issuer, "valid", "cached");
                    Shown::Known(principal)
                }
                Some(_) | None => Shown::Unverified(token),
            },
            Err(refusal) => Shown::Unusable(refusal),
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
        let token = match shown {
            Shown::Nothing => return Ok(Caller::Anonymous),
            Shown::Known(principal) => return Ok(Caller::Known(principal)),
            Shown::Unusable(refusal) => return Err(refusal),
            Shown::Unverified(token) => token,
        };
        rate_limit.may_guess(arrival).await?;
        match self.verify(token, arrival.received_at).await {
            Ok(principal) => Ok(Caller::Known(principal)),
            Err(VerifyError::Invalid(reason)) => {
                rate_limit.charge_failure(arrival).await;
                Err(Refusal::Unauthenticated { reason, invalid_token: true })
            }
            Err(VerifyError::Unavailable(what)) => Err(Refusal::Unavailable { what }),
        }
    }

    async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Principal>, VerifyError> {
        let verified = self.tokens.verify(token, now).await.and_then(|principal| {
            let alive = principal.expires_at > now;
            if alive { Ok(principal) } else { Err(VerifyError::Invalid("expired")) }
        });
        match &verified {
            Ok(principal) => self.count(&principal.issuer, "valid", "verified"),
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

    fn count(&self, issuer: &Issuer, result: &'static str, reason: &'static str) {
        let issuer = match issuer {
            Issuer::Own => "own",
            Issuer::Outside(issuer) => issuer,
        };
        self.metrics.jwt_validation(issuer, result, reason);
    }
}
