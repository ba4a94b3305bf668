//! `stormdoor explain`: what the gate would decide, route by route.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Method;

use super::{Caller, Gate, authorization};
use crate::clock::Timestamp;
use crate::edge::Target;
use crate::identity::Principal;
use crate::route::{AccessRule, Route};

/// What would happen, and why.
#[derive(Debug)]
pub struct Explanation {
    canonical: String,
    lines: Vec<String>,
    decision: String,
}

impl Gate {
    /// Explains the decision on a request of `principal` from `client`, without deciding anything.
    pub fn explain(
        &self,
        host: &str,
        target: &Target,
        method: &Method,
        client: IpAddr,
        principal: Option<Arc<Principal>>,
        now: Timestamp,
    ) -> Explanation {
        let canonical = format!("{method} {host} {}", target.decoded_path());
        let Some(routes) = self.table().routes_of(host) else {
            let decision = "DENY 404   no app answers to this host".to_owned();
            return Explanation { canonical, lines: vec![], decision };
        };
        let mut lines = Vec::new();
        let mut decision = None;
        for route in routes {
            let miss = if !route.path.matches(target.segments()) {
                Some("path")
            } else if !(route.methods.is_empty() || route.methods.contains(method)) {
                Some("method")
            } else {
                None
            };
            let verdict = miss.map_or_else(|| "hit ".to_owned(), |why| format!("miss   {why}"));
            lines.push(format!(
                "{:<24} {:<24} {verdict}  {}",
                route.name,
                route.path,
                demands(route)
            ));
            if miss.is_none() {
                decision = Some(decide(route, client, principal, now));
                break;
            }
        }
        let decision = decision.unwrap_or_else(|| "DENY 404   no route matches".to_owned());
        Explanation { canonical, lines, decision }
    }
}

fn decide(
    route: &Route,
    client: IpAddr,
    principal: Option<Arc<Principal>>,
    now: Timestamp,
) -> String {
    let within =
        |networks: &[ipnet::IpNet]| networks.iter().any(|network| network.contains(&client));
    if within(&route.deny) || !(route.from.is_empty() || within(&route.from)) {
        return format!("DENY 403   {}: this network may not", route.name);
    }
    let caller = principal.map_or(Caller::Anonymous, Caller::Known);
    match authorization::permit(caller, route, now) {
        Ok(_) => format!("ALLOW      {}", route.name),
        Err(refusal) => {
            format!("DENY {}   {}: {refusal}", refusal.problem().status.as_u16(), route.name)
        }
    }
}

fn demands(route: &Route) -> String {
    let AccessRule::SignedIn { permissions, roles, scopes, second_factor } = &route.access else {
        return "public".into();
    };
    let mut parts = vec!["signed in".to_owned()];
    parts.extend(permissions.iter().map(ToString::to_string));
    if !roles.is_empty() {
        parts.push(format!("one of roles {}", roles.join(", ")));
    }
    if !scopes.is_empty() {
        parts.push(format!("scopes {}", scopes.join(" ")));
    }
    if let Some(age) = second_factor {
        parts.push(format!("second factor within {}", humantime::format_duration(*age)));
    }
    if !route.from.is_empty() {
        parts.push("from listed networks".into());
    }
    parts.join(" + ")
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "canonical   {}", self.canonical)?;
        for line in &self.lines {
            writeln!(f, "route       {line}")?;
        }
        writeln!(f, "decision    {}", self.decision)
    }
}
