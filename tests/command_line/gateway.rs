//! A gateway in a process of its own, and a client of it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{PASSWORD, World};

/// How soon a change by command line must be in force.
const SOON: Duration = Duration::from_secs(5);

pub(crate) struct Gateway {
    process: Child,
    address: SocketAddr,
}

impl Gateway {
    /// Starts one on the folder of `world`, and waits until it is ready.
    pub(crate) fn start(world: &World) -> Self {
        stormdoor::edge::install_crypto();
        let mut process = world
            .command()
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.trim().strip_prefix("http ")?.split_once("://")?;
            address.parse().ok()
        });
        let address = address.expect("the plain listener");
        // Nobody else reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    fn request(&self, method: reqwest::Method, host: &str, path: &str) -> reqwest::RequestBuilder {
        let client = reqwest::Client::builder()
            .resolve(host, self.address)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        client.request(method, format!("http://{host}:{}{path}", self.address.port()))
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        let request = self.request(reqwest::Method::POST, "localhost", path);
        request.json(body).send().await.unwrap()
    }

    /// The status of a sign-in with `password`.
    pub(crate) async fn try_password(&self, email: &str, password: &str) -> u16 {
        let body = json!({ "email": email, "password": password });
        self.post("/auth/login", &body).await.status().as_u16()
    }

    /// Signs in with [`PASSWORD`], and returns the access token and the refresh token.
    pub(crate) async fn sign_in(&self, email: &str) -> (String, String) {
        let body = json!({ "email": email, "password": PASSWORD });
        let answer = self.post("/auth/login", &body).await;
        assert_eq!(answer.status(), 200, "sign-in of {email}");
        let pair: Value = answer.json().await.unwrap();
        let text = |name: &str| pair[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    /// What `path` of the app answers to `token`.
    pub(crate) async fn status(&self, path: &str, token: &str) -> u16 {
        let request = self.request(reqwest::Method::GET, "whoami.localhost", path);
        request.bearer_auth(token).send().await.unwrap().status().as_u16()
    }

    /// Waits until `path` answers `token` with `status`.
    pub(crate) async fn soon(&self, path: &str, token: &str, status: u16) {
        soon(async || self.status(path, token).await, status).await;
    }

    /// Waits until a sign-in with `password` is answered with `status`.
    pub(crate) async fn soon_password(&self, email: &str, password: &str, status: u16) {
        soon(async || self.try_password(email, password).await, status).await;
    }

    /// Stops it as an operator does.
    pub(crate) fn stop(mut self) {
        let pid = self.process.id().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn soon(mut ask: impl AsyncFnMut() -> u16, wanted: u16) {
    let began = Instant::now();
    loop {
        let found = ask().await;
        if found == wanted {
            return;
        }
        assert!(began.elapsed() < SOON, "still {found} instead of {wanted}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
