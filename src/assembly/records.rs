//! The records and what works on them, without any listener: for the gateway and for commands beside it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::connectors::Ends;
use super::signing::Signing;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::identity::revocation::Revocations;
use crate::identity::seal::Sealer;
use crate::identity::token::{AccessTokens, KeyRing, SigningKeys};
use crate::identity::{CloudId, Identity, TokenIssuer};
use crate::nextcloud::Nextcloud;
use crate::nextcloud::doctor::Vouch;
use crate::observe::Metrics;
use crate::portal;
use crate::proxy::LiveSockets;
use crate::secret::Secret;
use crate::store;
use crate::store::{SharedState, Stores};

/// The opened records.
pub struct RecordRooms {
    /// The accounts' use cases.
    pub identity: Arc<Identity>,
    /// What we sign with.
    pub signing_keys: Arc<dyn SigningKeys>,
    /// All of them.
    pub stores: Stores,
    pub(super) signing: Arc<Signing>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) live: Arc<LiveSockets>,
}

impl RecordRooms {
    /// What makes tokens, valid for a minute, that tell Nextcloud that the caller is `user` there; none while there is no key
    /// that Nextcloud could know.
    pub fn vouch_for(&self, config: &Config, user: &str, client_id: &str) -> Vouch {
        let tokens = access_tokens(config, &self.signing.ring);
        let (id, client_id) = (CloudId::from_store(user), client_id.to_owned());
        Box::new(move || tokens.issue_for_nextcloud(&id, None, &client_id, SystemClock.now()))
    }
}

/// Opens the records that `config` names, below `data`.
///
/// # Errors
///
/// When the store does not open, or its keys cannot be used.
pub async fn open_records(config: &Config, data: &Path) -> anyhow::Result<RecordRooms> {
    // A command changes the records only; gateways read what it did there.
    let shared = SharedState::in_memory();
    open(config, data, &shared, Arc::new(SystemClock), Metrics::new(), Duration::ZERO).await
}

pub(super) async fn open(
    config: &Config,
    data: &Path,
    shared: &SharedState,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    patience: Duration,
) -> anyhow::Result<RecordRooms> {
    let stores = open_store(config, data, patience).await?;
    let keys = Arc::clone(&stores.signing_keys);
    let signing = Arc::new(Signing::open(&config.tokens, keys, Arc::clone(&clock)).await?);
    let tokens = access_tokens(config, &signing.ring);
    let revocations = Arc::new(Revocations::default());
    let live = Arc::new(LiveSockets::default());
    let ends = Ends { revocations: Arc::clone(&revocations), live: Arc::clone(&live) };
    let identity = Identity::start(
        stores.records(shared),
        sealer(config.sealing_key_file.as_deref(), data)?,
        tokens as Arc<dyn TokenIssuer>,
        Arc::new(ends),
        clock,
        Arc::new(portal::MetricsWatch(metrics)),
        portal::settings(config),
    )
    .await?;
    let signing_keys = Arc::clone(&stores.signing_keys);
    let identity = Arc::new(identity);
    Ok(RecordRooms { identity, signing_keys, stores, signing, revocations, live })
}

/// Where people are kept in Nextcloud, when `config` says that they are.
///
/// # Errors
///
/// When the private CA or the host cannot be used.
pub fn nextcloud(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<Option<Nextcloud>> {
    let Some(settings) = &config.nextcloud else { return Ok(None) };
    let (Some(service), Some(provisioning)) = (&settings.service, &settings.provisioning) else {
        return Ok(None);
    };
    let nextcloud = Nextcloud::new(service, provisioning, Arc::clone(metrics));
    nextcloud.map(Some).context("Nextcloud cannot be called as configured")
}

/// A store that does not answer is asked again for as long as `patience`; one that refuses us is not.
async fn open_store(config: &Config, data: &Path, patience: Duration) -> anyhow::Result<Stores> {
    let until = tokio::time::Instant::now() + patience;
    loop {
        match store::open(&config.store, data).await {
            Err(error) if error.may_pass() && tokio::time::Instant::now() < until => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(%error, "the store does not answer yet; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            opened => return Ok(opened?),
        }
    }
}

/// The key that seals secrets in the store lies beside it, in a file of its own: whoever takes the one has not the other.
/// One that is made when missing, unless the configuration names one: several nodes need the same.
fn sealer(named: Option<&Path>, data: &Path) -> anyhow::Result<Sealer> {
    use std::io::Write;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

    if let Some(path) = named {
        let read = std::fs::read(path).with_context(|| {
            format!(
                "cannot read {}; copy sealing.key from the data folder of the first node, or make a key with \
                 `head -c 32 /dev/urandom`",
                path.display()
            )
        });
        return sealer_of(path, read?);
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make {}", data.display()))?;
    let path = data.join("sealing.key");
    let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    match created {
        Ok(mut file) => {
            let key = Sealer::generate_key();
            file.write_all(key.expose())?;
            file.sync_all()?;
            Ok(Sealer::new(&key))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            sealer_of(&path, std::fs::read(&path)?)
        }
        Err(error) => Err(error).with_context(|| format!("cannot make {}", path.display())),
    }
}

fn sealer_of(path: &Path, bytes: Vec<u8>) -> anyhow::Result<Sealer> {
    let bytes = Secret::new(bytes);
    let key: [u8; Sealer::KEY_BYTES] = bytes
        .expose()
        .as_slice()
        .try_into()
        .with_context(|| format!("{}: expected {} bytes", path.display(), Sealer::KEY_BYTES))?;
    Ok(Sealer::new(&Secret::new(key)))
}

pub(super) fn access_tokens(config: &Config, ring: &Arc<KeyRing>) -> Arc<AccessTokens> {
    let tokens = &config.tokens;
    let (issuer, audience) = (Arc::clone(&tokens.issuer), Arc::clone(&tokens.audience));
    Arc::new(AccessTokens::new(Arc::clone(ring), issuer, audience, tokens.access))
}
