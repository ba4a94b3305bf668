//! Who must be looked at: one entry for each user, written in the transaction of whatever changed them.
//!
//! An entry says only *that* somebody changed, not what is to become of them: that is read from the record when it is
//! looked at, so several changes are one look, and the last one wins. It outlives the user, because an erased user must still
//! be removed from Nextcloud. Entries are written whether or not accounts are provisioned; once they are, everybody is.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::identity::event::Event;
use crate::identity::{CloudId, StoreError, UserId, random};

/// Whether an entry still needs a look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Nothing is left to do.
    Done,
    /// It was refused as often as it is worth; only a change or an operator has it tried again.
    Failed,
    /// It is to be looked at.
    Waiting,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::Waiting];

    /// The name in the store and in the API; never changed once released.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// How far somebody is in Nextcloud, as far as we brought them there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// We never made or took an account.
    Absent,
    /// We are about to make one, and whether it is there must be asked. What is found from here on is ours.
    Creating,
    /// The account is there and enabled.
    Enabled,
    /// The account is there and disabled.
    Disabled,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Absent, Self::Creating, Self::Enabled, Self::Disabled];

    /// The name in the store and in the API; never changed once released.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Creating => "creating",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }

    /// The stage of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// What is known about one user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Who; perhaps erased.
    pub user: UserId,
    /// What they are called in Nextcloud, once that is settled. It never changes.
    pub cloud: Option<CloudId>,
    /// Grows by one with each cause.
    pub generation: i64,
    /// The name of the event that was the last cause.
    pub reason: String,
    /// Whether it needs a look.
    pub state: State,
    /// How far it is.
    pub stage: Stage,
    /// How often in a row it was refused.
    pub attempts: u32,
    /// Since when it waits; of the first cause that nobody looked at yet.
    pub since: Timestamp,
    /// When it is looked at next.
    pub due_at: Timestamp,
    /// Why the last look did not end well: a code, nothing secret.
    pub last_error: Option<String>,
}

/// An entry that somebody took out to look at.
#[derive(Clone, Debug)]
pub struct Taken {
    /// As it was then.
    pub entry: Entry,
    /// Grows by one with each time it is taken: who holds an older one lost the lease.
    pub turn: i64,
}

/// Who has a name in Nextcloud.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// The user it was claimed for, from now on and for ever.
    Held,
    /// Another user of ours, perhaps an erased one whose files are still there.
    TakenByAnother,
    /// The lease is lost or the user erased: whoever claims must stop.
    Lost,
}

/// What came of a look.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Settled {
    /// All is as it is wanted.
    Done(Stage),
    /// The user and the account are gone: the entry goes too, and the name is free again.
    Gone,
    /// It is to be tried again.
    Later {
        /// When.
        at: Timestamp,
        /// Why, as a code; `None` when it only waits for its turn.
        why: Option<String>,
    },
    /// It was refused as often as it is worth.
    Failed {
        /// Why, as a code.
        why: String,
    },
}

/// How much there is to do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Backlog {
    /// Entries that wait.
    pub waiting: u64,
    /// Since when the oldest of them does.
    pub oldest: Option<Timestamp>,
    /// Entries that failed.
    pub failed: u64,
}

/// The need for a journal that survives a restart. The traits of other records write its entries in their own
/// transactions.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Takes out what is due at `now`, the one waiting longest first. Nobody else gets these entries until `lease` is over;
    /// after that, somebody does, because then the taker died.
    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        at_most: u32,
    ) -> Result<Vec<Taken>, StoreError>;

    /// Settles what a user is called in Nextcloud.
    async fn claim(&self, taken: &Taken, id: &CloudId) -> Result<Claim, StoreError>;

    /// Writes down how far it is, with the record of what was done. False when the lease is lost or the entry is gone; the
    /// event is written all the same, because it happened.
    async fn reached(
        &self,
        taken: &Taken,
        stage: Stage,
        event: Option<&Event>,
    ) -> Result<bool, StoreError>;

    /// Writes down what came of the look, with the record of it. An entry that changed meanwhile keeps waiting.
    async fn settle(
        &self,
        taken: &Taken,
        settled: &Settled,
        event: Option<&Event>,
    ) -> Result<(), StoreError>;

    /// The entry of a user.
    async fn find(&self, user: UserId) -> Result<Option<Entry>, StoreError>;

    /// Entries in this state, the one waiting longest first, and how many there are in all.
    async fn list(
        &self,
        state: State,
        skip: u32,
        limit: u32,
    ) -> Result<(Vec<Entry>, u64), StoreError>;

    /// Has a user looked at again. False when there is no entry.
    async fn retry(&self, user: UserId, event: &Event) -> Result<bool, StoreError>;

    /// Has everybody looked at. Returns how many.
    async fn mark_all(&self, reason: &str, now: Timestamp) -> Result<u64, StoreError>;

    /// How much there is to do.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// When an operator last asked for a [retry](Self::retry).
    async fn last_retry(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Returns once an entry was written in this process after the last return. For a store that cannot know, never:
    /// whoever waits looks from time to time anyway.
    async fn written(&self) {
        std::future::pending::<()>().await;
    }
}

/// How often somebody is tried whom Nextcloud refuses, before an operator must look.
pub const REFUSALS: u32 = 5;

/// How long until attempt number `attempt` (from 1) is repeated: twice as long each time up to 5 minutes, with up to a
/// quarter more at random, so that many do not come back together.
pub fn next_try(attempt: u32) -> Duration {
    const CAP: Duration = Duration::from_mins(5);
    let doubled = Duration::from_secs(1_u64 << attempt.min(10));
    let pause = doubled.min(CAP);
    let [random] = random::bytes();
    pause + pause.mul_f64(f64::from(random) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_to_some_minutes_and_never_come_together() {
        for (attempt, seconds) in [(1, 2), (2, 4), (5, 32), (8, 256), (9, 300), (40, 300)] {
            let least = Duration::from_secs(seconds);
            for _ in 0..32 {
                let pause = next_try(attempt);
                assert!(pause >= least && pause <= least.mul_f64(1.25), "{attempt}: {pause:?}");
            }
        }
    }

    #[test]
    fn names_in_the_store_are_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_name(state.name()), Some(state));
        }
        for stage in Stage::ALL {
            assert_eq!(Stage::from_name(stage.name()), Some(stage));
        }
        assert_eq!(State::from_name("never"), None);
    }
}
