//! Adapters between rooms that do not know each other.

use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::edge::Arrival;
use crate::gate::{VerifyError, VerifyTokens};
use crate::identity::credential::Credential;
use crate::identity::revocation::Revocations;
use crate::identity::token::{TokenError, Verifier};
use crate::identity::{EndSessions, Identity, Principal, SessionId, Subject, UserId};
use crate::observe::Metrics;
use crate::proxy::LiveSockets;

/// The gate's need for verified tokens, met by `identity` and counted by `observe`.
pub(super) struct CountedVerifier {
    pub(super) verifier: Verifier,
    pub(super) identity: Arc<Identity>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) metrics: Arc<Metrics>,
}

impl CountedVerifier {
    fn still_good(&self, principal: Arc<Principal>) -> Option<Arc<Principal>> {
        let ended = principal.session.is_some_and(|session| self.revocations.has_ended(session));
        (!ended).then_some(principal)
    }
}

#[async_trait]
impl VerifyTokens for CountedVerifier {
    fn cached(&self, token: &str, now: Timestamp) -> Option<Arc<Principal>> {
        self.verifier.cached(token, now)
    }

    async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Principal>, VerifyError> {
        let outcome = self.verifier.verify(token, now).await;
        let (issuer, result, reason) = match &outcome {
            Ok(principal) => match &principal.issuer {
                crate::identity::Issuer::Own => ("own", "ok", "ok"),
                crate::identity::Issuer::Outside(issuer) => (&**issuer, "ok", "ok"),
            },
            // Which issuer a bad token claims is anybody's invention.
            Err(error) => ("unknown", "refused", error.reason()),
        };
        self.metrics.jwt_validation(issuer, result, reason);
        outcome.map_err(|error| match error {
            TokenError::KeysUnavailable => VerifyError::Unavailable("issuer_keys"),
            other => VerifyError::Invalid(other.reason()),
        })
    }

    fn known(&self, credential: &Credential<'_>, arrival: &Arrival) -> Option<Arc<Principal>> {
        let Arrival { host, client, received_at, .. } = arrival;
        let found = self.identity.known(credential, host, *client, *received_at)?;
        self.still_good(found)
    }

    async fn recognise(
        &self,
        credential: &Credential<'_>,
        arrival: &Arrival,
    ) -> Result<Arc<Principal>, VerifyError> {
        let Arrival { host, client, received_at, .. } = arrival;
        match self.identity.recognise(credential, host, *client, *received_at).await {
            Ok(found) => found
                .and_then(|principal| self.still_good(principal))
                .ok_or(VerifyError::Invalid("unknown_credential")),
            Err(error) => {
                tracing::warn!(%error, "a credential could not be looked up");
                Err(VerifyError::Unavailable("store"))
            }
        }
    }
}

/// What the end of a session means: its tokens are dead, and its open WebSockets close.
pub(super) struct Ends {
    pub(super) revocations: Arc<Revocations>,
    pub(super) live: Arc<LiveSockets>,
}

impl EndSessions for Ends {
    fn end_session(&self, session: SessionId, forget_after: Timestamp) {
        self.revocations.end_session(session, forget_after);
        self.live.close_session(session);
    }

    fn end_user_before(&self, user: UserId, at: Timestamp, forget_after: Timestamp) {
        self.revocations.end_user_before(user, at, forget_after);
        self.live.close_subject(&Subject::from(user));
    }
}
