//! What the gate asks of requests to the portal.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::endpoint::{Access, Endpoint, Limit};
use super::endpoints;
use super::page::{self, Page};
use crate::config::{PublicUrl, RateLimits};
use crate::route::{
    Accept, AccessRule, App, BodyRules, Destination, HeaderPreset, HostPattern, IdentityMode,
    Manner, PathPattern, Route, SecurityHeaders, TargetProfile,
};
use crate::throttle::{Allowance, Quota};

/// Largest body, in bytes. No answer to us needs more.
pub const BODY_MAX: usize = 64 * 1024;

/// The portal as an app of its own, at the host of `public_url`.
pub fn app(public_url: &PublicUrl) -> App {
    App {
        name: "portal".into(),
        hosts: vec![HostPattern::Exact(public_url.host.clone())],
        destination: Destination::Portal,
        identity: IdentityMode::None,
        cors: None,
        headers: SecurityHeaders::of(HeaderPreset::Strict),
        body: BodyRules { max_bytes: Some(BODY_MAX as u64), json: None },
        targets: TargetProfile::Strict,
        websocket_idle: Duration::from_hours(1),
        body_idle: Duration::from_mins(1),
    }
}

/// The portal's routes: one for each endpoint and for each method of a page. Any other path matches nothing, so it is 404, and any other method 405.
///
/// # Panics
///
/// Never: the paths and permissions of the endpoints are literals.
pub fn routes(portal: &Arc<App>, limits: &RateLimits) -> Vec<Route> {
    let limit = |limit| match limit {
        Limit::General => None,
        Limit::Login => Some(limits.login),
        Limit::Refresh => Some(limits.refresh),
        Limit::Mail | Limit::Register => Some(limits.register),
        Limit::Setup => Some(setup_limit()),
    };
    let route = |name: String, path, method: Method, rule, allowance| Route {
        name: format!("portal.{name}").into(),
        app: Arc::clone(portal),
        path: pattern(path),
        methods: if method == Method::GET { vec![method, Method::HEAD] } else { vec![method] },
        access: access(rule),
        accept: Accept::default(),
        from: vec![],
        deny: vec![],
        rate_limit: limit(allowance),
        manner: Manner::default(),
        federation: false,
    };
    let mut routes: Vec<Route> = Vec::new();
    for endpoint in endpoints::all() {
        let Endpoint { name, path, method, access, limit, .. } = endpoint;
        routes.push(route(name.to_owned(), path, method, access, limit));
    }
    for Page { name, path, access, limit, act, .. } in page::all() {
        // Where an endpoint stands, its route is the page's too.
        if !endpoints::takes(&Method::GET, path) {
            routes.push(route(format!("page_{name}"), path, Method::GET, access, Limit::General));
        }
        if act.is_some() && !endpoints::takes(&Method::POST, path) {
            routes.push(route(format!("page_{name}_form"), path, Method::POST, access, limit));
        }
    }
    routes.push(public(portal, "continue", "/auth/continue"));
    routes.push(public(portal, "assets", page::ASSETS));
    routes
}

/// What anybody may `GET`.
fn public(app: &Arc<App>, name: &str, path: &str) -> Route {
    Route {
        name: format!("portal.{name}").into(),
        app: Arc::clone(app),
        path: pattern(path),
        methods: vec![Method::GET, Method::HEAD],
        access: AccessRule::Public,
        accept: Accept::default(),
        from: vec![],
        deny: vec![],
        rate_limit: None,
        manner: Manner::default(),
        federation: false,
    }
}

/// The paths that are ours on the host of every app, to be tried before the app's own: where a sign-in comes back to, and
/// what error pages look like.
pub fn on_app_hosts(apps: &[Arc<App>], portal: &App) -> Vec<Route> {
    let hosts = apps.iter().flat_map(|app| app.hosts.iter().cloned());
    let hosts: Vec<_> = hosts.filter(|host| !portal.hosts.contains(host)).collect();
    let app = Arc::new(App { hosts, ..portal.clone() });
    vec![
        public(&app, "callback", "/.stormdoor/callback"),
        public(&app, "sign_out_here", "/.stormdoor/sign-out"),
        public(&app, "assets_here", page::ASSETS),
    ]
}

/// `/users/{id}` as the gate writes it: `/users/*`.
fn pattern(path: &str) -> PathPattern {
    let segments =
        path.split('/').map(|segment| if segment.starts_with('{') { "*" } else { segment });
    let text = segments.collect::<Vec<_>>().join("/");
    text.parse().expect("the endpoints' paths are legal")
}

fn access(access: Access) -> AccessRule {
    let permissions = match access {
        Access::Public => return AccessRule::Public,
        Access::SignedIn | Access::Fresh => vec![],
        Access::May(text) => vec![text.parse().expect("the endpoints' permissions are legal")],
    };
    AccessRule::SignedIn { permissions, roles: vec![], scopes: vec![], second_factor: None }
}

/// Nobody needs the first-run setup often.
fn setup_limit() -> Allowance {
    let five = std::num::NonZeroU32::MIN.saturating_add(4);
    Allowance::Limited(Quota::new(five, Duration::from_hours(1)))
}
