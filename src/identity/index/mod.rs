//! Cookies, device passwords and API tokens that were seen before: from a digest to whom it speaks for, in memory.
//!
//! A proxied request asks nothing else. A credential not seen before costs one look into the store, however many
//! requests bring it at once. What ends a credential is told to [`super::revocation::Revocations`]; what changes the
//! facts behind it is told here, and the next request looks again.
//!
//! Here is what a credential is good for, and that its use is noted; [`known`] has how they are remembered and forgotten.

mod known;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::known::{Known, Owner};
use super::{DeviceId, Principal, SecretDigest, SessionId, StoreError, UserId};
use crate::clock::Timestamp;

/// Credentials that are remembered: about 75 MiB when full.
const REMEMBERED: usize = 64 * 1024;

/// How often a use is noted at most.
const NOTE_EVERY: Duration = Duration::from_secs(30);

/// Most uses that wait to be written. More are dropped: they only show when something was last used.
const NOTES_MAX: usize = 100_000;

/// What memory knows about a credential.
#[derive(Debug)]
pub(super) struct Entry {
    /// Whom it speaks for.
    pub(super) principal: Arc<Principal>,
    /// What it is.
    pub(super) held: Held,
    user: UserId,
    last_used: AtomicI64,
    noted: AtomicI64,
}

/// What a remembered credential is.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// A cookie, good on this host; the session is over when it was not used for so long.
    Cookie { session: SessionId, host: Arc<str>, idle: Duration },
    /// A device of the user with these names; over when it was not used for so long.
    Device { device: DeviceId, names: [Arc<str>; 2], unused: Duration },
}

impl Entry {
    pub(super) fn new(
        principal: Arc<Principal>,
        held: Held,
        user: UserId,
        last_used: Timestamp,
    ) -> Self {
        let last_used = AtomicI64::new(last_used.as_millis());
        Self { principal, held, user, last_used, noted: AtomicI64::new(0) }
    }

    /// Whether it is good on `host`, for the sign-in name `name`, at `now`.
    fn fits(&self, host: &str, name: Option<&str>, now: Timestamp) -> bool {
        let fits = match &self.held {
            Held::Cookie { host: good_on, .. } => **good_on == *host,
            Held::Device { names, .. } => {
                let named = |name: &str| names.iter().any(|own| own.eq_ignore_ascii_case(name));
                name.is_none_or(named)
            }
        };
        fits && self.is_live(now)
    }

    /// Whether it was used lately enough, and has not expired.
    fn is_live(&self, now: Timestamp) -> bool {
        let (Held::Cookie { idle: rest, .. } | Held::Device { unused: rest, .. }) = &self.held;
        let last_used = Timestamp::from_millis(self.last_used.load(Ordering::Relaxed));
        now < last_used + *rest && now < self.principal.expires_at
    }
}

/// A use of a credential that is to be written.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Used {
    Session(SessionId),
    Device(DeviceId),
}

/// Uses since they were last written.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub(super) sessions: Vec<(SessionId, Timestamp)>,
    pub(super) devices: Vec<(DeviceId, Timestamp, Arc<str>)>,
}

/// The credentials that memory knows.
#[derive(Debug)]
pub(super) struct Index {
    known: Known,
    uses: Mutex<HashMap<Used, (Timestamp, Arc<str>)>>,
}

impl Default for Index {
    fn default() -> Self {
        Self { known: Known::new(REMEMBERED), uses: Mutex::default() }
    }
}

impl Index {
    /// Whom the credential with this digest speaks for, if memory knows it to be good. Notes the use.
    pub(super) fn known(
        &self,
        digest: &SecretDigest,
        host: &str,
        name: Option<&str>,
        from: std::net::IpAddr,
        now: Timestamp,
    ) -> Option<Arc<Principal>> {
        let entry = self.known.get(digest)?;
        if !entry.fits(host, name, now) {
            return None;
        }
        self.note(&entry, from, now);
        Some(Arc::clone(&entry.principal))
    }

    /// As [`known`](Self::known), but asks `load` about one that memory does not know. Several at a time ask once.
    pub(super) async fn find<F>(
        &self,
        digest: SecretDigest,
        host: &str,
        name: Option<&str>,
        from: std::net::IpAddr,
        now: Timestamp,
        load: F,
    ) -> Result<Option<Arc<Principal>>, StoreError>
    where
        F: Future<Output = Result<Option<Entry>, StoreError>>,
    {
        // Not used here for long, but perhaps at another gateway: the store knows.
        if self.known.get(&digest).is_some_and(|entry| !entry.is_live(now)) {
            self.known.remove(&digest);
        }
        let entry = match self.known.get_or_load(&digest).await {
            // What memory knows is meant for elsewhere.
            Ok(known) => known,
            Err(place) => {
                let Some(entry) = load.await? else { return Ok(None) };
                let entry = Arc::new(entry);
                self.known.fill(place, digest.as_bytes(), &entry);
                entry
            }
        };
        if !entry.fits(host, name, now) {
            return Ok(None);
        }
        self.note(&entry, from, now);
        Ok(Some(Arc::clone(&entry.principal)))
    }

    fn note(&self, entry: &Entry, from: std::net::IpAddr, now: Timestamp) {
        entry.last_used.fetch_max(now.as_millis(), Ordering::Relaxed);
        let noted = entry.noted.load(Ordering::Relaxed);
        if now < Timestamp::from_millis(noted) + NOTE_EVERY {
            return;
        }
        let mine = entry.noted.compare_exchange(
            noted,
            now.as_millis(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if mine.is_err() {
            return;
        }
        let used = match &entry.held {
            Held::Cookie { session, .. } => Used::Session(*session),
            Held::Device { device, .. } => Used::Device(*device),
        };
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < NOTES_MAX {
            uses.insert(used, (now, from.to_string().into()));
        }
    }

    /// What was used since the last call.
    pub(super) fn take_uses(&self) -> Uses {
        let taken = std::mem::take(&mut *self.uses.lock().unwrap_or_else(PoisonError::into_inner));
        let mut uses = Uses::default();
        for (used, (at, from)) in taken {
            match used {
                Used::Session(session) => uses.sessions.push((session, at)),
                Used::Device(device) => uses.devices.push((device, at, from)),
            }
        }
        uses
    }

    /// Forgets a session's cookies.
    pub(super) fn forget_session(&self, id: SessionId) {
        self.known.forget(Owner::Session(id));
    }

    /// Forgets a device.
    pub(super) fn forget_device(&self, id: DeviceId) {
        self.known.forget(Owner::Device(id));
    }

    /// Forgets every credential of a user, so that the next request sees what is true now.
    pub(super) fn forget_user(&self, id: UserId) {
        self.known.forget(Owner::User(id));
    }

    /// Forgets everything: what roles mean has changed.
    pub(super) fn clear(&self) {
        self.known.clear();
    }
}
