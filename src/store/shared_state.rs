//! What every node must agree on for minutes: limits, one-time values, failures to sign in.

use std::sync::Arc;

use tokio::sync::watch;

use super::memory;
use super::redis::{ConnectError, Redis, Time};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::identity::{Handshakes, Lockouts};
use crate::observe::{Check, Metrics};
use crate::throttle::Counters;

/// The shared state, wherever it is.
pub struct SharedState {
    /// What was spent.
    pub counters: Arc<dyn Counters>,
    /// One-time values.
    pub handshakes: Arc<dyn Handshakes>,
    /// Failures to sign in.
    pub lockouts: Arc<dyn Lockouts>,
    redis: Option<Redis>,
}

impl SharedState {
    /// In this process, for a single node.
    pub fn in_memory() -> Self {
        Self {
            counters: Arc::new(memory::Counters::default()),
            handshakes: Arc::new(memory::MemoryHandshakes::default()),
            lockouts: Arc::new(memory::Lockouts::default()),
            redis: None,
        }
    }

    /// Where `config` says. While Redis is away, it begins as in an outage. `time`: whose clock decides in Redis.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the settings can never work.
    pub async fn open(
        config: &config::SharedState,
        time: Time,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ConnectError> {
        let settings = match config {
            config::SharedState::Memory => return Ok(Self::in_memory()),
            config::SharedState::Redis(settings) => settings,
        };
        let redis = Redis::open(settings, time, clock, metrics).await?;
        Ok(Self {
            counters: Arc::clone(&redis.counters) as _,
            handshakes: Arc::clone(&redis.handshakes) as _,
            lockouts: Arc::clone(&redis.lockouts) as _,
            redis: Some(redis),
        })
    }

    /// How it is, when it can be otherwise than well.
    pub fn check(&self) -> Option<Arc<dyn Check>> {
        self.redis.as_ref().map(Redis::check)
    }

    /// What it needs done in the background until `ended`: connections kept, rests given back.
    pub async fn keep(self, ended: watch::Receiver<bool>) {
        if let Some(redis) = self.redis {
            redis.keep(ended).await;
        }
    }

    /// Says once that this node is there, and looks who else is, as [`Self::keep`] does every two seconds.
    pub async fn tend(&self) {
        if let Some(redis) = &self.redis {
            redis.tend().await;
        }
    }

    /// Gives back what this node leased and nobody spent for a second before `now`, as [`Self::keep`] does every second.
    pub async fn settle(&self, now: Timestamp) {
        if let Some(redis) = &self.redis {
            redis.settle_at(now).await;
        }
    }
}

impl std::fmt::Debug for SharedState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedState").finish_non_exhaustive()
    }
}
