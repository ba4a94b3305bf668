//! Who a verified credential speaks for, and what that allows.

use std::sync::Arc;

use super::{Permissions, SessionId, Subject};
use crate::clock::Timestamp;
use crate::throttle::Allowance;

/// The facts about a caller that a verified credential and the store vouch for. Immutable and shared
/// through the verified-token cache, so a cached request allocates nothing for it.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Whom it is about. Unique only together with `issuer`.
    pub subject: Subject,
    /// Who vouches: our own issuer, or an outside one by its `iss`.
    pub issuer: Issuer,
    /// The sign-in name, when known.
    pub username: Option<Arc<str>>,
    /// The e-mail address, when known.
    pub email: Option<Arc<str>>,
    /// Whether the address is proven to be theirs.
    pub email_verified: bool,
    /// Role names, in the credential's order.
    pub roles: Vec<Arc<str>>,
    /// Group names at an outside issuer.
    pub groups: Vec<Arc<str>>,
    /// OAuth scopes (RFC 6749 §3.3). `None` when the credential is not limited by scope.
    pub scopes: Option<Vec<Arc<str>>>,
    /// What the roles allow together.
    pub permissions: Permissions,
    /// Which tier's rate limit applies.
    pub tier: Arc<str>,
    /// This caller's own rate limit, when a role sets one.
    pub rate_limit: Option<Allowance>,
    /// What kind of credential this was read from.
    pub kind: CredentialKind,
    /// The session of ours that the credential belongs to.
    pub session: Option<SessionId>,
    /// The credential's own identifier (`jti`).
    pub token_id: Option<Arc<str>>,
    /// When the credential was made: what was ended after that ends it.
    pub issued_at: Timestamp,
    /// When the credential stops being valid. Checked at every use, cached or not.
    pub expires_at: Timestamp,
    /// When a second factor was last given in this session.
    pub second_factor_at: Option<Timestamp>,
}

/// What kind of credential somebody showed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CredentialKind {
    /// An access token.
    AccessToken,
    /// An API token of ours.
    ApiToken,
    /// The cookie of a session: the only kind that a browser sends by itself.
    Cookie,
    /// A device password.
    Device,
}

impl CredentialKind {
    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::ApiToken => "api_token",
            Self::Cookie => "cookie",
            Self::Device => "device",
        }
    }
}

/// Who vouches for a principal.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Issuer {
    /// We do: the subject is a user id of ours.
    Own,
    /// An outside issuer, by its `iss` claim.
    Outside(Arc<str>),
}

#[cfg(any(test, feature = "examples"))]
impl Principal {
    /// A viewer of ours in the tier `free`, who may read files; valid for ever. For tests.
    pub fn example(subject: &str) -> Self {
        Self {
            subject: Subject::new(subject),
            issuer: Issuer::Own,
            username: None,
            email: None,
            email_verified: false,
            roles: vec!["viewer".into()],
            groups: Vec::new(),
            scopes: None,
            permissions: "files:read".parse().into_iter().collect(),
            tier: "free".into(),
            rate_limit: None,
            kind: CredentialKind::AccessToken,
            session: None,
            token_id: None,
            issued_at: Timestamp::default(),
            expires_at: Timestamp::from_millis(i64::MAX),
            second_factor_at: None,
        }
    }
}
