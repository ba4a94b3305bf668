//! 3. May this request pass? The ordered policy stages.
//!
//! [`Gate::decide`] is the list of them, with the reason for each position. Each stage is one file: `network`,
//! `rate_limit`, `cors`, `authentication`, `forgery`, `authorization`, `cloud_account`, `body`. What they decide are values that prove it
//! (`verdict`) or say why not (`refusal`, with the one translation of that to the outside).
//!
//! `forgery` stands between authentication and authorisation: only a caller known by cookie can be forged.

mod authentication;
mod authorization;
mod body;
mod cloud_account;
mod cors;
#[cfg(any(test, feature = "examples"))]
pub mod example;
mod explain;
mod forgery;
mod navigation;
mod network;
mod rate_limit;
mod refusal;
pub mod security_headers;
mod verdict;

pub use authentication::{COOKIE, VerifyError, VerifyTokens, cookie_value};
pub use body::BodyGuard;
pub use explain::{Decision, Explanation, RouteNote};
pub use forgery::is_same_origin;
pub use navigation::{is_looked_at, is_navigation};
pub use rate_limit::{OnOutage, headers as rate_limit_headers};
pub use refusal::{Problem, Refusal};
pub use verdict::{Admission, Answer, Budget, Caller, CorsGrant, Dress, Permit, Verdict};

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Method};

use self::authentication::Authentication;
use self::rate_limit::RateLimit;
use crate::config::{Config, LimitsOnOutage, RateLimits};
use crate::edge::Arrival;
use crate::identity::{Roles, SecretDigest};
use crate::observe::{Metrics, RouteMetrics};
use crate::route::{Destination, Route, Table};
use crate::throttle::Counters;

/// Decides on requests, by the routes and limits of one configuration. Immutable; a reload makes a new one.
pub struct Gate {
    table: Table,
    authentication: Authentication,
    rate_limit: RateLimit,
    metrics: Arc<Metrics>,
    /// By the name of the route.
    route_metrics: HashMap<Arc<str>, RouteMetrics>,
}

impl Gate {
    /// The gate of `config`, with `routes` in the order they are to be tried: the configuration's and the portal's own.
    pub fn build(
        config: &Config,
        routes: Vec<Route>,
        counters: Arc<dyn Counters>,
        tokens: Arc<dyn VerifyTokens>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let on_outage = match config.shared_state.limits_on_outage() {
            // Counters that go on alone are not out.
            LimitsOnOutage::Allow | LimitsOnOutage::Local => OnOutage::Allow,
            LimitsOnOutage::Refuse => OnOutage::Refuse,
        };
        let gate = Self::new(routes, &config.rate_limits, &config.roles, counters, tokens, metrics);
        Self { rate_limit: gate.rate_limit.when_out(on_outage), ..gate }
    }

    /// A gate before `routes`, with these limits.
    pub fn new(
        routes: Vec<Route>,
        limits: &RateLimits,
        roles: &Roles,
        counters: Arc<dyn Counters>,
        tokens: Arc<dyn VerifyTokens>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let on_outage = OnOutage::default();
        let of_metrics = Arc::clone(&metrics);
        let route_metrics = routes
            .iter()
            .map(|route| (Arc::clone(&route.name), of_metrics.route(&route.app.name, &route.name)));
        Self {
            route_metrics: route_metrics.collect(),
            authentication: Authentication::new(tokens, Arc::clone(&metrics)),
            rate_limit: RateLimit::new(
                limits,
                roles,
                &routes,
                counters,
                on_outage,
                Arc::clone(&metrics),
            ),
            table: Table::new(routes),
            metrics,
        }
    }

    /// Decides what happens to one request. `dress` is filled as facts become known, also for a refusal.
    ///
    /// The order of the lines is the policy. Each comment says why its stage stands where it does.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] of the first stage that does not let it pass.
    pub async fn decide(
        &self,
        arrival: &Arrival,
        headers: &HeaderMap,
        dress: &mut Dress,
    ) -> Result<Verdict, Refusal> {
        // First: every later stage is configured per route.
        let (route, preflight) = match self.route(arrival, headers) {
            Ok(found) => found,
            Err(refusal) => {
                return Err(self.rate_limit.refuse_unrouted(arrival, refusal, dress).await);
            }
        };
        // With it, so that a page may read our own 401, 403 and 429, too.
        let cors = route.app.cors.as_ref();
        dress.route = Some(Arc::clone(route));
        // As if there were no route: nothing else is of interest.
        if route.manner.closed {
            return Err(self.rate_limit.refuse_unrouted(arrival, Refusal::NoRoute, dress).await);
        }
        dress.cors = cors.and_then(|policy| cors::grant(policy, headers));

        // Free, and before anything that costs.
        network::admit(arrival.client, route)?;

        // From memory only. It decides who pays: see `rate_limit`.
        let shown = self.authentication.recognise(arrival, headers, route);
        dress.subject = shown.principal().map(Arc::clone);

        // Before a credential is verified, so that guessing spends the guesser's budget.
        let paid = self.rate_limit.charge_arrival(arrival, route, &shown, dress).await?;

        // Before authentication: browsers send preflights without credentials (Fetch standard §3.2.2).
        if let (true, Some(policy)) = (preflight, cors) {
            return Ok(Verdict::Answer(cors::answer(policy, dress.cors.is_some())));
        }

        let caller = self.authentication.identify(shown, arrival, route, &self.rate_limit).await?;
        dress.subject = caller.principal().map(Arc::clone);

        // Only now is it known whether a cookie spoke; before anything is allowed in its name.
        let caller = forgery::admit(caller, arrival, headers, route)?;

        // Needs the caller that only authentication makes.
        let permit = authorization::permit(caller, route, arrival.received_at);
        self.count(route, permit.is_ok());
        let permit = permit?;

        // Needs the caller's tier. Who was known from the start has paid already.
        self.rate_limit.charge_caller(arrival, route, &permit, paid, dress).await?;

        // Of those who may: Nextcloud has no place for some.
        let cloud_id = cloud_account::of(route, &permit)?;

        // Last: what the body may be is no business of somebody who may not send it. Before it is sent on, though.
        body::admit(arrival.content_length, &route.app.body)?;
        if route.manner.sized_uploads {
            body::admit_measured(arrival, headers)?;
        }

        let admission = Admission { route: Arc::clone(route), permit, cloud_id };
        Ok(match route.app.destination {
            Destination::Portal => Verdict::Serve(admission),
            Destination::Upstream(_) => Verdict::Forward(admission),
        })
    }

    /// Notes what an app said of a credential of its own. One that it does not take is charged to the client's budget of
    /// failures.
    pub async fn judged_by_upstream(
        &self,
        arrival: &Arrival,
        credential: SecretDigest,
        good: bool,
    ) {
        self.authentication.judged(credential, good);
        if !good {
            self.rate_limit.charge_passed(arrival).await;
        }
    }

    /// The routes this gate stands before.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The metrics of `route`, resolved when the gate was built.
    pub fn metrics_of(&self, route: &Route) -> RouteMetrics {
        let resolved = self.route_metrics.get(&route.name);
        resolved.cloned().unwrap_or_else(|| self.metrics.route(&route.app.name, &route.name))
    }

    /// The route of a request, and whether the request is a preflight that we answer.
    ///
    /// A preflight asks about another request, so it is that request's route which answers, if its app has a CORS policy.
    /// Every other `OPTIONS` is a request like any other.
    fn route(
        &self,
        arrival: &Arrival,
        headers: &HeaderMap,
    ) -> Result<(&Arc<Route>, bool), Refusal> {
        let find =
            |method: &Method| self.table.find(&arrival.host, arrival.target.segments(), method);
        let preflighted = cors::preflighted(&arrival.method, headers);
        if let Some(route) = preflighted.and_then(|method| find(&method))
            && route.app.cors.is_some()
        {
            return Ok((route, true));
        }
        match find(&arrival.method) {
            Some(route) => Ok((route, false)),
            None => Err(self.nothing_found(&arrival.host, &arrival.target.segments())),
        }
    }

    /// 405 when routes of this path take other methods, else 404. It tells whoever asks that the path is routed, and so
    /// no more than a request with the right method would.
    fn nothing_found<'a>(
        &self,
        host: &str,
        segments: &(impl Iterator<Item = &'a str> + Clone),
    ) -> Refusal {
        let methods = self.table.methods_at(host, segments);
        if methods.is_empty() {
            return Refusal::NoRoute;
        }
        let allow = methods.into_iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        Refusal::MethodNotRouted { allow }
    }

    fn count(&self, route: &Route, allowed: bool) {
        let decision = if allowed { "allowed" } else { "denied" };
        self.metrics.authorization(&route.app.name, &route.name, decision);
    }
}

#[cfg(test)]
mod tests;
