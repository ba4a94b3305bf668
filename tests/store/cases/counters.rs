use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use futures::future;
use stormdoor::throttle::{ClientNetwork, Counters, Key, Quota, Spend, Who};

use crate::given::NOW;

fn per_minute(limit: u32) -> Quota {
    Quota::new(NonZeroU32::new(limit).unwrap(), Duration::from_mins(1))
}

fn key(policy: &str, subject: &str) -> Key {
    Key { policy: policy.into(), who: Who::Subject(subject.into()) }
}

async fn granted(counters: &impl Counters, key: &Key, limit: u32) -> bool {
    let spend = counters.spend(key, per_minute(limit), 1, NOW).await.unwrap();
    matches!(spend, Spend::Granted { .. })
}

pub async fn a_quota_is_granted_in_full_and_then_refused(counters: &impl Counters) {
    let key = key("default", "ada");
    for _ in 0..5 {
        assert!(granted(counters, &key, 5).await);
    }
    let refused = counters.spend(&key, per_minute(5), 1, NOW).await.unwrap();
    let Spend::Exhausted { retry_after, .. } = refused else {
        panic!("the sixth of five");
    };
    let back = counters.spend(&key, per_minute(5), 1, NOW + retry_after).await.unwrap();
    assert!(matches!(back, Spend::Granted { .. }));
}

pub async fn budgets_of_policies_and_subjects_are_apart(counters: &impl Counters) {
    let network = ClientNetwork::from(IpAddr::from([192, 0, 2, 1]));
    let client = Key { policy: "default".into(), who: Who::Client(network) };
    for key in [key("default", "ada"), key("login", "ada"), key("default", "bob"), client] {
        assert!(granted(counters, &key, 1).await, "{key:?}");
        assert!(!granted(counters, &key, 1).await, "{key:?}");
    }
}

pub async fn many_at_a_time_never_get_more_than_the_quota(counters: &impl Counters) {
    let key = key("default", "ada");
    let attempts = (0..100).map(|_| granted(counters, &key, 10));
    let grants = future::join_all(attempts).await;
    assert_eq!(grants.into_iter().filter(|granted| *granted).count(), 10);
}
