//! What an administrator of the stand-in decides before it starts, and which generation it plays.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

/// Whose manners to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Generation {
    /// 29.0.1
    V29,
    /// 34.0.1
    V34,
}

impl Generation {
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V29 => "29.0.1",
            Self::V34 => "34.0.1",
        }
    }
}

/// `config.php`, `occ`, and how slow the machine is.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The first account, in the group `admin`.
    pub(crate) admin: String,
    pub(crate) admin_password: String,
    /// Peers whose `X-Forwarded-*` count. Default: loopback, as behind a gateway on the same machine.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Names besides loopback that may be asked for, without a port; `*` stands for any part.
    pub(crate) trusted_domains: Vec<String>,
    pub(crate) overwrite_protocol: Option<String>,
    pub(crate) overwrite_host: Option<String>,
    /// `overwritewebroot`, such as `/nc`; the proxy strips it.
    pub(crate) web_root: String,
    /// How long the first login of an account takes. Measured: 7 to 17 s; default: nothing.
    pub(crate) first_login_takes: Duration,
    /// How long a create takes, which is the window in which a second one collides. Measured: 0.3 to 3 s; default: nothing.
    pub(crate) create_takes: Duration,
    /// Whether failed logins make 29 sleep (0.1 s doubling, 25 s at most). Default: no.
    pub(crate) failures_sleep: bool,
    /// The shortest password. Default: 10.
    pub(crate) password_min_length: usize,
    /// The file that a first login copies into an account. Default: `Readme.md`.
    pub(crate) skeleton: Vec<(String, String)>,
    /// An external app that may act as anybody: its id and its secret.
    pub(crate) app_api: Option<(String, String)>,
    /// The socket of the app `notify_push`, when it is installed.
    pub(crate) push: Option<String>,
    /// Headers that the web server puts beside Nextcloud's own.
    pub(crate) web_server_headers: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        let loopback = IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Self {
            admin: "admin".to_owned(),
            admin_password: "correct horse battery".to_owned(),
            trusted_proxies: vec![loopback],
            trusted_domains: Vec::new(),
            overwrite_protocol: None,
            overwrite_host: None,
            web_root: String::new(),
            first_login_takes: Duration::ZERO,
            create_takes: Duration::ZERO,
            failures_sleep: false,
            password_min_length: 10,
            skeleton: vec![("Readme.md".to_owned(), "## Welcome to Nextcloud!\n".to_owned())],
            app_api: None,
            push: None,
            web_server_headers: Vec::new(),
        }
    }
}

/// The app `user_oidc`, installed and pointed at an OpenID provider.
#[derive(Debug, Clone)]
pub(crate) struct OidcProvider {
    /// The discovery document.
    pub(crate) discovery: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// `check-bearer`: whether bearer tokens of the provider sign in.
    pub(crate) check_bearer: bool,
    /// `bearer-provisioning`: whether a new `sub` becomes an account.
    pub(crate) bearer_provisioning: bool,
    /// `group-provisioning`: whether the `groups` claim is the whole truth about groups.
    pub(crate) group_provisioning: bool,
    /// `mapping-uid`, the claim that is the account's id.
    pub(crate) mapping_uid: String,
    /// Where the provider's host really is, so that no name service is needed.
    pub(crate) resolve: Option<(String, SocketAddr)>,
    pub(crate) trust: ProviderTrust,
}

/// Whose certificates the provider may show.
#[derive(Debug, Clone)]
pub(crate) enum ProviderTrust {
    /// Those of this authority, as PEM.
    Authority(Vec<u8>),
    /// Any: a test with a self-signed certificate.
    Anybody,
}

impl OidcProvider {
    /// As section 3.2 wants it: bearer on, provisioning on, groups off, uid from `sub`.
    pub(crate) fn at(discovery: &str, client_id: &str, client_secret: &str) -> Self {
        Self {
            discovery: discovery.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            check_bearer: true,
            bearer_provisioning: true,
            group_provisioning: false,
            mapping_uid: "sub".to_owned(),
            resolve: None,
            trust: ProviderTrust::Anybody,
        }
    }
}
