//! Host, path and method → route: the first match in the order written.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use ipnet::IpNet;

use super::index::Index;
use super::{Accept, AccessRule, App, HostPattern, Manner, PathPattern, TargetProfile};
use crate::throttle::Allowance;

/// One line of an app's `routes`: what to match, and what to demand.
#[derive(Clone, Debug)]
pub struct Route {
    /// `app[index]`, or the name given to it; the `route` label of metrics. The routes of one class of a preset share one,
    /// and so one rate limit; any other is unique.
    pub name: Arc<str>,
    /// The app it belongs to.
    pub app: Arc<App>,
    /// Which paths.
    pub path: PathPattern,
    /// Which methods; empty means all that the edge allows.
    pub methods: Vec<Method>,
    /// Who may use it.
    pub access: AccessRule,
    /// By which credentials.
    pub accept: Accept,
    /// Only clients of these networks, when not empty (`from`).
    pub from: Vec<IpNet>,
    /// Never clients of these networks (`deny`).
    pub deny: Vec<IpNet>,
    /// A limit for this route beside the general ones, counted per client network before sign-in
    /// and per subject after it.
    pub rate_limit: Option<Allowance>,
    /// What is special about it.
    pub manner: Manner,
    /// Whether it is for other servers of a federation, whose mark on a request (`X-Nextcloud-Federation`) then stays.
    pub federation: bool,
}

/// All routes, by host.
#[derive(Debug, Default)]
pub struct Table {
    exact: HashMap<String, Host>,
    /// Wildcard hosts, by the suffix behind the first label.
    wildcard: HashMap<String, Host>,
}

/// The routes of one host, in the order written, and where in that order a path leads.
#[derive(Debug, Default)]
struct Host {
    routes: Vec<Arc<Route>>,
    index: Index,
    targets: TargetProfile,
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
        self.host(host).is_some()
    }

    /// The routes of `host`, in the order written. An exact host hides a wildcard one.
    pub fn routes_of(&self, host: &str) -> Option<&[Arc<Route>]> {
        self.host(host).map(|host| host.routes.as_slice())
    }

    /// Which unusual targets `host` takes: those of the app behind it. Paths of our own are beside it on every host, and
    /// are never unusual.
    pub fn targets_of(&self, host: &str) -> TargetProfile {
        self.host(host).map_or(TargetProfile::Strict, |host| host.targets)
    }

    /// The first route of `host` that matches the decoded `segments` and the method.
    pub fn find<'a>(
        &self,
        host: &str,
        segments: impl Iterator<Item = &'a str> + Clone,
        method: &Method,
    ) -> Option<&Arc<Route>> {
        self.host(host)?.first(segments, |route| route.takes(method))
    }

    /// The methods that routes of `host` take at the decoded `segments`, in the order written; empty when no route is
    /// there at all. For the answer to a method that none of them takes.
    pub fn methods_at<'a>(
        &self,
        host: &str,
        segments: &(impl Iterator<Item = &'a str> + Clone),
    ) -> Vec<&Method> {
        let mut methods = Vec::new();
        let Some(host) = self.host(host) else { return methods };
        if host.first(segments.clone(), |_| true).is_none() {
            return methods;
        }
        for route in host.routes.iter().filter(|route| route.path.matches(segments.clone())) {
            for method in &route.methods {
                if !methods.contains(&method) {
                    methods.push(method);
                }
            }
        }
        methods
    }

    fn host(&self, host: &str) -> Option<&Host> {
        let wildcard = || host.split_once('.').and_then(|(_, suffix)| self.wildcard.get(suffix));
        self.exact.get(host).or_else(wildcard)
    }
}

impl Route {
    fn takes(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}

impl Host {
    fn push(&mut self, route: Arc<Route>) {
        self.index.insert(&route.path, self.routes.len());
        if route.app.targets == TargetProfile::Dav {
            self.targets = TargetProfile::Dav;
        }
        self.routes.push(route);
    }

    fn first<'a>(
        &self,
        segments: impl Iterator<Item = &'a str> + Clone,
        accepts: impl Fn(&Route) -> bool,
    ) -> Option<&Arc<Route>> {
        let accepts = |at: usize| self.routes.get(at).is_some_and(|route| accepts(route));
        self.routes.get(self.index.first(segments, &accepts)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(app: &Arc<App>, path: &str, methods: &[Method]) -> Route {
        Route { methods: methods.to_vec(), ..Route::example(app, path) }
    }

    fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
        path.split('/').filter(|segment| !segment.is_empty())
    }

    fn found<'t>(table: &'t Table, host: &str, path: &str, method: &Method) -> Option<&'t str> {
        table.find(host, segments(path), method).map(|route| &*route.name)
    }

    #[test]
    fn the_first_match_in_the_order_written_wins_even_over_a_more_exact_one() {
        let app = App::example("files", "files.example");
        let paths = ["/a/*", "/a/b", "/**", "/c"];
        let table = Table::new(paths.map(|path| route(&app, path, &[])));
        for (path, name) in [("/a/b", "/a/*"), ("/a", "/**"), ("/c", "/**"), ("/", "/**")] {
            assert_eq!(found(&table, "files.example", path, &Method::GET), Some(name), "{path}");
        }
    }

    #[test]
    fn an_exact_host_hides_a_wildcard_one() {
        let (one, all) = (App::example("one", "a.example"), App::example("all", "*.example"));
        let table = Table::new([route(&all, "/**", &[]), route(&one, "/x", &[])]);
        assert_eq!(found(&table, "a.example", "/x", &Method::GET), Some("/x"));
        assert_eq!(found(&table, "a.example", "/y", &Method::GET), None);
        assert_eq!(found(&table, "b.example", "/y", &Method::GET), Some("/**"));
        assert!(!table.knows_host("a.b.example"));
    }

    #[test]
    fn methods_of_a_path_come_from_every_route_that_matches_it() {
        let app = App::example("files", "files.example");
        let table = Table::new([
            route(&app, "/a", &[Method::GET, Method::HEAD]),
            route(&app, "/*", &[Method::GET, Method::PUT]),
            route(&app, "/b/c", &[Method::DELETE]),
        ]);
        let methods = |path| table.methods_at("files.example", &segments(path));
        assert_eq!(methods("/a"), [&Method::GET, &Method::HEAD, &Method::PUT]);
        assert!(methods("/b/d").is_empty());
        assert_eq!(found(&table, "files.example", "/a", &Method::POST), None);
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_walk_through_all_routes_finds(
            routes in prop::collection::vec((pattern(), methods()), 0..40),
            paths in prop::collection::vec(path(), 1..20),
        ) {
            let app = App::example("files", "files.example");
            let table =
                Table::new(routes.iter().map(|(pattern, methods)| route(&app, pattern, methods)));
            let all = table.routes_of("files.example").unwrap_or_default();
            for path in &paths {
                for method in [Method::GET, Method::PUT] {
                    let naive = all.iter().find(|route| {
                        route.takes(&method) && route.path.matches(segments(path))
                    });
                    let indexed = table.find("files.example", segments(path), &method);
                    prop_assert_eq!(
                        naive.map(Arc::as_ptr), indexed.map(Arc::as_ptr), "{} {}", method, path
                    );
                }
            }
        }
    }

    fn pattern() -> impl Strategy<Value = String> {
        "(/(a|b|c|ab|a\\*|\\*)){0,4}(/\\*\\*)?"
            .prop_map(|text| if text.is_empty() { "/".into() } else { text })
    }

    fn path() -> impl Strategy<Value = String> {
        "(/(a|b|c|d|ab|abc)){0,6}/?"
    }

    fn methods() -> impl Strategy<Value = Vec<Method>> {
        prop_oneof![
            Just(vec![]),
            Just(vec![Method::GET]),
            Just(vec![Method::PUT]),
            Just(vec![Method::GET, Method::PUT]),
        ]
    }
}
