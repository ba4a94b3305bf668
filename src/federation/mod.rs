//! Outside issuers: fetching and keeping their keys. It talks; `identity::token` decides.

mod client;
mod jwks;
mod key_file;

use std::path::Path;
use std::sync::Arc;

pub use client::{ClientError, client};
pub use jwks::{FetchError, Jwks, fetch};
pub use key_file::KeyFile;

use crate::clock::Clock;
use crate::config::KeySource;
use crate::config::OutsideIssuer;
use crate::identity::Issuer;
use crate::identity::token::IssuerKeys;
use crate::identity::token::IssuerRules;
use crate::identity::token::KeySet;
use crate::observe::Metrics;
use std::time::Duration;

/// The rules for tokens of `issuer`, with the source of its keys. Keys from a URL are fetched in the background from
/// now on; the first token waits for the first fetch.
///
/// # Errors
///
/// [`ClientError`] when the private CA cannot be read.
pub fn rules(
    issuer: &OutsideIssuer,
    leeway: Duration,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<IssuerRules, ClientError> {
    let keys: Arc<dyn IssuerKeys> = match &issuer.keys {
        KeySource::File(path) => Arc::new(KeyFile::new(path.clone())),
        KeySource::JwksUrl { url, ca_file } => Jwks::start(
            Arc::clone(&issuer.issuer),
            url.clone(),
            client(ca_file.as_deref().map(Path::new))?,
            Arc::clone(clock),
            Arc::clone(metrics),
        ),
        KeySource::Secret(secret) => Arc::new(Fixed(Arc::new(KeySet::secret(secret.expose())))),
    };
    Ok(IssuerRules {
        name: Arc::clone(&issuer.issuer),
        kind: Issuer::Outside(Arc::clone(&issuer.issuer)),
        audience: issuer.audience.clone(),
        algorithms: issuer.algorithms.clone(),
        types: issuer.types.clone(),
        keys,
        leeway,
        roles_claim: issuer.roles_claim.clone(),
        default_roles: issuer.default_roles.clone(),
        groups_claim: issuer.groups_claim.clone(),
        tier_claim: issuer.tier_claim.clone(),
    })
}

/// Keys that never change: a shared secret.
struct Fixed(Arc<KeySet>);

#[async_trait::async_trait]
impl IssuerKeys for Fixed {
    fn current(&self) -> Option<Arc<KeySet>> {
        Some(Arc::clone(&self.0))
    }

    async fn refresh(&self, _kid: &str) -> Option<Arc<KeySet>> {
        self.current()
    }
}
