//! Apps, with their routes and upstreams.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::{Compiler, DAY, HOUR, MINUTE, document};
use crate::config::{
    Balance, Endpoint, HealthAnswer, HealthCheck, NextcloudSettings, PublicUrl, Servers, Upstream,
    UpstreamProtocol, UpstreamTimeouts, UpstreamTls,
};
use crate::edge::{Authority, method};
use crate::identity::{Roles, is_name};
use crate::route::{
    Accept, AccessRule, App, BodyRules, CorsPolicy, Destination, HeaderPreset, HostPattern,
    IdentityHeaders, IdentityMode, JsonRules, Manner, PathPattern, Route, SecurityHeaders,
    TargetProfile,
};

/// What the apps of a file come to.
#[derive(Default)]
pub(super) struct Apps {
    pub(super) apps: Vec<Arc<App>>,
    pub(super) routes: Vec<Route>,
    pub(super) upstreams: BTreeMap<Arc<str>, Upstream>,
    /// As written, for the self-made certificate.
    pub(super) hosts: Vec<String>,
}

/// Headers that no identity header may be called: they mean something to HTTP itself.
const NOT_FOR_IDENTITY: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
];

/// Headers of a response that belong to its transfer.
const NOT_OURS_TO_SET: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "set-cookie",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl Compiler<'_> {
    pub(super) fn apps(
        &mut self,
        document: &document::Document,
        public_url: &PublicUrl,
        roles: &Roles,
    ) -> Apps {
        let mut all = Apps::default();
        let mut owners: BTreeMap<String, String> =
            BTreeMap::from([(public_url.host.clone(), "public_url".to_owned())]);
        for (name, app) in &document.apps {
            let path = format!("apps.{name}");
            if !is_name(name) || name == "portal" {
                self.problems
                    .add(&path, "an app's name is 1 to 64 of a-z A-Z 0-9 - _ . and not \"portal\"");
            }
            let hosts = self.hosts(&path, app, &mut owners);
            all.hosts.extend(hosts.iter().map(ToString::to_string));
            let shared: Arc<str> = name.as_str().into();
            let upstream = self.upstream(&path, &shared, app);
            all.upstreams.insert(Arc::clone(&shared), upstream);
            let compiled = Arc::new(App {
                destination: Destination::Upstream(Arc::clone(&shared)),
                identity: self.identity(&path, name, app, document),
                cors: app.cors.as_ref().map(|cors| self.cors(&format!("{path}.cors"), cors)),
                headers: self.headers(&format!("{path}.headers"), app),
                body: self.body_rules(&path, &app.limits),
                targets: match (app.paths, app.preset) {
                    (Some(document::Paths::Dav), _)
                    | (None, Some(document::AppPreset::Nextcloud)) => TargetProfile::Dav,
                    (Some(document::Paths::Strict), _) | (None, None) => TargetProfile::Strict,
                },
                websocket_idle: self.duration(
                    &format!("{path}.limits.websocket_idle"),
                    app.limits.websocket_idle.as_ref(),
                    HOUR,
                    Duration::from_secs(1),
                    DAY * 7,
                ),
                body_idle: self.duration(
                    &format!("{path}.limits.body_idle"),
                    app.limits.body_idle.as_ref(),
                    MINUTE,
                    Duration::from_secs(1),
                    HOUR,
                ),
                name: shared,
                hosts,
            });
            self.routes(&path, app, &compiled, roles, &mut all.routes);
            let preset = self.preset(&path, app, &compiled, roles);
            all.routes.extend(preset);
            all.apps.push(compiled);
        }
        all
    }

    fn hosts(
        &mut self,
        path: &str,
        app: &document::App,
        owners: &mut BTreeMap<String, String>,
    ) -> Vec<HostPattern> {
        let one = app.host.iter().map(|host| (format!("{path}.host"), host));
        let many = app.hosts.iter().enumerate();
        let many = many.map(|(index, host)| (format!("{path}.hosts[{index}]"), host));
        let mut hosts: Vec<HostPattern> = Vec::new();
        for (place, text) in one.chain(many) {
            match text.parse::<HostPattern>() {
                Ok(host) => {
                    if let Some(owner) = owners.insert(host.to_string(), place.clone()) {
                        self.problems.add(&place, format!("{text:?} is taken by {owner} already"));
                    }
                    hosts.push(host);
                }
                Err(error) => self.problems.add(&place, format!("{text:?}: {error}")),
            }
        }
        if app.host.is_none() && app.hosts.is_empty() {
            let [host, hosts] = ["host", "hosts"].map(|key| format!("{path}.{key}"));
            let message = "the key \"host\" (or \"hosts\") is missing";
            self.problems.add_beside(path, &[&host, &hosts], message);
        }
        hosts
    }

    fn routes(
        &mut self,
        path: &str,
        app: &document::App,
        compiled: &Arc<App>,
        roles: &Roles,
        all: &mut Vec<Route>,
    ) {
        if app.routes.is_empty() && app.preset.is_none() {
            let routes = format!("{path}.routes");
            self.problems.add_beside(
                &routes,
                &[&routes],
                "without a route, nobody can reach anything; say who may",
            );
        }
        let first = all.len();
        for (index, written) in app.routes.iter().enumerate() {
            let path = format!("{path}.routes[{index}]");
            let pattern = written.path.parse::<PathPattern>().unwrap_or_else(|error| {
                self.problems.add(&format!("{path}.path"), format!("{:?}: {error}", written.path));
                PathPattern::everything()
            });
            let methods = self.methods(&format!("{path}.methods"), &written.methods);
            let name: Arc<str> = match &written.name {
                Some(name) => name.as_str().into(),
                None => format!("{}[{index}]", compiled.name).into(),
            };
            if written.name.as_deref().is_some_and(|name| !is_name(name)) {
                self.problems
                    .add(&format!("{path}.name"), "a route's name is 1 to 64 of a-z A-Z 0-9 - _ .");
            }
            if all.iter().any(|route| route.name == name) {
                self.problems
                    .add(&format!("{path}.name"), format!("another route is called {name:?}"));
            }
            let covers = |route: &Route| {
                route.path.covers(&pattern)
                    && (route.methods.is_empty()
                        || !methods.is_empty()
                            && methods.iter().all(|method| route.methods.contains(method)))
            };
            if let Some(earlier) =
                all.get(first..).and_then(|own| own.iter().find(|route| covers(route)))
            {
                let message =
                    format!("can never match: {:?} above it takes the same requests", earlier.name);
                self.warn(&path, &message);
            }
            let route = Route {
                name,
                app: Arc::clone(compiled),
                path: pattern,
                methods,
                access: self.access(&path, written, roles),
                accept: self.accept(&path, written, &compiled.identity),
                from: self.networks(&format!("{path}.from"), &written.from),
                deny: self.networks(&format!("{path}.deny"), &written.deny),
                rate_limit: written
                    .rate_limit
                    .as_ref()
                    .map(|text| self.allowance(&format!("{path}.rate_limit"), text)),
                manner: Manner::default(),
                federation: written.federation,
            };
            all.push(route);
        }
    }

    fn access(&mut self, path: &str, route: &document::Route, roles: &Roles) -> AccessRule {
        let demands = !(route.allow.is_empty()
            && route.roles.is_empty()
            && route.scopes.is_empty()
            && route.second_factor.is_none());
        match route.access {
            None if !demands => {
                let ways = ["access", "allow", "roles", "scopes", "second_factor"];
                let ways = ways.map(|key| format!("{path}.{key}"));
                self.problems.add_beside(
                    path,
                    &ways.each_ref().map(String::as_str),
                    "nothing says who may use this route: add access: public, access: signed_in, or allow",
                );
            }
            Some(document::Access::Public) if demands => {
                self.problems.add(
                    &format!("{path}.access"),
                    "public, and yet something is demanded; keep one of the two",
                );
            }
            Some(document::Access::Public) => return AccessRule::Public,
            Some(document::Access::SignedIn) | None => {}
        }
        let second_factor = route.second_factor.is_some().then(|| {
            self.duration(
                &format!("{path}.second_factor"),
                route.second_factor.as_ref(),
                MINUTE * 15,
                MINUTE,
                DAY,
            )
        });
        AccessRule::SignedIn {
            permissions: self.permissions(&format!("{path}.allow"), &route.allow),
            roles: self.known_roles(&format!("{path}.roles"), &route.roles, roles),
            scopes: route.scopes.iter().map(|scope| scope.as_str().into()).collect(),
            second_factor,
        }
    }

    fn accept(&mut self, path: &str, route: &document::Route, identity: &IdentityMode) -> Accept {
        let public = route.access == Some(document::Access::Public);
        let named = |kind| route.accept.contains(&kind);
        if route.accept.is_empty() {
            // Whose Nextcloud's cookies are must be known on its public pages, too.
            let optional = public && matches!(identity, IdentityMode::Nextcloud { .. });
            return Accept { optional, ..Accept::default() };
        }
        let demands = [
            ("allow", !route.allow.is_empty()),
            ("roles", !route.roles.is_empty()),
            ("scopes", !route.scopes.is_empty()),
            ("second_factor", route.second_factor.is_some()),
        ];
        if let Some((key, _)) = demands.into_iter().find(|(_, demanded)| *demanded)
            && named(document::Accepted::Upstream)
        {
            let (path, beside) = (format!("{path}.accept"), format!("{path}.{key}"));
            let message = "whoever shows a credential of the app's own is nobody to us, and so cannot meet what this route \
                           demands; remove upstream, or keep to access";
            self.problems.add_beside(&path, &[&beside], message);
        }
        Accept {
            session: named(document::Accepted::Session),
            api_token: named(document::Accepted::ApiToken),
            device: named(document::Accepted::Device),
            upstream: named(document::Accepted::Upstream),
            optional: public,
        }
    }

    fn methods(&mut self, path: &str, texts: &[String]) -> Vec<Method> {
        let mut methods = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match text.parse::<Method>() {
                Ok(found) if method::is_allowed(&found) => methods.push(found),
                _ => {
                    let upper = text.to_ascii_uppercase();
                    let hint = super::hint(&upper, method::ALLOWED.into_iter());
                    self.problems.add(
                        &format!("{path}[{index}]"),
                        format!("{text:?} is not a method that exists here{hint}"),
                    );
                }
            }
        }
        methods
    }

    fn identity(
        &mut self,
        path: &str,
        app: &str,
        written: &document::App,
        document: &document::Document,
    ) -> IdentityMode {
        let path = format!("{path}.identity");
        let is_nextcloud = |settings: &NextcloudSettings| *settings.app == *app;
        let (mode, with) = match &written.identity {
            None if written.preset.is_some()
                && self.nextcloud.as_ref().is_some_and(is_nextcloud) =>
            {
                (document::IdentityMode::Nextcloud, None)
            }
            None => (document::IdentityMode::Headers, None),
            Some(document::Identity::Mode(mode)) => (*mode, None),
            Some(document::Identity::With(with)) => (with.mode, Some(&**with)),
        };
        let audience = with.and_then(|with| with.audience.as_deref());
        if audience.is_some() && mode != document::IdentityMode::Jwt {
            self.problems.add_beside(
                &format!("{path}.audience"),
                &[&format!("{path}.mode")],
                "means something with mode: jwt only",
            );
        }
        match mode {
            document::IdentityMode::Headers => IdentityMode::Headers(Box::new(match with {
                Some(with) => self.header_names(&format!("{path}.names"), &with.names),
                None => IdentityHeaders::default(),
            })),
            document::IdentityMode::Jwt => {
                IdentityMode::Jwt { audience: audience.unwrap_or(app).into() }
            }
            document::IdentityMode::Nextcloud => self.nextcloud_identity(&path, app, document),
            document::IdentityMode::None => IdentityMode::None,
            document::IdentityMode::Pass => IdentityMode::Pass,
        }
    }

    fn header_names(&mut self, path: &str, names: &document::HeaderNames) -> IdentityHeaders {
        let default = IdentityHeaders::default();
        let mut name = |key: &str, written: &Option<String>, default: HeaderName| {
            let Some(text) = written else { return default };
            let path = format!("{path}.{key}");
            let parsed = text.parse::<HeaderName>().ok();
            match parsed.filter(|name| !NOT_FOR_IDENTITY.contains(&name.as_str())) {
                Some(name) if !name.as_str().contains('_') => name,
                _ => {
                    let message = format!(
                        "{text:?} cannot carry an identity: expected a header name of your own, without _ (some servers take it for -)"
                    );
                    self.problems.add(&path, message);
                    default
                }
            }
        };
        let names = IdentityHeaders {
            subject: name("subject", &names.subject, default.subject),
            user: name("user", &names.user, default.user),
            email: name("email", &names.email, default.email),
            roles: name("roles", &names.roles, default.roles),
            groups: name("groups", &names.groups, default.groups),
            tier: name("tier", &names.tier, default.tier),
            session: name("session", &names.session, default.session),
        };
        let mut all: Vec<_> = names.all().iter().map(|name| name.as_str()).collect();
        all.sort_unstable();
        if let Some(twice) = all.windows(2).find(|pair| pair.first() == pair.last()) {
            let facts = ["subject", "user", "email", "roles", "groups", "tier", "session"];
            let facts = facts.map(|fact| format!("{path}.{fact}"));
            self.problems.add_beside(
                path,
                &facts.each_ref().map(String::as_str),
                format!("two facts cannot share the header {:?}", twice.first().unwrap_or(&"")),
            );
        }
        names
    }

    fn cors(&mut self, path: &str, cors: &document::Cors) -> CorsPolicy {
        let any_origin = cors.origins.iter().any(|origin| origin == "*");
        let credentials = cors.credentials.unwrap_or(false);
        if any_origin && (credentials || cors.origins.len() > 1) {
            self.problems.add(
                &format!("{path}.origins"),
                "\"*\" stands alone and without credentials: any page could act as the person who visits it",
            );
        }
        let mut origins = Vec::new();
        for (index, text) in cors.origins.iter().enumerate().filter(|(_, text)| *text != "*") {
            let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            let exact = authority.map(Authority::parse).is_some_and(|parsed| {
                parsed.is_ok_and(|parsed| {
                    authority.is_some_and(|written| written.starts_with(&*parsed.host))
                })
            });
            match HeaderValue::from_str(text) {
                Ok(origin) if exact => origins.push(origin),
                _ => self.problems.add(
                    &format!("{path}.origins[{index}]"),
                    format!("{text:?}: expected an origin as browsers send it, like https://app.example.org, in lower case and without a path"),
                ),
            }
        }
        let mut list = |key: &str, written: &Option<Vec<String>>, default: &[&str]| {
            self.header_list(&format!("{path}.{key}"), written.as_deref(), default)
        };
        let methods =
            list("methods", &cors.methods, &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
        let request_headers = list(
            "headers",
            &cors.headers,
            &["authorization", "content-type", "x-request-id", "x-correlation-id"],
        );
        let exposed_headers = list(
            "expose",
            &cors.expose,
            &["x-request-id", "x-correlation-id", "ratelimit", "ratelimit-policy", "retry-after"],
        );
        let max_age = self.duration(
            &format!("{path}.max_age"),
            cors.max_age.as_ref(),
            MINUTE * 10,
            Duration::ZERO,
            DAY,
        );
        CorsPolicy {
            origins,
            any_origin,
            credentials,
            methods,
            request_headers,
            exposed_headers,
            max_age: HeaderValue::from(max_age.as_secs()),
        }
    }

    fn headers(&mut self, path: &str, app: &document::App) -> SecurityHeaders {
        let headers = &app.headers;
        let mut compiled = SecurityHeaders::of(match (headers.preset, app.preset) {
            (Some(document::Preset::Api), _) => HeaderPreset::Api,
            (Some(document::Preset::Nextcloud), _)
            | (None, Some(document::AppPreset::Nextcloud)) => HeaderPreset::Nextcloud,
            (Some(document::Preset::Strict), _) | (None, None) => HeaderPreset::Strict,
        });
        for (index, text) in headers.unset.iter().enumerate() {
            let name = self.header_name(&format!("{path}.unset[{index}]"), text);
            compiled.always.retain(|(own, _)| Some(own) != name.as_ref());
            compiled.on_html.retain(|(own, _)| Some(own) != name.as_ref());
        }
        for (text, value) in &headers.set {
            let place = format!("{path}.set.{text}");
            let Some(name) = self.header_name(&place, text) else { continue };
            if NOT_OURS_TO_SET.contains(&name.as_str()) {
                self.problems.add(
                    &place,
                    "this header says how the message is framed or kept; it cannot be set",
                );
            }
            let value = self.header_value(&place, value);
            let own = compiled.always.iter_mut().chain(&mut compiled.on_html);
            match own.into_iter().find(|(own, _)| *own == name) {
                Some((_, present)) => *present = value,
                None => compiled.always.push((name, value)),
            }
        }
        for (index, text) in headers.remove.iter().enumerate() {
            compiled.remove.extend(self.header_name(&format!("{path}.remove[{index}]"), text));
        }
        compiled
    }

    fn header_name(&mut self, path: &str, text: &str) -> Option<HeaderName> {
        let name = text.parse().ok();
        if name.is_none() {
            self.problems.add(path, format!("{text:?} is not a header name"));
        }
        name
    }

    fn header_value(&mut self, path: &str, text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap_or_else(|_| {
            self.problems.add(path, format!("{text:?} cannot be the value of a header"));
            HeaderValue::from_static("")
        })
    }

    fn header_list(
        &mut self,
        path: &str,
        written: Option<&[String]>,
        default: &[&str],
    ) -> HeaderValue {
        let Some(written) = written else { return self.header_value(path, &default.join(", ")) };
        for (index, text) in written.iter().enumerate() {
            self.header_value(&format!("{path}[{index}]"), text);
        }
        HeaderValue::from_str(&written.join(", ")).unwrap_or(HeaderValue::from_static(""))
    }

    fn body_rules(&mut self, path: &str, limits: &document::AppLimits) -> BodyRules {
        let body = &limits.body;
        let max_bytes = body
            .is_some()
            .then(|| self.size(&format!("{path}.limits.body"), body.as_ref(), 0, 1, 1 << 50));
        let json = limits.json.as_ref().map(|json| JsonRules {
            depth: json.depth.unwrap_or(10),
            array: json.array.unwrap_or(1000),
            string: self.size(
                &format!("{path}.limits.json.string"),
                json.string.as_ref(),
                10 * 1024,
                1,
                1 << 40,
            ),
            keys: json.keys.unwrap_or(100),
        });
        BodyRules { max_bytes, json }
    }

    fn upstream(&mut self, path: &str, name: &Arc<str>, app: &document::App) -> Upstream {
        let path = format!("{path}.upstream");
        let whole = document::Servers::default();
        let (servers, with, place) = match &app.upstream {
            document::Upstream::Server(server) => (std::slice::from_ref(server), &whole, None),
            document::Upstream::Servers(with) => {
                (with.servers.as_slice(), &**with, Some(format!("{path}.servers")))
            }
        };
        let servers = self.servers(&path, place.as_deref(), servers);
        if let Some(reason) = &with.tls.danger_skip_verification {
            let place = format!("{path}.tls.danger_skip_verification");
            if reason.trim().is_empty() {
                self.problems.add(&place, "say the reason for it");
            }
            self.warn(
                &place,
                &format!("the certificate of this upstream is not verified: {reason:?}"),
            );
        }
        let second = Duration::from_secs(1);
        let (shortest, timeouts) = (Duration::from_millis(10), &with.timeouts);
        let mut timeout = |key: &str, text: &Option<String>, default| {
            self.duration(&format!("{path}.timeouts.{key}"), text.as_ref(), default, shortest, DAY)
        };
        // Nextcloud puts uploads together, and copies a tree for a new user, before it answers.
        let patience = if app.preset.is_some() { MINUTE * 10 } else { MINUTE };
        // Each connection that is kept holds a worker of Apache with mod_php, so others wait for one; and Apache ends it after 5 s.
        let idle = if app.preset.is_some() { second * 2 } else { MINUTE };
        let timeouts = UpstreamTimeouts {
            connect: timeout("connect", &timeouts.connect, second * 5),
            read: timeout("read", &timeouts.read, patience),
            write: timeout("write", &timeouts.write, patience),
            idle: timeout("idle", &timeouts.idle, idle),
        };
        let health = match &with.health {
            Some(health) => Some(self.health(&format!("{path}.health"), health)),
            None if servers == Servers::Whoami => None,
            None => super::nextcloud::health(app),
        };
        let host = with.host.as_ref();
        if host.is_some_and(|host| Authority::parse(host).is_err()) {
            self.problems.add(&format!("{path}.host"), "expected a host, with a port if needed");
        }
        Upstream {
            name: Arc::clone(name),
            servers,
            balance: match with.balance {
                document::Balance::LeastRequests => Balance::LeastRequests,
                document::Balance::RoundRobin => Balance::RoundRobin,
            },
            tls: UpstreamTls {
                ca_file: with.tls.ca_file.as_deref().map(|file| self.file(file)),
                server_name: with.tls.server_name.clone(),
                danger_skip_verification: with.tls.danger_skip_verification.clone(),
            },
            protocol: match with.protocol {
                document::UpstreamProtocol::Http1 => UpstreamProtocol::Http1,
                document::UpstreamProtocol::Http2 => UpstreamProtocol::Http2,
            },
            timeouts,
            health,
            host: host.cloned(),
            retries: with.retries.unwrap_or(1) as usize,
        }
    }

    fn servers(&mut self, path: &str, list: Option<&str>, texts: &[String]) -> Servers {
        if let [only] = texts
            && only == "builtin:whoami"
        {
            return Servers::Whoami;
        }
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let place = list.map_or_else(|| path.to_owned(), |list| format!("{list}[{index}]"));
            match endpoint(text) {
                Some(endpoint) => {
                    if endpoints.first().is_some_and(|first| first.tls != endpoint.tls) {
                        self.problems.add(&place, "http:// and https:// servers cannot stand in one upstream");
                    }
                    endpoints.push(endpoint);
                }
                None => self.problems.add(
                    &place,
                    format!("{text:?}: expected http://host:port, https://host or builtin:whoami, without a path"),
                ),
            }
        }
        if texts.is_empty() {
            let servers = format!("{path}.servers");
            self.problems.add_beside(path, &[&servers], "at least one server is needed");
        }
        Servers::Endpoints(endpoints)
    }

    fn health(&mut self, path: &str, health: &document::Health) -> HealthCheck {
        if !health.path.starts_with('/') {
            self.problems.add(&format!("{path}.path"), "expected a path like /health");
        }
        let second = Duration::from_secs(1);
        let shortest = Duration::from_millis(100);
        HealthCheck {
            path: health.path.clone(),
            interval: self.duration(
                &format!("{path}.interval"),
                health.interval.as_ref(),
                second * 10,
                shortest,
                HOUR,
            ),
            timeout: self.duration(
                &format!("{path}.timeout"),
                health.timeout.as_ref(),
                second * 2,
                shortest,
                MINUTE,
            ),
            unhealthy_after: health.unhealthy_after.unwrap_or(3),
            healthy_after: health.healthy_after.unwrap_or(2),
            host: None,
            answer: HealthAnswer::Status,
        }
    }
}

pub(super) fn endpoint(text: &str) -> Option<Endpoint> {
    let (tls, rest) = match text.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("http://")?),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let authority = Authority::parse(rest).ok()?;
    let port = authority.port.unwrap_or(if tls { 443 } else { 80 });
    Some(Endpoint { tls, host: authority.host.trim_matches(['[', ']']).to_owned(), port })
}
