//! Stage: spend one unit of everybody's budget that this request counts against.
//!
//! | | |
//! |---|---|
//! | reads | client address, the route's limit, the caller's tier |
//! | refuses with | [`Refusal::TooManyRequests`] (429, RFC 6585 §4) |
//! | when the counters are out | [`OnOutage`] decides: let it pass, or [`Refusal::Unavailable`] (503) |
//!
//! Who pays, and when:
//!
//! | request | before authentication | after authorisation |
//! |---|---|---|
//! | without credential, or on a public route | the client's network: `default`, and the route's limit | |
//! | with a token that memory knows | the subject: its role's or tier's limit, and the route's limit | |
//! | with a token not seen before | the client's network, as above | the subject, as above |
//!
//! The second row is why a signed-in caller with an unlimited tier is not held to the 100 per minute of strangers, nor a
//! whole office behind one address to the budget of one: recognising a token that was verified before costs one look
//! into memory, so it may come first. A token not seen before has yet to prove itself at the cost of a signature check;
//! until then it is a stranger's request. That happens once per token and node, so the double charge is never noticed.
//!
//! Guessing has a budget of its own beside these, `failures`, per client network: only bad credentials are charged to it,
//! and while it is used up no unknown token is verified. Callers whose token is known do not notice. Credentials that an app
//! judges have another one, `passed-on`: only what the app refused is charged to it. Looking for paths that are there has
//! one as well, `unrouted`, as large as the client's general one: a page that misses an icon spends nothing else.
//!
//! A route may say that its limit stands in place of the general ones.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::authentication::Shown;
use super::refusal::whole_seconds;
use super::{Budget, Caller, Dress, Permit, Refusal};
use crate::clock::Timestamp;
use crate::config;
use crate::edge::Arrival;
use crate::identity::{Issuer, Principal, Roles};
use crate::observe::Metrics;
use crate::route::Route;
use crate::route::nextcloud::OWN_FAILURES;
use crate::throttle::{Allowance, ClientNetwork, Counters, Key, Quota, Spend, Who};

/// What happens while the counters do not answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnOutage {
    /// Requests pass uncounted. The default: limits protect the apps, and an app without limits is worth more than
    /// limits without an app.
    #[default]
    Allow,
    /// Requests are refused with 503.
    Refuse,
}

/// The limits of a configuration, ready to be charged.
pub(super) struct RateLimit {
    counters: Arc<dyn Counters>,
    on_outage: OnOutage,
    metrics: Arc<Metrics>,
    /// For every client network. `None`: unlimited.
    default: Option<Policy>,
    /// For what no route takes, per client network.
    unrouted: Option<Policy>,
    /// For bad credentials, per client network.
    failures: Option<Policy>,
    /// For credentials that an app refused after we passed them on, per client network.
    passed: Option<Policy>,
    /// By the name of the tier.
    tiers: HashMap<Arc<str>, Option<Policy>>,
    /// The limits that roles set, by quota: a principal carries the quota, not the role.
    roles: HashMap<Quota, Policy>,
    /// By the name of the route, for those that have one.
    routes: HashMap<Arc<str>, Policy>,
}

/// A limit, ready to be charged.
#[derive(Clone, Debug)]
struct Policy {
    /// In headers, metrics and refusals.
    name: Arc<str>,
    /// In keys of counters. It holds the quota, too: counts of a quota say nothing about another one, and a reload may
    /// change it.
    key: Arc<str>,
    quota: Quota,
}

/// Who paid before authentication, so that nobody pays twice from the same budget.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Paid {
    ByCaller,
    ByClient,
}

/// The `tier` label while nobody is known.
const NO_TIER: &str = "none";

impl RateLimit {
    pub(super) fn new<'r>(
        limits: &config::RateLimits,
        roles: &Roles,
        routes: impl IntoIterator<Item = &'r Route>,
        counters: Arc<dyn Counters>,
        on_outage: OnOutage,
        metrics: Arc<Metrics>,
    ) -> Self {
        let tiers = limits.tiers.iter().map(|(tier, allowance)| {
            (Arc::clone(tier), Policy::of(&format!("tier:{tier}"), *allowance))
        });
        let roles = roles.iter().filter_map(|role| Policy::of("role", role.rate_limit?));
        let routes = routes.into_iter().filter_map(|route| {
            let policy = Policy::of(&format!("route:{}", route.name), route.rate_limit?)?;
            Some((Arc::clone(&route.name), policy))
        });
        Self {
            default: Policy::of("default", limits.default),
            unrouted: Policy::of("unrouted", limits.default),
            failures: Policy::of("failures", limits.failures),
            passed: Policy::of("passed-on", passed_failures()),
            tiers: tiers.collect(),
            roles: roles.map(|policy| (policy.quota, policy)).collect(),
            routes: routes.collect(),
            counters,
            on_outage,
            metrics,
        }
    }

    /// The same, with another decision for when the counters are out.
    pub(super) fn when_out(self, on_outage: OnOutage) -> Self {
        Self { on_outage, ..self }
    }

    /// Charges `arrival` before its credential is verified: to the caller whom memory knows, else to the client's network.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooManyRequests`] once a quota is spent, with the time until one unit is back.
    pub(super) async fn charge_arrival(
        &self,
        arrival: &Arrival,
        route: &Route,
        shown: &Shown<'_>,
        dress: &mut Dress,
    ) -> Result<Paid, Refusal> {
        if let Shown::Known(principal) = shown {
            self.charge_principal(arrival, route, principal, dress).await?;
            return Ok(Paid::ByCaller);
        }
        let client = Who::Client(ClientNetwork::from(arrival.client));
        let now = arrival.received_at;
        let general = self.default.as_ref().filter(|_| !route.manner.own_limit_only);
        for policy in [general, self.of_route(route)].into_iter().flatten() {
            self.charge(policy, client.clone(), NO_TIER, now, dress).await?;
        }
        Ok(Paid::ByClient)
    }

    /// What a request gets that no route takes: `refusal`, until the client's budget for such is used up.
    pub(super) async fn refuse_unrouted(
        &self,
        arrival: &Arrival,
        refusal: Refusal,
        dress: &mut Dress,
    ) -> Refusal {
        let Some(policy) = &self.unrouted else { return refusal };
        let client = Who::Client(ClientNetwork::from(arrival.client));
        let charged = self.charge(policy, client, NO_TIER, arrival.received_at, dress).await;
        charged.err().unwrap_or(refusal)
    }

    /// Charges the caller of an admitted request, unless it was known from the start and `paid` already.
    ///
    /// # Errors
    ///
    /// As [`Self::charge_arrival`].
    pub(super) async fn charge_caller(
        &self,
        arrival: &Arrival,
        route: &Route,
        permit: &Permit,
        paid: Paid,
        dress: &mut Dress,
    ) -> Result<(), Refusal> {
        match (permit.caller(), paid) {
            (Caller::Known(principal), Paid::ByClient) => {
                self.charge_principal(arrival, route, principal, dress).await
            }
            (Caller::Known(_), Paid::ByCaller) | (Caller::Anonymous | Caller::OfUpstream(_), _) => {
                Ok(())
            }
        }
    }

    /// Whether this client may have another unknown credential verified.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooManyRequests`] while its budget of failures is used up.
    pub(super) async fn may_guess(&self, arrival: &Arrival) -> Result<(), Refusal> {
        self.may_fail(self.failures.as_ref(), arrival).await
    }

    /// Whether a credential of this client may be passed on to an app that judges it.
    ///
    /// # Errors
    ///
    /// As [`Self::may_guess`].
    pub(super) async fn may_pass(&self, arrival: &Arrival) -> Result<(), Refusal> {
        self.may_fail(self.failures.as_ref(), arrival).await?;
        self.may_fail(self.passed.as_ref(), arrival).await
    }

    async fn may_fail(&self, policy: Option<&Policy>, arrival: &Arrival) -> Result<(), Refusal> {
        let Some(policy) = policy else { return Ok(()) };
        // A cost of nothing asks without spending: a good credential must not use up the budget of bad ones.
        let spent = match self.spend_failure(policy, arrival, 0).await {
            // Used up. Asking for one unit spends nothing then, but tells when there is one.
            Some(Spend::Granted { remaining: 0, .. }) => {
                self.spend_failure(policy, arrival, 1).await
            }
            asked => asked,
        };
        match spent {
            Some(Spend::Exhausted { retry_after, .. }) => {
                self.metrics.rate_limit(&policy.name, NO_TIER, "refused");
                Err(policy.refusal(retry_after))
            }
            Some(Spend::Granted { .. }) => Ok(()),
            None => self.decide_outage(policy, NO_TIER),
        }
    }

    /// Charges a bad credential to the client's budget of failures.
    pub(super) async fn charge_failure(&self, arrival: &Arrival) {
        let Some(policy) = &self.failures else { return };
        // The request is refused anyway; whether the budget is used up decides on the next one.
        let _ = self.spend_failure(policy, arrival, 1).await;
    }

    /// Charges a credential that an app refused: to the budget of failures, and to a tighter one.
    pub(super) async fn charge_passed(&self, arrival: &Arrival) {
        self.charge_failure(arrival).await;
        let Some(policy) = &self.passed else { return };
        let _ = self.spend_failure(policy, arrival, 1).await;
    }

    async fn spend_failure(&self, policy: &Policy, arrival: &Arrival, cost: u32) -> Option<Spend> {
        let who = Who::Client(ClientNetwork::from(arrival.client));
        let key = Key { policy: Arc::clone(&policy.key), who };
        self.counters.spend(&key, policy.quota, cost, arrival.received_at).await.ok()
    }

    async fn charge_principal(
        &self,
        arrival: &Arrival,
        route: &Route,
        principal: &Principal,
        dress: &mut Dress,
    ) -> Result<(), Refusal> {
        let own = self.of_principal(principal).filter(|_| !route.manner.own_limit_only);
        let of_route = self.of_route(route);
        if own.is_none() && of_route.is_none() {
            return Ok(());
        }
        let who = Who::Subject(budget_owner(principal));
        let now = arrival.received_at;
        for policy in [own, of_route].into_iter().flatten() {
            self.charge(policy, who.clone(), &principal.tier, now, dress).await?;
        }
        Ok(())
    }

    /// The role's limit before the tier's. A tier that nobody defined gets what strangers get, but for itself.
    fn of_principal(&self, principal: &Principal) -> Option<&Policy> {
        let of_tier = || match self.tiers.get(&principal.tier) {
            Some(policy) => policy.as_ref(),
            None => self.default.as_ref(),
        };
        match principal.rate_limit {
            Some(Allowance::Unlimited) => None,
            // A role that a reload took away leaves its quota in principals for as long as they are cached.
            Some(Allowance::Limited(quota)) => self.roles.get(&quota).or_else(of_tier),
            None => of_tier(),
        }
    }

    fn of_route(&self, route: &Route) -> Option<&Policy> {
        // Most routes have none: no look-up for those.
        route.rate_limit.and_then(|_| self.routes.get(&route.name))
    }

    async fn charge(
        &self,
        policy: &Policy,
        who: Who,
        tier: &str,
        now: Timestamp,
        dress: &mut Dress,
    ) -> Result<(), Refusal> {
        let key = Key { policy: Arc::clone(&policy.key), who };
        match self.counters.spend(&key, policy.quota, 1, now).await {
            Ok(Spend::Granted { remaining, reset_after }) => {
                self.metrics.rate_limit(&policy.name, tier, "granted");
                dress.note(policy.budget(remaining, reset_after));
                Ok(())
            }
            Ok(Spend::Exhausted { retry_after, reset_after }) => {
                self.metrics.rate_limit(&policy.name, tier, "refused");
                dress.note(policy.budget(0, reset_after));
                Err(policy.refusal(retry_after))
            }
            Err(_outage) => self.decide_outage(policy, tier),
        }
    }

    fn decide_outage(&self, policy: &Policy, tier: &str) -> Result<(), Refusal> {
        match self.on_outage {
            OnOutage::Allow => {
                self.metrics.rate_limit(&policy.name, tier, "outage_allowed");
                Ok(())
            }
            OnOutage::Refuse => {
                self.metrics.rate_limit(&policy.name, tier, "outage_refused");
                Err(Refusal::Unavailable { what: "rate_limit_counters" })
            }
        }
    }
}

impl Policy {
    fn of(name: &str, allowance: Allowance) -> Option<Self> {
        match allowance {
            Allowance::Limited(quota) => {
                Some(Self { name: name.into(), key: format!("{name} {quota}").into(), quota })
            }
            Allowance::Unlimited => None,
        }
    }

    fn budget(&self, remaining: u32, reset_after: Duration) -> Budget {
        Budget { policy: Arc::clone(&self.name), quota: self.quota, remaining, reset_after }
    }

    fn refusal(&self, retry_after: Duration) -> Refusal {
        Refusal::TooManyRequests { policy: Arc::clone(&self.name), retry_after }
    }
}

/// Fewer than those after which Nextcloud locks out everybody who shares the address.
fn passed_failures() -> Allowance {
    let (limit, window) = OWN_FAILURES;
    NonZeroU32::new(limit)
        .map_or(Allowance::Unlimited, |limit| Allowance::Limited(Quota::new(limit, window)))
}

/// Subjects are unique only together with their issuer.
fn budget_owner(principal: &Principal) -> Arc<str> {
    match &principal.issuer {
        Issuer::Own => principal.subject.to_arc(),
        // Our own subjects are user ids, without a line break: the two cannot meet.
        Issuer::Outside(issuer) => format!("{issuer}\n{}", principal.subject).into(),
    }
}

const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a response says about `budget`: the widespread `X-RateLimit-*` (reset in seconds from now), and `RateLimit` with
/// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers). `Retry-After` belongs to the refusal.
pub fn headers(budget: &Budget) -> [(HeaderName, HeaderValue); 5] {
    let name = StructuredString(&budget.policy);
    let (limit, remaining) = (budget.quota.limit(), budget.remaining);
    let reset = whole_seconds(budget.reset_after);
    let window = whole_seconds(budget.quota.window());
    [
        (X_RATELIMIT_LIMIT, HeaderValue::from(limit)),
        (X_RATELIMIT_REMAINING, HeaderValue::from(remaining)),
        (X_RATELIMIT_RESET, HeaderValue::from(reset)),
        (RATELIMIT, value(format_args!("{name};r={remaining};t={reset}"))),
        (RATELIMIT_POLICY, value(format_args!("{name};q={limit};w={window}"))),
    ]
}

fn value(text: std::fmt::Arguments<'_>) -> HeaderValue {
    let mut bytes = String::with_capacity(64);
    bytes.write_fmt(text).expect("writing to a string succeeds");
    HeaderValue::try_from(bytes).expect("a structured field is visible ASCII")
}

/// A String of structured fields (RFC 9651 §3.3.3). What it cannot hold becomes `_`.
struct StructuredString<'a>(&'a str);

impl std::fmt::Display for StructuredString<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for char in self.0.chars() {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                ' '..='~' => f.write_char(char)?,
                _ => f.write_char('_')?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::example::{NoCounters, Tally, rate_limits};
    use crate::route::App;

    fn stage(limits: &config::RateLimits, routes: &[&Route]) -> RateLimit {
        let roles = Roles::default();
        let counters = Arc::new(Tally::default());
        let routes = routes.iter().copied();
        RateLimit::new(limits, &roles, routes, counters, OnOutage::Allow, Metrics::new())
    }

    fn from(client: &str, seconds: u64) -> Arrival {
        let arrival = Arrival::example("GET", "files.example", "/");
        let received_at = arrival.received_at + Duration::from_secs(seconds);
        Arrival { client: client.parse().expect("an address"), received_at, ..arrival }
    }

    fn route() -> Route {
        Route::example(&App::example("files", "files.example"), "/**")
    }

    async fn charge(
        stage: &RateLimit,
        arrival: &Arrival,
        route: &Route,
        shown: &Shown<'_>,
    ) -> Result<Dress, Refusal> {
        let mut dress = Dress::default();
        stage.charge_arrival(arrival, route, shown, &mut dress).await?;
        Ok(dress)
    }

    fn known(principal: Principal) -> Shown<'static> {
        Shown::Known(Arc::new(principal))
    }

    #[tokio::test]
    async fn the_request_after_the_limit_is_refused_until_the_time_it_is_told() {
        let stage = stage(&rate_limits("2/min"), &[]);
        let route = route();
        for left in [1, 0] {
            let dress = charge(&stage, &from("192.0.2.1", 0), &route, &Shown::Nothing).await;
            let budget = dress.expect("one of two").budget.expect("a budget");
            assert_eq!((budget.remaining, &*budget.policy), (left, "default"));
        }
        let refusal = charge(&stage, &from("192.0.2.1", 0), &route, &Shown::Nothing).await;
        let Err(Refusal::TooManyRequests { retry_after, .. }) = refusal else {
            panic!("the third of two");
        };
        let back = from("192.0.2.1", retry_after.as_secs() + 1);
        charge(&stage, &back, &route, &Shown::Nothing).await.expect("one unit is back");
    }

    #[tokio::test]
    async fn two_clients_do_not_share_a_budget_but_a_network_does() {
        let stage = stage(&rate_limits("1/min"), &[]);
        let route = route();
        for (client, granted) in [
            ("192.0.2.1", true),
            ("192.0.2.2", true),
            ("192.0.2.1", false),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
        ] {
            let found = charge(&stage, &from(client, 0), &route, &Shown::Nothing).await;
            assert_eq!(found.is_ok(), granted, "{client}");
        }
    }

    #[tokio::test]
    async fn a_routes_limit_stands_beside_the_general_one_and_the_tighter_is_told() {
        let tight = Route { rate_limit: Some("3/min".parse().unwrap()), ..route() };
        let stage = stage(&rate_limits("100/min"), &[&tight]);
        let arrival = from("192.0.2.1", 0);
        let dress = charge(&stage, &arrival, &tight, &Shown::Nothing).await.expect("the first");
        let budget = dress.budget.expect("a budget");
        assert_eq!((&*budget.policy, budget.remaining), ("route:/**", 2));
    }

    #[tokio::test]
    async fn a_known_caller_pays_from_its_tier_and_not_from_its_address() {
        let mut limits = rate_limits("1/min");
        limits.tiers.insert("free".into(), "2/min".parse().unwrap());
        limits.tiers.insert("admin".into(), Allowance::Unlimited);
        let stage = stage(&limits, &[]);
        let (route, arrival) = (route(), from("192.0.2.1", 0));
        charge(&stage, &arrival, &route, &Shown::Nothing).await.expect("one of one");

        for granted in [true, true, false] {
            let shown = known(Principal::example("ana"));
            assert_eq!(charge(&stage, &arrival, &route, &shown).await.is_ok(), granted);
        }
        let ben = known(Principal::example("ben"));
        charge(&stage, &arrival, &route, &ben).await.expect("another subject");
        for _ in 0..200 {
            let root = Principal { tier: "admin".into(), ..Principal::example("root") };
            charge(&stage, &arrival, &route, &known(root)).await.expect("unlimited");
        }
    }

    #[tokio::test]
    async fn the_same_subject_of_two_issuers_is_two_callers() {
        let mut limits = rate_limits("unlimited");
        limits.tiers.insert("free".into(), "1/min".parse().unwrap());
        let stage = stage(&limits, &[]);
        for issuer in ["https://a.example", "https://b.example"] {
            let issuer = Issuer::Outside(issuer.into());
            let shown = known(Principal { issuer, ..Principal::example("7") });
            let found = charge(&stage, &from("192.0.2.1", 0), &route(), &shown).await;
            found.expect("the first of its issuer");
        }
    }

    #[tokio::test]
    async fn counts_of_a_quota_say_nothing_about_the_next_one_after_a_reload() {
        let counters = Arc::new(Tally::default());
        let stage = |limits: &config::RateLimits| {
            let counters: Arc<dyn Counters> = counters.clone();
            let roles = Roles::default();
            RateLimit::new(limits, &roles, [], counters, OnOutage::Allow, Metrics::new())
        };
        let (before, after) = (stage(&rate_limits("100/min")), stage(&rate_limits("1/h")));
        charge(&before, &from("192.0.2.1", 0), &route(), &Shown::Nothing).await.expect("the first");
        for hours in [0, 2, 48] {
            let arrival = from("192.0.2.1", hours * 3600);
            charge(&after, &arrival, &route(), &Shown::Nothing).await.expect("one of one");
        }
    }

    #[tokio::test]
    async fn a_role_with_a_limit_replaces_the_tiers() {
        let role = crate::identity::Role {
            name: "viewer".into(),
            permissions: Vec::new(),
            tier: "free".into(),
            rate_limit: Some("2/min".parse().unwrap()),
            idle_timeout: Duration::from_mins(30),
            absolute_timeout: Duration::from_hours(12),
            second_factor: false,
        };
        let rate_limit = role.rate_limit;
        let roles = [role].into_iter().collect();
        let (limits, counters) = (rate_limits("1/min"), Arc::new(Tally::default()));
        let stage = RateLimit::new(&limits, &roles, [], counters, OnOutage::Allow, Metrics::new());
        for granted in [true, true, false] {
            let shown = known(Principal { rate_limit, ..Principal::example("ana") });
            let found = charge(&stage, &from("192.0.2.1", 0), &route(), &shown).await;
            assert_eq!(found.is_ok(), granted);
        }
    }

    #[tokio::test]
    async fn only_failures_use_up_the_budget_of_failures() {
        let limits =
            config::RateLimits { failures: "2/min".parse().unwrap(), ..rate_limits("unlimited") };
        let stage = stage(&limits, &[]);
        let arrival = from("192.0.2.1", 0);
        for _ in 0..10 {
            stage.may_guess(&arrival).await.expect("asking is free");
        }
        stage.charge_failure(&arrival).await;
        stage.may_guess(&arrival).await.expect("one is left");
        stage.charge_failure(&arrival).await;
        assert!(matches!(stage.may_guess(&arrival).await, Err(Refusal::TooManyRequests { .. })));
        stage.may_guess(&from("192.0.2.2", 0)).await.expect("another client");
        stage.may_guess(&from("192.0.2.1", 120)).await.expect("later");
    }

    #[tokio::test]
    async fn an_outage_of_the_counters_is_decided_by_the_setting() {
        for (on_outage, passes) in [(OnOutage::Allow, true), (OnOutage::Refuse, false)] {
            let stage = RateLimit::new(
                &rate_limits("1/min"),
                &Roles::default(),
                [],
                Arc::new(NoCounters),
                on_outage,
                Metrics::new(),
            );
            let found = charge(&stage, &from("192.0.2.1", 0), &route(), &Shown::Nothing).await;
            assert_eq!(found.is_ok(), passes, "{on_outage:?}");
        }
    }

    #[test]
    fn headers_say_the_same_in_both_dialects() {
        let budget = Budget {
            policy: "route:a\"b".into(),
            quota: "100/min".parse().unwrap(),
            remaining: 42,
            reset_after: Duration::from_millis(29_001),
        };
        let lines = headers(&budget);
        let lines: Vec<String> = lines
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
            .collect();
        assert_eq!(
            lines,
            [
                "x-ratelimit-limit: 100",
                "x-ratelimit-remaining: 42",
                "x-ratelimit-reset: 30",
                r#"ratelimit: "route:a\"b";r=42;t=30"#,
                r#"ratelimit-policy: "route:a\"b";q=100;w=60"#,
            ]
        );
    }
}
