//! Stage: who is calling?
//!
//! | | |
//! |---|---|
//! | reads | `Authorization`, on routes that look at credentials |
//! | refuses with | [`Refusal::Unauthenticated`] (401), [`Refusal::Unavailable`] (503) when an issuer's keys are out |
//!
//! In two steps, because the first is free: [`Authentication::present`] reads the credential and asks the cache of
//! verified ones; [`Authentication::identify`] verifies what the cache did not know.

pub mod bearer;

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;

use super::{Caller, Refusal, looks_at_credentials};
use crate::clock::Timestamp;
use crate::edge::Arrival;
use crate::identity::Principal;
use crate::route::Route;

/// The gate's need: tokens verified. `identity` knows how.
#[async_trait]
pub trait VerifyTokens: Send + Sync {
    /// Whom a token speaks for that was verified before and is still good: not expired, not revoked. In memory only.
    fn cached(&self, token: &str, now: Timestamp) -> Option<Arc<Principal>>;

    /// Verifies a token. May wait for an issuer's keys.
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Principal>, VerifyError>;
}

/// Why a token was not verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VerifyError {
    /// It is not good.
    Invalid(&'static str),
    /// Nobody can say: the issuer's keys are out.
    Unavailable(&'static str),
}

pub(super) struct Authentication {
    tokens: Arc<dyn VerifyTokens>,
}

/// What the caller showed.
pub(super) enum Presented<'a> {
    /// A token that was verified before.
    Known(Arc<Principal>),
    /// Nothing, or nothing that this route looks at.
    Nothing,
    /// A token that nobody has seen.
    Unknown(&'a str),
}

impl Presented<'_> {
    /// Nobody vouches for the caller yet.
    pub(super) fn is_unknown(&self) -> bool {
        !matches!(self, Self::Known(_))
    }

    pub(super) fn needs_verification(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

impl Authentication {
    pub(super) fn new(tokens: Arc<dyn VerifyTokens>) -> Self {
        Self { tokens }
    }

    /// Reads the credential. Public routes look at none, so a bad one does not matter there.
    pub(super) fn present<'a>(
        &self,
        arrival: &Arrival,
        headers: &'a HeaderMap,
        route: &Route,
    ) -> Result<Presented<'a>, Refusal> {
        if !looks_at_credentials(route) {
            return Ok(Presented::Nothing);
        }
        let Some(token) = bearer::token(headers)? else { return Ok(Presented::Nothing) };
        Ok(match self.tokens.cached(token, arrival.received_at) {
            Some(principal) => Presented::Known(principal),
            None => Presented::Unknown(token),
        })
    }

    /// Finds out who is calling.
    pub(super) async fn identify(
        &self,
        presented: Presented<'_>,
        arrival: &Arrival,
    ) -> Result<Caller, Refusal> {
        let token = match presented {
            Presented::Known(principal) => return Ok(Caller::Known(principal)),
            Presented::Nothing => return Ok(Caller::Anonymous),
            Presented::Unknown(token) => token,
        };
        match self.tokens.verify(token, arrival.received_at).await {
            Ok(principal) => Ok(Caller::Known(principal)),
            Err(VerifyError::Invalid(reason)) => {
                Err(Refusal::Unauthenticated { reason, invalid_token: true })
            }
            Err(VerifyError::Unavailable(what)) => Err(Refusal::Unavailable { what }),
        }
    }
}
