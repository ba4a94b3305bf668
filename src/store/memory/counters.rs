//! Rate-limit counters, sharded so that requests do not wait for each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::throttle::window::Window;
use crate::throttle::{Counters, CountersUnavailable, Key, Quota, Spend};

const SHARDS: usize = 64;

/// Keys of one shard before it is tidied. Tidying drops windows that no longer count.
const TIDY_AT: usize = 4096;

/// Counters in memory.
#[derive(Debug)]
pub struct MemoryCounters {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

#[derive(Debug, Default)]
struct Shard {
    windows: HashMap<Key, Counted>,
    tidy_at: usize,
}

#[derive(Debug)]
struct Counted {
    window: Window,
    /// When neither of its counts matters any more.
    forget_at: Timestamp,
}

impl Default for MemoryCounters {
    fn default() -> Self {
        let shard = || Mutex::new(Shard { tidy_at: TIDY_AT, ..Shard::default() });
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| shard()).collect() }
    }
}

#[async_trait]
impl Counters for MemoryCounters {
    async fn spend(
        &self,
        key: &Key,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> Result<Spend, CountersUnavailable> {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(at) else {
            return Err(CountersUnavailable("no such shard".into()));
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.tidy(now);
        let forget_at = now + quota.window() * 2;
        if let Some(counted) = shard.windows.get_mut(key) {
            counted.forget_at = forget_at;
            return Ok(counted.window.spend(quota, cost, now));
        }
        let mut window = Window::default();
        let spend = window.spend(quota, cost, now);
        shard.windows.insert(key.clone(), Counted { window, forget_at });
        Ok(spend)
    }
}

impl Shard {
    /// Drops what no longer counts, when there is much of it. The next time is put off until the shard has doubled, so
    /// that many live keys do not make every request tidy.
    fn tidy(&mut self, now: Timestamp) {
        if self.windows.len() < self.tidy_at {
            return;
        }
        self.windows.retain(|_, counted| counted.forget_at > now);
        self.tidy_at = (self.windows.len() * 2).max(TIDY_AT);
    }
}
