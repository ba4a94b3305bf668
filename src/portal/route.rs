//! What the gate asks of requests to the portal.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{PublicUrl, RateLimits};
use crate::route::{
    AccessRule, App, BodyRules, Destination, HeaderPreset, HostPattern, IdentityMode, PathPattern,
    Route, SecurityHeaders, TargetProfile,
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

/// The portal's routes: public or signed in, and how often. Methods are left to the portal, which answers a wrong
/// one with 405. Any other path matches nothing, so it is 404.
///
/// # Panics
///
/// Never: the paths are literals.
pub fn routes(portal: &Arc<App>, limits: &RateLimits) -> Vec<Route> {
    let route = |name: &str, path: &str, access: AccessRule, rate_limit: Option<Allowance>| Route {
        name: format!("portal.{name}").into(),
        app: Arc::clone(portal),
        path: path.parse::<PathPattern>().expect("the paths below are legal"),
        methods: vec![],
        access,
        from: vec![],
        deny: vec![],
        rate_limit,
    };
    let public = |name, path, limit| route(name, path, AccessRule::Public, limit);
    let signed_in = |name, path| {
        let access = AccessRule::SignedIn {
            permissions: vec![],
            roles: vec![],
            scopes: vec![],
            second_factor: None,
        };
        route(name, path, access, None)
    };
    vec![
        public("index", "/", None),
        public("setup", "/auth/setup", Some(setup_limit())),
        public("register", "/auth/register", Some(limits.register)),
        public("login", "/auth/login", Some(limits.login)),
        public("refresh", "/auth/refresh", Some(limits.refresh)),
        signed_in("logout", "/auth/logout"),
        signed_in("me", "/auth/me"),
        signed_in("rate_limit", "/auth/rate-limit"),
        public("jwks", "/.well-known/jwks.json", None),
    ]
}

/// Nobody needs the first-run setup often.
fn setup_limit() -> Allowance {
    let five = std::num::NonZeroU32::MIN.saturating_add(4);
    Allowance::Limited(Quota::new(five, Duration::from_hours(1)))
}
