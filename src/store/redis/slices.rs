//! Limits without a question for each request: this node takes a slice of what is left of a quota, and spends it alone.
//!
//! A slice is what is left of the quota, divided by eight times the number of nodes, and at least what the request costs;
//! so slices shrink as the quota runs out, down to single units. What was taken counts as spent, so that all nodes
//! together never grant more than the quota. What lies unspent on one node may be refused on another: at most the slice
//! that each other node holds of this window and of the one before. That is less than a quarter of the quota, and two
//! units for each other node. A slice of which nothing was spent for [`IDLE`] is given back, as is what the end of its
//! window leaves of it.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use futures::future;
use redis::Script;
use tokio::sync::Mutex as Turn;

use super::call::Call;
use super::counters::{budget, time};
use super::link::Link;
use super::outage::Outage;
use super::{millis, window_script};
use crate::clock::Timestamp;
use crate::throttle::{Key, Quota, Spend};

pub(super) static LEASE: LazyLock<Script> = window_script!("lease.lua");

/// What is left of a quota is cut into so many parts for each node.
const PARTS: u32 = 8;

/// After so long without use the rest of a slice is given back.
const IDLE: Duration = Duration::from_secs(1);

/// So long a refusal is repeated without asking again.
const REMEMBERED: Duration = Duration::from_millis(100);

const SHARDS: u64 = 64;

/// Most slices of one shard: about a million in all.
const SHARD_MAX: usize = 1 << 14;

/// So many are given back at a time.
const AT_A_TIME: usize = 64;

/// The slices of this node.
pub(super) struct Slices {
    link: Arc<Link>,
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
}

/// Whoever holds the lock may ask for a new slice; others wait for what becomes of it, so that a node never holds two.
type Shard = HashMap<Key, Arc<Turn<Slice>>>;

struct Slice {
    quota: Quota,
    /// The number of the window that it is of.
    window: i64,
    /// Units not spent yet.
    left: u32,
    /// Units that nobody had taken when this was.
    beyond: u32,
    /// When the window ends.
    ends: Timestamp,
    refused: Option<Refused>,
    used_at: Timestamp,
}

/// Redis had nothing left.
#[derive(Clone, Copy)]
struct Refused {
    /// For how many units.
    cost: u32,
    /// Until when that is not asked again.
    until: Timestamp,
    back_at: Timestamp,
}

impl Slices {
    pub(super) fn new(link: Arc<Link>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { link, shards, hasher: RandomState::new() }
    }

    pub(super) async fn spend(
        &self,
        key: &Key,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> Result<Spend, Outage> {
        let slice = self.of(key, quota, now);
        let mut slice = slice.lock().await;
        slice.used_at = now;
        if let Some(spend) = slice.spend(cost, now) {
            return Ok(spend);
        }
        self.lease(key, &mut slice, cost, now).await
    }

    fn of(&self, key: &Key, quota: Quota, now: Timestamp) -> Arc<Turn<Slice>> {
        let empty = || Arc::new(Turn::new(Slice::empty(quota, now)));
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS).unwrap_or(0);
        let Some(shard) = self.shards.get(hash) else { return empty() };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slice) = shard.get(key) {
            return Arc::clone(slice);
        }
        if shard.len() >= SHARD_MAX {
            // What is dropped counts as spent: a little is refused early.
            let mut keep = false;
            shard.retain(|_, slice| {
                keep = !keep;
                keep || Arc::strong_count(slice) > 1
            });
        }
        Arc::clone(shard.entry(key.clone()).or_insert_with(empty))
    }

    /// Gives back what is left, and takes a new slice, for which `cost` is spent at once. With a cost of nothing, it
    /// only gives back.
    async fn lease(
        &self,
        key: &Key,
        slice: &mut Slice,
        cost: u32,
        now: Timestamp,
    ) -> Result<Spend, Outage> {
        let quota = slice.quota;
        // Not to be spent any more, whatever becomes of the question.
        let back = std::mem::take(&mut slice.left);
        slice.ends = now;
        let parts = u64::from(PARTS) * u64::from(self.link.nodes().get());
        let call = Call::script(&LEASE, &budget(&self.link, key))
            .arg(quota.limit())
            .arg(millis(quota.window()))
            .arg(cost)
            .arg(Link::kept_for(quota.window() * 2))
            .arg(self.link.now(now))
            .arg(parts)
            .arg(slice.window)
            .arg(back);
        let unit = |units: i64| u32::try_from(units).ok().filter(|units| *units <= quota.limit());
        let read = |answer: Vec<i64>| match *answer.as_slice() {
            [1, taken, beyond, reset, window] => {
                let left = unit(taken)?.checked_sub(cost)?;
                let leased = Leased::Slice { left, beyond: unit(beyond)? };
                Some((leased, time(reset)?, window))
            }
            [0, wait, _, reset, window] => {
                Some((Leased::Nothing(time(wait)?), time(reset)?, window))
            }
            _ => None,
        };
        let (leased, reset_after, window) = self.link.quick(&call, read).await?;

        slice.window = window;
        slice.ends = now + reset_after;
        slice.refused = None;
        Ok(match leased {
            Leased::Slice { left, beyond } => {
                slice.left = left;
                slice.beyond = beyond;
                Spend::Granted { remaining: left.saturating_add(beyond), reset_after }
            }
            Leased::Nothing(retry_after) => {
                let until = now + retry_after.min(REMEMBERED);
                slice.refused = Some(Refused { cost, until, back_at: now + retry_after });
                Spend::Exhausted { retry_after, reset_after }
            }
        })
    }

    /// Gives back what nobody spends, and forgets slices that are over.
    pub(super) async fn settle(&self, now: Timestamp) {
        for shard in &self.shards {
            let idle: Vec<(Key, Arc<Turn<Slice>>)> = {
                let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                // One that somebody holds is in use.
                shard.retain(|_, slice| match slice.try_lock() {
                    Ok(slice) => slice.left > 0 || !slice.is_idle(now),
                    Err(_) => true,
                });
                let wanted = shard.len() * 2;
                shard.shrink_to(wanted);
                let idle = shard
                    .iter()
                    .filter(|(_, slice)| slice.try_lock().is_ok_and(|slice| slice.is_idle(now)));
                idle.map(|(key, slice)| (key.clone(), Arc::clone(slice))).collect()
            };
            for some in idle.chunks(AT_A_TIME) {
                let given_back = some.iter().map(async |(key, slice)| {
                    let mut slice = slice.lock().await;
                    if slice.is_idle(now) && slice.left > 0 {
                        // Without an answer what was left counts as spent.
                        let _lost = self.lease(key, &mut slice, 0, now).await;
                    }
                });
                future::join_all(given_back).await;
            }
        }
    }
}

enum Leased {
    Nothing(Duration),
    Slice { left: u32, beyond: u32 },
}

impl Slice {
    fn empty(quota: Quota, now: Timestamp) -> Self {
        Self { quota, window: i64::MIN, left: 0, beyond: 0, ends: now, refused: None, used_at: now }
    }

    /// What can be said without asking.
    fn spend(&mut self, cost: u32, now: Timestamp) -> Option<Spend> {
        if now >= self.ends {
            return None;
        }
        let reset_after = self.ends.since(now);
        if self.left > 0 && self.left >= cost {
            self.left -= cost;
            let remaining = self.left.saturating_add(self.beyond);
            return Some(Spend::Granted { remaining, reset_after });
        }
        let refused = self.refused.filter(|refused| refused.cost <= cost && now < refused.until)?;
        Some(Spend::Exhausted { retry_after: refused.back_at.since(now), reset_after })
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        now >= self.ends || now >= self.used_at + IDLE
    }
}
