//! What the stand-in remembers: accounts, groups, app passwords, sessions, files.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::dav::Tree;
use super::login_flow::Flow;
use super::oauth2::OauthServer;
use super::oidc::OidcState;

/// One account, as `cloud/users/{id}` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: String,
    /// Nothing for accounts that `user_oidc` made.
    pub(crate) password: Option<String>,
    pub(crate) display_name: String,
    pub(crate) email: Option<String>,
    /// `none`, `default`, or bytes.
    pub(crate) quota: String,
    pub(crate) language: String,
    pub(crate) manager: String,
    /// Phone, address and what else has a key of its own.
    pub(crate) profile: BTreeMap<String, String>,
    pub(crate) enabled: bool,
    /// `Database` or `user_oidc`.
    pub(crate) backend: String,
    /// Whether two factors are demanded, so that the real password alone is no Basic login.
    pub(crate) two_factor: bool,
    /// Seconds since 1970; nothing before the first login.
    pub(crate) first_login: Option<i64>,
    pub(crate) last_login: Option<i64>,
    /// Which account came later, for logins by a shared e-mail address.
    pub(crate) number: u64,
    pub(crate) wiped: bool,
}

impl Account {
    pub(crate) fn new(id: &str, password: Option<&str>, backend: &str) -> Self {
        Self {
            id: id.to_owned(),
            password: password.map(str::to_owned),
            display_name: id.to_owned(),
            email: None,
            quota: "none".to_owned(),
            language: String::new(),
            manager: String::new(),
            profile: BTreeMap::new(),
            enabled: true,
            backend: backend.to_owned(),
            two_factor: false,
            first_login: None,
            last_login: None,
            number: 0,
            wiped: false,
        }
    }

    /// Ids that no path can carry: the account exists, and every request of it fails.
    pub(crate) fn is_broken(&self) -> bool {
        self.id.contains(['/', '|'])
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) display_name: String,
    pub(crate) members: BTreeSet<String>,
    pub(crate) sub_admins: BTreeSet<String>,
}

/// A long word that signs in without the real password.
#[derive(Debug, Clone)]
pub(crate) struct AppPassword {
    pub(crate) owner: String,
    pub(crate) name: String,
    /// Whether it came from the OAuth2 token endpoint.
    pub(crate) is_oauth: bool,
    /// The real password it was made beside; another one makes it stale at the next check.
    pub(crate) beside: Option<String>,
    pub(crate) checked_at: i64,
    pub(crate) stale: bool,
    /// When a rotated or expiring one ends.
    pub(crate) ends_at: Option<i64>,
}

/// How somebody proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Means {
    RealPassword,
    /// The app password itself, or an OAuth2 access token.
    AppPassword(String),
    /// A bearer token of the OpenID provider.
    OidcBearer,
    /// A browser session that began at the OpenID provider.
    OidcSession,
    AppApi,
}

/// Whoever a request acts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    pub(crate) user: String,
    pub(crate) means: Means,
    /// Whether a session cookie said so, whatever the `Authorization` header says.
    pub(crate) by_cookie: bool,
    /// Whether a password-confirmed action is open.
    pub(crate) confirmed: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) means: Means,
    pub(crate) confirmed_at: Option<i64>,
    /// Whether it began on WebDAV, so that WebDAV asks for no request token.
    pub(crate) on_dav: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) passphrase: String,
    pub(crate) request_token: String,
    pub(crate) login: Option<Login>,
    /// What a login that went elsewhere must come back with.
    pub(crate) oidc: Option<super::oidc::Pending>,
    /// The OAuth2 client or login flow that asked this browser.
    pub(crate) flow_state: Option<String>,
}

#[derive(Default)]
pub(crate) struct State {
    /// By lower-case id.
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) app_passwords: BTreeMap<String, AppPassword>,
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Lower-case ids that are being created at this moment.
    pub(crate) creating: BTreeSet<String>,
    /// When each account has edited users, for the window of 600 s.
    pub(crate) edits: BTreeMap<String, Vec<i64>>,
    /// Failed logins by client address.
    pub(crate) failures: BTreeMap<IpAddr, Vec<i64>>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) oauth: OauthServer,
    pub(crate) oidc: OidcState,
    pub(crate) tree: Tree,
    /// Public links, by token: owner and path of the file.
    pub(crate) links: BTreeMap<String, (String, String)>,
    pub(crate) maintenance: bool,
    pub(crate) needs_db_upgrade: bool,
    numbered: u64,
}

impl State {
    pub(crate) fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(&id.to_lowercase())
    }

    pub(crate) fn account_mut(&mut self, id: &str) -> Option<&mut Account> {
        self.accounts.get_mut(&id.to_lowercase())
    }

    pub(crate) fn add(&mut self, mut account: Account) {
        self.numbered += 1;
        account.number = self.numbered;
        self.accounts.insert(account.id.to_lowercase(), account);
    }

    /// Removes the account and what hangs on it.
    pub(crate) fn remove(&mut self, id: &str) {
        let Some(account) = self.accounts.remove(&id.to_lowercase()) else { return };
        for group in self.groups.values_mut() {
            group.members.remove(&account.id);
            group.sub_admins.remove(&account.id);
        }
        self.app_passwords.retain(|_, token| token.owner != account.id);
        self.tree.remove_user(&account.id);
    }

    pub(crate) fn groups_of(&self, id: &str) -> Vec<String> {
        let member = |(_, group): &(&String, &Group)| group.members.contains(id);
        self.groups.iter().filter(member).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn groups_led_by(&self, id: &str) -> Vec<String> {
        let led = |(_, group): &(&String, &Group)| group.sub_admins.contains(id);
        self.groups.iter().filter(led).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn is_admin(&self, id: &str) -> bool {
        self.groups.get("admin").is_some_and(|group| group.members.contains(id))
    }

    /// By id, or by e-mail address: then the later account wins.
    pub(crate) fn find_login(&self, login: &str) -> Option<&Account> {
        let by_email = || {
            let same = |account: &&Account| {
                account.email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(login))
            };
            self.accounts.values().filter(same).max_by_key(|account| account.number)
        };
        self.account(login).or_else(by_email)
    }

    /// Marks a login, and copies the skeleton at the first one. True if it was the first.
    pub(crate) fn logged_in(&mut self, id: &str, now: i64, skeleton: &[(String, String)]) -> bool {
        let Some(account) = self.account_mut(id) else { return false };
        account.last_login = Some(now);
        if account.first_login.is_some() {
            return false;
        }
        account.first_login = Some(now);
        let owner = account.id.clone();
        self.tree.add_user(&owner, skeleton, now);
        true
    }
}
