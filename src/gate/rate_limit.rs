//! Stage: budgets, per client network, per route, per caller, and for bad credentials.
//!
//! | budget | counted for | when |
//! |---|---|---|
//! | `default` | client network | the credential is unknown, or there is none |
//! | the route's own | client network | the route has one |
//! | `failures` | client network | after a bad credential; asked before the next is verified |
//! | role or tier | subject and issuer | after authorisation |
//!
//! A credential that was verified before does not spend `default`: a signed-in person must not be limited by what
//! strangers on the same network do, and whoever invents credentials has none that was verified before.
//!
//! Refuses with [`Refusal::TooManyRequests`] (429, RFC 6585 §4). When the counters are out, requests pass and
//! `stormdoor_ratelimit_decisions_total{decision="unavailable"}` counts them: a limit is no lock.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::{Budget, Caller, Dress, Permit, Refusal};
use crate::config::RateLimits;
use crate::edge::Arrival;
use crate::identity::Issuer;
use crate::observe::Metrics;
use crate::route::Route;
use crate::throttle::{Allowance, ClientNetwork, Counters, Key, Quota, Spend, Who};

pub(super) struct RateLimit {
    limits: RateLimits,
    counters: Arc<dyn Counters>,
    metrics: Arc<Metrics>,
    default: Arc<str>,
    failures: Arc<str>,
}

const NO_TIER: &str = "none";

impl RateLimit {
    pub(super) fn new(
        limits: RateLimits,
        counters: Arc<dyn Counters>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { limits, counters, metrics, default: "default".into(), failures: "failures".into() }
    }

    /// One unit of what every network has.
    pub(super) async fn charge_client(
        &self,
        arrival: &Arrival,
        dress: &mut Dress,
    ) -> Result<(), Refusal> {
        let who = Who::Client(ClientNetwork::from(arrival.client));
        self.charge(self.limits.default, &self.default, who, NO_TIER, arrival, dress).await
    }

    /// One unit of the route's own budget, when it has one.
    pub(super) async fn charge_route(
        &self,
        arrival: &Arrival,
        route: &Route,
        dress: &mut Dress,
    ) -> Result<(), Refusal> {
        let Some(allowance) = route.rate_limit else { return Ok(()) };
        let who = Who::Client(ClientNetwork::from(arrival.client));
        self.charge(allowance, &route.name, who, NO_TIER, arrival, dress).await
    }

    /// One unit of what the caller's role or tier has.
    pub(super) async fn charge_caller(
        &self,
        arrival: &Arrival,
        permit: &Permit,
        dress: &mut Dress,
    ) -> Result<(), Refusal> {
        let Caller::Known(principal) = permit.caller() else { return Ok(()) };
        let by_tier = || self.limits.tiers.get(&principal.tier).copied();
        let Some(allowance) = principal.rate_limit.or_else(by_tier) else { return Ok(()) };
        let subject = match &principal.issuer {
            Issuer::Own => principal.subject.to_arc(),
            // A subject is unique only together with its issuer.
            Issuer::Outside(issuer) => format!("{issuer} {}", principal.subject).into(),
        };
        let policy = Arc::clone(&principal.tier);
        let who = Who::Subject(subject);
        self.charge(allowance, &policy, who, &principal.tier, arrival, dress).await
    }

    /// Whether this network may show another credential that nobody knows.
    pub(super) async fn check_failures(&self, arrival: &Arrival) -> Result<(), Refusal> {
        let Allowance::Limited(quota) = self.limits.failures else { return Ok(()) };
        match self.spend_failure(arrival, quota, 0).await {
            Some(Spend::Exhausted { retry_after, .. }) => {
                let policy = Arc::clone(&self.failures);
                Err(Refusal::TooManyRequests { policy, retry_after })
            }
            Some(Spend::Granted { remaining: 0, reset_after }) => {
                let policy = Arc::clone(&self.failures);
                Err(Refusal::TooManyRequests { policy, retry_after: reset_after })
            }
            Some(Spend::Granted { .. }) | None => Ok(()),
        }
    }

    /// Counts a bad credential.
    pub(super) async fn charge_failure(&self, arrival: &Arrival, refusal: &Refusal) {
        let bad = matches!(refusal, Refusal::Unauthenticated { invalid_token: true, .. });
        if let (true, Allowance::Limited(quota)) = (bad, self.limits.failures) {
            let _spent = self.spend_failure(arrival, quota, 1).await;
        }
    }

    async fn spend_failure(&self, arrival: &Arrival, quota: Quota, cost: u32) -> Option<Spend> {
        let who = Who::Client(ClientNetwork::from(arrival.client));
        let key = Key { policy: Arc::clone(&self.failures), who };
        self.counters.spend(&key, quota, cost, arrival.received_at).await.ok()
    }

    async fn charge(
        &self,
        allowance: Allowance,
        policy: &Arc<str>,
        who: Who,
        tier: &str,
        arrival: &Arrival,
        dress: &mut Dress,
    ) -> Result<(), Refusal> {
        let Allowance::Limited(quota) = allowance else { return Ok(()) };
        let key = Key { policy: Arc::clone(policy), who };
        let spent = self.counters.spend(&key, quota, 1, arrival.received_at).await;
        let (remaining, reset_after, refusal) = match spent {
            Ok(Spend::Granted { remaining, reset_after }) => (remaining, reset_after, None),
            Ok(Spend::Exhausted { retry_after, reset_after }) => {
                let policy = Arc::clone(policy);
                (0, reset_after, Some(Refusal::TooManyRequests { policy, retry_after }))
            }
            Err(outage) => {
                tracing::warn!(error = %outage, policy = &**policy, "not limited");
                self.metrics.rate_limit(policy, tier, "unavailable");
                return Ok(());
            }
        };
        let decision = if refusal.is_some() { "refused" } else { "granted" };
        self.metrics.rate_limit(policy, tier, decision);
        let budget = Budget { policy: Arc::clone(policy), quota, remaining, reset_after };
        if dress.budget.as_ref().is_none_or(|tightest| budget.remaining < tightest.remaining) {
            dress.budget = Some(budget);
        }
        refusal.map_or(Ok(()), Err)
    }
}

/// The rate-limit headers of a response: the customary `X-RateLimit-*` (reset in seconds from now) and the IETF draft's
/// `RateLimit` and `RateLimit-Policy`. `Retry-After` belongs to the refusal.
pub fn headers(budget: &Budget) -> [(HeaderName, HeaderValue); 5] {
    let reset = budget.reset_after.as_millis().div_ceil(1000);
    let window = budget.quota.window().as_secs().max(1);
    let (limit, remaining) = (budget.quota.limit(), budget.remaining);
    let text = |text: String| {
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("0"))
    };
    let name = HeaderName::from_static;
    [
        (name("x-ratelimit-limit"), HeaderValue::from(limit)),
        (name("x-ratelimit-remaining"), HeaderValue::from(remaining)),
        (name("x-ratelimit-reset"), text(reset.to_string())),
        (name("ratelimit-policy"), text(format!("\"{}\";q={limit};w={window}", budget.policy))),
        (name("ratelimit"), text(format!("\"{}\";r={remaining};t={reset}", budget.policy))),
    ]
}
