//! Examples of apps and routes, for tests and benches.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Accept, AccessRule, App, BodyRules, Destination, HeaderPreset, IdentityMode, Manner, Route,
    SecurityHeaders, TargetProfile,
};

impl App {
    /// An app without limits and without CORS.
    ///
    /// # Panics
    ///
    /// When `host` is not a host pattern.
    pub fn example(name: &str, host: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            hosts: vec![host.parse().expect("a host pattern")],
            destination: Destination::Upstream(name.into()),
            identity: IdentityMode::Headers(Box::default()),
            cors: None,
            headers: SecurityHeaders::of(HeaderPreset::Api),
            body: BodyRules { max_bytes: None, json: None },
            targets: TargetProfile::Strict,
            websocket_idle: Duration::from_hours(1),
            body_idle: Duration::from_mins(1),
        })
    }
}

impl Route {
    /// A public route of `app`, named like its path, for every method and from everywhere.
    ///
    /// # Panics
    ///
    /// When `path` is not a path pattern.
    pub fn example(app: &Arc<App>, path: &str) -> Self {
        Self {
            name: path.into(),
            app: Arc::clone(app),
            path: path.parse().expect("a path pattern"),
            methods: Vec::new(),
            access: AccessRule::Public,
            accept: Accept::default(),
            from: Vec::new(),
            deny: Vec::new(),
            rate_limit: None,
            manner: Manner::default(),
            federation: false,
        }
    }

    /// The same route for signed-in callers with these permissions.
    ///
    /// # Panics
    ///
    /// When one of `permissions` is none.
    #[must_use]
    pub fn signed_in(self, permissions: &[&str]) -> Self {
        let permissions = permissions.iter().map(|text| text.parse().expect("a permission"));
        let access = AccessRule::SignedIn {
            permissions: permissions.collect(),
            roles: Vec::new(),
            scopes: Vec::new(),
            second_factor: None,
        };
        Self { access, ..self }
    }
}
