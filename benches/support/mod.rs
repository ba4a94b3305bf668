//! The inputs that benches share, built from the same examples as the tests.

use std::sync::Arc;

use http::HeaderMap;
use stormdoor::edge::Arrival;
use stormdoor::gate::Gate;
use stormdoor::gate::example::{TokenTable, headers, rate_limits};
use stormdoor::identity::{Principal, Roles};
use stormdoor::observe::Metrics;
use stormdoor::route::{App, Route};
use stormdoor::store::memory::Counters;

/// The one host of all inputs.
pub(crate) const HOST: &str = "files.example";

/// `count` routes below one prefix, as an API has them; every second one for signed-in callers.
pub(crate) fn routes(count: usize) -> Vec<Route> {
    let app = App::example("files", HOST);
    let path = |number| match number % 3 {
        0 => format!("/api/v1/resource-{number}/**"),
        1 => format!("/api/v1/resource-{number}/*/parts"),
        _ => format!("/api/v1/*/kind-{number}"),
    };
    let route = |number| {
        let route = Route::example(&app, &path(number));
        if number % 2 == 0 { route } else { route.signed_in(&["files:read"]) }
    };
    (0..count).map(route).collect()
}

/// A path that the last route of its kind among `count` matches, for anybody or for signed-in callers.
pub(crate) fn path_of_a_late_route(count: usize, public: bool) -> String {
    let number = (0..count).rev().find(|number| number % 3 == 0 && (number % 2 == 0) == public);
    format!("/api/v1/resource-{}/some/file.txt", number.expect("several routes"))
}

/// A gate before `count` routes.
pub(crate) fn gate_with(count: usize) -> Gate {
    let tokens = TokenTable::default()
        .knowing("known", Principal::example("ana"))
        .verifying("new", Principal::example("ben"));
    Gate::new(
        routes(count),
        &rate_limits("4294967295/s"),
        &Roles::default(),
        Arc::new(Counters::default()),
        Arc::new(tokens),
        Metrics::new(),
    )
}

/// A request, ready to be decided on.
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    pub(crate) arrival: Arrival,
    pub(crate) headers: HeaderMap,
}

/// One of each kind, for a late one of `count` routes.
pub(crate) fn callers(count: usize) -> [Caller; 3] {
    let caller = |name, public, credential: Option<&str>| {
        let path = path_of_a_late_route(count, public);
        let mut lines = vec![("accept", "application/json"), ("user-agent", "bench")];
        lines.extend(credential.map(|credential| ("authorization", credential)));
        Caller { name, arrival: Arrival::example("GET", HOST, &path), headers: headers(&lines) }
    };
    [
        caller("anonymous", true, None),
        caller("cached token", false, Some("Bearer known")),
        caller("new token", false, Some("Bearer new")),
    ]
}
