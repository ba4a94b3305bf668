//! What the gateway runs on: the compiled configuration. Every reference is resolved and every bound is kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;

use super::Problem;
use crate::identity::openid::Client;
use crate::identity::provisioning::Rules;
use crate::identity::registration::RegistrationMode;
use crate::identity::{CloudIds, Email, LockoutRule, Roles};
use crate::route::{App, Route};
use crate::secret::Secret;
use crate::throttle::Allowance;

/// What the gateway runs on: compiled, complete, with every reference resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where sign-in lives.
    pub public_url: PublicUrl,
    /// Where we listen.
    pub listeners: Listeners,
    /// Certificates.
    pub tls: Tls,
    /// Peers whose `Forwarded` and `X-Forwarded-*` we believe. Empty: nobody.
    pub trusted_proxies: Vec<IpNet>,
    /// Where records are kept.
    pub store: Store,
    /// The key that seals what the store keeps but must not be able to read. None: a file of the data folder.
    pub sealing_key_file: Option<PathBuf>,
    /// Where counters and one-time values are kept.
    pub shared_state: SharedState,
    /// Tokens that we issue.
    pub tokens: Tokens,
    /// Tokens of others that we accept.
    pub issuers: Vec<OutsideIssuer>,
    /// Registration, passwords.
    pub accounts: Accounts,
    /// Built-in roles with the operator's on top.
    pub roles: Roles,
    /// Limits that are not a route's own.
    pub rate_limits: RateLimits,
    /// All apps in the order written, the portal's own last (host of `public_url`).
    pub apps: Vec<Arc<App>>,
    /// All routes, in order: app by app. The portal's routes are added by `portal::routes`.
    pub routes: Vec<Route>,
    /// How mail is sent. None: no mail is sent, and nobody should write any.
    pub mail: Option<MailSettings>,
    /// What we do for Nextcloud beside forwarding to it.
    pub nextcloud: Option<NextcloudSettings>,
    /// A `MaxMind` DB that says where addresses are.
    pub geoip_file: Option<PathBuf>,
    /// Upstreams by the name that [`crate::route::Destination::Upstream`] uses.
    pub upstreams: BTreeMap<Arc<str>, Upstream>,
    /// How long what happened is remembered.
    pub audit: Audit,
    /// Logs.
    pub observe: Observe,
    /// What is allowed but probably not meant, and what is dangerous.
    pub warnings: Vec<Problem>,
    /// Files that it depends on; a change of one is a reason to reload.
    pub files: Vec<PathBuf>,
}

/// `https://host[:port]`, without path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicUrl {
    /// Canonical host, as in [`crate::edge::Arrival`].
    pub host: String,
    /// The port, when not the scheme's own.
    pub port: Option<u16>,
    /// `https://host[:port]`.
    pub origin: String,
}

/// Where we listen.
#[derive(Clone, Debug)]
pub struct Listeners {
    /// The TLS listener.
    pub https: Option<HttpsListener>,
    /// The plain listener: redirects to HTTPS, or serves when told to.
    pub http: Option<HttpListener>,
    /// Metrics and health. Default `127.0.0.1:9090`.
    pub operations: Option<SocketAddr>,
    /// Worker threads. Default: the number of cores.
    pub threads: usize,
    /// What a connection and a head must keep to.
    pub limits: EdgeLimits,
    /// How long a drain waits for requests in flight. Default 30 s.
    pub drain: Duration,
}

/// The TLS listener.
#[derive(Clone, Debug)]
pub struct HttpsListener {
    /// Default `0.0.0.0:8443`.
    pub address: SocketAddr,
    /// Whether to offer HTTP/2. Default true.
    pub http2: bool,
    /// Peers that must begin with a PROXY protocol header; nobody else may. Empty: nobody.
    pub proxy_protocol: Vec<IpNet>,
}

/// The plain listener.
#[derive(Clone, Debug)]
pub struct HttpListener {
    /// Default `0.0.0.0:8080`.
    pub address: SocketAddr,
    /// Redirect to HTTPS (default), or serve requests without TLS.
    pub redirect: bool,
    /// As for TLS.
    pub proxy_protocol: Vec<IpNet>,
}

/// What a connection and a head must keep to. Every one has a metric `stormdoor_http_rejected_total{reason}`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EdgeLimits {
    /// Bytes of a request head. Default 32 KiB, at most 256 KiB.
    pub head_bytes: usize,
    /// Header lines of a head. Default 100, at most 256.
    pub headers: usize,
    /// Bytes of the target. Default 8 KiB.
    pub target_bytes: usize,
    /// From the first byte of a head to its last. Default 10 s.
    pub head_timeout: Duration,
    /// Between requests. Default 60 s.
    pub keepalive: Duration,
    /// For the TLS handshake and the PROXY header. Default 10 s.
    pub handshake_timeout: Duration,
    /// Connections of one client network at a time. Default 256.
    pub connections_per_client: usize,
    /// Connections at a time. Default 16,384.
    pub connections: usize,
    /// Streams of one HTTP/2 connection at a time. Default 100.
    pub h2_streams: u32,
}

/// Certificates.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate files, each chosen by the names in it.
    pub certificates: Vec<CertificateFiles>,
    /// Names of the self-made certificate, used when no file above exists.
    pub self_made: Vec<String>,
    /// Oldest protocol. Default 1.2.
    pub min_version: TlsVersion,
}

/// A chain and its key, both PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub cert_file: PathBuf,
    /// The key: PKCS#8, PKCS#1 or SEC1.
    pub key_file: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Where records are kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Store {
    /// One file below the data folder.
    Sqlite {
        /// Default `stormdoor.db`; relative to the data folder.
        path: PathBuf,
    },
    /// One schema of a PostgreSQL database.
    Postgres(Box<PostgresSettings>),
}

impl Store {
    /// How long a request waits for answers of the store in all.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Sqlite { .. } => Duration::from_secs(5),
            Self::Postgres(settings) => settings.timeout,
        }
    }
}

/// How a PostgreSQL server is reached.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// A name or an address; or the folder of a Unix socket, which begins with `/`.
    pub host: String,
    /// Default 5432.
    pub port: u16,
    /// Who signs in.
    pub user: String,
    /// None: the server asks for none.
    pub password: Option<Secret<String>>,
    /// Which database.
    pub database: String,
    /// Whether and how the server proves who it is.
    pub tls: PostgresTls,
    /// A private CA, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// Small letters, digits and `_`, no digit first. Default `public`.
    pub schema: String,
    /// At most, 2 to 100. Default 10.
    pub connections: u32,
    /// For a connection and for an answer, 1 s to 10 s. Default 5 s.
    pub timeout: Duration,
}

impl PostgresSettings {
    /// Host and database, for messages.
    pub fn place(&self) -> String {
        format!("PostgreSQL at {}, database {}", self.host, self.database)
    }
}

impl PartialEq for PostgresSettings {
    fn eq(&self, other: &Self) -> bool {
        let password = |settings: &Self| settings.password.as_ref().map(|own| own.expose().clone());
        // Without the password, which does not show itself.
        format!("{self:?}") == format!("{other:?}") && password(self) == password(other)
    }
}

/// What `sslmode` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PostgresTls {
    /// `disable`.
    Off,
    /// `prefer`: encrypted when the server can, by whomever. The default for this machine.
    IfOffered,
    /// `require`: encrypted, by whomever.
    Unverified,
    /// `verify-ca`: by somebody whom a CA knows.
    Authority,
    /// `verify-full`: by the host of the URL. The default elsewhere.
    Verified,
}

/// Where counters and one-time values are kept.
#[derive(Clone, Debug)]
pub enum SharedState {
    /// In this process.
    Memory,
    /// In Redis, or a server that speaks like it.
    Redis(Box<RedisSettings>),
}

impl SharedState {
    /// What happens to limits while the counters do not answer. Those in memory always do.
    pub fn limits_on_outage(&self) -> LimitsOnOutage {
        match self {
            Self::Memory => LimitsOnOutage::Local,
            Self::Redis(redis) => redis.limits_on_outage,
        }
    }
}

/// How Redis is reached and what happens when it is not.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// The server, or those that know which it is.
    pub server: RedisServer,
    /// Whether the way there is TLS, with its certificate verified.
    pub tls: bool,
    /// A private CA in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The name to sign in with. Default: the server's default user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret<String>>,
    /// The number of the database. Default 0, the only one that a cluster has.
    pub database: u32,
    /// What all our keys begin with. Default `stormdoor:`.
    pub prefix: String,
    /// How limits are counted. Default [`LimitsMode::Exact`].
    pub limits: LimitsMode,
    /// How long a request waits for a counter. Default 50 ms, from 1 ms to 1 s. Sign-ins wait up to ten times as long.
    pub timeout: Duration,
    /// What happens to limits while it does not answer. Default [`LimitsOnOutage::Local`].
    pub limits_on_outage: LimitsOnOutage,
    /// What happens to sign-ins while failures cannot be counted. Default [`LockoutOnOutage::Local`].
    pub lockout_on_outage: LockoutOnOutage,
}

/// Where Redis is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RedisServer {
    /// Servers of a Redis Cluster; those that are asked first who else there is. Never empty.
    Cluster(Vec<HostAndPort>),
    /// Sentinels that know which server is the master called `master`.
    Sentinels {
        /// Asked in this order. Never empty.
        sentinels: Vec<HostAndPort>,
        /// The name they know it by.
        master: String,
    },
    /// One server.
    Single(HostAndPort),
}

/// Where something listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostAndPort {
    /// A name to resolve, or an address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// How limits are counted by several nodes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LimitsMode {
    /// Each request asks: never more than the quota, and never less.
    #[default]
    Exact,
    /// Nodes take slices of a quota and spend them without asking: never more than the quota, perhaps a little less.
    LocalShare,
}

/// What happens to limits while the counters do not answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LimitsOnOutage {
    /// Requests pass uncounted.
    Allow,
    /// Each node counts alone, and grants the quota divided by the nodes seen last.
    #[default]
    Local,
    /// Requests are refused with 503.
    Refuse,
}

/// What happens to sign-ins while failures cannot be counted together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LockoutOnOutage {
    /// Each node counts alone, from nothing.
    #[default]
    Local,
    /// They are refused with 503.
    Refuse,
}

/// A JWS algorithm (RFC 7518 §3.1, RFC 8037 §3.1). `none` does not exist here.
pub use crate::identity::token::Algorithm;

/// Tokens that we issue.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Default EdDSA.
    pub algorithm: Algorithm,
    /// The HMAC secret of HS256 (at least 32 bytes); required for it and refused without it.
    pub secret: Option<Secret<Vec<u8>>>,
    /// `iss`. Default: the public URL.
    pub issuer: Arc<str>,
    /// `aud`. Default: the public URL.
    pub audience: Arc<str>,
    /// Life of an access token. Default 15 min.
    pub access: Duration,
    /// Life of a refresh token. Default 7 days.
    pub refresh: Duration,
    /// Clock difference tolerated on `exp`, `nbf` and `iat` of outside tokens. Default 30 s, at most 5 min.
    pub leeway: Duration,
}

/// An outside issuer whose access tokens we accept.
#[derive(Clone, Debug)]
pub struct OutsideIssuer {
    /// `iss`, compared byte by byte.
    pub issuer: Arc<str>,
    /// At least one of these must be in `aud`. Never empty (RFC 8725 §3.9).
    pub audience: Vec<Arc<str>>,
    /// Accepted algorithms. Never empty; HS256 only alone and with a secret.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Accepted `typ`, lower case, without `application/`; empty: any but `id_token`-like ones. Default
    /// `[at+jwt, jwt]`, absent `typ` counts as `jwt`.
    pub types: Vec<String>,
    /// Which claim names roles: a path of keys, `realm_access.roles`. Default `roles`.
    pub roles_claim: Vec<String>,
    /// Roles of ours that everybody from this issuer has beside.
    pub default_roles: Vec<Arc<str>>,
    /// Which claim names groups. Default `groups`.
    pub groups_claim: Vec<String>,
    /// Which claim names the tier, when it may. Default none.
    pub tier_claim: Option<Vec<String>>,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A JWKS (RFC 7517 §5) or one PEM public key in a file, read again when it changes.
    File(PathBuf),
    /// A JWKS over HTTPS (HTTP for loopback only).
    JwksUrl {
        /// Where.
        url: String,
        /// A private CA in PEM, beside the system's.
        ca_file: Option<PathBuf>,
    },
    /// A shared secret, for HS256.
    Secret(Secret<Vec<u8>>),
}

/// Registration and passwords.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Who may register.
    pub registration: RegistrationMode,
    /// Password rules.
    pub password: PasswordRules,
    /// Roles of a user who registered. Default `[viewer]`.
    pub default_roles: Vec<Arc<str>>,
    /// When failures lock an account.
    pub lockout: LockoutRule,
    /// After how long without use a device password or API token ends. Default 180 days.
    pub devices_unused: Duration,
    /// How hard the puzzle before public forms is, in zero bits. Default: none.
    pub proof_of_work: Option<u8>,
}

/// Password rules. At most 256 characters and 1,024 bytes, always.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PasswordRules {
    /// Fewest characters. Default 12, at least 8.
    pub min_length: usize,
    /// Lowest zxcvbn score, 0 to 4. Default 3.
    pub min_score: u8,
    /// Argon2id memory in KiB. Default 19,456.
    pub argon2_memory_kib: u32,
    /// Argon2id passes. Default 2.
    pub argon2_passes: u32,
    /// Argon2id lanes. Default 1.
    pub argon2_lanes: u32,
    /// Hashes computed at a time. Default: the number of cores.
    pub argon2_parallel: usize,
}

/// Limits that are not a route's own.
#[derive(Clone, Debug)]
pub struct RateLimits {
    /// For every client network, over all apps. Default 100/min.
    pub default: Allowance,
    /// For signed-in callers, by tier, counted per subject instead of per client.
    pub tiers: BTreeMap<Arc<str>, Allowance>,
    /// `POST /auth/login`, per client network. Default 10/min.
    pub login: Allowance,
    /// `POST /auth/register`. Default 5/h.
    pub register: Allowance,
    /// `POST /auth/refresh`. Default 20/min.
    pub refresh: Allowance,
    /// Bad credentials per client network, before any further one is verified. Default 30/min.
    pub failures: Allowance,
}

/// What we do for Nextcloud beside forwarding to it.
#[derive(Clone, Debug)]
pub struct NextcloudSettings {
    /// The app that is Nextcloud, by its name.
    pub app: Arc<str>,
    /// What people are called there. Never as the service account.
    pub ids: CloudIds,
    /// How it learns who is calling.
    pub bridge: NextcloudBridge,
    /// Its app `user_oidc`.
    pub oidc: NextcloudOidc,
    /// How it is called by us, when there is a service account.
    pub service: Option<NextcloudService>,
    /// How accounts are provisioned, when they are. Then there is a `service`.
    pub provisioning: Option<ProvisioningSettings>,
}

/// How the gateway itself calls Nextcloud.
#[derive(Clone, Debug)]
pub struct NextcloudService {
    /// Scheme, host, port and perhaps a path; no `/` at the end.
    pub url: String,
    /// The `Host` that Nextcloud trusts, when not the one of `url`.
    pub host: Option<String>,
    /// A private CA in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The service account.
    pub user: String,
    /// Its real password.
    pub password: Secret<String>,
    /// How long one call may take. Default 30 s.
    pub timeout: Duration,
}

/// How accounts are provisioned in Nextcloud.
#[derive(Clone, Debug)]
pub struct ProvisioningSettings {
    /// What is wanted for whom.
    pub rules: Arc<Rules>,
    /// How accounts are made.
    pub backend: ProvisioningBackend,
    /// Most edits of attributes in 10 minutes. Default 45.
    pub edits: usize,
}

/// How accounts are made in Nextcloud.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProvisioningBackend {
    /// By OCS if the service account may, else by `user_oidc` if there is a number.
    Auto {
        /// The number of our provider in `user_oidc`.
        provider: Option<u32>,
    },
    /// By OCS, as local accounts.
    Ocs,
    /// By the pre-provisioning of `user_oidc`.
    UserOidc {
        /// The number of our provider there.
        provider: u32,
    },
}

/// How Nextcloud learns who is calling.
#[derive(Clone, Debug)]
pub enum NextcloudBridge {
    /// As an external app that may act for anybody.
    AppApi(AppApi),
    /// By an app password that the person stored.
    AppPassword,
    /// By a token of ours.
    Oidc,
    /// By what the person does there.
    Pass,
}

/// As what we are registered at Nextcloud's `AppAPI`.
#[derive(Clone, Debug)]
pub struct AppApi {
    /// `EX-APP-ID`.
    pub id: HeaderValue,
    /// `EX-APP-VERSION`.
    pub version: HeaderValue,
    /// In `AUTHORIZATION-APP-API`, behind the user id.
    pub secret: Secret<Vec<u8>>,
}

/// Nextcloud's app `user_oidc`.
#[derive(Clone, Debug)]
pub struct NextcloudOidc {
    /// What it is called here, and the audience of tokens for it.
    pub client_id: Arc<str>,
    /// As a client of ours, when it has a secret.
    pub client: Option<NextcloudClient>,
}

/// Nextcloud as a client of ours.
#[derive(Clone, Debug)]
pub struct NextcloudClient {
    /// The client.
    pub client: Arc<Client>,
    /// The file that its secret is in, if it is in one.
    pub secret_file: Option<PathBuf>,
}

impl Config {
    /// Every client that we are an OpenID provider for.
    pub fn clients(&self) -> Vec<Arc<Client>> {
        let nextcloud = self.nextcloud.iter().flat_map(|nextcloud| &nextcloud.oidc.client);
        nextcloud.map(|nextcloud| Arc::clone(&nextcloud.client)).collect()
    }
}

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The relay.
    pub server: MailServer,
    /// With what to sign in there.
    pub credentials: Option<MailCredentials>,
    /// Whom mails are from.
    pub from: MailFrom,
    /// A private CA in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long handing over one mail may take. Default 30 s.
    pub timeout: Duration,
}

/// A relay.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailServer {
    /// How the way there is protected.
    pub security: MailSecurity,
    /// A name to resolve, or an address; IPv6 without brackets.
    pub host: String,
    /// Default 465, 587 or 25.
    pub port: u16,
}

/// How the way to the relay is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MailSecurity {
    /// Not at all: for this machine and private networks only.
    Plain,
    /// TLS after a first word in the clear (RFC 3207). Without it, nothing is sent.
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
}

/// With what to sign in at the relay.
#[derive(Clone, Debug)]
pub struct MailCredentials {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret<String>,
}

/// Whom mails are from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailFrom {
    /// What readers see.
    pub name: Option<String>,
    /// Where answers and bounces go.
    pub address: Email,
}

/// A named group of servers.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name: the app's, as there is one per app.
    pub name: Arc<str>,
    /// Where it is.
    pub servers: Servers,
    /// How the next endpoint is chosen.
    pub balance: Balance,
    /// TLS towards it, for `https` servers.
    pub tls: UpstreamTls,
    /// Protocol towards it.
    pub protocol: UpstreamProtocol,
    /// All set, always.
    pub timeouts: UpstreamTimeouts,
    /// Active health check.
    pub health: Option<HealthCheck>,
    /// `Host` sent: the client's (default) or this one.
    pub host: Option<String>,
    /// Further attempts at another endpoint, for requests that are safe to repeat. Default 1.
    pub retries: usize,
}

/// Where an upstream is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Servers {
    /// `builtin:whoami`.
    Whoami,
    /// One or more endpoints, all `http` or all `https`.
    Endpoints(Vec<Endpoint>),
}

/// One server of an upstream.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// A name to resolve, or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// How the next endpoint is chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Balance {
    /// The one with the fewest requests in flight; ties by turn. The default.
    LeastRequests,
    /// By turn.
    RoundRobin,
}

/// TLS towards an upstream: verified, always, unless dangerously told not to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UpstreamTls {
    /// A private CA in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The name to verify and to send as SNI, when not the endpoint's own.
    pub server_name: Option<String>,
    /// `danger_skip_verification`: the reason given for it.
    pub danger_skip_verification: Option<String>,
}

/// Protocol towards an upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1. The default.
    Http1,
    /// HTTP/2, by ALPN or with prior knowledge.
    Http2,
}

/// Timeouts towards an upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UpstreamTimeouts {
    /// TCP, and TCP with TLS. Default 5 s.
    pub connect: Duration,
    /// Between two reads; also how long it may take to answer. Default 60 s.
    pub read: Duration,
    /// Between two writes. Default 60 s.
    pub write: Duration,
    /// How long an unused connection is kept. Default 60 s.
    pub idle: Duration,
}

/// An active health check, beside the ejection of endpoints that fail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthCheck {
    /// Asked with GET; 2xx and 3xx are healthy.
    pub path: String,
    /// How often. Default 10 s.
    pub interval: Duration,
    /// How long it may take. Default 2 s.
    pub timeout: Duration,
    /// Failures in a row until it is down. Default 3.
    pub unhealthy_after: u32,
    /// Successes in a row until it is up again. Default 2.
    pub healthy_after: u32,
    /// The `Host` to ask for. Default: the upstream's.
    pub host: Option<String>,
    /// What an answer must be.
    pub answer: HealthAnswer,
}

/// What a good answer to a health check is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HealthAnswer {
    /// A status of 2xx or 3xx.
    #[default]
    Status,
    /// What Nextcloud says at `/status.php`. Maintenance is not a failure: its own answer says more than ours could.
    Nextcloud,
}

/// Logs.
#[derive(Clone, Debug)]
pub struct Observe {
    /// Where access lines go.
    pub access_log: AccessLog,
    /// `error`, `warn`, `info`, `debug` or `trace`. Pingora's own never goes below `warn`.
    pub level: String,
    /// JSON lines (default) or text.
    pub json: bool,
}

/// The log of what happened to accounts.
#[derive(Clone, Copy, Debug)]
pub struct Audit {
    /// How long an entry is kept. Default seven years, from 30 days to 36,500.
    pub keep: Duration,
}

/// Where access lines go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccessLog {
    /// A file, opened again on reload.
    File(PathBuf),
    /// Nowhere.
    Off,
    /// Standard output. The default.
    Stdout,
}
