//! People, an administrator, and somebody who tries what is over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::ledger::{Credential, Dead, Ledger};
use crate::world::PASSWORD;
use crate::world::node::{Node, client_at};

/// A refresh token is worth nothing so long after its use: the grace of ten seconds, and some time for clocks.
const GRACE: Duration = Duration::from_secs(12);

const PEOPLE: usize = 6;

/// Tokens of a session.
pub(super) struct SignedIn {
    pub(super) access: String,
    refresh: String,
}

impl SignedIn {
    fn of(body: &Value) -> Option<Self> {
        let text = |name: &str| Some(body[name].as_str()?.to_owned());
        Some(Self { access: text("access_token")?, refresh: text("refresh_token")? })
    }
}

/// All that goes on, until it is ended.
pub(super) struct Traffic {
    over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
    direct: Vec<Client>,
    ledger: Arc<Ledger>,
}

/// What everybody who goes on needs.
#[derive(Clone)]
struct Shared {
    /// Of the load balancer.
    door: Client,
    /// Of each node.
    direct: Vec<Client>,
    boss: String,
    ledger: Arc<Ledger>,
    over: Arc<AtomicBool>,
}

impl Traffic {
    pub(super) async fn begin(door: SocketAddr, nodes: &[Node], ledger: &Arc<Ledger>) -> Self {
        let direct: Vec<_> = nodes.iter().map(|node| client_at(node.https, nodes)).collect();
        let over = Arc::new(AtomicBool::new(false));
        let (door, ledger) = (client_at(door, nodes), Arc::clone(ledger));
        let boss = sign_in(&door, "boss@example.org").await.expect("a sign-in").access;
        let (ends, records) = (Arc::clone(&over), Arc::clone(&ledger));
        let shared = Shared { door, direct: direct.clone(), boss, ledger, over };
        let mut tasks = Vec::new();
        for number in 0..PEOPLE {
            let email = format!("person{number}@example.org");
            let id = shared.found(&email).await.expect("an account");
            let role = Some("reader");
            let person = Person { shared: shared.clone(), email, id, role, turns: number };
            tasks.push(tokio::spawn(person.live()));
        }
        tasks.push(tokio::spawn(found_accounts(shared.clone())));
        tasks.push(tokio::spawn(use_an_app(shared.clone())));
        let tried = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            tasks.push(tokio::spawn(try_the_dead(shared.clone(), Arc::clone(&tried))));
        }
        Self { over: ends, tasks, direct, ledger: records }
    }

    /// Ends it, and tries at each node each credential that is over, the latest few hundred.
    pub(super) async fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        for dead in self.ledger.dead().iter().rev().take(300) {
            let tries = self.direct.iter().enumerate();
            future::join_all(tries.map(|(node, client)| present(&self.ledger, client, node, dead)))
                .await;
        }
    }
}

/// Somebody who signs in, works, and is gone again by one way of several.
struct Person {
    shared: Shared,
    email: String,
    id: String,
    /// None when nobody knows, because an answer was lost.
    role: Option<&'static str>,
    turns: usize,
}

impl Person {
    async fn live(mut self) {
        while !self.shared.is_over() {
            self.turns += 1;
            let Some(session) = self.signs_in().await else { continue };
            let Some(session) = self.works(session).await else { continue };
            match self.turns % 4 {
                0 => self.signs_out(&session).await,
                1 => self.is_locked_for_a_while(&session).await,
                2 => self.gets_another_role(&session).await,
                // Stays signed in for ever.
                _ => {}
            }
        }
    }

    async fn signs_in(&self) -> Option<SignedIn> {
        let Shared { door, ledger, .. } = &self.shared;
        let answer = login(door, &self.email).await;
        ledger.count("sign-in", answer.as_ref().map(|(status, _)| *status));
        let signed_in = answer.filter(|(status, _)| *status == 200);
        let signed_in = signed_in.and_then(|(_, body)| SignedIn::of(&body));
        match signed_in {
            Some(_) => ledger.promise("signed_in", &self.id),
            None => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        signed_in
    }

    /// Until it is done, or the session is of no use.
    async fn works(&self, mut session: SignedIn) -> Option<SignedIn> {
        let Shared { door, ledger, direct, .. } = &self.shared;
        for step in 0..20 {
            let status = whoami(door, &session.access).await;
            ledger.count("new token", status);
            if status == Some(401) {
                return None;
            }
            if step % 6 == 5 {
                let answer = refresh(door, &session.refresh).await;
                ledger.count("refresh", answer.as_ref().map(|(status, _)| *status));
                match answer {
                    Some((200, body)) => {
                        let next = SignedIn::of(&body)?;
                        let spent = std::mem::replace(&mut session, next);
                        // Somebody did not get the answer, and asks another node.
                        let again = refresh(&direct[step % direct.len()], &spent.refresh).await;
                        if let Some((200, body)) = again
                            && body["refresh_token"] != session.refresh.as_str()
                        {
                            ledger.wrong("two successors of one refresh token".to_owned());
                        }
                        if self.turns % 4 == 3 {
                            let over = Instant::now() + GRACE;
                            ledger.ended(Credential::Refresh(spent.refresh), over, "its use");
                        }
                    }
                    Some((401, _)) => return None,
                    _ => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        Some(session)
    }

    fn both_ended(&self, session: &SignedIn, why: &'static str) {
        let now = Instant::now();
        self.shared.ledger.ended(Credential::Access(session.access.clone()), now, why);
        self.shared.ledger.ended(Credential::Refresh(session.refresh.clone()), now, why);
    }

    async fn signs_out(&self, session: &SignedIn) {
        let Shared { door, ledger, .. } = &self.shared;
        let status = sign_out(door, &session.access).await;
        ledger.count("sign-out", status);
        if status.is_some_and(|status| status < 300) {
            self.both_ended(session, "a sign-out");
            ledger.promise("signed_out", &self.id);
        }
    }

    async fn is_locked_for_a_while(&self, session: &SignedIn) {
        let shared = &self.shared;
        let path = format!("/auth/admin/users/{}", self.id);
        let url = url("localhost", &format!("{path}/lock"));
        if done(shared.administer(shared.door.post(url).json(&json!({}))).await).is_some() {
            self.both_ended(session, "a lock");
            shared.ledger.promise("user_disabled", &self.id);
        }
        let url = self::url("localhost", &format!("{path}/unlock"));
        while !shared.is_over() {
            let answer = shared.administer(shared.door.post(&url).json(&json!({}))).await;
            if answer.is_some_and(|(status, _)| status < 500) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        // What is issued until another node hears of it is old there.
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }

    async fn gets_another_role(&mut self, session: &SignedIn) {
        let shared = &self.shared;
        let role = if self.role == Some("reader") { "writer" } else { "reader" };
        let url = url("localhost", &format!("/auth/admin/users/{}/roles", self.id));
        let request = shared.door.put(url).json(&json!({ "roles": [role] }));
        let before = self.role.take();
        if done(shared.administer(request).await).is_some() {
            // Whoever had that role already keeps the token.
            if before.is_some() {
                let access = Credential::Access(session.access.clone());
                shared.ledger.ended(access, Instant::now(), "another role");
            }
            self.role = Some(role);
        }
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// What the administrator gets.
    async fn administer(&self, request: RequestBuilder) -> Option<(u16, Value)> {
        let answer = answer_to(request.bearer_auth(&self.boss)).await;
        self.ledger.count("admin", answer.as_ref().map(|(status, _)| *status));
        answer
    }

    /// Adds an account.
    async fn found(&self, email: &str) -> Option<String> {
        let body = json!({ "email": email, "password": PASSWORD, "roles": ["reader"] });
        let request = self.door.post(url("localhost", "/auth/admin/users")).json(&body);
        let user = done(self.administer(request).await)?;
        let id = user["id"].as_str().unwrap().to_owned();
        self.ledger.account(&id);
        self.ledger.promise("user_added", &id);
        Some(id)
    }
}

async fn found_accounts(shared: Shared) {
    let mut number = 0;
    while !shared.is_over() {
        number += 1;
        shared.found(&format!("new{number}@example.org")).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Somebody who does nothing else.
async fn use_an_app(shared: Shared) {
    while !shared.is_over() {
        let status = whoami(&shared.door, &shared.boss).await;
        shared.ledger.count("known token", status);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

async fn try_the_dead(shared: Shared, tried: Arc<AtomicUsize>) {
    while !shared.is_over() {
        let number = tried.fetch_add(1, Ordering::Relaxed);
        if let Some(dead) = shared.ledger.some_dead(number) {
            let node = number % shared.direct.len();
            present(&shared.ledger, &shared.direct[node], node, &dead).await;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// The body of an answer that says that it was done.
fn done(answer: Option<(u16, Value)>) -> Option<Value> {
    answer.filter(|(status, _)| *status < 300).map(|(_, body)| body)
}

/// Shows a node what is over.
async fn present(ledger: &Ledger, client: &Client, node: usize, dead: &Dead) {
    let asked = Instant::now();
    if asked < dead.since {
        return;
    }
    let status = match &dead.credential {
        Credential::Access(token) => whoami(client, token).await,
        Credential::Refresh(token) => refresh(client, token).await.map(|(status, _)| status),
    };
    if let Some(status) = status {
        ledger.judge(dead, asked, node, status);
    }
}

pub(super) async fn sign_in(client: &Client, email: &str) -> Option<SignedIn> {
    SignedIn::of(&login(client, email).await?.1)
}

pub(super) async fn whoami(client: &Client, token: &str) -> Option<u16> {
    let request = client.get(url("whoami.localhost", "/x")).bearer_auth(token);
    answer_to(request).await.map(|(status, _)| status)
}

pub(super) async fn sign_out(client: &Client, token: &str) -> Option<u16> {
    let request = client.post(url("localhost", "/auth/logout")).bearer_auth(token);
    answer_to(request).await.map(|(status, _)| status)
}

async fn login(client: &Client, email: &str) -> Option<(u16, Value)> {
    let body = json!({ "email": email, "password": PASSWORD });
    answer_to(client.post(url("localhost", "/auth/login")).json(&body)).await
}

async fn refresh(client: &Client, token: &str) -> Option<(u16, Value)> {
    let body = json!({ "refresh_token": token });
    answer_to(client.post(url("localhost", "/auth/refresh")).json(&body)).await
}

/// Status and body; none when there was no whole answer.
async fn answer_to(request: RequestBuilder) -> Option<(u16, Value)> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await.ok()?;
    Some((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}

/// The client knows the address and port of the host.
fn url(host: &str, path: &str) -> String {
    format!("https://{host}{path}")
}
