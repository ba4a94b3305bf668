//! Nodes that take slices of a quota: never more than it all together, and how much less at most.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use stormdoor::clock::Timestamp;
use stormdoor::config::LimitsMode;
use stormdoor::store::SharedState;
use stormdoor::throttle::window::Window;
use stormdoor::throttle::{Key, Quota, Spend, Who};

use crate::backends;

const NODES: usize = 3;

/// As documented: less than a quarter of the quota, and two units for each other node.
fn early_refusal(limit: u32) -> u32 {
    limit / 4 + 2 * u32::try_from(NODES - 1).unwrap()
}

#[test]
fn the_quota_is_kept_by_all_nodes_together_and_nearly_all_of_it_is_granted() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let settings = backends::redis_settings(LimitsMode::LocalShare);
    let nodes: Vec<SharedState> =
        (0..NODES).map(|_| runtime.block_on(backends::a_node(&settings))).collect();
    // Each learned of those that were there before it; now all of them know of all.
    for node in &nodes {
        runtime.block_on(node.tend());
    }
    let numbers = AtomicU64::new(0);
    let requests = prop::collection::vec((0..NODES, 0i64..300), 50..400);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) };
    proptest!(config, |(limit in 1u32..300, window in 2_000i64..20_000, requests in requests)| {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let key = Key { policy: number.to_string().into(), who: Who::Subject("ada".into()) };
        let length = Duration::from_millis(window.unsigned_abs());
        let quota = Quota::new(NonZeroU32::new(limit).unwrap(), length);
        let mut now = 1_700_000_000_000i64;
        let mut granted: HashMap<i64, u32> = HashMap::new();
        for (node, step) in requests {
            now += step;
            let at = Timestamp::from_millis(now);
            let spend = runtime.block_on(nodes[node].counters.spend(&key, quota, 1, at)).unwrap();
            let number = now.div_euclid(window);
            let count = |number| granted.get(&number).copied().unwrap_or(0);
            let used = Window { number, current: count(number), previous: count(number - 1) };
            // What one counter that saw all of it would say.
            let exact = used.clone().spend(quota, 1, at);
            match spend {
                Spend::Granted { .. } => {
                    prop_assert!(matches!(exact, Spend::Granted { .. }), "more than {}", quota);
                    *granted.entry(number).or_default() += 1;
                }
                Spend::Exhausted { .. } => {
                    let early = match exact {
                        Spend::Granted { remaining, .. } => remaining + 1,
                        Spend::Exhausted { .. } => 0,
                    };
                    prop_assert!(early <= early_refusal(limit), "{} early of {}", early, quota);
                }
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_does_not_spend_comes_back() {
    let settings = backends::redis_settings(LimitsMode::LocalShare);
    let (one, other) = (backends::a_node(&settings).await, backends::a_node(&settings).await);
    let key = Key { policy: "default".into(), who: Who::Subject("ada".into()) };
    let quota: Quota = "160/h".parse().unwrap();
    let now = crate::given::NOW;
    let spend = async |node: &SharedState, now: Timestamp| {
        let spend = node.counters.spend(&key, quota, 1, now).await.unwrap();
        matches!(spend, Spend::Granted { .. })
    };
    assert!(spend(&one, now).await);
    let mut granted = 1;
    while spend(&other, now).await {
        granted += 1;
    }
    assert!((120..160).contains(&granted), "{granted}");

    let later = now + Duration::from_secs(2);
    one.settle(later).await;
    while spend(&other, later).await {
        granted += 1;
    }
    assert_eq!(granted, 160);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_same_moment_share_one_slice() {
    let settings = backends::redis_settings(LimitsMode::LocalShare);
    let nodes = [backends::a_node(&settings).await, backends::a_node(&settings).await];
    let key = Key { policy: "default".into(), who: Who::Subject("ada".into()) };
    let quota: Quota = "100/h".parse().unwrap();
    let spends =
        (0..300).map(|number| nodes[number % 2].counters.spend(&key, quota, 1, crate::given::NOW));
    let spends = futures::future::try_join_all(spends).await.unwrap();
    let granted = spends.iter().filter(|spend| matches!(spend, Spend::Granted { .. })).count();
    assert!((75..=100).contains(&granted), "{granted}");
}
