//! Handshakes in this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::identity::handshake::Handshakes;
use crate::identity::{SecretDigest, StoreError};

/// Handshakes in memory: bounded, and gone with the process.
#[derive(Debug, Default)]
pub struct MemoryHandshakes(Mutex<Kept>);

/// Most at a time. Each was paid for with a rate-limited request, so this many are an attack.
const MAX: usize = 100_000;

/// After so many, those that are over are removed.
const SWEEP: usize = 1000;

type Kept = HashMap<SecretDigest, (String, Timestamp)>;

fn make_room(kept: &mut Kept, now: Timestamp) -> Result<(), StoreError> {
    if kept.len().is_multiple_of(SWEEP) {
        kept.retain(|_, (_, until)| *until > now);
    }
    if kept.len() >= MAX {
        return Err(StoreError::Unavailable("too many sign-ins are in progress".into()));
    }
    Ok(())
}

#[async_trait]
impl Handshakes for MemoryHandshakes {
    async fn put(
        &self,
        key: SecretDigest,
        value: String,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut kept, now)?;
        kept.insert(key, (value, until));
        Ok(())
    }

    async fn claim(
        &self,
        key: SecretDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut kept, now)?;
        if kept.get(&key).is_some_and(|(_, until)| *until > now) {
            return Ok(false);
        }
        kept.insert(key, (String::new(), until));
        Ok(true)
    }

    async fn look(&self, key: &SecretDigest, now: Timestamp) -> Result<Option<String>, StoreError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(key).filter(|(_, until)| *until > now);
        Ok(found.map(|(value, _)| value.clone()))
    }

    async fn take(&self, key: &SecretDigest, now: Timestamp) -> Result<Option<String>, StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.remove(key).filter(|(_, until)| *until > now).map(|(value, _)| value))
    }
}
