//! What would happen to a request that nobody sends, and why: for `stormdoor explain`.
//!
//! It asks the same functions as [`Gate::decide`](super::Gate::decide), so it cannot tell another story. Rate limits and
//! CORS are left out: they depend on what else happens.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{Method, StatusCode};
use ipnet::IpNet;

use super::authorization::{self, demands};
use super::{Caller, Gate, Refusal, network};
use crate::clock::Timestamp;
use crate::edge::Target;
use crate::identity::Principal;
use crate::route::{Accept, AccessRule, Route};

/// A decision, and the way to it. `Display` is for a person at a terminal.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The request as it is judged: method, host and decoded path.
    pub canonical: String,
    /// Every route that was looked at, in order; the last one is the one that decided, if any did. Of the routes of one class
    /// that were passed over, the first.
    pub routes: Vec<RouteNote>,
    /// What it came to.
    pub decision: Decision,
}

/// What became of one route.
#[derive(Clone, Debug)]
pub struct RouteNote {
    /// Its position among the routes of the host, from 1.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// Its path pattern.
    pub path: String,
    /// `hit`, or `miss`.
    pub outcome: &'static str,
    /// For a miss, what did not match; for a hit, what it demands and whether that is met.
    pub why: Vec<String>,
}

/// What it came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// It would pass.
    Allow,
    /// It would be refused.
    Deny {
        /// With this status.
        status: StatusCode,
        /// For this reason.
        reason: String,
    },
}

impl Gate {
    /// Explains what would happen at `now` to `method` for `target` at `host`, from `client`, signed in as `caller` or not.
    pub fn explain(
        &self,
        host: &str,
        target: &Target,
        method: &Method,
        client: IpAddr,
        caller: Option<&Principal>,
        now: Timestamp,
    ) -> Explanation {
        let canonical = format!("{method} {host} {}", target.decoded_path());
        let hit = self.table().find(host, target.segments(), method);
        let mut routes = Vec::new();
        for (number, route) in (1..).zip(self.table().routes_of(host).unwrap_or_default()) {
            let is_hit = hit.is_some_and(|hit| Arc::ptr_eq(hit, route));
            let (outcome, why) = if is_hit {
                ("hit", why_hit(route, client, caller, now))
            } else if route.path.matches(target.segments()) {
                ("miss", vec!["method".to_owned()])
            } else {
                ("miss", vec!["path".to_owned()])
            };
            let (name, path) = (route.name.to_string(), route.path.to_string());
            let note = RouteNote { number, name, path, outcome, why };
            // Of a class with many paths, the first that misses is enough.
            let repeats = |last: &RouteNote| {
                (&last.name, last.outcome, &last.why) == (&note.name, "miss", &note.why)
            };
            if is_hit || !routes.last().is_some_and(repeats) {
                routes.push(note);
            }
            if is_hit {
                break;
            }
        }
        let decision = match hit {
            None => Decision::of(&self.nothing_found(host, &target.segments())),
            Some(route) => match judge(route, client, caller, now) {
                Ok(()) => Decision::Allow,
                Err(refusal) => Decision::of(&refusal),
            },
        };
        Explanation { canonical, routes, decision }
    }
}

fn judge(
    route: &Route,
    client: IpAddr,
    caller: Option<&Principal>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if route.manner.closed {
        return Err(Refusal::NoRoute);
    }
    network::admit(client, route)?;
    let caller = match caller {
        Some(principal) => Caller::Known(principal.clone().into()),
        None => Caller::Anonymous,
    };
    authorization::permit(caller, route, now).map(drop)
}

fn why_hit(
    route: &Route,
    client: IpAddr,
    caller: Option<&Principal>,
    now: Timestamp,
) -> Vec<String> {
    let yes = |met: bool| if met { "yes" } else { "no" };
    let networks =
        |networks: &[IpNet]| networks.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", ");
    let mut why = Vec::new();
    match route.access {
        _ if route.manner.closed => why.push("closed".to_owned()),
        AccessRule::Public if route.accept.optional => {
            why.push("public, and known by a credential".to_owned());
        }
        AccessRule::Public => why.push("public".to_owned()),
        AccessRule::SignedIn { .. } => why.push(format!("signed in ({})", yes(caller.is_some()))),
    }
    why.extend(credentials(route));
    for demand in demands(&route.access) {
        let met = caller.is_some_and(|principal| demand.met_by(principal, now));
        why.push(format!("{demand} ({})", yes(met)));
    }
    if !route.from.is_empty() {
        let met = route.from.iter().any(|network| network.contains(&client));
        why.push(format!("from {} ({})", networks(&route.from), yes(met)));
    }
    if !route.deny.is_empty() {
        let met = !route.deny.iter().any(|network| network.contains(&client));
        why.push(format!("not from {} ({})", networks(&route.deny), yes(met)));
    }
    why
}

/// By which credentials, where it is not by a session alone.
fn credentials(route: &Route) -> Option<String> {
    let Accept { session, api_token, device, upstream, optional } = route.accept;
    let looked_at = optional || route.access != AccessRule::Public;
    let kinds = [
        (session && looked_at, "a session or bearer"),
        (api_token && looked_at, "an API token"),
        (device && looked_at, "a device password"),
        (upstream && looked_at, "the app's own"),
    ];
    let kinds: Vec<&str> =
        kinds.iter().filter(|(taken, _)| *taken).map(|(_, name)| *name).collect();
    let usual = route.accept == Accept::default() || kinds.is_empty() || route.manner.closed;
    (!usual).then(|| format!("by {}", kinds.join(", ")))
}

impl Decision {
    fn of(refusal: &Refusal) -> Self {
        Self::Deny { status: refusal.problem().status, reason: refusal.to_string() }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "canonical   {}", self.canonical)?;
        let widest = self.routes.iter().map(|route| route.path.chars().count()).max().unwrap_or(0);
        for RouteNote { number, path, outcome, why, .. } in &self.routes {
            let why = why.join("; ");
            writeln!(f, "route {number:<5} {path:<widest$}  {outcome:<4}  {why}")?;
        }
        let by = match self.routes.last() {
            Some(route) if route.outcome == "hit" => format!("   by {}", route.name),
            _ => String::new(),
        };
        match &self.decision {
            Decision::Allow => writeln!(f, "decision    ALLOW{by}"),
            Decision::Deny { status, reason } => {
                writeln!(f, "decision    DENY {}{by}   {reason}", status.as_u16())
            }
        }
    }
}
