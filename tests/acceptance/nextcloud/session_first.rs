//! An upstream with the most dangerous habit of Nextcloud: a session cookie that is good wins, whatever else a request shows.
//! Beyond what Nextcloud does, everybody who is known leaves with such a cookie, however they came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the session cookie is called.
pub(super) const SESSION: &str = "oc1a2b3c4d5e";

/// The secret of the external app.
pub(super) const SECRET: &str = "app-api-secret";

#[derive(Clone)]
pub(super) struct SessionFirst {
    pub(super) address: SocketAddr,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    seen: Vec<Seen>,
    lie: Option<String>,
}

/// What arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) user: Option<String>,
    pub(super) how: &'static str,
    pub(super) headers: HeaderMap,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The claims of the token that arrived, with its `kid` and `alg` beside them.
    pub(super) fn token(&self) -> Value {
        claims(self.header("authorization").strip_prefix("Bearer ").expect("a token"))
    }
}

/// The app password of `user` there.
pub(super) fn app_password(user: &str) -> String {
    format!("app-password-of-{user}")
}

impl SessionFirst {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let this = Self { address, known: Arc::default() };
        let cloud = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, cloud.clone()));
            }
        });
        this
    }

    /// Takes what arrived last.
    pub(super) fn last(&self) -> Seen {
        self.known.lock().unwrap().seen.pop().expect("a request arrived")
    }

    pub(super) fn count(&self) -> usize {
        self.known.lock().unwrap().seen.len()
    }

    /// From now on it answers everybody as `user`.
    pub(super) fn lie(&self, user: &str) {
        self.known.lock().unwrap().lie = Some(user.to_owned());
    }
}

/// One request without a body, and its answer.
async fn serve(mut stream: TcpStream, cloud: SessionFirst) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_exact(&mut byte).await.is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    let _gone = stream.write_all(cloud.answer(&path, headers).as_bytes()).await;
}

impl SessionFirst {
    fn answer(&self, path: &str, headers: HeaderMap) -> String {
        let (user, how) = who(&headers);
        let mut known = self.known.lock().unwrap();
        known.seen.push(Seen { user: user.clone(), how, headers });
        let status = if user.is_some() || path.starts_with("/public") {
            "200 OK"
        } else {
            "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"Nextcloud\""
        };
        let body = json!({ "user": user, "how": how }).to_string();
        let session = user.as_deref().unwrap_or("nobody");
        let id = known.lie.clone().or_else(|| user.clone());
        let id = id.map(|id| format!("X-User-Id: {id}\r\n")).unwrap_or_default();
        format!(
            "HTTP/1.1 {status}\r\nSet-Cookie: {SESSION}=decoy; path=/; Secure; HttpOnly\r\n\
             Set-Cookie: {SESSION}=session-of-{session}; path=/; Secure; HttpOnly\r\n\
             Set-Cookie: __Host-nc_sameSiteCookielax=true; path=/; Secure; HttpOnly; SameSite=Lax\r\n\
             {id}Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

fn who(headers: &HeaderMap) -> (Option<String>, &'static str) {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let cookies = text("cookie").unwrap_or_default();
    let sessions = cookies.split("; ").filter_map(|pair| pair.strip_prefix(SESSION));
    let users = sessions.filter_map(|rest| rest.strip_prefix("=session-of-"));
    if let Some(user) = users.last().filter(|user| *user != "nobody") {
        return (Some(user.to_owned()), "session");
    }
    let decoded = |text: &str| String::from_utf8(STANDARD.decode(text).ok()?).ok();
    if let Some(pair) = text("authorization-app-api").and_then(|text| decoded(&text)) {
        let (user, secret) = pair.split_once(':').expect("a pair");
        let good = secret == SECRET && headers.contains_key("ex-app-id");
        return (good.then(|| user.to_owned()), "app_api");
    }
    let authorization = text("authorization").unwrap_or_default();
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        if let Some(user) = token.strip_prefix("app-password-of-") {
            return (Some(user.to_owned()), "bearer_app_password");
        }
        return (claims(token)["sub"].as_str().map(str::to_owned), "bearer");
    }
    if let Some(pair) = authorization.strip_prefix("Basic ").and_then(decoded) {
        let (user, password) = pair.split_once(':').expect("a pair");
        return ((password == app_password(user)).then(|| user.to_owned()), "basic");
    }
    (None, "nothing")
}

fn claims(token: &str) -> Value {
    let part = |number: usize| -> Value {
        let part = token.split('.').nth(number).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let mut claims = part(1);
    claims["header"] = part(0);
    claims
}
