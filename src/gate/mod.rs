//! 3. May this request pass? The ordered policy stages.
//!
//! Read [`Gate::decide`] first: the order of its lines is the policy. Each stage is a file here, and each says what it
//! reads and what it refuses with. [`Refusal`] is every reason to say no, with its one translation to the outside.

pub mod authentication;
mod authorization;
mod body;
mod cors;
mod explain;
mod network;
mod rate_limit;
mod refusal;
pub mod security_headers;
mod verdict;

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;

pub use authentication::{VerifyError, VerifyTokens};
pub use body::BodyGuard;
pub use explain::Explanation;
pub use rate_limit::headers as rate_limit_headers;
pub use refusal::{Problem, Refusal};
pub use verdict::{Admission, Answer, Budget, Caller, CorsGrant, Dress, Permit, Verdict};

use authentication::Authentication;
use rate_limit::RateLimit;

use crate::config::RateLimits;
use crate::edge::Arrival;
use crate::observe::Metrics;
use crate::observe::RouteMetrics;
use crate::route::AccessRule;
use crate::route::Destination;
use crate::route::Route;
use crate::route::Table;
use crate::throttle::Counters;

/// The policy as configured at one moment. Immutable: a reload builds a new one.
pub struct Gate {
    table: Table,
    rate_limit: RateLimit,
    authentication: Authentication,
    metrics: Arc<Metrics>,
    /// Handles of each route, by its name.
    handles: HashMap<Arc<str>, RouteMetrics>,
}

impl Gate {
    /// A gate over `routes`, in their order.
    pub fn new(
        routes: Vec<Route>,
        limits: RateLimits,
        counters: Arc<dyn Counters>,
        tokens: Arc<dyn VerifyTokens>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let handle =
            |route: &Route| (Arc::clone(&route.name), metrics.route(&route.app.name, &route.name));
        let handles = routes.iter().map(handle).collect();
        Self {
            table: Table::new(routes),
            rate_limit: RateLimit::new(limits, counters, Arc::clone(&metrics)),
            authentication: Authentication::new(tokens),
            metrics,
            handles,
        }
    }

    /// Decides what happens to one request. What is learnt on the way goes into `dress`, so that refusals leave
    /// with CORS and rate-limit headers too.
    ///
    /// The order of the lines is the policy. Each comment says why its stage stands where it does.
    pub async fn decide(
        &self,
        arrival: &Arrival,
        headers: &HeaderMap,
        dress: &mut Dress,
    ) -> Result<Verdict, Refusal> {
        // First: every later stage is configured per route. A preflight is judged as the request it asks about.
        let asked = cors::asked_method(arrival, headers);
        let route = self.route(arrival, asked.as_ref())?;
        dress.route = Some(Arc::clone(route));
        dress.cors = cors::grant(route, headers);

        // Free, and before anything that costs.
        network::admit(arrival, route)?;

        // In memory only. A credential that was verified before is known to belong to somebody, and is charged below by
        // tier; everybody else spends the budget of their network, so that guessing costs the guesser.
        let presented = self.authentication.present(arrival, headers, route)?;
        if presented.is_unknown() {
            self.rate_limit.charge_client(arrival, dress).await?;
        }
        self.rate_limit.charge_route(arrival, route, dress).await?;

        // Before authentication: browsers send preflights without credentials (Fetch standard §3.2.2).
        if asked.is_some() && route.app.cors.is_some() {
            return Ok(Verdict::Answer(cors::answer_preflight(route, dress.cors.is_some())));
        }

        // Bad credentials have a budget of their own, asked before the next signature is computed.
        if presented.needs_verification() {
            self.rate_limit.check_failures(arrival).await?;
        }
        let caller = match self.authentication.identify(presented, arrival).await {
            Ok(caller) => caller,
            Err(refusal) => {
                self.rate_limit.charge_failure(arrival, &refusal).await;
                return Err(refusal);
            }
        };
        if let Caller::Known(principal) = &caller {
            dress.subject = Some(Arc::clone(principal));
        }

        // No caller is known by cookie yet, so no request can be forged across sites; the check's place is here.
        let permit = authorization::permit(caller, route, arrival.received_at);
        let decision = if permit.is_ok() { "allow" } else { "deny" };
        self.metrics.authorization(&route.app.name, &route.name, decision);
        let permit = permit?;

        // After authorisation: the tier is known only now, and a refused request should not spend it.
        self.rate_limit.charge_caller(arrival, &permit, dress).await?;

        // Last, because only an admitted request has a body worth reading.
        body::check_declared_length(arrival, route)?;

        let admission = Admission { route: Arc::clone(route), permit };
        Ok(match admission.route.app.destination {
            Destination::Portal => Verdict::Serve(admission),
            Destination::Upstream(_) => Verdict::Forward(admission),
        })
    }

    fn route(
        &self,
        arrival: &Arrival,
        asked: Option<&http::Method>,
    ) -> Result<&Arc<Route>, Refusal> {
        let method = asked.unwrap_or(&arrival.method);
        let segments = arrival.target.segments();
        if let Some(route) = self.table.find(&arrival.host, segments.clone(), method) {
            return Ok(route);
        }
        // Another method would have found one: say so, instead of denying that there is anything.
        let routes = self.table.routes_of(&arrival.host).unwrap_or_default();
        if routes.iter().any(|route| route.path.matches(segments.clone())) {
            return Err(Refusal::MethodNotAllowed);
        }
        Err(Refusal::NoRoute)
    }

    /// The routes, for questions that are not about a request.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The metric handles of a route of this gate.
    pub fn metrics_of(&self, route: &Route) -> Option<RouteMetrics> {
        self.handles.get(&route.name).cloned()
    }
}

/// Whether a route looks at credentials at all.
fn looks_at_credentials(route: &Route) -> bool {
    match route.access {
        AccessRule::Public => false,
        AccessRule::SignedIn { .. } => true,
    }
}

#[cfg(test)]
mod tests;
