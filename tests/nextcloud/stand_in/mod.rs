//! A stand-in for Nextcloud: a program that behaves over HTTP as releases 34.0.1 and 29.0.1 were measured to, so that
//! tests of a gateway need neither PHP nor a database.
//!
//! | file | what it knows |
//! |---|---|
//! | `wire` | HTTP/1.1 at the socket, how a body ended |
//! | `visit` | client address, host, scheme, session cookies of one request |
//! | `acting` | who a request acts as: cookie, external app, bearer, Basic |
//! | `ocs`, `envelope`, `rights` | the API's door, its envelope, who may |
//! | `users`, `groups` | provisioning |
//! | `app_passwords`, `login_flow`, `oauth2` | words that sign in without the real password |
//! | `oidc`, `bearer` | the app `user_oidc` |
//! | `session`, `pages` | login form, web interface, `status.php`, `.well-known` |
//! | `dav` | files, calendars, address books |
//! | `brute_force`, `faults`, `clock` | failures, made on purpose, and time moved by hand |

mod acting;
mod app_passwords;
mod bearer;
mod brute_force;
mod clock;
mod dav;
mod envelope;
pub(crate) mod faults;
mod fields;
mod groups;
mod login_flow;
pub(crate) mod oauth2;
mod ocs;
mod oidc;
mod pages;
mod rights;
mod session;
pub(crate) mod settings;
pub(crate) mod state;
mod users;
mod visit;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use clock::Clock;
use faults::{Fault, Planned};
use fields::random_word;
use oauth2::OauthClient;
use settings::{Generation, OidcProvider, Settings};
use state::{Account, Group, Means, State};
use visit::Visit;
use wire::{Answer, Body, Head, Outcome, Serve, serve_all};

/// One request as it came, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query as they were sent.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body_length: usize,
    /// Whoever it acted as.
    pub(crate) acted_as: Option<String>,
    /// How that was proven, and whether a session cookie did it.
    pub(crate) means: Option<Means>,
    pub(crate) by_cookie: bool,
    /// Nothing if the connection was closed without an answer.
    pub(crate) status: Option<u16>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A running stand-in. It ends when it is dropped.
pub(crate) struct NextcloudStandIn {
    inside: Arc<Inside>,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl NextcloudStandIn {
    /// Listens on 127.0.0.1, on a port that is free.
    pub(crate) async fn start(generation: Generation, settings: Settings) -> std::io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), generation, settings).await
    }

    pub(crate) async fn start_at(
        address: SocketAddr,
        generation: Generation,
        settings: Settings,
    ) -> std::io::Result<Self> {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut state = State::default();
        state.add(Account::new(&settings.admin, Some(&settings.admin_password), "Database"));
        let mut admins = Group { display_name: "admin".to_owned(), ..Group::default() };
        admins.members.insert(settings.admin.clone());
        state.groups.insert("admin".to_owned(), admins);
        let inside = Arc::new(Inside {
            generation,
            settings,
            clock: Clock::default(),
            instance_id: format!("oc{}", random_word(10).to_lowercase()),
            state: Mutex::new(state),
            seen: Mutex::default(),
            planned: Mutex::default(),
        });
        let serving = tokio::spawn(serve_all(listener, Arc::clone(&inside)));
        Ok(Self { inside, address, serving })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:…`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The name of the session cookie.
    pub(crate) fn instance_id(&self) -> &str {
        &self.inside.instance_id
    }

    // What happened.

    /// Every request so far, oldest first.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        locked(&self.inside.seen).clone()
    }

    /// Every request since the last call.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *locked(&self.inside.seen))
    }

    // What is there.

    /// The ids of all accounts.
    pub(crate) fn user_ids(&self) -> Vec<String> {
        self.inside.state().accounts.values().map(|account| account.id.clone()).collect()
    }

    pub(crate) fn user(&self, id: &str) -> Option<Account> {
        self.inside.state().account(id).cloned()
    }

    pub(crate) fn groups_of(&self, id: &str) -> Vec<String> {
        self.inside.state().groups_of(id)
    }

    pub(crate) fn group(&self, name: &str) -> Option<Group> {
        self.inside.state().groups.get(name).cloned()
    }

    /// The names of an account's app passwords.
    pub(crate) fn app_passwords_of(&self, id: &str) -> Vec<String> {
        let state = self.inside.state();
        let own = state.app_passwords.values().filter(|token| token.owner == id);
        own.map(|token| token.name.clone()).collect()
    }

    /// The bytes of a file in somebody's home.
    pub(crate) fn file(&self, owner: &str, path: &str) -> Option<Vec<u8>> {
        self.inside.state().tree.bytes(&format!("/files/{owner}/{path}"))
    }

    /// How often `user_oidc` has asked its provider for keys.
    pub(crate) fn key_fetches(&self) -> u32 {
        self.inside.state().oidc.key_fetches
    }

    // What an administrator does on the command line.

    pub(crate) fn add_user(&self, id: &str, password: &str) {
        self.inside.state().add(Account::new(id, Some(password), "Database"));
    }

    /// Changes an account in any way.
    pub(crate) fn change_user(&self, id: &str, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.inside.state().account_mut(id) {
            change(account);
        }
    }

    pub(crate) fn add_group(&self, name: &str) {
        let group = Group { display_name: name.to_owned(), ..Group::default() };
        self.inside.state().groups.entry(name.to_owned()).or_insert(group);
    }

    pub(crate) fn join(&self, id: &str, group: &str) {
        self.add_group(group);
        if let Some(group) = self.inside.state().groups.get_mut(group) {
            group.members.insert(id.to_owned());
        }
    }

    /// `occ user:auth-tokens:add`: an app password for anybody.
    pub(crate) fn add_app_password(&self, owner: &str, name: &str) -> String {
        let now = self.inside.clock.now();
        app_passwords::mint(&mut self.inside.state(), owner, name, random_word(72), now)
    }

    /// Puts a file into a home, as a first login and an upload would.
    pub(crate) fn add_file(&self, owner: &str, path: &str, bytes: &[u8]) {
        let now = self.inside.clock.now();
        let mut state = self.inside.state();
        state.logged_in(owner, now, &self.inside.settings.skeleton);
        state.tree.put(&format!("/files/{owner}/{path}"), bytes.to_vec(), None, now);
    }

    /// Shares a file by a public link; the token of `/s/{token}`.
    pub(crate) fn add_public_link(&self, owner: &str, path: &str) -> String {
        let token = random_word(15);
        let target = (owner.to_owned(), path.to_owned());
        self.inside.state().links.insert(token.clone(), target);
        token
    }

    /// Points `user_oidc` at a provider, and forgets what was cached of the last one.
    pub(crate) fn connect_oidc(&self, provider: OidcProvider) {
        self.inside.state().oidc = oidc::OidcState::of(provider);
    }

    pub(crate) fn add_oauth_client(&self, client: OauthClient) {
        self.inside.state().oauth.clients.push(client);
    }

    pub(crate) fn set_maintenance(&self, on: bool) {
        self.inside.state().maintenance = on;
    }

    pub(crate) fn set_needs_upgrade(&self, on: bool) {
        self.inside.state().needs_db_upgrade = on;
    }

    // What goes wrong, and time.

    /// The next request of any kind meets this fault.
    pub(crate) fn fail_next(&self, fault: Fault) {
        self.plan(Planned { method: None, target_part: String::new(), fault });
    }

    /// The next request with this method whose target contains this part meets this fault.
    pub(crate) fn fail_next_on(&self, method: &str, target_part: &str, fault: Fault) {
        let (method, target_part) = (Some(method.to_owned()), target_part.to_owned());
        self.plan(Planned { method, target_part, fault });
    }

    fn plan(&self, planned: Planned) {
        locked(&self.inside.planned).push(planned);
    }

    /// Faults that nothing has met yet.
    pub(crate) fn faults_left(&self) -> usize {
        locked(&self.inside.planned).len()
    }

    /// Lets time pass at once.
    pub(crate) fn advance(&self, duration: Duration) {
        self.inside.clock.advance(duration);
    }

    /// The stand-in's time, in seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.inside.clock.now()
    }
}

impl Drop for NextcloudStandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What all requests share.
pub(crate) struct Inside {
    generation: Generation,
    settings: Settings,
    clock: Clock,
    instance_id: String,
    state: Mutex<State>,
    seen: Mutex<Vec<Seen>>,
    planned: Mutex<Vec<Planned>>,
}

impl Inside {
    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn take_fault(&self, head: &Head) -> Option<Fault> {
        let mut planned = locked(&self.planned);
        let at = planned.iter().position(|one| one.fits(&head.method, &head.target))?;
        Some(planned.remove(at).fault)
    }

    async fn respond(
        &self,
        visit: &mut Visit<'_>,
        body: &mut Body<'_>,
        fault: Option<&Fault>,
    ) -> Answer {
        let is_dav = visit.path.starts_with("/remote.php/");
        let is_ocs = visit.path.starts_with("/ocs/v1.php") || visit.path.starts_with("/ocs/v2.php");
        if !visit.is_host_trusted() {
            return pages::untrusted_host(visit);
        }
        if visit.path == "/status.php" {
            return pages::status(visit);
        }
        if self.state().maintenance || fault == Some(&Fault::Maintenance) {
            let is_web = !is_dav && !is_ocs;
            return if is_ocs {
                let said = envelope::Ocs::failed(503, "System in maintenance mode");
                ocs::envelope(visit).answer(&said).with("X-Nextcloud-Maintenance-Mode", "1")
            } else {
                pages::maintenance(is_web)
            };
        }
        if fault == Some(&Fault::TooMany) {
            return Answer::empty(429);
        }
        if is_dav {
            return dav::answer(visit, body, fault).await;
        }
        (visit.body, visit.body_end) = body.read().await;
        if is_ocs { ocs::answer(visit, fault).await } else { pages::answer(visit).await }
    }

    fn spoil(visit: &Visit<'_>, fault: &Fault, answer: Answer) -> Option<Answer> {
        Some(match fault {
            Fault::HangUpBefore | Fault::HangUpAfter => return None,
            Fault::ErrorAfter if visit.path.starts_with("/ocs/") => {
                ocs::envelope(visit).answer(&envelope::Ocs::exception())
            }
            Fault::ErrorAfter => Answer::html(500, "<h2>Internal Server Error</h2>"),
            Fault::Nonsense => Answer::html(200, "<br />\n<b>Fatal error</b>: {\"ocs\":{\"meta\":"),
            _ => answer,
        })
    }
}

impl Serve for Inside {
    async fn answer(&self, head: Head, body: &mut Body<'_>) -> Outcome {
        let fault = self.take_fault(&head);
        let mut visit = Visit::new(self, head);
        if let Some(Fault::Delay(duration)) = &fault {
            tokio::time::sleep(*duration).await;
        }
        let answer = match &fault {
            Some(Fault::HangUpBefore) => {
                (visit.body, visit.body_end) = body.read().await;
                None
            }
            fault => {
                let answer = self.respond(&mut visit, body, fault.as_ref()).await;
                match fault {
                    Some(fault) => Self::spoil(&visit, fault, answer),
                    None => Some(answer),
                }
            }
        };
        let actor = visit.actor.as_ref();
        locked(&self.seen).push(Seen {
            method: visit.head.method.clone(),
            target: visit.head.target.clone(),
            headers: visit.head.headers.clone(),
            body_length: body.length_read(),
            acted_as: actor.map(|actor| actor.user.clone()),
            means: actor.map(|actor| actor.means.clone()),
            by_cookie: actor.is_some_and(|actor| actor.by_cookie),
            status: answer.as_ref().map(|answer| answer.status),
        });
        match answer {
            Some(answer) => {
                let answer = answer.with("Date", &clock::http_date(self.clock.now()));
                let answer = pages::with_usual_headers(visit.finish(answer), &random_word(20));
                let more = self.settings.web_server_headers.iter();
                let answer = more.fold(answer, |answer, (name, value)| answer.with(name, value));
                Outcome::Answer(answer)
            }
            None => Outcome::HangUp,
        }
    }
}

/// A lock whose holder panicked is still a lock: the test that caused it says so itself.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
