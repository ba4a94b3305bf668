//! The same sequence of requests gets the same answers from memory and from Redis, whatever the clock does.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use stormdoor::clock::Timestamp;
use stormdoor::identity::LockoutRule;
use stormdoor::identity::lockout::{Account, Bucket};
use stormdoor::store::SharedState;
use stormdoor::throttle::{Key, Quota, Who};
use tokio::runtime::Runtime;

use crate::backends;

/// A limit, a window in milliseconds, and requests: what they cost, and how long after the one before.
type Requests = (u32, u64, Vec<(u32, i64)>);

/// Small quotas, which run out; and the largest, at which a product of count and time needs more than 53 bits.
fn requests() -> impl Strategy<Value = Requests> {
    let limits = prop_oneof![1u32..50, 1u32..=u32::MAX];
    let windows = prop_oneof![1u64..5_000, 1u64..=86_400_000];
    (limits, windows).prop_flat_map(|(limit, window)| {
        let longest = i64::try_from(window).unwrap();
        let costs = prop_oneof![0u32..3, 0u32..=limit, Just(limit), Just(u32::MAX)];
        let steps = prop_oneof![0i64..20, 0..=longest / 3 + 1, -longest / 2..=longest * 3];
        (Just(limit), Just(window), prop::collection::vec((costs, steps), 1..40))
    })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn counters_in_memory_and_in_redis_agree() {
    let runtime = runtime();
    let redis = runtime.block_on(backends::redis());
    counters_agree(&runtime, &redis);
}

#[test]
fn counters_in_memory_and_in_a_cluster_agree() {
    let runtime = runtime();
    let cluster = runtime.block_on(backends::cluster());
    counters_agree(&runtime, &cluster);
}

#[test]
fn lockouts_in_memory_and_in_redis_agree() {
    let runtime = runtime();
    let redis = runtime.block_on(backends::redis());
    lockouts_agree(&runtime, &redis);
}

#[test]
fn lockouts_in_memory_and_in_a_cluster_agree() {
    let runtime = runtime();
    let cluster = runtime.block_on(backends::cluster());
    lockouts_agree(&runtime, &cluster);
}

fn counters_agree(runtime: &Runtime, redis: &SharedState) {
    let memory = runtime.block_on(backends::memory());
    let numbers = AtomicU64::new(0);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) };
    proptest!(config, |((limit, window, requests) in requests())| {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let key = Key { policy: number.to_string().into(), who: Who::Subject("ada".into()) };
        let quota = Quota::new(NonZeroU32::new(limit).unwrap(), Duration::from_millis(window));
        let mut now = 1_700_000_000_000i64;
        for (cost, step) in requests {
            now += step;
            let now = Timestamp::from_millis(now);
            let expected = runtime.block_on(memory.counters.spend(&key, quota, cost, now)).unwrap();
            let found = runtime.block_on(redis.counters.spend(&key, quota, cost, now)).unwrap();
            prop_assert_eq!(found, expected, "{} for {}", cost, quota);
        }
    });
}

fn lockouts_agree(runtime: &Runtime, redis: &SharedState) {
    let memory = runtime.block_on(backends::memory());
    let numbers = AtomicU16::new(0);
    let steps = prop::collection::vec((0u8..10, -5i64..100_000), 1..60);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(50) };
    proptest!(config, |(after in 3u32..8, first in 1u64..60, max in 60u64..7200, fades in prop::option::of(1u64..60_000), steps in steps)| {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let bucket = Bucket::Account(Account::Unknown(number));
        let (first, max) = (Duration::from_secs(first), Duration::from_secs(max));
        let fades = fades.map(Duration::from_millis);
        let rule = LockoutRule { after, first, max, fades };
        let mut now = 1_700_000_000_000i64;
        for (what, step) in steps {
            now += step;
            let now = Timestamp::from_millis(now);
            let mut found = Vec::new();
            for shared in [&memory, redis] {
                let lockouts = &shared.lockouts;
                let attempt = runtime.block_on(async {
                    match what {
                        0 => lockouts.take_back(bucket).await.unwrap(),
                        1 if step % 5 == 0 => lockouts.forget(bucket).await.unwrap(),
                        _ => return Some(lockouts.attempt(bucket, rule, now).await.unwrap()),
                    }
                    None
                });
                let failures = runtime.block_on(lockouts.look(&[bucket])).unwrap();
                found.push((attempt, failures));
            }
            prop_assert_eq!(&found[0], &found[1]);
        }
    });
}
