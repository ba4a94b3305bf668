//! What makes a token of one issuer acceptable. Everything is pinned here; a token only names its issuer and key.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Algorithm, KeySet};
use crate::identity::Issuer;

/// The need for an issuer's keys. Ours are in memory; `federation` fetches those of others.
#[async_trait]
pub trait IssuerKeys: Send + Sync {
    /// The keys as last read; `None` when there never were any, or when they are too old to be trusted.
    fn current(&self) -> Option<Arc<KeySet>>;

    /// Asks for newer keys because `kid` is not among the present ones. However often this is called, the issuer is
    /// asked rarely; the answer may be the same keys.
    async fn refresh(&self, kid: &str) -> Option<Arc<KeySet>>;
}

/// The rules for tokens of one issuer.
pub struct IssuerRules {
    /// `iss`, byte by byte.
    pub name: Arc<str>,
    /// Whether it is us.
    pub kind: Issuer,
    /// At least one of these in `aud` (RFC 8725 §3.9).
    pub audience: Vec<Arc<str>>,
    /// Algorithms that its tokens may have (RFC 8725 §3.1).
    pub algorithms: Vec<Algorithm>,
    /// Accepted `typ`, lower case, without `application/`.
    pub types: Vec<String>,
    /// Where its keys come from.
    pub keys: Arc<dyn IssuerKeys>,
    /// Tolerated clock difference.
    pub leeway: Duration,
    /// Where roles are in the claims.
    pub roles_claim: Vec<String>,
    /// Roles that everybody from it has.
    pub default_roles: Vec<Arc<str>>,
    /// Where groups are.
    pub groups_claim: Vec<String>,
    /// Where the tier is, when it may say.
    pub tier_claim: Option<Vec<String>>,
}
