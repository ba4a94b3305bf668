//! An app behind the door: what its routes have in common.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::HostPattern;
use crate::identity::CloudIds;

/// An application behind the gateway, or a part of the gateway that is reached like one.
#[derive(Clone, Debug)]
pub struct App {
    /// Its key in `config.yaml`; the `app` label of metrics.
    pub name: Arc<str>,
    /// The hosts it answers to.
    pub hosts: Vec<HostPattern>,
    /// Where its requests go.
    pub destination: Destination,
    /// How the upstream learns who is calling.
    pub identity: IdentityMode,
    /// Which browsers' origins may call it across sites.
    pub cors: Option<CorsPolicy>,
    /// What its responses leave with.
    pub headers: SecurityHeaders,
    /// What its request bodies must keep to.
    pub body: BodyRules,
    /// Which unusual targets its upstream is known to read as we do.
    pub targets: TargetProfile,
    /// How long a WebSocket may be silent. Default 1 h.
    pub websocket_idle: Duration,
    /// How long the client's body may pause while it is forwarded. Default 60 s.
    pub body_idle: Duration,
}

/// Where the requests of an app go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// Our own auth API and pages.
    Portal,
    /// The upstream of this name: a cluster of the snapshot.
    Upstream(Arc<str>),
}

/// How an upstream learns who is calling. Forged identity headers are stripped in every mode.
#[derive(Clone, Debug)]
pub enum IdentityMode {
    /// Plain headers.
    Headers(Box<IdentityHeaders>),
    /// A JWT of ours in `Authorization`, for this audience, valid for 60 s.
    Jwt {
        /// The `aud` claim.
        audience: Arc<str>,
    },
    /// As Nextcloud takes it, with its cookies bound to whom they were given to.
    Nextcloud {
        /// What people are called there. None when they sign in there by themselves.
        ids: Option<CloudIds>,
    },
    /// The client's own `Authorization` is left as it is.
    Pass,
    /// Nothing.
    None,
}

/// The names of the identity headers of one app.
#[derive(Clone, Debug)]
pub struct IdentityHeaders {
    /// The user id or outside subject. Default `X-Auth-Subject`.
    pub subject: HeaderName,
    /// The sign-in name. Default `X-Auth-User`.
    pub user: HeaderName,
    /// The e-mail address. Default `X-Auth-Email`.
    pub email: HeaderName,
    /// Role names, separated by commas. Default `X-Auth-Roles`.
    pub roles: HeaderName,
    /// Group names, separated by commas. Default `X-Auth-Groups`.
    pub groups: HeaderName,
    /// The tier. Default `X-Auth-Tier`.
    pub tier: HeaderName,
    /// The session id. Default `X-Auth-Session`.
    pub session: HeaderName,
}

impl IdentityHeaders {
    /// All of them.
    pub fn all(&self) -> [&HeaderName; 7] {
        [
            &self.subject,
            &self.user,
            &self.email,
            &self.roles,
            &self.groups,
            &self.tier,
            &self.session,
        ]
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            subject: HeaderName::from_static("x-auth-subject"),
            user: HeaderName::from_static("x-auth-user"),
            email: HeaderName::from_static("x-auth-email"),
            roles: HeaderName::from_static("x-auth-roles"),
            groups: HeaderName::from_static("x-auth-groups"),
            tier: HeaderName::from_static("x-auth-tier"),
            session: HeaderName::from_static("x-auth-session"),
        }
    }
}

/// Which cross-origin requests browsers may make (Fetch standard).
#[derive(Clone, Debug)]
pub struct CorsPolicy {
    /// Allowed origins, exactly as browsers send them. Empty with `any_origin`.
    pub origins: Vec<HeaderValue>,
    /// Any origin, without credentials (`origins: ["*"]`).
    pub any_origin: bool,
    /// Whether cookies and `Authorization` may come along.
    pub credentials: bool,
    /// `Access-Control-Allow-Methods`.
    pub methods: HeaderValue,
    /// `Access-Control-Allow-Headers`.
    pub request_headers: HeaderValue,
    /// `Access-Control-Expose-Headers`.
    pub exposed_headers: HeaderValue,
    /// `Access-Control-Max-Age`, in seconds. Default 600.
    pub max_age: HeaderValue,
}

/// What an app's responses leave with, prepared at load.
#[derive(Clone, Debug)]
pub struct SecurityHeaders {
    /// Which preset it began as.
    pub preset: HeaderPreset,
    /// Sent on every response, set-if-absent.
    pub always: Vec<(HeaderName, HeaderValue)>,
    /// Sent on HTML only, set-if-absent: CSP, Permissions-Policy.
    pub on_html: Vec<(HeaderName, HeaderValue)>,
    /// Removed from what the upstream sent: `Server`, `X-Powered-By`.
    pub remove: Vec<HeaderName>,
}

/// A ready-made set of security headers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeaderPreset {
    /// For JSON APIs: nothing may be framed, sniffed or run.
    Api,
    /// Fits beside what Nextcloud sends itself.
    Nextcloud,
    /// For pages of our own and of well-behaved apps.
    Strict,
}

/// Limits on request bodies. They are checked while the body streams by; nothing is buffered whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BodyRules {
    /// Largest body in bytes. `None`: no limit.
    pub max_bytes: Option<u64>,
    /// Limits on the shape of JSON bodies.
    pub json: Option<JsonRules>,
}

/// Limits on the shape of a JSON body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JsonRules {
    /// Deepest nesting.
    pub depth: u32,
    /// Most elements of one array.
    pub array: u32,
    /// Longest string, in bytes as sent.
    pub string: u64,
    /// Most keys of one object.
    pub keys: u32,
}

/// Which unusual targets are accepted, because the app's backend is known to read them as we do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TargetProfile {
    /// File names in paths may hold `%25`, `%23`, `%3B`, `%3F`, `;`, spaces and non-ASCII (escaped).
    Dav,
    /// Nothing that two common backends could read differently.
    #[default]
    Strict,
}
