//! What was spent, counted in this process.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::throttle::window::Window;
use crate::throttle::{self, CountersUnavailable, Key, Quota, Spend};

/// Counters in memory: exact, and bounded to about a million budgets.
///
/// Budgets are spread over shards, so that requests of different clients seldom wait for one another.
#[derive(Debug)]
pub struct Counters {
    shards: Vec<Mutex<Shard>>,
    /// Most budgets of one shard.
    shard_max: usize,
    hasher: RandomState,
}

const SHARDS: usize = 64;

type Shard = HashMap<Key, Counted>;

#[derive(Clone, Copy, Debug)]
struct Counted {
    window: Window,
    /// From then on it is as good as never counted.
    stale_at: Timestamp,
}

impl Default for Counters {
    fn default() -> Self {
        Self::holding(1 << 20)
    }
}

impl Counters {
    /// Counters that hold about `budgets` at most.
    pub fn holding(budgets: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, shard_max: (budgets / SHARDS).max(2), hasher: RandomState::new() }
    }

    /// Spends without waiting: this is all there is to it in memory.
    pub fn spend_now(&self, key: &Key, quota: Quota, cost: u32, now: Timestamp) -> Spend {
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(hash) else {
            // The remainder is below the number of shards.
            return Window::default().spend(quota, cost, now);
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let stale_at = now + quota.window().saturating_mul(2);
        if let Some(counted) = shard.get_mut(key) {
            counted.stale_at = stale_at;
            return counted.window.spend(quota, cost, now);
        }
        if shard.len() >= self.shard_max {
            make_room(&mut shard, now);
        }
        let mut window = Window::default();
        let spend = window.spend(quota, cost, now);
        shard.insert(key.clone(), Counted { window, stale_at });
        spend
    }

    /// Drops budgets that are as good as never counted. Wanted every minute or so, to give memory back.
    pub fn tidy(&self, now: Timestamp) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, counted| now < counted.stale_at);
            let wanted = shard.len() * 2;
            shard.shrink_to(wanted);
        }
    }
}

#[async_trait]
impl throttle::Counters for Counters {
    async fn spend(
        &self,
        key: &Key,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> Result<Spend, CountersUnavailable> {
        Ok(self.spend_now(key, quota, cost, now))
    }
}

/// Drops what is stale; if that is less than half, also the budgets that would be stale soonest: those of short
/// windows, used longest ago. Their owners get a fresh one early, which is the least harm.
fn make_room(shard: &mut Shard, now: Timestamp) {
    let enough = shard.len() / 2;
    shard.retain(|_, counted| now < counted.stale_at);
    let Some(mut excess) = shard.len().checked_sub(enough).filter(|excess| *excess > 0) else {
        return;
    };
    let mut ends: Vec<Timestamp> = shard.values().map(|counted| counted.stale_at).collect();
    let (_, &mut last_to_go, _) = ends.select_nth_unstable(excess - 1);
    // Two passes: first those that surely go, then as many of the equal ones as are still too many.
    for goes in
        [(|end, last| end < last) as fn(Timestamp, Timestamp) -> bool, |end, last| end == last]
    {
        shard.retain(|_, counted| {
            let drop = excess > 0 && goes(counted.stale_at, last_to_go);
            excess -= usize::from(drop);
            !drop
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::throttle::{ClientNetwork, Who};

    fn key(client: u32) -> Key {
        let address = IpAddr::V4(Ipv4Addr::from_bits(client));
        Key { policy: "default".into(), who: Who::Client(ClientNetwork::from(address)) }
    }

    fn per_minute(limit: u32) -> Quota {
        let limit = NonZeroU32::new(limit).expect("a positive limit");
        Quota::new(limit, Duration::from_mins(1))
    }

    fn held(counters: &Counters) -> usize {
        counters.shards.iter().map(|shard| shard.lock().expect("not poisoned").len()).sum()
    }

    #[test]
    fn stale_budgets_are_given_back_and_live_ones_kept() {
        let counters = Counters::default();
        let at = Timestamp::from_secs;
        counters.spend_now(&key(1), per_minute(1), 1, at(0));
        counters.spend_now(&key(2), per_minute(1), 1, at(100));
        counters.tidy(at(120));
        assert_eq!(held(&counters), 1);
        let again = counters.spend_now(&key(2), per_minute(1), 1, at(110));
        assert!(matches!(again, Spend::Exhausted { .. }));
    }

    #[test]
    fn a_flood_of_clients_is_held_in_bounds() {
        let counters = Counters::holding(6_400);
        for client in 0..50_000 {
            counters.spend_now(&key(client), per_minute(1), 1, Timestamp::from_secs(0));
        }
        assert!(held(&counters) <= 6_400);
    }

    #[test]
    fn room_is_made_at_the_cost_of_what_would_be_stale_soonest() {
        let window = Window::default();
        let counted =
            |seconds: u32| Counted { window, stale_at: Timestamp::from_secs(seconds.into()) };
        let mut shard: Shard = (1..=10).map(|client| (key(client), counted(client))).collect();
        make_room(&mut shard, Timestamp::from_secs(3));
        let mut left: Vec<i64> = shard.values().map(|counted| counted.stale_at.as_secs()).collect();
        left.sort_unstable();
        assert_eq!(left, [6, 7, 8, 9, 10]);

        let mut equal: Shard = (0..10).map(|client| (key(client), counted(50))).collect();
        make_room(&mut equal, Timestamp::from_secs(0));
        assert_eq!(equal.len(), 5);
    }
}
