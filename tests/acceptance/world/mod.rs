//! A gateway of one's own, with users and upstreams, on ports that the system chose.

pub(crate) mod api;
pub(crate) mod authenticator;
pub(crate) mod browser;
pub(crate) mod mailbox;
pub(crate) mod node;
pub(crate) mod places;
pub(crate) mod program;
pub(crate) mod raw;
pub(crate) mod tls;
pub(crate) mod upstream;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stormdoor::assembly::{self, Running, Setup};
use stormdoor::clock::{Clock, ManualClock, SystemClock};
use stormdoor::config;
use stormdoor::identity::admin::By;
use stormdoor::identity::password::Password;
use stormdoor::identity::service::NewUser;
use tempfile::TempDir;

use self::mailbox::Mailbox;

/// Long and unlikely enough for the password rules.
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple-42";

pub(crate) struct World {
    pub(crate) gateway: Running,
    pub(crate) data: TempDir,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What every test's configuration begins with: ports 0, cheap hashes, generous limits.
const BASE: &str = r#"
public_url: https://localhost
listeners:
  https: { address: "127.0.0.1:0" }
  http: { address: "127.0.0.1:0", redirect: false }
  operations: { address: "127.0.0.1:0" }
  drain: 5s
observe: { access_log: off, level: warn }
"#;

/// Cheap hashes, unless a test has a section `accounts` of its own.
const ACCOUNTS: &str = "accounts: { password: { argon2: { memory_kib: 64, passes: 1 } } }\n";

/// No limits, unless a test has a section `rate_limits` of its own.
const RATE_LIMITS: &str = "rate_limits: { default: unlimited, tiers: { free: unlimited, premium: unlimited, admin: unlimited }, auth: { login: unlimited, register: unlimited, refresh: unlimited, failures: unlimited } }\n";

fn compose(more: &str) -> String {
    let has = |section: &str| more.lines().any(|line| line.starts_with(section));
    let accounts = if has("accounts:") { "" } else { ACCOUNTS };
    let rate_limits = if has("rate_limits:") { "" } else { RATE_LIMITS };
    format!("{BASE}{accounts}{rate_limits}{more}")
}

impl World {
    /// A gateway with the built-in app at `whoami.localhost` as in the shipped configuration.
    pub(crate) async fn start() -> Self {
        Self::with(
            r#"
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - { path: /public/**, access: public }
      - { path: /admin/**, allow: ["system:admin"] }
      - { path: /**, access: signed_in }
"#,
        )
        .await
    }

    /// A gateway with `more` after the base configuration.
    pub(crate) async fn with(more: &str) -> Self {
        Self::from_yaml(&compose(more)).await
    }

    /// A gateway with `more` after the base configuration that sends its mail to `mailbox`.
    pub(crate) async fn with_mail(more: &str, mailbox: &Mailbox) -> Self {
        Self::with(&format!("{more}{}", mailbox.section())).await
    }

    /// The same, with a clock that the test moves.
    pub(crate) async fn with_mail_at(more: &str, mailbox: &Mailbox, clock: ManualClock) -> Self {
        let yaml = compose(&format!("{more}{}", mailbox.section()));
        Self::begin(&yaml, tempfile::tempdir().unwrap(), Arc::new(clock)).await
    }

    /// A gateway with `more` after the base configuration and a clock that the test moves.
    pub(crate) async fn with_clock(more: &str, clock: ManualClock) -> Self {
        Self::begin(&compose(more), tempfile::tempdir().unwrap(), Arc::new(clock)).await
    }

    /// The configuration with `more` after the base configuration, for a part of the gateway by itself.
    pub(crate) fn configuration(&self, more: &str) -> config::Config {
        parse(&compose(more), self.data.path())
    }

    pub(crate) async fn from_yaml(yaml: &str) -> Self {
        Self::begin(yaml, tempfile::tempdir().unwrap(), Arc::new(SystemClock)).await
    }

    /// Stops the gateway and starts another one on its data, with `more` after the base configuration.
    pub(crate) async fn restart(self, more: &str) -> Self {
        let Self { gateway, data, clock } = self;
        gateway.stop(Duration::from_secs(5)).await;
        Self::begin(&compose(more), data, clock).await
    }

    /// Puts `more` after the base configuration in force.
    pub(crate) async fn reload(&self, more: &str) {
        let config = parse(&compose(more), self.data.path());
        self.gateway.reload(config).await.expect("the gateway reloads");
    }

    async fn begin(yaml: &str, data: TempDir, clock: Arc<dyn Clock>) -> Self {
        stormdoor::edge::install_crypto();
        let config = parse(yaml, data.path());
        let setup = Setup { config, data: data.path().to_owned(), clock: Arc::clone(&clock) };
        let gateway = assembly::start(setup).await.expect("the gateway starts");
        Self { gateway, data, clock }
    }

    pub(crate) fn https(&self) -> SocketAddr {
        self.gateway.https().expect("an HTTPS listener")
    }

    /// The plain listener, which serves requests in tests.
    pub(crate) fn http(&self) -> SocketAddr {
        self.gateway.http().expect("a plain listener")
    }

    pub(crate) fn operations(&self) -> SocketAddr {
        self.gateway.operations().expect("an operations listener")
    }

    /// A client that trusts the self-made certificate and finds every name at the gateway.
    pub(crate) fn client(&self) -> reqwest::Client {
        self.client_builder().build().unwrap()
    }

    pub(crate) fn client_builder(&self) -> reqwest::ClientBuilder {
        let pem = std::fs::read(self.data.path().join("tls/self-made.pem")).unwrap();
        let certificate = reqwest::Certificate::from_pem(&pem).unwrap();
        let mut builder = reqwest::Client::builder()
            .tls_certs_only([certificate])
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30));
        for host in
            ["localhost", "whoami.localhost", "api.localhost", "cloud.localhost", "dav.localhost"]
        {
            builder = builder.resolve(host, self.https());
        }
        builder
    }

    /// `https://{host}{path}`, with the gateway's port.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.https().port())
    }

    pub(crate) async fn add_user(&self, email: &str, roles: &[&str]) {
        let roles = roles.iter().map(|role| (*role).into()).collect();
        let password = Password::new(PASSWORD.to_owned()).unwrap();
        let new = NewUser { email: email.to_owned(), username: None, full_name: None, password };
        self.gateway.identity().add_user(new, roles, &By::Operator).await.expect("a new user");
    }

    /// Signs in and returns the whole answer.
    pub(crate) async fn sign_in(&self, email: &str) -> Value {
        let answer = self
            .client()
            .post(self.url("localhost", "/auth/login"))
            .json(&json!({ "email": email, "password": PASSWORD }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "sign-in of {email}");
        answer.json().await.unwrap()
    }

    /// Adds a user, signs in, and returns the access token.
    pub(crate) async fn token(&self, email: &str, roles: &[&str]) -> String {
        self.add_user(email, roles).await;
        self.sign_in(email).await["access_token"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn parse(yaml: &str, base: &Path) -> config::Config {
    config::parse(yaml, "test.yaml", base, &|_| None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}
