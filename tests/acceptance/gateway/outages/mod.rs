//! The table "When something outside is down, slow or talks nonsense" of docs/OPERATIONS.md: one file for each thing outside,
//! one test for each way in which it may be of no use, and in that one line for each kind of request.
//!
//! More about Redis is in `shared_state`.

mod disk;
mod geoip;
mod issuer;
mod mail;
mod nextcloud;
mod postgres;
mod redis;
mod slow_disk;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::{PASSWORD, World};

/// An app, and nobody is ever refused for asking too often.
const APPS: &str = r#"
rate_limits: { default: unlimited, tiers: { free: unlimited, premium: unlimited, admin: unlimited }, auth: { login: unlimited, register: unlimited, refresh: unlimited, failures: unlimited } }
roles: { reader: { permissions: ["conversation:read"] } }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes: [ { path: /**, access: signed_in, accept: [session, device] } ]
"#;

/// Known tokens wait for nothing outside. Longer than a busy machine takes, and shorter than anything slow.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// What each kind of request got, as a status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Got {
    /// Through the gateway, with a token that it knows.
    known: u16,
    /// With a token that it never saw.
    new: u16,
    /// With a device password that it never saw.
    device: u16,
    sign_in: u16,
    /// What changes an account.
    change: u16,
}

/// Nobody notices.
const ALL_WELL: Got = Got { known: 200, new: 200, device: 200, sign_in: 200, change: 200 };

/// Whoever needs the records waits or is told to come back, and everybody else goes on.
const NO_RECORDS: Got = Got { known: 200, new: 200, device: 503, sign_in: 503, change: 503 };

/// Ada, who has a gateway to talk to.
struct Ada {
    client: reqwest::Client,
    port: u16,
    operations: SocketAddr,
    known: String,
    /// Those that the gateway made and never saw since.
    tokens: Vec<String>,
    /// Likewise.
    devices: Vec<String>,
}

impl Ada {
    /// Signed in, and with as many new credentials as any test needs.
    async fn at(world: &World) -> Self {
        world.add_user("ada@example.org", &["reader"]).await;
        Self::of(world.client(), world.https().port(), world.operations()).await
    }

    /// The same, where she has been added.
    async fn of(client: reqwest::Client, port: u16, operations: SocketAddr) -> Self {
        let (known, tokens, devices) = <(String, Vec<String>, Vec<String>)>::default();
        let mut ada = Self { client, port, operations, known, tokens, devices };
        ada.known = ada.fresh_token().await;
        assert_eq!(ada.whoami(&ada.known).await, 200);
        for number in 0..8 {
            ada.tokens.push(ada.fresh_token().await);
            let body = json!({ "name": format!("phone {number}") });
            let made = ada.auth(Method::POST, "/auth/devices").bearer_auth(&ada.known).json(&body);
            let made: Value = made.send().await.unwrap().json().await.unwrap();
            ada.devices.push(made["secret"].as_str().unwrap().to_owned());
        }
        ada
    }

    fn auth(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("https://localhost:{}{path}", self.port))
    }

    /// An attempt to sign in.
    fn sign_in(&self) -> RequestBuilder {
        let body = json!({ "email": "ada@example.org", "password": PASSWORD });
        self.auth(Method::POST, "/auth/login").json(&body)
    }

    async fn fresh_token(&self) -> String {
        let answer: Value = self.sign_in().send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// A change of her name.
    fn change(&self, name: &str) -> RequestBuilder {
        let request = self.auth(Method::PATCH, "/auth/me").bearer_auth(&self.known);
        request.json(&json!({ "full_name": name }))
    }

    async fn whoami(&self, token: &str) -> u16 {
        let url = format!("https://whoami.localhost:{}/x", self.port);
        status(self.client.get(url).bearer_auth(token)).await
    }

    /// One request of each kind, all at once. Those with tokens must not wait for anything.
    async fn ask(&mut self) -> Got {
        let new = self.tokens.pop().expect("a new token");
        let device = self.devices.pop().expect("a new device");
        let name = format!("Ada {}", self.tokens.len());
        let at_once = async {
            let began = Instant::now();
            let got = tokio::join!(self.whoami(&self.known), self.whoami(&new));
            assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
            got
        };
        let ((known, new), device, sign_in, change) = tokio::join!(
            at_once,
            self.whoami(&device),
            status_of_problem(self.sign_in()),
            status_of_problem(self.change(&name)),
        );
        Got { known, new, device, sign_in, change }
    }

    /// Asks with the known token, again and again.
    fn load(&self) -> Load {
        let url = format!("https://whoami.localhost:{}/x", self.port);
        let request = self.client.get(url).bearer_auth(&self.known);
        let (stop, stopped) = watch::channel(false);
        let asking = tokio::spawn(async move {
            let mut count = 0;
            while !*stopped.borrow() {
                assert_eq!(status(request.try_clone().unwrap()).await, 200, "after {count}");
                count += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            count
        });
        Load { asking, stop }
    }

    /// What an operator's probe gets.
    async fn readiness(&self) -> (u16, Value) {
        let answer = reqwest::get(format!("http://{}/readyz", self.operations)).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Waits until `part` of the readiness is so.
    async fn until(&self, status: u16, part: &str, is: &str) {
        let began = Instant::now();
        loop {
            let (found, report) = self.readiness().await;
            if found == status && report["checks"][part]["status"] == is {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{part} never {is}: {report}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a line of the metrics is this one.
    async fn until_counted(&self, line: &str) {
        self.until_metrics(line, |text| text.lines().any(|found| found == line)).await;
    }

    /// Waits until the metrics show `what`.
    async fn until_metrics(&self, what: &str, shown: impl Fn(&str) -> bool) {
        let began = Instant::now();
        let url = format!("http://{}/metrics", self.operations);
        loop {
            let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
            if shown(&text) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "never {what}: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Requests with a known token, all the time.
struct Load {
    asking: JoinHandle<usize>,
    stop: watch::Sender<bool>,
}

impl Load {
    /// Ends it. Each of them got what it asked for.
    async fn was_served(self) {
        self.stop.send_replace(true);
        assert!(self.asking.await.expect("nobody was refused") > 0);
    }
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// The status. Whoever is told to come back is told when, in a way that programs read.
async fn status_of_problem(request: RequestBuilder) -> u16 {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    if status == 503 {
        assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    status
}
