//! The file as written. These types are its schema: what each key means, and which keys there are.
//!
//! Durations are written `30s`, `15m`, `2h`, `7d`; sizes `64KiB`, `10MiB`; quotas `100/min` or `unlimited`; networks `10.0.0.0/8`.
//! They are texts here and become values in [`super::compile`], where everything wrong with them is reported at once.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The JSON Schema of the file.
pub(super) fn schema() -> Value {
    schemars::schema_for!(Document).to_value()
}

/// Maps keep the order written, which matters nowhere but in routes, and those are lists.
pub(super) type Named<T> = BTreeMap<String, T>;

/// The configuration of a stormdoor gateway.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "stormdoor")]
pub(super) struct Document {
    /// Where sign-in lives, as `https://login.example.org`. Its host serves the sign-in API. Required.
    pub(super) public_url: String,
    /// Where the gateway listens.
    #[serde(default)]
    pub(super) listeners: Listeners,
    /// Certificates.
    #[serde(default)]
    pub(super) tls: Tls,
    /// Networks of proxies whose `Forwarded` and `X-Forwarded-*` are believed. Default: nobody is.
    #[serde(default)]
    pub(super) trusted_proxies: Vec<String>,
    /// Where users, sessions and keys are kept.
    #[serde(default)]
    pub(super) store: Store,
    /// Where counters and one-time values are kept.
    #[serde(default)]
    pub(super) shared_state: SharedState,
    /// Tokens that we issue.
    #[serde(default)]
    pub(super) tokens: Tokens,
    /// Outside issuers whose access tokens we accept.
    #[serde(default)]
    pub(super) issuers: Vec<Issuer>,
    /// Registration and passwords.
    #[serde(default)]
    pub(super) accounts: Accounts,
    /// Roles, by name, on top of the built-in `viewer`, `developer`, `admin` and `superadmin`.
    #[serde(default)]
    pub(super) roles: Named<Role>,
    /// Limits that are not a route's own.
    #[serde(default)]
    pub(super) rate_limits: RateLimits,
    /// Named lists of networks, for `from` and `deny` of routes.
    #[serde(default)]
    pub(super) networks: Named<Vec<String>>,
    /// The apps behind the gateway, by name.
    #[serde(default)]
    pub(super) apps: Named<App>,
    /// How mail is sent. Without it, none is.
    pub(super) mail: Option<Mail>,
    /// What the gateway does for Nextcloud beside forwarding to it.
    pub(super) nextcloud: Option<Nextcloud>,
    /// Where addresses are, roughly: said in lists of sessions and in mails, never decided by.
    pub(super) geoip: Option<GeoIp>,
    /// The log of what happened to accounts, in the store.
    #[serde(default)]
    pub(super) audit: Audit,
    /// Logs.
    #[serde(default)]
    pub(super) observe: Observe,
}

/// Where the gateway listens.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listeners {
    /// The TLS listener. Default: `0.0.0.0:8443`.
    pub(super) https: Option<Https>,
    /// The plain listener. Default: `0.0.0.0:8080`, which redirects to HTTPS.
    pub(super) http: Option<Http>,
    /// Metrics and health, for the machine and its monitoring only. Default: `127.0.0.1:9090`.
    pub(super) operations: Option<Operations>,
    /// Worker threads. Default: the number of cores.
    #[schemars(range(min = 1, max = 256))]
    pub(super) threads: Option<u32>,
    /// What connections and request heads must keep to.
    #[serde(default)]
    pub(super) limits: Limits,
    /// How long a stop waits for requests in flight. Default `30s`.
    pub(super) drain: Option<String>,
}

/// The TLS listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Https {
    /// Address and port, or `off`. Default `0.0.0.0:8443`.
    pub(super) address: Option<String>,
    /// Whether HTTP/2 is offered. Default true.
    pub(super) http2: Option<bool>,
    /// Networks of load balancers that must begin each connection with a PROXY protocol header (v1 or v2). Nobody else may.
    #[serde(default)]
    pub(super) proxy_protocol: Vec<String>,
}

/// The plain listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    /// Address and port, or `off`. Default `0.0.0.0:8080`.
    pub(super) address: Option<String>,
    /// Redirect everybody to HTTPS, or serve requests without TLS (behind a proxy that ends TLS). Default true.
    pub(super) redirect: Option<bool>,
    /// As for `https`.
    #[serde(default)]
    pub(super) proxy_protocol: Vec<String>,
}

/// Metrics and health.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Operations {
    /// Address and port, or `off`. Default `127.0.0.1:9090`.
    pub(super) address: Option<String>,
}

/// What connections and request heads must keep to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Size of a request head. Default `32KiB`, at most `256KiB`.
    pub(super) head: Option<String>,
    /// Header lines. Default 100.
    #[schemars(range(min = 10, max = 256))]
    pub(super) headers: Option<u32>,
    /// Size of the request target. Default `8KiB`.
    pub(super) target: Option<String>,
    /// From the first byte of a head to its last. Default `10s`.
    pub(super) head_timeout: Option<String>,
    /// Between two requests of a connection. Default `60s`.
    pub(super) keepalive: Option<String>,
    /// For the TLS handshake and the PROXY header. Default `10s`.
    pub(super) handshake_timeout: Option<String>,
    /// Connections of one client (IPv4 address or IPv6 /64) at a time. Default 256.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) connections_per_client: Option<u32>,
    /// Connections at a time. Default 16384.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) connections: Option<u32>,
    /// Streams of one HTTP/2 connection at a time. Default 100.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) h2_streams: Option<u32>,
}

/// Certificates.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    /// Certificates in files. Which one a client gets is decided by the names inside. Files of mkcert drop in.
    #[serde(default)]
    pub(super) certificates: Vec<Certificate>,
    /// Names of a self-made certificate, used while no file above exists, beside the hosts of this configuration.
    /// Default: those hosts, unless `certificates` names files. `[]`: none is made.
    pub(super) self_made: Option<Vec<String>>,
    /// The oldest version that is spoken. Default `"1.2"`.
    pub(super) min_version: Option<MinVersion>,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(super) enum MinVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

/// A certificate and its key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    /// The chain in PEM, leaf first.
    pub(super) cert_file: String,
    /// The key in PEM: PKCS#8, PKCS#1 or SEC1.
    pub(super) key_file: String,
}

/// Where users, sessions and keys are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    /// Which kind. Default `sqlite`.
    #[serde(default)]
    pub(super) kind: StoreKind,
    /// Of `sqlite`: the file, below the data folder unless absolute. Default `stormdoor.db`.
    pub(super) path: Option<String>,
    /// Of `postgres`: `postgres://user@host:5432/database`, and `?sslmode=` with `verify-full` (the default, but for this
    /// machine and sockets, where it is `prefer`), `verify-ca`, `require` (encrypted, but by whomever), `prefer` or
    /// `disable`. For a Unix socket: `postgres://user@/database?host=/run/postgresql`. Needs a direct connection, or a pooler
    /// that pools sessions.
    pub(super) url: Option<String>,
    /// Of `postgres`: the password, when it is not in a file.
    pub(super) password: Option<String>,
    /// Of `postgres`: a file with the password.
    pub(super) password_file: Option<String>,
    /// Of `postgres`: the schema, made when missing. Small letters, digits and `_`. Default `public`.
    pub(super) schema: Option<String>,
    /// Of `postgres`: connections of one node at most, 2 to 100; one more listens. Default 10.
    pub(super) connections: Option<u32>,
    /// Of `postgres`: a private CA for the server, in PEM, beside those of the system.
    pub(super) ca_file: Option<String>,
    /// Of `postgres`: how long a connection or an answer is waited for, 1s to 10s. Default 5s.
    pub(super) timeout: Option<String>,
    /// The key that seals what the store must not be able to read, 32 bytes; the same for all nodes of one store. Default:
    /// `sealing.key` in the data folder, made when missing.
    pub(super) sealing_key_file: Option<String>,
}

/// The kind of store.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoreKind {
    /// One file; for one gateway.
    #[default]
    Sqlite,
    /// A PostgreSQL server, 13 or later; for any number of gateways.
    Postgres,
}

/// Where counters and one-time values are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedState {
    /// Which kind: `memory` (default), or `redis`. Every other key here is for `redis`.
    #[serde(default)]
    pub(super) kind: SharedStateKind,
    /// Where: `rediss://host:port` (TLS), `redis://host:port`, with `/number` behind it for another database than 0; or
    /// `redis+sentinel://one:26379,two:26379/master`, `rediss+sentinel://` with TLS to sentinels and master;
    /// or `redis+cluster://one:6379,two:6379`, `rediss+cluster://` with TLS: some servers of a Redis Cluster, which tell
    /// of the others.
    pub(super) url: Option<String>,
    /// The name to sign in with. Default: none, which is the server's default user.
    pub(super) user: Option<String>,
    /// The password.
    pub(super) password: Option<String>,
    /// A file that holds the password.
    pub(super) password_file: Option<String>,
    /// A private CA in PEM, instead of the system's.
    pub(super) ca_file: Option<String>,
    /// What all keys begin with. Gateways of one site have the same one. Default `stormdoor:`.
    #[schemars(length(max = 64))]
    pub(super) prefix: Option<String>,
    /// How nodes count limits: `exact` (default), each request asks; or `local_share`, nodes take slices of a quota and
    /// spend them without asking, which may refuse a client up to a quarter of its quota early.
    pub(super) limits: Option<LimitsMode>,
    /// How long a request waits for an answer. Default `50ms`, from `1ms` to `1s`. Sign-ins wait up to ten times as long.
    pub(super) timeout: Option<String>,
    /// What happens while it does not answer: a word for all, or a map. Default `local`. Sign-ins that need a one-time
    /// value (second factors, passkeys) are refused with 503 in any case.
    pub(super) on_outage: Option<OnOutage>,
}

/// The kind of shared state.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum SharedStateKind {
    /// In this process; for one gateway.
    #[default]
    Memory,
    /// In Redis (6.2 or later), Valkey or the like; for several gateways.
    Redis,
}

/// How nodes count limits.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LimitsMode {
    /// Each request asks.
    Exact,
    /// Nodes take slices of a quota.
    LocalShare,
}

/// What happens while the shared state does not answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum OnOutage {
    /// The same for all. With `allow`, sign-ins are counted by each node alone.
    All(LimitsOnOutage),
    /// For each.
    Each(OnOutageOfEach),
}

/// What happens while the shared state does not answer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OnOutageOfEach {
    /// Limits: `local` (default), each node grants the quota divided by the nodes seen last; `allow`, requests pass
    /// uncounted; `refuse`, they are answered with 503.
    pub(super) limits: Option<LimitsOnOutage>,
    /// Lockout: `local` (default), each node counts failures alone; `refuse`, sign-ins are answered with 503.
    pub(super) lockout: Option<LockoutOnOutage>,
}

/// What happens to limits.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LimitsOnOutage {
    /// Requests pass uncounted.
    Allow,
    /// Each node counts alone.
    Local,
    /// Requests are refused.
    Refuse,
}

/// What happens to sign-ins.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LockoutOnOutage {
    /// Each node counts alone.
    Local,
    /// They are refused.
    Refuse,
}

/// A signature algorithm.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(super) enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 (RFC 7518).
    #[serde(rename = "ES256")]
    Es256,
    /// HMAC with SHA-256: whoever can verify can also sign.
    #[serde(rename = "HS256")]
    Hs256,
    /// RSA with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

/// Tokens that we issue.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tokens {
    /// How they are signed. Default `EdDSA`. Keys for EdDSA and ES256 are made and kept in the store.
    pub(super) algorithm: Option<Algorithm>,
    /// The secret for `HS256`, at least 32 bytes. Only with that algorithm.
    pub(super) secret: Option<String>,
    /// A file that holds the secret.
    pub(super) secret_file: Option<String>,
    /// How long an access token is valid. Default `15m`, from `1m` to `24h`.
    pub(super) access: Option<String>,
    /// How long a refresh token is valid. Default `7d`.
    pub(super) refresh: Option<String>,
    /// The `iss` claim. Default: `public_url`.
    pub(super) issuer: Option<String>,
    /// The `aud` claim. Default: `public_url`.
    pub(super) audience: Option<String>,
    /// Clock difference tolerated in tokens of outside issuers. Default `30s`, at most `5m`.
    pub(super) leeway: Option<String>,
}

/// How mail is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mail {
    /// The relay: `smtps://mail.example.org` (TLS, port 465), `smtp+starttls://mail.example.org` (TLS after a first word
    /// in the clear, port 587), or `smtp://mailpit:1025` (no TLS: for this machine and private networks only).
    pub(super) url: String,
    /// The name to sign in with, when the relay wants one.
    pub(super) user: Option<String>,
    /// Its password.
    pub(super) password: Option<String>,
    /// A file that holds the password.
    pub(super) password_file: Option<String>,
    /// Whom mails are from: `door@example.org`, or `Example Cloud <door@example.org>`.
    pub(super) from: String,
    /// A private CA in PEM, instead of the system's.
    pub(super) ca_file: Option<String>,
    /// How long handing over one mail may take. Default `30s`, from `1s` to `5m`.
    pub(super) timeout: Option<String>,
}

/// What the gateway does for Nextcloud beside forwarding to it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nextcloud {
    /// The app that is Nextcloud. Default: the only one with `preset: nextcloud`.
    pub(super) app: Option<String>,
    /// What people are called in Nextcloud, once and for ever: by their sign-in name (`username`, default) or their `email`.
    #[serde(default)]
    pub(super) user_id: CloudIdRule,
    /// Further user ids of Nextcloud that nobody here may have, beside `admin` and its own folders: local administrators
    /// and service accounts.
    #[serde(default)]
    pub(super) reserved: Vec<String>,
    /// How Nextcloud learns who is calling, on an app with `identity: nextcloud`. Default `oidc`.
    pub(super) bridge: Option<Bridge>,
    /// Nextcloud's app `user_oidc` as a client of ours: people sign in to Nextcloud's pages here.
    #[serde(default)]
    pub(super) oidc: NextcloudOidc,
    /// With `bridge: app_api`: as what we are registered there.
    pub(super) app_api: Option<AppApi>,
    /// Where Nextcloud answers us: `https://cloud.internal`, with a path if it lives below one. Default: the first server of
    /// the app.
    pub(super) url: Option<String>,
    /// A private CA in PEM for `url`, instead of the system's. Default: the app's.
    pub(super) ca_file: Option<String>,
    /// A Nextcloud administrator of our own, without a second factor, for the gateway's calls. Nobody here may be called so.
    pub(super) admin_user: Option<String>,
    /// Its real password: Nextcloud takes app passwords for reading only.
    pub(super) admin_password: Option<String>,
    /// A file that holds it.
    pub(super) admin_password_file: Option<String>,
    /// Whether our accounts are made and kept up to date in Nextcloud.
    #[serde(default)]
    pub(super) provisioning: Provisioning,
}

/// How Nextcloud learns who is calling.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bridge {
    /// As an external app that Nextcloud's `AppAPI` lets act for anybody.
    AppApi,
    /// By an app password that the person stored here.
    AppPassword,
    /// By a signed token, valid for 60 s, that the app `user_oidc` takes.
    #[default]
    Oidc,
    /// Not by us: people sign in there, too.
    Pass,
}

/// As what we are registered at Nextcloud's `AppAPI`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppApi {
    /// The id of the external app.
    pub(super) id: String,
    /// Its version.
    pub(super) version: String,
    /// Its secret.
    pub(super) secret: Option<String>,
    /// A file that holds the secret.
    pub(super) secret_file: Option<String>,
}

/// Nextcloud's app `user_oidc` as a client of ours.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NextcloudOidc {
    /// Its `client_id`: 1 to 64 of a-z A-Z 0-9 - _ . Default `stormdoor`.
    pub(super) client_id: Option<String>,
    /// What it proves itself with, at least 32 bytes. Without a secret there is no web sign-in.
    pub(super) client_secret: Option<String>,
    /// A file that holds the secret.
    pub(super) client_secret_file: Option<String>,
    /// Where `user_oidc` takes codes, letter by letter. Default: `/apps/user_oidc/code` and `/index.php/apps/user_oidc/code` on
    /// each host of the app, with the port of `public_url`.
    pub(super) redirect_uris: Option<Vec<String>>,
    /// Where people may be led who signed out. Default: `/` on each host of the app.
    pub(super) post_logout_redirect_uris: Option<Vec<String>>,
    /// Whether it must use PKCE (RFC 7636): `required` (default), or `optional` for a `user_oidc` with `use_pkce` off.
    #[serde(default)]
    pub(super) pkce: Pkce,
}

/// Whether a client must use PKCE.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pkce {
    /// It may leave it out.
    Optional,
    /// It must.
    #[default]
    Required,
}

/// Whether our accounts are made and kept up to date in Nextcloud.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Provisioning {
    /// `on`: everybody here is made there. Default `off`; changes are remembered until it is on.
    #[serde(default)]
    pub(super) mode: ProvisioningMode,
    /// How accounts are made: `ocs` as local ones, `user_oidc` as ones that sign in through us, `auto` (default) by what the
    /// service account may do.
    #[serde(default)]
    pub(super) backend: ProvisioningBackend,
    /// The number of our provider in Nextcloud's app `user_oidc`.
    pub(super) provider_id: Option<u32>,
    /// From when on somebody is there: once `active` (default), or disabled until then once `registered` or once the address
    /// is `verified`.
    #[serde(default)]
    pub(super) when: ProvisionedSince,
    /// The groups of each role. Only groups named here are ever given or taken; missing ones are made.
    #[serde(default)]
    pub(super) groups: Named<Vec<String>>,
    /// The quota of each role: `5 GB`, `500 MB` or `none`. The largest counts; without any, quotas are left alone.
    #[serde(default)]
    pub(super) quota: Named<String>,
    /// What becomes of the account of somebody who was erased: `disable` (default) or `delete` with all files. Who is only
    /// locked or removed is always only disabled.
    #[serde(default)]
    pub(super) remove: Removal,
    /// What becomes of an account that was there before ours: `refuse` (default) leaves it alone, `adopt` makes it the one of
    /// our user of that name. An administrator's is never adopted.
    #[serde(default)]
    pub(super) existing: ExistingAccount,
    /// Most edits of attributes in 10 minutes. Default 45, from 1 to 49: Nextcloud takes 50.
    pub(super) edits: Option<u32>,
    /// How long one call may take. Default `30s`, from `1s` to `5m`.
    pub(super) timeout: Option<String>,
}

/// Whether accounts are provisioned.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProvisioningMode {
    /// They are not.
    #[default]
    Off,
    /// They are.
    On,
}

/// How accounts are made.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProvisioningBackend {
    /// By what the service account may do.
    #[default]
    Auto,
    /// As local accounts.
    Ocs,
    /// As accounts that sign in through us.
    UserOidc,
}

/// From when on somebody is in Nextcloud.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProvisionedSince {
    /// Once they may sign in here.
    #[default]
    Active,
    /// Once they signed up.
    Registered,
    /// Once their address is proven.
    Verified,
}

/// What becomes of the account of somebody who was erased.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Removal {
    /// It goes.
    Delete,
    /// It stays, disabled.
    #[default]
    Disable,
}

/// What becomes of an account that was there before ours.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExistingAccount {
    /// It becomes ours.
    Adopt,
    /// It is left alone.
    #[default]
    Refuse,
}

/// What people are called in Nextcloud.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CloudIdRule {
    /// As they sign in.
    #[default]
    Username,
    /// Their address.
    Email,
}

/// Where addresses are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GeoIp {
    /// A `MaxMind` DB of cities or countries, such as `/var/lib/GeoIP/GeoLite2-City.mmdb`. Read into memory, and again when it
    /// changes. One that is missing or damaged is said in the log and in `/readyz`, and holds up nothing.
    pub(super) file: String,
}

/// An outside issuer whose access tokens we accept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Issuer {
    /// The `iss` claim, exactly.
    pub(super) issuer: String,
    /// At least one of these must be in `aud`.
    pub(super) audience: Vec<String>,
    /// The algorithms that it signs with.
    pub(super) algorithms: Vec<Algorithm>,
    /// Where its keys are: a JWKS over HTTPS (plain HTTP for this machine only).
    pub(super) jwks_url: Option<String>,
    /// A private CA for `jwks_url`, in PEM, instead of the system's.
    pub(super) ca_file: Option<String>,
    /// A file with its keys: a JWKS or a PEM public key.
    pub(super) key_file: Option<String>,
    /// The shared secret, for HS256 alone.
    pub(super) secret: Option<String>,
    /// A file that holds the secret.
    pub(super) secret_file: Option<String>,
    /// Accepted `typ` headers. Default `[at+jwt, jwt]`; a token without one counts as `jwt`.
    pub(super) types: Option<Vec<String>>,
    /// Which claim names roles, as a path: `realm_access.roles`. Default `roles`.
    pub(super) roles_claim: Option<String>,
    /// Roles that everybody from this issuer has.
    #[serde(default)]
    pub(super) default_roles: Vec<String>,
    /// Which claim names groups. Default `groups`.
    pub(super) groups_claim: Option<String>,
    /// Which claim names the tier. Default: none may.
    pub(super) tier_claim: Option<String>,
}

/// Registration and passwords.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Accounts {
    /// Who may register.
    #[serde(default)]
    pub(super) registration: Registration,
    /// Password rules.
    #[serde(default)]
    pub(super) password: Password,
    /// Roles of somebody who registers. Default `[viewer]`.
    pub(super) default_roles: Option<Vec<String>>,
    /// When failed sign-ins lock an account for a while.
    #[serde(default)]
    pub(super) lockout: Lockout,
    /// After how long without use a device password or API token ends. Default `180d`.
    pub(super) devices_unused: Option<String>,
    /// A puzzle before signing up and before asking for a new password, which costs whoever sends many of these forms
    /// computing time: how many zero bits the hash has. 16 takes a browser under a second, each bit more doubles it. These pages need
    /// JavaScript then; programs get a puzzle at `GET /auth/puzzle`. Default: none.
    #[schemars(range(min = 8, max = 24))]
    pub(super) proof_of_work: Option<u8>,
}

/// When failed sign-ins lock an account for a while.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lockout {
    /// The failure that locks; a client network is locked after four times as many, of which each is forgotten in its turn
    /// within `max`. Default 5.
    #[schemars(range(min = 3, max = 100))]
    pub(super) after: Option<u32>,
    /// How long the first lock lasts; each further failure doubles it. Default `30s`.
    pub(super) first: Option<String>,
    /// How long a lock lasts at most. Default `30m`.
    pub(super) max: Option<String>,
}

/// Who may register.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registration {
    /// `off`: nobody, administrators add users. `invite`: whoever was invited. `approval`: everybody, and an
    /// administrator says yes to each. `open`: everybody. Default `off`.
    #[serde(default)]
    pub(super) mode: RegistrationMode,
    /// With `open` and `approval`: only addresses in these domains, when there are any.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) domains: Vec<String>,
}

/// Who may register.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum RegistrationMode {
    /// Everybody, after an administrator said yes.
    Approval,
    /// Whoever was invited.
    Invite,
    /// Nobody.
    #[default]
    Off,
    /// Everybody.
    Open,
}

/// Password rules. Never more than 256 characters or 1,024 bytes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Password {
    /// Fewest characters. Default 12.
    #[schemars(range(min = 8, max = 128))]
    pub(super) min_length: Option<u32>,
    /// Lowest zxcvbn score, from 0 (guessed at once) to 4. Default 3.
    #[schemars(range(min = 0, max = 4))]
    pub(super) min_score: Option<u32>,
    /// What a hash costs.
    #[serde(default)]
    pub(super) argon2: Argon2,
}

/// What an Argon2id hash costs. The defaults are OWASP's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Argon2 {
    /// Memory in KiB. Default 19456.
    #[schemars(range(min = 8, max = 1_048_576))]
    pub(super) memory_kib: Option<u32>,
    /// Passes over it. Default 2.
    #[schemars(range(min = 1, max = 16))]
    pub(super) passes: Option<u32>,
    /// Lanes. Default 1.
    #[schemars(range(min = 1, max = 8))]
    pub(super) lanes: Option<u32>,
    /// Hashes computed at a time; more wait. Default: the number of cores.
    #[schemars(range(min = 1, max = 256))]
    pub(super) parallel: Option<u32>,
}

/// Whether something must be.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Demand {
    /// It may be.
    #[default]
    Optional,
    /// It must be.
    Required,
}

/// What a role gives and demands.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    /// What it allows: `resource:action`, either of them may be `*`.
    #[serde(default)]
    pub(super) permissions: Vec<String>,
    /// Its tier of rate limits. Default `free`.
    pub(super) tier: Option<String>,
    /// Its own limit per person, instead of the tier's.
    pub(super) rate_limit: Option<String>,
    /// How long a session may be idle. Default `30m`.
    pub(super) idle_timeout: Option<String>,
    /// How long a session may last. Default `12h`.
    pub(super) absolute_timeout: Option<String>,
    /// `required`: its holders must give a second factor to sign in. Default `optional`.
    #[serde(default)]
    pub(super) second_factor: Demand,
}

/// Limits that are not a route's own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RateLimits {
    /// For every client that is not known by a verified token; and once more for what no route takes (404, 405). Default
    /// `100/min`.
    pub(super) default: Option<String>,
    /// For signed-in callers, by tier. Default `free: 100/min`, `premium: 1000/min`, `admin: unlimited`.
    #[serde(default)]
    pub(super) tiers: Named<String>,
    /// For the sign-in API, per client.
    #[serde(default)]
    pub(super) auth: AuthLimits,
}

/// Limits of the sign-in API, per client.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthLimits {
    /// `POST /auth/login`. Default `10/min`.
    pub(super) login: Option<String>,
    /// `POST /auth/register` and `/auth/setup`. Default `5/h`.
    pub(super) register: Option<String>,
    /// `POST /auth/refresh`. Default `20/min`.
    pub(super) refresh: Option<String>,
    /// Bad tokens on any app, before further unknown ones are looked at. Default `30/min`.
    pub(super) failures: Option<String>,
}

/// An app behind the gateway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct App {
    /// Its host: `wiki.example.org`, or `*.example.org` for one more label.
    pub(super) host: Option<String>,
    /// Several hosts.
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    /// Where its requests go: `http://127.0.0.1:3000`, `builtin:whoami`, or a map for more.
    pub(super) upstream: Upstream,
    /// How the app learns who is calling: `headers`, `pass`, `none`, or a map for more. Default `headers`;
    /// `nextcloud` for an app with `preset: nextcloud` that is `nextcloud.app`.
    pub(super) identity: Option<Identity>,
    /// Which other origins' pages may call it.
    pub(super) cors: Option<Cors>,
    /// What its responses leave with.
    #[serde(default)]
    pub(super) headers: Headers,
    /// What its requests must keep to.
    #[serde(default)]
    pub(super) limits: AppLimits,
    /// Which unusual paths it takes: `strict` none, `dav` file names with `%25`, `%23`, `%3B` and the like. Default `strict`,
    /// with `preset: nextcloud` `dav`.
    pub(super) paths: Option<Paths>,
    /// What kind of app it is: fills in routes, headers, timeouts and the health check that fit it, where nothing is said.
    pub(super) preset: Option<AppPreset>,
    /// With `preset: nextcloud`: who may use which paths.
    pub(super) nextcloud: Option<Box<NextcloudPaths>>,
    /// What may be done, and by whom. The first route that matches decides; no match is 404. Required, except with
    /// `preset: nextcloud`, whose own come behind these.
    #[serde(default)]
    pub(super) routes: Vec<Route>,
}

/// A kind of app.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum AppPreset {
    /// Nextcloud: see docs/NEXTCLOUD.md.
    Nextcloud,
}

/// Who may use which paths of Nextcloud. docs/NEXTCLOUD.md has the table of them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NextcloudPaths {
    /// Links to shared files: `open` to anybody, `limited` (default) to anybody 120 times a minute, `closed` to whoever is not
    /// signed in.
    #[serde(default)]
    pub(super) public_shares: PublicShares,
    /// Whether other servers may share with this one: `open` or `closed`. Default `closed`.
    #[serde(default)]
    pub(super) federation: Openness,
    /// With `federation: open`: only servers of these networks.
    #[serde(default)]
    pub(super) federation_from: Vec<String>,
    /// Networks of the document server, whose callbacks need no sign-in. Default: none, and they are closed.
    #[serde(default)]
    pub(super) office_from: Vec<String>,
    /// Whether guests may join calls: `open` or `closed`. Default `closed`.
    #[serde(default)]
    pub(super) talk: Openness,
    /// Networks of the signalling and recording servers of Talk, whose callbacks need no sign-in. Default: none, and they are
    /// closed.
    #[serde(default)]
    pub(super) talk_from: Vec<String>,
    /// Whether the socket of notifications is open to programs that sign in on it by a message, as the desktop client does:
    /// `open` or `closed`. Default `closed`: they ask now and then instead.
    #[serde(default)]
    pub(super) push: Openness,
    /// Whether programs may use Nextcloud's own app passwords, which it judges itself. Default true.
    pub(super) pass_through: Option<bool>,
    /// What programs that begin to sign in (login flow v2) end with: `own`, a device password of ours, or `pass`, one of
    /// Nextcloud's. Default `own`.
    #[serde(default)]
    pub(super) login_flow: LoginFlow,
    /// A second factor given within this time, to let a program in by `login_flow: own`.
    pub(super) login_flow_second_factor: Option<String>,
    /// What happens to an upload that does not say how long it is. Default `refuse`.
    #[serde(default)]
    pub(super) unsized_uploads: UnsizedUploads,
    /// Who may administer Nextcloud.
    #[serde(default)]
    pub(super) admin: NextcloudAdmin,
    /// In place of the general limits, per person or client network. Default `1200/min`.
    pub(super) rate_limit: Option<String>,
}

/// Who may open links to shared files.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PublicShares {
    /// Whoever is signed in.
    Closed,
    /// Anybody, now and then.
    #[default]
    Limited,
    /// Anybody.
    Open,
}

/// Whether something is for anybody.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Openness {
    /// It is not.
    #[default]
    Closed,
    /// It is.
    Open,
}

/// Whose login flow.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum LoginFlow {
    /// Ours.
    #[default]
    Own,
    /// Nextcloud's.
    Pass,
}

/// What happens to an upload that does not say how long it is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum UnsizedUploads {
    /// 411: Nextcloud would keep the half of one that broke off, as if it were all.
    #[default]
    Refuse,
    /// It is passed on.
    Stream,
}

/// Who may administer Nextcloud.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NextcloudAdmin {
    /// Roles of which one is needed. Default `[admin, superadmin]`.
    #[schemars(length(min = 1))]
    pub(super) roles: Option<Vec<String>>,
    /// Only from these networks. Default: from everywhere.
    #[serde(default)]
    pub(super) from: Vec<String>,
    /// A second factor given within this time. Default: not asked for.
    pub(super) second_factor: Option<String>,
}

/// Which unusual paths an app takes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Paths {
    /// File names may hold escaped delimiters.
    Dav,
    /// None.
    Strict,
}

/// Where requests go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Upstream {
    /// One server, `http://host:port` or `https://host:port`, or `builtin:whoami`.
    Server(String),
    /// Several, or one with settings.
    Servers(Box<Servers>),
}

/// A group of servers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Servers {
    /// The servers, all `http://` or all `https://`.
    pub(super) servers: Vec<String>,
    /// How the next one is chosen. Default `least_requests`.
    #[serde(default)]
    pub(super) balance: Balance,
    /// TLS towards them.
    #[serde(default)]
    pub(super) tls: UpstreamTls,
    /// The protocol towards them. Default `http1`.
    #[serde(default)]
    pub(super) protocol: UpstreamProtocol,
    /// How long they may take.
    #[serde(default)]
    pub(super) timeouts: Timeouts,
    /// An active health check, beside the ejection of servers that fail. Default: none, with `preset: nextcloud` one that reads
    /// `/status.php`.
    pub(super) health: Option<Health>,
    /// The `Host` that they get. Default: the client's.
    pub(super) host: Option<String>,
    /// Further attempts, for requests that are safe to repeat. Default 1.
    #[schemars(range(min = 0, max = 5))]
    pub(super) retries: Option<u32>,
}

/// How the next server is chosen.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Balance {
    /// The one with the fewest requests in flight.
    #[default]
    LeastRequests,
    /// By turn.
    RoundRobin,
}

/// The protocol towards a server.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: by ALPN with TLS, with prior knowledge without.
    Http2,
}

/// TLS towards servers. Certificates are verified.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamTls {
    /// A private CA in PEM, instead of the system's.
    pub(super) ca_file: Option<String>,
    /// The name in their certificate, when it is not the host above.
    pub(super) server_name: Option<String>,
    /// Do not verify the certificate, for the reason given here. It is warned about at every start.
    pub(super) danger_skip_verification: Option<String>,
}

/// How long servers may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeouts {
    /// To connect, with TLS. Default `5s`.
    pub(super) connect: Option<String>,
    /// To answer, and between two parts of an answer. Default `60s`, with `preset: nextcloud` `10m`.
    pub(super) read: Option<String>,
    /// To take a part of a request. Default `60s`, with `preset: nextcloud` `10m`.
    pub(super) write: Option<String>,
    /// How long an unused connection is kept. Default `60s`, with `preset: nextcloud` `2s`.
    pub(super) idle: Option<String>,
}

/// An active health check.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Health {
    /// Asked with GET; 2xx and 3xx are healthy.
    pub(super) path: String,
    /// How often. Default `10s`.
    pub(super) interval: Option<String>,
    /// How long it may take. Default `2s`.
    pub(super) timeout: Option<String>,
    /// Failures in a row until a server is down. Default 3.
    #[schemars(range(min = 1, max = 100))]
    pub(super) unhealthy_after: Option<u32>,
    /// Successes in a row until it is up again. Default 2.
    #[schemars(range(min = 1, max = 100))]
    pub(super) healthy_after: Option<u32>,
}

/// How an app learns who is calling.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Identity {
    /// A mode without settings.
    Mode(IdentityMode),
    /// A mode with settings.
    With(Box<IdentityWith>),
}

/// How an app learns who is calling.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum IdentityMode {
    /// `X-Auth-Subject`, `-User`, `-Email`, `-Roles`, `-Groups`, `-Tier` and `-Session`.
    Headers,
    /// A signed token for the app's audience, valid for 60 s, in `Authorization`.
    Jwt,
    /// As the section `nextcloud` says, for the app that it names. Nextcloud's cookies are bound to whom they were given to.
    Nextcloud,
    /// Not at all.
    None,
    /// The client's own `Authorization` is left as it is.
    Pass,
}

/// A mode with settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityWith {
    /// The mode.
    pub(super) mode: IdentityMode,
    /// With `jwt`: the `aud` claim. Default: the app's name.
    pub(super) audience: Option<String>,
    /// With `headers`: other names for them.
    #[serde(default)]
    pub(super) names: HeaderNames,
}

/// Names of identity headers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderNames {
    /// Default `X-Auth-Subject`.
    pub(super) subject: Option<String>,
    /// Default `X-Auth-User`.
    pub(super) user: Option<String>,
    /// Default `X-Auth-Email`.
    pub(super) email: Option<String>,
    /// Default `X-Auth-Roles`.
    pub(super) roles: Option<String>,
    /// Default `X-Auth-Groups`.
    pub(super) groups: Option<String>,
    /// Default `X-Auth-Tier`.
    pub(super) tier: Option<String>,
    /// Default `X-Auth-Session`.
    pub(super) session: Option<String>,
}

/// Which other origins' pages may call an app.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cors {
    /// Origins as browsers send them: `https://app.example.org`. `["*"]` is any, without credentials.
    pub(super) origins: Vec<String>,
    /// Whether cookies and `Authorization` may come along. Default false.
    pub(super) credentials: Option<bool>,
    /// Default `[GET, HEAD, POST, PUT, PATCH, DELETE]`.
    pub(super) methods: Option<Vec<String>>,
    /// Request headers that pages may set. Default `[authorization, content-type, x-request-id, x-correlation-id]`.
    pub(super) headers: Option<Vec<String>>,
    /// Response headers that pages may read. Default: request ids and rate limits.
    pub(super) expose: Option<Vec<String>>,
    /// How long a browser may remember the answer. Default `10m`.
    pub(super) max_age: Option<String>,
}

/// What responses leave with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Headers {
    /// A ready-made set. Default `strict`, with `preset: nextcloud` of the app `nextcloud`.
    pub(super) preset: Option<Preset>,
    /// Further headers, or other values for those of the preset. Like those, they are added where the app sent none.
    #[serde(default)]
    pub(super) set: Named<String>,
    /// Headers of the preset that are left out.
    #[serde(default)]
    pub(super) unset: Vec<String>,
    /// Headers of the app that are taken out, beside `Server` and `X-Powered-By`.
    #[serde(default)]
    pub(super) remove: Vec<String>,
}

/// A ready-made set of security headers.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Preset {
    /// For JSON APIs.
    Api,
    /// Fits beside what Nextcloud sends itself.
    Nextcloud,
    /// For pages.
    Strict,
}

/// What an app's requests must keep to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppLimits {
    /// Size of a body. Default: no limit.
    pub(super) body: Option<String>,
    /// Shape of JSON bodies. Default: not looked at.
    pub(super) json: Option<Json>,
    /// How long a body may pause. Default `60s`.
    pub(super) body_idle: Option<String>,
    /// How long a WebSocket may be silent. Default `1h`.
    pub(super) websocket_idle: Option<String>,
}

/// Limits on the shape of JSON bodies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Json {
    /// Deepest nesting. Default 10.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) depth: Option<u32>,
    /// Most elements of an array. Default 1000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(super) array: Option<u32>,
    /// Longest string. Default `10KiB`.
    pub(super) string: Option<String>,
    /// Most keys of an object. Default 100.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(super) keys: Option<u32>,
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Accepted {
    /// An API token, with the permissions that it lists.
    ApiToken,
    /// A device password.
    Device,
    /// A browser's cookie, or an access token.
    Session,
    /// A credential of the app's own, which passes through to it.
    Upstream,
}

/// What may be done, and by whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    /// Which paths, by segments: `/api/**`, `/users/*`, `/exact`, `/.*` (a segment that begins so).
    pub(super) path: String,
    /// Which methods. Default: all.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) methods: Vec<String>,
    /// `public`, or `signed_in`. This or one of `allow`, `roles`, `scopes` is required.
    pub(super) access: Option<Access>,
    /// Permissions that the caller needs, all of them.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) allow: Vec<String>,
    /// Roles of which the caller needs one.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) roles: Vec<String>,
    /// Which credentials are taken: `session` (a browser's cookie or an access token), `api_token`, `device` (a device
    /// password, as Basic too), `upstream` (a credential of the app's own in `Authorization`: it passes through, and its
    /// holder is nobody to us). Default `[session]`. On a public route none is looked at unless named here, but for `[session]` on
    /// an app with `identity: nextcloud`; one that is not good makes nobody of its holder there.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) accept: Vec<Accepted>,
    /// OAuth scopes that a token limited by scope needs, all of them.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) scopes: Vec<String>,
    /// A second factor given within this time.
    pub(super) second_factor: Option<String>,
    /// Only from these networks: names of `networks`, or networks.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) from: Vec<String>,
    /// Never from these networks.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) deny: Vec<String>,
    /// A limit of this route per client, beside the general ones.
    pub(super) rate_limit: Option<String>,
    /// Whether other servers of a federation use it: their header `X-Nextcloud-Federation` then passes. Default false.
    #[serde(default)]
    pub(super) federation: bool,
    /// Its name in logs and metrics. Default: `app[index]`.
    pub(super) name: Option<String>,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Access {
    /// Anybody.
    Public,
    /// Anybody who is signed in.
    SignedIn,
}

/// The log of what happened to accounts, in the store.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Audit {
    /// How long an entry is kept, from `30d` to `36500d`. Default `2557d`, seven years.
    pub(super) keep: Option<String>,
}

/// Logs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Observe {
    /// Where access lines go: `stdout` (default), `off`, or a file.
    pub(super) access_log: Option<String>,
    /// `error`, `warn`, `info` (default), `debug` or `trace`.
    #[serde(default)]
    pub(super) level: Level,
    /// How the application log is written. Default `json`.
    #[serde(default)]
    pub(super) format: Format,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Level {
    /// Details for developers.
    Debug,
    /// Somebody must look.
    Error,
    /// What an operator would tell a colleague.
    #[default]
    Info,
    /// Everything.
    Trace,
    /// We carried on in a worse way.
    Warn,
}

/// How the application log is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// One object per line.
    #[default]
    Json,
    /// For people.
    Text,
}
