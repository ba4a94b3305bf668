//! Document → [`Config`]: texts become values, references are resolved, and every problem is collected.
//!
//! [`Compiler`] is the collector; `values` reads texts, `apps` compiles apps with their routes and upstreams. A value that
//! could not be read is replaced by its default so that the rest is checked too; nothing of it is used, because a
//! single problem refuses the whole file. `findings` keeps out what only follows from such a replacement.

mod apps;
mod findings;
mod issuers;
mod mail;
mod nextcloud;
mod nextcloud_client;
mod provisioning;
mod shared_state;
mod store;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use self::findings::Findings;
pub use self::values::parse_size;
use super::document::{self, Document};
use super::problem;
use super::yaml::Node;
use super::{
    AccessLog, Accounts, Algorithm, Audit, CertificateFiles, Config, EdgeLimits, HttpListener,
    HttpsListener, Listeners, NextcloudSettings, Observe, PasswordRules, Problem, Problems,
    PublicUrl, RateLimits, Tls, TlsVersion, Tokens,
};
use crate::edge::Authority;
use crate::identity::registration::RegistrationMode;
use crate::identity::{LockoutRule, Role, Roles, is_name};
use crate::throttle::Allowance;

/// What is being compiled, and what was found wrong so far.
struct Compiler<'a> {
    base: &'a Path,
    problems: Findings<'a>,
    warnings: Vec<Problem>,
    files: Vec<PathBuf>,
    networks: BTreeMap<String, Vec<IpNet>>,
    nextcloud: Option<NextcloudSettings>,
}

/// Compiles the document; `None` when anything in it is wrong.
pub(super) fn compile(
    document: &Document,
    base: &Path,
    tree: &Node,
    problems: &mut Problems,
) -> Option<Config> {
    let mut compiler = Compiler {
        base,
        problems: Findings::new(tree, problems),
        warnings: Vec::new(),
        files: Vec::new(),
        networks: BTreeMap::new(),
        nextcloud: None,
    };
    let config = compiler.document(document);
    let mut warnings = compiler.warnings;
    for warning in &mut warnings {
        warning.locate(tree);
    }
    let files = compiler.files;
    problems.is_empty().then(|| Config { warnings, files, ..config })
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

impl Compiler<'_> {
    fn document(&mut self, document: &Document) -> Config {
        let public_url = self.public_url(&document.public_url);
        for (name, list) in &document.networks {
            let networks = self.cidrs(&format!("networks.{name}"), list);
            self.networks.insert(name.clone(), networks);
        }
        let rate_limits = self.rate_limits(&document.rate_limits);
        let roles = self.roles(&document.roles, &rate_limits);
        let tokens = self.tokens(&document.tokens, &public_url);
        let issuers = self.issuers(&document.issuers, &roles, &tokens);
        let accounts = self.accounts(&document.accounts, &roles);
        self.nextcloud = document
            .nextcloud
            .as_ref()
            .and_then(|nextcloud| self.nextcloud(nextcloud, &document.apps));
        let compiled = self.apps(document, &public_url, &roles);
        self.bridge_is_good(document, &compiled.apps, &tokens);
        let tls = self.tls(&document.tls, &public_url, &compiled.hosts);
        let mut nextcloud = self.nextcloud.take();
        if let (Some(settings), Some(written)) = (&mut nextcloud, &document.nextcloud) {
            let (port, algorithm) = (public_url.port, tokens.algorithm);
            settings.oidc.client =
                self.nextcloud_client(&written.oidc, settings, &compiled.apps, port, algorithm);
            self.provisioned(written, settings, &compiled, &roles);
        }
        Config {
            listeners: self.listeners(&document.listeners),
            tls,
            trusted_proxies: self.cidrs("trusted_proxies", &document.trusted_proxies),
            store: self.store(document),
            sealing_key_file: document
                .store
                .sealing_key_file
                .as_deref()
                .map(|file| self.base.join(file)),
            shared_state: self.shared_state(&document.shared_state),
            audit: self.audit(&document.audit),
            observe: self.observe(&document.observe),
            public_url,
            tokens,
            issuers,
            accounts,
            roles,
            rate_limits,
            mail: document.mail.as_ref().and_then(|mail| self.mail(mail)),
            geoip_file: document.geoip.as_ref().map(|geoip| self.geoip(&geoip.file)),
            nextcloud,
            apps: compiled.apps,
            routes: compiled.routes,
            upstreams: compiled.upstreams,
            warnings: Vec::new(),
            files: Vec::new(),
        }
    }

    fn public_url(&mut self, text: &str) -> PublicUrl {
        let expected = "expected https:// and a host, with a port if needed, and nothing behind it";
        let authority = text.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
        let Some(Ok(authority)) = authority.map(Authority::parse) else {
            self.problems.add("public_url", format!("{text:?}: {expected}"));
            return PublicUrl { host: String::new(), port: None, origin: String::new() };
        };
        let port = authority.port.filter(|port| *port != 443);
        let host = authority.host.to_string();
        let origin = match port {
            Some(port) => format!("https://{host}:{port}"),
            None => format!("https://{host}"),
        };
        PublicUrl { host, port, origin }
    }

    fn listeners(&mut self, listeners: &document::Listeners) -> Listeners {
        let https = listeners.https.as_ref();
        let http = listeners.http.as_ref();
        let address = https.and_then(|https| https.address.as_deref());
        let https =
            self.address("listeners.https.address", address, ([0, 0, 0, 0], 8443)).map(|address| {
                let written = https.map_or(&[][..], |https| &https.proxy_protocol);
                HttpsListener {
                    address,
                    http2: https.and_then(|https| https.http2).unwrap_or(true),
                    proxy_protocol: self.cidrs("listeners.https.proxy_protocol", written),
                }
            });
        let address = http.and_then(|http| http.address.as_deref());
        let http =
            self.address("listeners.http.address", address, ([0, 0, 0, 0], 8080)).map(|address| {
                let written = http.map_or(&[][..], |http| &http.proxy_protocol);
                HttpListener {
                    address,
                    redirect: http.and_then(|http| http.redirect).unwrap_or(true),
                    proxy_protocol: self.cidrs("listeners.http.proxy_protocol", written),
                }
            });
        if https.is_none() && http.is_none() {
            self.problems
                .add("listeners", "both listeners are off: nobody could ever ask for anything");
        }
        let operations =
            listeners.operations.as_ref().and_then(|written| written.address.as_deref());
        let operations =
            self.address("listeners.operations.address", operations, ([127, 0, 0, 1], 9090));
        let addresses = [
            https.as_ref().map(|https| https.address),
            http.as_ref().map(|http| http.address),
            operations,
        ];
        let paths =
            ["https", "http", "operations"].map(|which| format!("listeners.{which}.address"));
        let paths = paths.each_ref().map(String::as_str);
        for (index, one) in addresses.iter().enumerate() {
            let taken =
                |other: &Option<SocketAddr>| other == one && one.is_some_and(|one| one.port() != 0);
            let others = addresses.iter().zip(&paths).take(index);
            for (_, other) in others.filter(|(address, _)| taken(address)) {
                let path = paths.get(index).copied().unwrap_or_default();
                let beside = [path, *other];
                self.problems.add_beside(path, &beside, "another listener has this address");
            }
        }
        if operations.is_some_and(|address| !address.ip().is_loopback()) {
            self.warn(
                "listeners.operations.address",
                "metrics and health can be read by everybody who reaches this address",
            );
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Listeners {
            https,
            http,
            operations,
            threads: listeners.threads.map_or(cores, |threads| threads as usize),
            limits: self.edge_limits(&listeners.limits),
            drain: self.duration(
                "listeners.drain",
                listeners.drain.as_ref(),
                MINUTE / 2,
                Duration::ZERO,
                HOUR,
            ),
        }
    }

    fn edge_limits(&mut self, limits: &document::Limits) -> EdgeLimits {
        let at = |key: &str| format!("listeners.limits.{key}");
        let second = Duration::from_secs(1);
        let most = 256 * 1024;
        let head = self.size(&at("head"), limits.head.as_ref(), 32 * 1024, 1024, most);
        let longest_target = if self.problems.is_doubtful(&at("head")) { most } else { head };
        EdgeLimits {
            head_bytes: usize::try_from(head).unwrap_or(32 * 1024),
            headers: limits.headers.unwrap_or(100) as usize,
            target_bytes: usize::try_from(self.size(
                &at("target"),
                limits.target.as_ref(),
                8192,
                256,
                longest_target,
            ))
            .unwrap_or(8192),
            head_timeout: self.duration(
                &at("head_timeout"),
                limits.head_timeout.as_ref(),
                second * 10,
                second,
                MINUTE * 5,
            ),
            keepalive: self.duration(
                &at("keepalive"),
                limits.keepalive.as_ref(),
                MINUTE,
                second,
                HOUR,
            ),
            handshake_timeout: self.duration(
                &at("handshake_timeout"),
                limits.handshake_timeout.as_ref(),
                second * 10,
                second,
                MINUTE * 5,
            ),
            connections_per_client: limits.connections_per_client.unwrap_or(256) as usize,
            connections: limits.connections.unwrap_or(16_384) as usize,
            h2_streams: limits.h2_streams.unwrap_or(100),
        }
    }

    fn tls(&mut self, tls: &document::Tls, public_url: &PublicUrl, hosts: &[String]) -> Tls {
        let certificates: Vec<_> = tls
            .certificates
            .iter()
            .map(|written| CertificateFiles {
                cert_file: self.file(&written.cert_file),
                key_file: self.file(&written.key_file),
            })
            .collect();
        // Clients do not take `*.localhost` for `whoami.localhost` (a wildcard needs two dots), so every host is named.
        let ours = || std::iter::once(&public_url.host).chain(hosts).cloned();
        let self_made: Vec<String> = match &tls.self_made {
            Some(names) if names.is_empty() => Vec::new(),
            Some(names) => names.iter().cloned().chain(ours()).collect(),
            // Files that were named and are not there are a mistake, unless somebody said what to do instead.
            None if !certificates.is_empty() => Vec::new(),
            None => ours().collect(),
        };
        for (index, name) in self_made.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            if name.parse::<crate::route::HostPattern>().is_err() {
                let path = format!("tls.self_made[{index}]");
                self.problems.add(&path, format!("{name:?} is not a host name"));
            }
        }
        if self_made.is_empty() {
            for (index, files) in certificates.iter().enumerate() {
                for (key, file) in [("cert_file", &files.cert_file), ("key_file", &files.key_file)]
                {
                    if !file.exists() {
                        let path = format!("tls.certificates[{index}].{key}");
                        let name = self.problems.name_of(&path, file);
                        self.problems.add_beside(
                            &path,
                            &["tls.self_made"],
                            format!("{name}: there is no such file"),
                        );
                    }
                }
            }
        }
        let min_version = match tls.min_version {
            Some(document::MinVersion::Tls13) => TlsVersion::Tls13,
            Some(document::MinVersion::Tls12) | None => TlsVersion::Tls12,
        };
        Tls { certificates, self_made, min_version }
    }

    fn tokens(&mut self, tokens: &document::Tokens, public_url: &PublicUrl) -> Tokens {
        let algorithm = tokens.algorithm.map_or(Algorithm::EdDsa, issuers::algorithm);
        let secret =
            self.secret("tokens", "secret", tokens.secret.as_ref(), tokens.secret_file.as_ref());
        match (&secret, algorithm) {
            (None, Algorithm::Hs256) => {
                self.problems.add_beside(
                    "tokens.algorithm",
                    &["tokens.secret", "tokens.secret_file"],
                    "HS256 needs a secret: set secret or secret_file",
                );
            }
            (Some(secret), Algorithm::Hs256) if secret.expose().len() < 32 => self
                .problems
                .add("tokens.secret", "the secret is shorter than 32 bytes (RFC 7518 section 3.2)"),
            (Some(_), other) if other != Algorithm::Hs256 => {
                let message = format!("{other} has no shared secret; remove it");
                self.problems.add_beside("tokens.secret", &["tokens.algorithm"], message);
            }
            _ => {}
        }
        let access =
            self.duration("tokens.access", tokens.access.as_ref(), MINUTE * 15, MINUTE, DAY);
        let refresh =
            self.duration("tokens.refresh", tokens.refresh.as_ref(), DAY * 7, HOUR, DAY * 365);
        if refresh < access {
            self.problems.add_beside(
                "tokens.refresh",
                &["tokens.access", "tokens.refresh"],
                "shorter than tokens.access, so it could never be used",
            );
        }
        let or_url = |text: &Option<String>| -> Arc<str> {
            text.as_deref().unwrap_or(&public_url.origin).into()
        };
        Tokens {
            algorithm,
            secret,
            issuer: or_url(&tokens.issuer),
            audience: or_url(&tokens.audience),
            access,
            refresh,
            leeway: self.duration(
                "tokens.leeway",
                tokens.leeway.as_ref(),
                MINUTE / 2,
                Duration::ZERO,
                MINUTE * 5,
            ),
        }
    }

    fn accounts(&mut self, accounts: &document::Accounts, roles: &Roles) -> Accounts {
        let domains = &accounts.registration.domains;
        let lower: Vec<String> = domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
        let no_domains = |compiler: &mut Self| {
            if !domains.is_empty() {
                compiler.problems.add_beside(
                    "accounts.registration.domains",
                    &["accounts.registration.mode"],
                    "domains mean something with mode: open or mode: approval only",
                );
            }
        };
        let registration = match accounts.registration.mode {
            document::RegistrationMode::Approval => RegistrationMode::Approval { domains: lower },
            document::RegistrationMode::Open => RegistrationMode::Open { domains: lower },
            document::RegistrationMode::Invite => {
                no_domains(self);
                RegistrationMode::Invite
            }
            document::RegistrationMode::Off => {
                no_domains(self);
                RegistrationMode::Off
            }
        };
        let lockout = self.lockout(&accounts.lockout);
        let devices_unused = self.duration(
            "accounts.devices_unused",
            accounts.devices_unused.as_ref(),
            DAY * 180,
            DAY,
            DAY * 3650,
        );
        let password = &accounts.password;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory = password.argon2.memory_kib.unwrap_or(19_456);
        if memory < 19_456 {
            self.warn("accounts.password.argon2.memory_kib", "less than OWASP's minimum of 19456");
        }
        let default_roles = accounts.default_roles.clone().unwrap_or_else(|| vec!["viewer".into()]);
        Accounts {
            registration,
            password: PasswordRules {
                min_length: password.min_length.unwrap_or(12) as usize,
                min_score: u8::try_from(password.min_score.unwrap_or(3)).unwrap_or(3),
                argon2_memory_kib: memory,
                argon2_passes: password.argon2.passes.unwrap_or(2),
                argon2_lanes: password.argon2.lanes.unwrap_or(1),
                argon2_parallel: password
                    .argon2
                    .parallel
                    .map_or(cores, |parallel| parallel as usize),
            },
            default_roles: self.known_roles("accounts.default_roles", &default_roles, roles),
            lockout,
            devices_unused,
            proof_of_work: accounts.proof_of_work,
        }
    }

    fn lockout(&mut self, lockout: &document::Lockout) -> LockoutRule {
        let default = LockoutRule::DEFAULT;
        let mut duration = |key: &str, written: &Option<String>, default: Duration| {
            let path = format!("accounts.lockout.{key}");
            self.duration(&path, written.as_ref(), default, MINUTE / 60, DAY)
        };
        let first = duration("first", &lockout.first, default.first);
        let max = duration("max", &lockout.max, default.max);
        if first > max {
            self.problems.add("accounts.lockout.first", "longer than max");
        }
        LockoutRule { after: lockout.after.unwrap_or(default.after), first, max, ..default }
    }

    fn roles(&mut self, written: &BTreeMap<String, document::Role>, limits: &RateLimits) -> Roles {
        let mut roles: Vec<Role> = built_in_roles();
        for (name, role) in written {
            let path = format!("roles.{name}");
            if !is_name(name) {
                self.problems.add(&path, "a role's name is 1 to 64 of a-z A-Z 0-9 - _ .");
            }
            let permissions = self.permissions(&format!("{path}.permissions"), &role.permissions);
            let tier = role.tier.as_deref().unwrap_or("free");
            if !limits.tiers.contains_key(tier) {
                let known = limits.tiers.keys().map(|tier| &**tier);
                let hint = hint(tier, known);
                self.problems.add_beside(
                    &format!("{path}.tier"),
                    &["rate_limits.tiers"],
                    format!("{tier:?} is not a tier of rate_limits.tiers{hint}"),
                );
            }
            let rate_limit = role.rate_limit.as_ref();
            let rate_limit =
                rate_limit.map(|text| self.allowance(&format!("{path}.rate_limit"), text));
            let idle_timeout = self.duration(
                &format!("{path}.idle_timeout"),
                role.idle_timeout.as_ref(),
                MINUTE * 30,
                MINUTE,
                DAY * 30,
            );
            let absolute_timeout = self.duration(
                &format!("{path}.absolute_timeout"),
                role.absolute_timeout.as_ref(),
                HOUR * 12,
                MINUTE,
                DAY * 365,
            );
            if idle_timeout > absolute_timeout {
                let [idle, absolute] =
                    ["idle", "absolute"].map(|which| format!("{path}.{which}_timeout"));
                self.problems.add_beside(
                    &idle,
                    &[&idle, &absolute],
                    "longer than absolute_timeout",
                );
            }
            roles.push(Role {
                name: name.as_str().into(),
                permissions,
                tier: tier.into(),
                rate_limit,
                idle_timeout,
                absolute_timeout,
                second_factor: role.second_factor == document::Demand::Required,
            });
        }
        roles.into_iter().collect()
    }

    fn rate_limits(&mut self, limits: &document::RateLimits) -> RateLimits {
        let built_in = [("free", "100/min"), ("premium", "1000/min"), ("admin", "unlimited")];
        let mut tiers: BTreeMap<Arc<str>, Allowance> = BTreeMap::new();
        for (name, text) in built_in {
            tiers.insert(name.into(), text.parse().unwrap_or(Allowance::Unlimited));
        }
        for (name, text) in &limits.tiers {
            let path = format!("rate_limits.tiers.{name}");
            if !is_name(name) {
                self.problems.add(&path, "a tier's name is 1 to 64 of a-z A-Z 0-9 - _ .");
            }
            tiers.insert(name.as_str().into(), self.allowance(&path, text));
        }
        let mut limit = |key: &str, text: &Option<String>, default: &str| {
            self.allowance(&format!("rate_limits.{key}"), text.as_deref().unwrap_or(default))
        };
        RateLimits {
            default: limit("default", &limits.default, "100/min"),
            tiers,
            login: limit("auth.login", &limits.auth.login, "10/min"),
            register: limit("auth.register", &limits.auth.register, "5/h"),
            refresh: limit("auth.refresh", &limits.auth.refresh, "20/min"),
            failures: limit("auth.failures", &limits.auth.failures, "30/min"),
        }
    }

    fn audit(&mut self, audit: &document::Audit) -> Audit {
        let seven_years = DAY * 2557;
        let keep =
            self.duration("audit.keep", audit.keep.as_ref(), seven_years, DAY * 30, DAY * 36_500);
        Audit { keep }
    }

    fn observe(&mut self, observe: &document::Observe) -> Observe {
        let access_log = match observe.access_log.as_deref() {
            None | Some("stdout") => AccessLog::Stdout,
            Some("off") => AccessLog::Off,
            Some(path) => AccessLog::File(self.base.join(path)),
        };
        let level = match observe.level {
            document::Level::Debug => "debug",
            document::Level::Error => "error",
            document::Level::Info => "info",
            document::Level::Trace => "trace",
            document::Level::Warn => "warn",
        };
        Observe { access_log, level: level.into(), json: observe.format == document::Format::Json }
    }

    fn warn(&mut self, path: &str, message: &str) {
        self.warnings.push(Problem::new(path, message));
    }

    /// Nothing is decided by this file, so it may be missing, and come later.
    fn geoip(&mut self, written: &str) -> PathBuf {
        let file = self.file(written);
        if !file.exists() {
            let name = self.problems.name_of("geoip.file", &file);
            self.warn("geoip.file", &format!("{name}: there is no such file; no place is known"));
        }
        file
    }

    /// A file that the configuration names: relative to the configuration, and watched.
    fn file(&mut self, written: &str) -> PathBuf {
        let path = self.base.join(written);
        self.files.push(path.clone());
        path
    }

    fn known_roles(&mut self, path: &str, names: &[String], roles: &Roles) -> Vec<Arc<str>> {
        for (index, name) in names.iter().enumerate() {
            if roles.find(name).is_none() {
                let hint = hint(name, roles.iter().map(|role| &*role.name));
                let message = format!("{name:?} is not a role{hint}");
                self.problems.add_beside(&format!("{path}[{index}]"), &["roles"], message);
            }
        }
        names.iter().map(|name| name.as_str().into()).collect()
    }
}

fn hint<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    problem::nearest(word, known)
        .map(|near| format!("; did you mean {near:?}?"))
        .unwrap_or_default()
}

/// DESIGN 16: what every gateway has.
fn built_in_roles() -> Vec<Role> {
    let role = |name: &str, permissions: &[&str], tier: &str, limit: &str, idle: Duration| Role {
        name: name.into(),
        permissions: permissions.iter().filter_map(|text| text.parse().ok()).collect(),
        tier: tier.into(),
        rate_limit: limit.parse().ok(),
        idle_timeout: idle,
        absolute_timeout: HOUR * 12,
        second_factor: false,
    };
    let viewer = ["conversation:read", "message:read"];
    let developer = ["conversation:*", "message:*", "files:read"];
    let admin = [
        "user:*",
        "role:*",
        "session:*",
        "invitation:*",
        "audit:read",
        "conversation:*",
        "message:*",
        "files:*",
    ];
    vec![
        role("viewer", &viewer, "free", "50/min", MINUTE * 30),
        role("developer", &developer, "premium", "100/min", HOUR * 2),
        role("admin", &admin, "admin", "200/min", HOUR * 4),
        role("superadmin", &["*:*"], "admin", "unlimited", HOUR * 8),
    ]
}
