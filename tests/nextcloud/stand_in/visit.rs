//! One request as Nextcloud sees it: who is the client behind the trusted proxies, which host was asked for, which
//! session the cookies open (sections 4.1 and 3.1).

use std::net::IpAddr;

use super::Inside;
use super::fields::{Fields, decoded, random_word};
use super::settings::Generation;
use super::state::{Actor, Login, Session};
use super::wire::{Answer, BodyEnd, Head};

pub(crate) struct Visit<'i> {
    pub(crate) inside: &'i Inside,
    pub(crate) head: Head,
    /// Decoded, without `/index.php`.
    pub(crate) path: String,
    /// The client's address: right to left through `X-Forwarded-For`, past trusted proxies.
    pub(crate) client: IpAddr,
    /// With the port, as links must carry it.
    pub(crate) host: String,
    pub(crate) is_https: bool,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) body_end: BodyEnd,
    pub(crate) actor: Option<Actor>,
    /// The session at hand, once [`Visit::open_session`] was called.
    session: Option<String>,
    cookie_lines: Vec<String>,
}

impl<'i> Visit<'i> {
    pub(crate) fn new(inside: &'i Inside, head: Head) -> Self {
        let trusts = |address: IpAddr| {
            inside.settings.trusted_proxies.iter().any(|network| network.contains(&address))
        };
        let is_proxied = trusts(head.peer);
        let forwarded = |name: &str| {
            let first = head.header(name).and_then(|value| value.split(',').next());
            first.map(|value| value.trim().to_owned()).filter(|_| is_proxied)
        };
        let hops = head.all("x-forwarded-for").flat_map(|value| value.split(','));
        let hops: Vec<IpAddr> = hops.filter_map(|hop| hop.trim().parse().ok()).collect();
        let last = hops.into_iter().rev().find(|hop| is_proxied && !trusts(*hop));
        let scheme = inside.settings.overwrite_protocol.clone();
        let scheme = scheme.or_else(|| forwarded("x-forwarded-proto"));
        let host = inside.settings.overwrite_host.clone();
        let host = host.or_else(|| forwarded("x-forwarded-host"));
        let host = host.or_else(|| head.header("host").map(str::to_owned)).unwrap_or_default();
        let path = decoded(head.raw_path());
        let path = path.strip_prefix("/index.php").filter(|rest| rest.starts_with('/'));
        let path = path.map_or_else(|| decoded(head.raw_path()), str::to_owned);
        Self {
            inside,
            path,
            client: last.unwrap_or(head.peer),
            host,
            is_https: scheme.as_deref() == Some("https"),
            fields: Fields::from_form(head.raw_query()),
            body: Vec::new(),
            body_end: BodyEnd::Complete,
            actor: None,
            session: None,
            cookie_lines: Vec::new(),
            head,
        }
    }

    pub(crate) fn method(&self) -> &str {
        &self.head.method
    }

    pub(crate) fn generation(&self) -> Generation {
        self.inside.generation
    }

    pub(crate) fn now(&self) -> i64 {
        self.inside.clock.now()
    }

    /// `https://cloud.example.test/nc` and so on: what absolute links begin with.
    pub(crate) fn base_url(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host, self.inside.settings.web_root)
    }

    /// `/nc/index.php/login` for `login`.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}/index.php/{path}", self.inside.settings.web_root)
    }

    /// Whether the host is one of `trusted_domains`. Loopback always is; `overwritehost` ends the question.
    pub(crate) fn is_host_trusted(&self) -> bool {
        self.inside.settings.overwrite_host.is_some() || self.is_trusted_name(&self.host)
    }

    pub(crate) fn is_trusted_name(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let is_loopback =
            name == "localhost" || name == "[::1]" || name.starts_with("127.") || name == "::1";
        let trusted = &self.inside.settings.trusted_domains;
        is_loopback || trusted.iter().any(|pattern| matches(pattern, name) || pattern == host)
    }

    /// The value of the first cookie of this name, as PHP reads it.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.head.all("cookie").flat_map(|line| line.split(';'));
        let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Finds the session of the cookies, or begins an anonymous one and sets its cookies.
    pub(crate) fn open_session(&mut self) {
        let instance = &self.inside.instance_id;
        let known = self.cookie(instance).filter(|id| {
            let state = self.inside.state();
            let session = state.sessions.get(*id);
            session.is_some_and(|session| {
                self.cookie("oc_sessionPassphrase") == Some(session.passphrase.as_str())
            })
        });
        let known = known.map(str::to_owned);
        if known.is_none() {
            let id = random_word(32);
            let session = Session {
                passphrase: random_word(96),
                request_token: format!("{}:{}", random_word(44), random_word(43)),
                login: None,
                oidc: None,
                flow_state: None,
            };
            self.set_cookie(&instance.clone(), &id);
            self.set_cookie("oc_sessionPassphrase", &session.passphrase);
            for (strictness, name) in [("lax", "lax"), ("strict", "strict")] {
                let secure = if self.is_https { "secure;" } else { "" };
                let line = format!(
                    "{}nc_sameSiteCookie{name}=true; path={}; httponly;{secure} \
                     expires=Fri, 31-Dec-2100 23:59:59 GMT; SameSite={strictness}",
                    self.same_site_prefix(),
                    self.cookie_path(),
                );
                self.cookie_lines.push(line);
            }
            self.inside.state().sessions.insert(id.clone(), session);
            self.session = Some(id);
        } else {
            self.session = known;
        }
    }

    /// Gives the session a new id, as every login does. Two lines of one cookie follow; the last is the live one.
    pub(crate) fn renew_session(&mut self, login: Option<Login>) {
        let mut state = self.inside.state();
        let old = self.session.take().and_then(|id| state.sessions.remove(&id));
        let Some(mut session) = old else { return };
        session.login = login;
        let (dead, live) = (random_word(32), random_word(32));
        state.sessions.insert(live.clone(), session);
        drop(state);
        let instance = self.inside.instance_id.clone();
        self.set_cookie(&instance, &dead);
        self.set_cookie(&instance, &live);
        self.session = Some(live);
    }

    pub(crate) fn with_session<R>(&self, look: impl FnOnce(&mut Session) -> R) -> Option<R> {
        let id = self.session.as_ref()?;
        self.inside.state().sessions.get_mut(id).map(look)
    }

    pub(crate) fn end_session(&mut self) {
        if let Some(id) = self.session.take() {
            self.inside.state().sessions.remove(&id);
        }
        self.open_session();
    }

    pub(crate) fn request_token(&self) -> String {
        self.with_session(|session| session.request_token.clone()).unwrap_or_default()
    }

    /// Whether this can be no forgery: `OCS-APIRequest`, or the session's token together with its cookies.
    pub(crate) fn passes_forgery_check(&self) -> bool {
        if self.head.header("ocs-apirequest").is_some_and(|value| !value.is_empty()) {
            return true;
        }
        let strict = format!("{}nc_sameSiteCookiestrict", self.same_site_prefix());
        let shown = self.head.header("requesttoken").or_else(|| self.fields.find("requesttoken"));
        let token = self.request_token();
        self.cookie(&strict) == Some("true")
            && !token.is_empty()
            && shown.is_some_and(|shown| shown.replace(' ', "+") == token)
    }

    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        let secure = if self.is_https { " secure;" } else { "" };
        let path = self.cookie_path();
        let line = format!("{name}={value}; path={path};{secure} HttpOnly; SameSite=Lax");
        self.cookie_lines.push(line);
    }

    /// The answer with the cookies and the user that this request has come to.
    pub(crate) fn finish(&self, mut answer: Answer) -> Answer {
        for line in &self.cookie_lines {
            answer = answer.with("Set-Cookie", line);
        }
        match &self.actor {
            Some(actor) if !answer.has("x-user-id") => answer.with("X-User-Id", &actor.user),
            _ => answer,
        }
    }

    fn cookie_path(&self) -> &str {
        let root = self.inside.settings.web_root.as_str();
        if root.is_empty() { "/" } else { root }
    }

    /// Browsers take the prefix only over https and for the path `/`.
    fn same_site_prefix(&self) -> &'static str {
        if self.is_https && self.inside.settings.web_root.is_empty() { "__Host-" } else { "" }
    }
}

/// Whether `name` is `pattern`, where `*` stands for any part.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(name),
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        }
    }
}
