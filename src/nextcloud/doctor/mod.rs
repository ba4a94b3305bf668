//! Whether the set-up is right: everything is looked at once, every finding says what mends it, nothing is left behind.
//!
//! | file | what it looks at |
//! |---|---|
//! | `server` | Nextcloud itself: there, which version, by which names, with what time |
//! | `front` | what Nextcloud makes of requests that come by way of a proxy |
//! | `credential` | the service account and its password |
//! | `sign_in` | the app `user_oidc`: our provider, the sign-in, our tokens |
//! | `storage` | files, calendars, a big upload |
//! | `push` | the socket of notifications |
//! | `gateway` | our own side from outside: documents, keys, headers, well-known addresses |
//! | `finding`, `asking` | what a check came to; requests with a deadline |
//!
//! Each is a probe that fetches and judgements that decide on what was fetched. Calls to Nextcloud go to its own address, with
//! the service account; after its password was refused once, it is not sent again. Calls to the gateway go to its public names.

mod asking;
mod credential;
mod finding;
mod front;
mod gateway;
mod push;
mod server;
mod sign_in;
mod storage;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

pub use self::finding::{Finding, Verdict};
pub use self::gateway::KnownKey;

use self::asking::Asker;
use crate::clock::{Clock, SystemClock};
use crate::config::NextcloudService;
use crate::outbound;

/// What is to be looked at, and how it should be.
pub struct Setup {
    /// How Nextcloud is called, and as whom. None: nobody may be called, and only the gateway is looked at.
    pub service: Option<NextcloudService>,
    /// The service account's name; empty without one.
    pub user: String,
    /// The app's name in the configuration.
    pub app: Arc<str>,
    /// Its hosts as a browser writes them, with the port when it is not 443.
    pub hosts: Vec<String>,
    /// Where sign-in lives.
    pub public_url: String,
    /// `iss` of our tokens.
    pub issuer: Arc<str>,
    /// What Nextcloud is called as our client.
    pub client_id: Arc<str>,
    /// Whether requests are introduced by tokens of ours.
    pub uses_bearer: bool,
    /// Whether people sign in to Nextcloud here.
    pub uses_sign_in: bool,
    /// Whether the gateway changes users there.
    pub provisions: bool,
    /// The keys of the store that others can know. None: there is no store.
    pub keys: Option<Vec<KnownKey>>,
    /// Where the gateway is, when its names do not lead there.
    pub gateway: Option<SocketAddr>,
    /// The certificate that the gateway made itself, when it uses that.
    pub self_made: Option<PathBuf>,
    /// Bytes of the big upload; 0 is none.
    pub upload: u64,
    /// How `occ` is called in what mends.
    pub occ: String,
    /// The time here.
    pub clock: Arc<dyn Clock>,
}

/// Makes a token for the service account; none while there is no key for it.
pub type Vouch = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// For one answer of the gateway.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at everything, in the order in which it is mended best.
pub async fn examine(setup: &Setup, vouch: Option<&Vouch>) -> Vec<Finding> {
    let (public, app, mut gateway) = match askers_of_gateway(setup) {
        Ok((public, app)) => {
            let findings = gateway::examine(&public, app.as_ref(), setup).await;
            (Some(public), app, findings)
        }
        Err(why) => {
            let mend = "tls in config.yaml, or the self-made certificate in the data folder";
            (None, None, vec![Finding::fail("gateway", why, mend)])
        }
    };
    let is_there = gateway.first().is_some_and(|first| first.verdict == Verdict::Ok);
    let app = app.filter(|_| is_there && public.is_some());
    let mut findings = nextcloud(setup, vouch, app.as_ref()).await;
    findings.append(&mut gateway);
    findings
}

/// What needs Nextcloud at work, and what needs the service account beside.
const AT_WORK: [&str; 4] =
    ["service account", "visitor address", "own address", "refused sign-ins"];
const SIGNED_IN: [&str; 5] = ["user_oidc", "files", "calendars", "big upload", "push"];

async fn nextcloud(setup: &Setup, vouch: Option<&Vouch>, app: Option<&Asker>) -> Vec<Finding> {
    let skipped = |checks: &[&'static str], why: &str| -> Vec<Finding> {
        checks.iter().map(|check| Finding::skip(check, why)).collect()
    };
    let Some(service) = &setup.service else {
        let mend = "nextcloud.admin_user and nextcloud.admin_password_file in config.yaml";
        let found = "there is none, so Nextcloud was not looked at";
        return vec![Finding::warn("service account", found, mend)];
    };
    let asker = match asker_of(service) {
        Ok(asker) => asker,
        Err(why) => {
            let mend = "correct nextcloud.url or nextcloud.ca_file in config.yaml";
            return vec![Finding::fail("status", why, mend)];
        }
    };
    let (mut findings, is_well) = server::examine(&asker, setup).await;
    if !is_well {
        findings.extend(skipped(&AT_WORK, "Nextcloud is not at work"));
        findings.extend(skipped(&SIGNED_IN, "Nextcloud is not at work"));
        return findings;
    }
    let (finding, probe) = credential::examine(service, setup).await;
    findings.push(finding);
    let pair = format!("{}:{}", service.user, service.password.expose());
    let authorization = format!("Basic {}", STANDARD.encode(pair));
    let authorization = probe.is_some().then_some(authorization.as_str());
    findings.extend(front::examine(&asker, setup, authorization).await);
    let (Some(probe), Some(authorization)) = (probe, authorization) else {
        findings.extend(skipped(&SIGNED_IN, "the service account cannot be used"));
        return findings;
    };
    findings.extend(sign_in::examine(&asker, setup, &probe, authorization, vouch).await);
    findings.extend(storage::examine(&asker, setup, authorization).await);
    findings.push(push::examine(&asker, app, setup, authorization).await);
    findings
}

/// For Nextcloud's own address.
fn asker_of(service: &NextcloudService) -> Result<Asker, String> {
    let http = client(service.ca_file.as_deref())?.build().map_err(|error| error.to_string())?;
    let host = service.host.as_deref().map(HeaderValue::from_str).transpose();
    let host = host.map_err(|_| "the host of Nextcloud cannot be sent".to_owned())?;
    Ok(Asker::new(http, service.url.clone(), host, service.timeout))
}

/// For `public_url`, and for the app's first host.
fn askers_of_gateway(setup: &Setup) -> Result<(Asker, Option<Asker>), String> {
    let mut builder = client(setup.self_made.as_deref())?;
    let app = setup.hosts.first().map(|host| format!("https://{host}"));
    for url in std::iter::once(&setup.public_url).chain(&app) {
        let (host, port) = host_of(url);
        // RFC 6761: what ends so is this machine, though not every resolver knows it.
        let here = host == "localhost" || host.ends_with(".localhost");
        let here = here.then(|| SocketAddr::from(([127, 0, 0, 1], port.unwrap_or(443))));
        if let Some(address) = setup.gateway.or(here) {
            builder = builder.resolve(host, address);
        }
    }
    let http = builder.build().map_err(|error| error.to_string())?;
    let asker = |url: &String| Asker::new(http.clone(), url.clone(), None, PATIENCE);
    Ok((asker(&setup.public_url), app.as_ref().map(asker)))
}

fn host_of(url: &str) -> (&str, Option<u16>) {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    match authority.rsplit_once(':').map(|(host, port)| (host, port.parse().ok())) {
        Some((host, Some(port))) => (host, Some(port)),
        _ => (authority, None),
    }
}

fn client(ca_file: Option<&Path>) -> Result<reqwest::ClientBuilder, String> {
    let builder = outbound::client(ca_file).map_err(|error| error.to_string())?;
    Ok(builder.no_proxy().user_agent(concat!("stormdoor-doctor/", env!("CARGO_PKG_VERSION"))))
}

impl Setup {
    /// Seconds since 1970, here.
    fn now(&self) -> i64 {
        self.clock.now().as_secs()
    }
}

/// Nothing, at no place.
impl Default for Setup {
    fn default() -> Self {
        Self {
            service: None,
            user: String::new(),
            app: "".into(),
            hosts: Vec::new(),
            public_url: String::new(),
            issuer: "".into(),
            client_id: "".into(),
            uses_bearer: false,
            uses_sign_in: false,
            provisions: false,
            keys: None,
            gateway: None,
            self_made: None,
            upload: 0,
            occ: "php occ".to_owned(),
            clock: Arc::new(SystemClock),
        }
    }
}
