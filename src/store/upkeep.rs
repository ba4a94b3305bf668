//! How long what nobody uses any more is kept, and how much of it goes at a time. Each backend removes it in its own way.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::identity::StoreError;

/// How long an expired refresh token is kept.
pub(super) const KEEP_TOKENS: Duration = Duration::from_hours(24);

/// How long a session that is over is kept, for its owner to see.
pub(super) const KEEP_SESSIONS: Duration = Duration::from_hours(30 * 24);

/// How long a letter that was sent or given up is remembered, without what it said.
pub(super) const KEEP_LETTERS: Duration = Duration::from_hours(7 * 24);

/// How long somebody who signed up has to prove the address; asking for a new password proves it too.
pub(super) const KEEP_UNPROVEN: Duration = Duration::from_hours(7 * 24);

/// Entries of the log that go in one step: whoever wants to write waits for no more than that.
pub(super) const PORTION: u32 = 1000;

/// Steps at a time. Every half minute, this is more than anybody can write.
const PORTIONS: u32 = 20;

/// What a backend does for itself.
#[async_trait]
pub(super) trait Upkeep: Send + Sync {
    async fn ping(&self) -> Result<(), StoreError>;

    /// Removes everything that is too old but entries of the log.
    async fn tidy(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// Removes the first entries of the log, up to [`PORTION`], that happened before `before`: from the beginning, none
    /// in the middle. The last one of all stays, because its number says how far those who read on have come.
    async fn forget_events(&self, before: Timestamp) -> Result<u64, StoreError>;

    async fn close(&self);
}

/// Removes old entries of the log, until none is left or as many went as may at a time.
pub(super) async fn prune(upkeep: &dyn Upkeep, before: Timestamp) -> Result<u64, StoreError> {
    let mut gone = 0;
    for _ in 0..PORTIONS {
        let portion = upkeep.forget_events(before).await?;
        gone += portion;
        if portion < u64::from(PORTION) {
            break;
        }
    }
    Ok(gone)
}
