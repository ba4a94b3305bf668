//! What Nextcloud should know of our people: decided here from their records, without a word of HTTP.
//!
//! [`Rules`] say what is [`Wanted`] for somebody, Nextcloud says what is [`Found`], and [`plan()`] is the difference. Who must
//! be looked at stands in the [`Journal`]; `crate::nextcloud` looks.

mod journal;
mod plan;
mod quota;
mod rules;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use journal::{
    Backlog, Claim, Entry, Journal, REFUSALS, Settled, Stage, State, Taken, next_try,
};
pub use plan::{Edit, Step, plan};
pub use quota::{ParseQuotaError, Quota};
pub use rules::{Existing, Remove, Rules, Since};

use super::Email;
use super::admin::{AdminError, By};
use super::{CloudId, EventKind, Identity, StoreError, UserId};

/// How somebody is to be in Nextcloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// There, with these attributes; made when missing.
    Here {
        /// What is said about them.
        profile: Profile,
        /// Whether they may sign in.
        enabled: bool,
    },
    /// Disabled if there, and otherwise not there. Nothing else is touched.
    Off,
    /// No longer ours: the person was erased.
    Gone(Remove),
}

/// What Nextcloud is told about somebody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    /// The full name, or the sign-in name of who has none.
    pub display_name: String,
    /// The address, once it is proven. `None`: the address there is left alone.
    pub email: Option<Email>,
    /// Exactly these of the groups that we manage.
    pub groups: BTreeSet<Arc<str>>,
    /// `None`: the quota there is left alone.
    pub quota: Option<Quota>,
}

/// How somebody is in Nextcloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// As written there.
    pub display_name: String,
    /// As written there.
    pub email: Option<String>,
    /// All groups, ours and others.
    pub groups: BTreeSet<String>,
    /// What Nextcloud says it is.
    pub quota: Option<Quota>,
    /// Whether this account may sign in.
    pub enabled: bool,
}

/// Which account in Nextcloud is somebody's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CloudAccount {
    /// Whichever the rule for names says: accounts are not provisioned.
    ByRule,
    /// This one.
    Settled(CloudId),
    /// None so far; it is about to be made.
    NotYet,
    /// None: the name there is somebody else's, or the account cannot be made.
    None,
}

impl CloudAccount {
    /// What the journal says. From the stage `creating` on, what is found there is ours.
    pub fn of(entry: &Entry) -> Self {
        match (&entry.cloud, entry.stage, entry.state) {
            (Some(id), Stage::Creating | Stage::Enabled | Stage::Disabled, _) => {
                Self::Settled(id.clone())
            }
            (_, _, State::Waiting) if entry.attempts == 0 => Self::NotYet,
            _ => Self::None,
        }
    }
}

impl Found {
    /// Whether this account administers Nextcloud. Such a one is never taken over.
    pub fn is_admin(&self) -> bool {
        self.groups.contains("admin")
    }
}

impl Identity {
    /// What the journal says about somebody, also about somebody erased.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn provisioning_of(&self, user: UserId) -> Result<Option<Entry>, StoreError> {
        self.records.provisioning.find(user).await
    }

    /// Entries in this state, the one waiting longest first, and how many there are in all.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn provisioning_in(
        &self,
        state: State,
        skip: u32,
        limit: u32,
    ) -> Result<(Vec<Entry>, u64), StoreError> {
        self.records.provisioning.list(state, skip, limit).await
    }

    /// Has somebody looked at again now, whatever came of it before. It also ends the pause after a refused password of the
    /// service account. False when nothing is known of this user.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn retry_provisioning(&self, user: UserId, by: &By) -> Result<bool, AdminError> {
        // Somebody erased can no longer be managed, but their account may still have to go.
        if self.records.users.find(user).await?.is_some() {
            self.managed(user, by).await?;
        }
        let kind = EventKind::ProvisioningRetried;
        let event = by.mark(self.event(kind, Some(user), None, None));
        Ok(self.records.provisioning.retry(user, &event).await?)
    }

    /// Which account in Nextcloud is somebody's, as far as provisioning settled it.
    ///
    /// Nextcloud takes a token of ours for a name that it knows as that account, whoever made it. So while accounts are
    /// provisioned, nobody is called there by a name that was not found to be theirs.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn cloud_account(&self, user: UserId) -> Result<CloudAccount, StoreError> {
        if self.settings().provisioning.is_none() {
            return Ok(CloudAccount::ByRule);
        }
        let entry = self.records.provisioning.find(user).await?;
        Ok(entry.as_ref().map_or(CloudAccount::NotYet, CloudAccount::of))
    }

    /// Whether accounts are provisioned, and by which rules.
    pub fn provisioning(&self) -> Option<Arc<Rules>> {
        self.settings().provisioning.clone()
    }
}
