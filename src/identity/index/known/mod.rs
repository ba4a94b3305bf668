//! The memory of the [`Index`](super::Index): what is known about a credential, found by its digest; and for whatever ends,
//! which credentials are its own.
//!
//! Every node is told of every session that ends anywhere. To forget one must cost what it has, not a walk past what all
//! others have. So beside the entries stands an ordered set of whose they are: by session or device, and by user.
//!
//! Reading takes no lock but that of one part of the cache. Whatever changes what is known holds the one lock of the set
//! meanwhile, so that set and entries always say the same: after [`forget`](Known::forget) nothing that was known before,
//! or is still being loaded, comes back. Nobody waits for anything else while holding it.

use std::collections::BTreeSet;
use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::{Cache, PlaceholderGuard};
use quick_cache::{Lifecycle, UnitWeighter};

use super::{Entry, Held};
use crate::identity::{DeviceId, SecretDigest, SessionId, UserId};

/// Whose a credential is, and with what it ends.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Owner {
    Device(DeviceId),
    Session(SessionId),
    User(UserId),
}

impl Entry {
    fn owners(&self) -> [Owner; 2] {
        let held = match &self.held {
            Held::Cookie { session, .. } => Owner::Session(*session),
            Held::Device { device, .. } => Owner::Device(*device),
        };
        [held, Owner::User(self.user)]
    }
}

type Entries = Cache<SecretDigest, Arc<Entry>, UnitWeighter, RandomState, Evicted>;

/// The room for one that is being loaded. Others who ask for the same wait until it is filled, or dropped.
pub(super) type Place<'a> =
    PlaceholderGuard<'a, SecretDigest, Arc<Entry>, UnitWeighter, RandomState, Evicted>;

/// The bytes of a digest: its order means nothing, but it has one.
type Bytes = [u8; 32];

#[derive(Debug)]
pub(super) struct Known {
    entries: Entries,
    owned: Mutex<BTreeSet<(Owner, Bytes)>>,
    /// Grows with everything that is forgotten. What was loaded before is not remembered.
    age: AtomicU64,
}

impl Known {
    pub(super) fn new(at_most: usize) -> Self {
        let entries =
            Cache::with(at_most, at_most as u64, UnitWeighter, RandomState::default(), Evicted);
        Self { entries, owned: Mutex::default(), age: AtomicU64::default() }
    }

    pub(super) fn get(&self, digest: &SecretDigest) -> Option<Arc<Entry>> {
        self.entries.get(digest)
    }

    /// As [`get`](Self::get); of several who ask for one that is not known, one gets the place to fill.
    pub(super) async fn get_or_load(
        &self,
        digest: &SecretDigest,
    ) -> Result<Arc<Entry>, (Place<'_>, u64)> {
        let found = self.entries.get_value_or_guard_async(digest).await;
        found.map_err(|place| (place, self.age.load(Ordering::Acquire)))
    }

    /// Remembers what was loaded at this age, unless something was forgotten since: it may be what was loaded.
    pub(super) fn fill(&self, (place, age): (Place<'_>, u64), digest: &Bytes, entry: &Arc<Entry>) {
        let mut owned = self.owned();
        if self.age.load(Ordering::Acquire) != age {
            return;
        }
        let mut evicted = Vec::new();
        if place.insert_with_lifecycle(Arc::clone(entry), &mut evicted).is_err() {
            return;
        }
        owned.extend(entry.owners().map(|owner| (owner, *digest)));
        for (digest, entry) in evicted {
            disown(&mut owned, &digest, &entry);
        }
    }

    /// Forgets one credential, which may be loaded again at once.
    pub(super) fn remove(&self, digest: &SecretDigest) {
        let mut owned = self.owned();
        if let Some((digest, entry)) = self.entries.remove(digest) {
            disown(&mut owned, &digest, &entry);
        }
    }

    /// Forgets every credential of `owner`, also one that is being loaded.
    pub(super) fn forget(&self, owner: Owner) {
        let mut owned = self.owned();
        self.age.fetch_add(1, Ordering::AcqRel);
        let all = (owner, Bytes::default())..=(owner, [u8::MAX; 32]);
        let digests: Vec<_> = owned.range(all).map(|(_, digest)| *digest).collect();
        for digest in digests {
            if let Some((digest, entry)) = self.entries.remove(&SecretDigest::from_bytes(digest)) {
                disown(&mut owned, &digest, &entry);
            }
        }
    }

    /// Forgets everything, also what is being loaded.
    pub(super) fn clear(&self) {
        let mut owned = self.owned();
        self.age.fetch_add(1, Ordering::AcqRel);
        self.entries.clear();
        owned.clear();
    }

    fn owned(&self) -> MutexGuard<'_, BTreeSet<(Owner, Bytes)>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn disown(owned: &mut BTreeSet<(Owner, Bytes)>, digest: &SecretDigest, entry: &Entry) {
    for owner in entry.owners() {
        owned.remove(&(owner, *digest.as_bytes()));
    }
}

/// Collects what goes because there is no more room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evicted;

impl Lifecycle<SecretDigest, Arc<Entry>> for Evicted {
    type RequestState = Vec<(SecretDigest, Arc<Entry>)>;

    fn on_evict(&self, gone: &mut Self::RequestState, digest: SecretDigest, entry: Arc<Entry>) {
        gone.push((digest, entry));
    }
}

#[cfg(test)]
mod tests;
