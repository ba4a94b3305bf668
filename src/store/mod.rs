//! What survives a restart, and what counts in memory.
//!
//! [`open`] yields the [`Stores`]: one trait object per record, whatever is behind it. [`SharedState`] is what counts for
//! minutes, in [`memory`] for a single node or in Redis for several. Backends are private, and have one file per record
//! with the same name in each: its SQL, in the dialect and with the locks of that backend. What a row means is the same
//! for all, and stands once, in `record`.

pub mod memory;
mod postgres;
mod record;
mod redis;
mod shared_state;
mod sqlite;
pub mod transfer;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::transfer::{Transfer, TransferError};
use self::upkeep::Upkeep;

use crate::clock::Timestamp;
use crate::config;
use crate::identity::provisioning::Journal;
use crate::identity::token::SigningKeys;
use crate::identity::{
    CloudPasswords, Devices, Events, Leadership, Letters, MailedTokens, Records, RefreshTokens,
    SecondFactors, Sessions, Setup, StoreError, Users,
};

pub use redis::{ConnectError, Time};
pub use shared_state::SharedState;

/// All records.
#[derive(Clone)]
pub struct Stores {
    /// People.
    pub users: Arc<dyn Users>,
    /// Their sign-ins.
    pub sessions: Arc<dyn Sessions>,
    /// What prolongs these.
    pub refresh_tokens: Arc<dyn RefreshTokens>,
    /// The first admin.
    pub setup: Arc<dyn Setup>,
    /// What happened.
    pub events: Arc<dyn Events>,
    /// Mails to be sent.
    pub letters: Arc<dyn Letters>,
    /// Device passwords and API tokens.
    pub devices: Arc<dyn Devices>,
    /// Second factors.
    pub second_factors: Arc<dyn SecondFactors>,
    /// Links that were mailed.
    pub mailed_tokens: Arc<dyn MailedTokens>,
    /// App passwords of Nextcloud.
    pub cloud_passwords: Arc<dyn CloudPasswords>,
    /// What we sign with.
    pub signing_keys: Arc<dyn SigningKeys>,
    /// Who must be looked at in Nextcloud.
    pub provisioning: Arc<dyn Journal>,
    /// Which of several gateways does what for all.
    pub leadership: Arc<dyn Leadership>,
    upkeep: Arc<dyn Upkeep>,
    transfer: Arc<dyn Transfer>,
}

impl Stores {
    /// Those that accounts are kept in, beside what of `shared` they need, which need not survive a restart.
    pub fn records(&self, shared: &SharedState) -> Records {
        Records {
            users: Arc::clone(&self.users),
            sessions: Arc::clone(&self.sessions),
            refresh_tokens: Arc::clone(&self.refresh_tokens),
            setup: Arc::clone(&self.setup),
            events: Arc::clone(&self.events),
            devices: Arc::clone(&self.devices),
            second_factors: Arc::clone(&self.second_factors),
            mailed_tokens: Arc::clone(&self.mailed_tokens),
            cloud_passwords: Arc::clone(&self.cloud_passwords),
            handshakes: Arc::clone(&shared.handshakes),
            lockouts: Arc::clone(&shared.lockouts),
            provisioning: Arc::clone(&self.provisioning),
        }
    }

    /// Whether the store answers and can be written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.upkeep.ping().await
    }

    /// Drops what nobody can use any more: refresh tokens a day after they expired, sessions 30 days after they
    /// were over, letters a week after they were written, and what happened longer ago than `keep_events`, oldest
    /// first and 20,000 entries at most. Wanted every half minute, of one gateway of several; returns how many rows
    /// went.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn tidy(&self, now: Timestamp, keep_events: Duration) -> Result<u64, StoreError> {
        let gone = self.upkeep.tidy(now).await?;
        Ok(gone + upkeep::prune(&*self.upkeep, now - keep_events).await?)
    }

    /// How many rows each of [`transfer::TABLES`] has.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn counts(&self) -> Result<transfer::Counts, TransferError> {
        self.transfer.counts().await
    }

    /// Waits for writes in progress, and closes the files.
    pub async fn close(&self) {
        self.upkeep.close().await;
    }
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// Opens the store that `config` names, below the folder `data`, and brings it up to date.
///
/// # Errors
///
/// [`StoreOpenError`], which names the file.
pub async fn open(config: &config::Store, data: &Path) -> Result<Stores, StoreOpenError> {
    match config {
        config::Store::Sqlite { path } => {
            Ok(of(Arc::new(sqlite::Sqlite::open(&data.join(path)).await?)))
        }
        config::Store::Postgres(settings) => {
            Ok(of(Arc::new(postgres::Postgres::open(settings).await?)))
        }
    }
}

/// One backend in the place of every record.
fn of<S>(store: Arc<S>) -> Stores
where
    S: Users
        + Sessions
        + RefreshTokens
        + Setup
        + Events
        + Letters
        + Devices
        + SecondFactors
        + MailedTokens
        + CloudPasswords
        + SigningKeys
        + Journal
        + Leadership
        + Upkeep
        + Transfer
        + 'static,
{
    Stores {
        users: Arc::<S>::clone(&store),
        sessions: Arc::<S>::clone(&store),
        refresh_tokens: Arc::<S>::clone(&store),
        setup: Arc::<S>::clone(&store),
        events: Arc::<S>::clone(&store),
        devices: Arc::<S>::clone(&store),
        second_factors: Arc::<S>::clone(&store),
        mailed_tokens: Arc::<S>::clone(&store),
        cloud_passwords: Arc::<S>::clone(&store),
        letters: Arc::<S>::clone(&store),
        signing_keys: Arc::<S>::clone(&store),
        transfer: Arc::<S>::clone(&store),
        provisioning: Arc::<S>::clone(&store),
        leadership: Arc::<S>::clone(&store),
        upkeep: store,
    }
}

/// Why the store could not be opened, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The database does not open.
    #[error("{}: cannot open the database", path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server does not answer, or does not let us in.
    #[error("{place}: no connection")]
    Server {
        /// Host and database.
        place: String,
        /// Whether it may pass by itself: the server was not reached, or said that it is not ready.
        may_pass: bool,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The schema was made by another version, or is not ours to change.
    #[error("{place}: cannot bring the schema up to date")]
    Schema {
        /// Host and database.
        place: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file cannot be made, or its permissions not be set.
    #[error("{}: cannot make the file or its folder", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database was made by another version, or is damaged.
    #[error("{}: cannot bring the database up to date", path.display())]
    Migration {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreOpenError {
    /// Whether it is worth to try again soon.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Server { may_pass: true, .. })
    }
}
