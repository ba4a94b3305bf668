use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use futures::future;
use stormdoor::store::SharedState;
use stormdoor::throttle::{ClientNetwork, Key, Quota, Spend, Who};

use crate::given::NOW;

fn per_minute(limit: u32) -> Quota {
    Quota::new(NonZeroU32::new(limit).unwrap(), Duration::from_mins(1))
}

fn key(policy: &str, subject: &str) -> Key {
    Key { policy: policy.into(), who: Who::Subject(subject.into()) }
}

async fn granted(shared: &SharedState, key: &Key, limit: u32) -> bool {
    let spend = shared.counters.spend(key, per_minute(limit), 1, NOW).await.unwrap();
    matches!(spend, Spend::Granted { .. })
}

pub async fn a_quota_is_granted_in_full_and_then_refused(shared: &SharedState) {
    let key = key("default", "ada");
    for _ in 0..5 {
        assert!(granted(shared, &key, 5).await);
    }
    let refused = shared.counters.spend(&key, per_minute(5), 1, NOW).await.unwrap();
    let Spend::Exhausted { retry_after, .. } = refused else {
        panic!("the sixth of five");
    };
    let back = shared.counters.spend(&key, per_minute(5), 1, NOW + retry_after).await.unwrap();
    assert!(matches!(back, Spend::Granted { .. }));
}

pub async fn budgets_of_policies_and_subjects_are_apart(shared: &SharedState) {
    let network = ClientNetwork::from(IpAddr::from([192, 0, 2, 1]));
    let client = Key { policy: "default".into(), who: Who::Client(network) };
    for key in [key("default", "ada"), key("login", "ada"), key("default", "bob"), client] {
        assert!(granted(shared, &key, 1).await, "{key:?}");
        assert!(!granted(shared, &key, 1).await, "{key:?}");
    }
}

pub async fn many_at_a_time_never_get_more_than_the_quota(shared: &SharedState) {
    let key = key("default", "ada");
    let attempts = (0..100).map(|_| granted(shared, &key, 10));
    let grants = future::join_all(attempts).await;
    assert_eq!(grants.into_iter().filter(|granted| *granted).count(), 10);
}

pub async fn a_cost_of_nothing_asks_without_spending(shared: &SharedState) {
    let key = key("failures", "ada");
    let ask = async |cost| shared.counters.spend(&key, per_minute(2), cost, NOW).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(ask(0).await, Spend::Granted { remaining: 2, .. }));
    }
    assert!(matches!(ask(1).await, Spend::Granted { remaining: 1, .. }));
    assert!(matches!(ask(0).await, Spend::Granted { remaining: 1, .. }));
    assert!(matches!(ask(1).await, Spend::Granted { remaining: 0, .. }));
    assert!(matches!(ask(0).await, Spend::Granted { remaining: 0, .. }));
    assert!(matches!(ask(1).await, Spend::Exhausted { .. }));
}
