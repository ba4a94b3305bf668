//! Our own signing keys while a gateway runs: as the configuration and the store say, also after either changed.
//!
//! They are read at the start, with a new configuration ([`prepare`](Signing::prepare)), when the log of what happened
//! tells that a key was made beside us, and now and then, should that have been missed ([`read_again`](Signing::read_again)).

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::{Mutex, MutexGuard};

use crate::clock::Clock;
use crate::config::Tokens;
use crate::identity::token::{Algorithm, KeyRing, SigningKey, SigningKeyError, SigningKeys};

/// Keeps the ring.
pub(super) struct Signing {
    pub(super) ring: Arc<KeyRing>,
    store: Arc<dyn SigningKeys>,
    clock: Arc<dyn Clock>,
    /// What the present configuration says. Held while keys are read and put in force: whoever read by an older one must
    /// not come later.
    tokens: Mutex<Tokens>,
}

impl Signing {
    pub(super) async fn open(
        tokens: &Tokens,
        store: Arc<dyn SigningKeys>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let keys = read(tokens, &*store, &*clock).await?;
        let ring = KeyRing::new(&keys).context("the signing keys cannot be used")?;
        Ok(Self { ring: Arc::new(ring), store, clock, tokens: Mutex::new(tokens.clone()) })
    }

    /// Puts in force what is in the store by now.
    pub(super) async fn read_again(&self) -> anyhow::Result<()> {
        let tokens = self.tokens.lock().await;
        let keys = read(&tokens, &*self.store, &*self.clock).await?;
        self.ring.replace(&keys).context("the signing keys stay as they were")
    }

    /// Reads the keys that a new configuration asks for. Nobody else reads any until that is dropped or put in force.
    pub(super) async fn prepare(&self, tokens: &Tokens) -> anyhow::Result<Prepared<'_>> {
        let present = self.tokens.lock().await;
        let keys = read(tokens, &*self.store, &*self.clock).await?;
        Ok(Prepared { ring: &self.ring, present, next: tokens.clone(), keys })
    }
}

/// Keys that are not in force yet.
pub(super) struct Prepared<'a> {
    ring: &'a KeyRing,
    present: MutexGuard<'a, Tokens>,
    next: Tokens,
    keys: Vec<SigningKey>,
}

impl Prepared<'_> {
    pub(super) fn put_in_force(mut self) -> Result<(), SigningKeyError> {
        self.ring.replace(&self.keys)?;
        *self.present = self.next;
        Ok(())
    }
}

/// Our keys, the signing one first: the configured secret for HS256, else what the store holds. At the first start,
/// and after the algorithm was changed, one is made.
async fn read(
    tokens: &Tokens,
    store: &dyn SigningKeys,
    clock: &dyn Clock,
) -> anyhow::Result<Vec<SigningKey>> {
    let (algorithm, now) = (tokens.algorithm, clock.now());
    let mut keys = Vec::new();
    if let (Algorithm::Hs256, Some(secret)) = (algorithm, &tokens.secret) {
        keys.push(SigningKey::from_private(algorithm, secret.expose().clone(), now)?);
    }
    let kept = store.all().await?;
    let signing =
        kept.iter().find(|key| key.algorithm == algorithm && key.retired_at.is_none()).cloned();
    match signing {
        Some(key) => keys.push(key),
        None if keys.is_empty() => {
            let made = SigningKey::generate(algorithm, now)?;
            keys.push(store.insert_first(&made).await?);
        }
        None => {}
    }
    let others: Vec<_> =
        kept.into_iter().filter(|key| keys.iter().all(|own| own.kid != key.kid)).collect();
    keys.extend(others);
    Ok(keys)
}
