//! Host, path and method → route: the first match in the order written.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use ipnet::IpNet;

use super::{AccessRule, App, HostPattern, PathPattern};
use crate::throttle::Allowance;

/// One line of an app's `routes`: what to match, and what to demand.
#[derive(Clone, Debug)]
pub struct Route {
    /// `app[index]`, or the name given to it; the `route` label of metrics. Unique.
    pub name: Arc<str>,
    /// The app it belongs to.
    pub app: Arc<App>,
    /// Which paths.
    pub path: PathPattern,
    /// Which methods; empty means all that the edge allows.
    pub methods: Vec<Method>,
    /// Who may use it.
    pub access: AccessRule,
    /// Only clients of these networks, when not empty (`from`).
    pub from: Vec<IpNet>,
    /// Never clients of these networks (`deny`).
    pub deny: Vec<IpNet>,
    /// A limit for this route beside the general ones, counted per client network before sign-in
    /// and per subject after it.
    pub rate_limit: Option<Allowance>,
}

/// All routes, by host.
#[derive(Debug, Default)]
pub struct Table {
    exact: HashMap<String, Vec<Arc<Route>>>,
    /// Wildcard hosts, by the suffix behind the first label.
    wildcard: HashMap<String, Vec<Arc<Route>>>,
}

impl Table {
    /// A table of `routes`; within an app, earlier ones win.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut table = Self::default();
        for route in routes {
            let route = Arc::new(route);
            for host in &route.app.hosts {
                let (hosts, name) = match host {
                    HostPattern::Exact(name) => (&mut table.exact, name),
                    HostPattern::OneLabelBefore(suffix) => (&mut table.wildcard, suffix),
                };
                hosts.entry(name.clone()).or_default().push(Arc::clone(&route));
            }
        }
        table
    }

    /// Whether any app answers to the canonical `host`.
    pub fn knows_host(&self, host: &str) -> bool {
        self.routes_of(host).is_some()
    }

    /// The routes of `host`, in the order written. An exact host hides a wildcard one.
    pub fn routes_of(&self, host: &str) -> Option<&[Arc<Route>]> {
        let wildcard = || host.split_once('.').and_then(|(_, suffix)| self.wildcard.get(suffix));
        self.exact.get(host).or_else(wildcard).map(Vec::as_slice)
    }

    /// The first route of `host` that matches the decoded `segments` and the method.
    pub fn find<'a>(
        &self,
        host: &str,
        segments: impl IntoIterator<Item = &'a str> + Clone,
        method: &Method,
    ) -> Option<&Arc<Route>> {
        self.routes_of(host)?.iter().find(|route| {
            (route.methods.is_empty() || route.methods.contains(method))
                && route.path.matches(segments.clone())
        })
    }
}
