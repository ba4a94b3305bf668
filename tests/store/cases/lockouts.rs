use std::net::IpAddr;
use std::time::Duration;

use futures::future;
use stormdoor::clock::Timestamp;
use stormdoor::identity::LockoutRule;
use stormdoor::identity::lockout::{Account, Attempt, Bucket, Failures};
use stormdoor::store::SharedState;
use stormdoor::throttle::ClientNetwork;

use crate::given::NOW;

/// Five failures lock for 30 s, then twice as long, up to half an hour.
const RULE: LockoutRule = LockoutRule::DEFAULT;

fn account(name: &str) -> Bucket {
    Bucket::Account(Account::unknown(name))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn attempt(shared: &SharedState, bucket: Bucket, now: Timestamp) -> Attempt {
    shared.lockouts.attempt(bucket, RULE, now).await.unwrap()
}

async fn fail(shared: &SharedState, bucket: Bucket, times: u32) {
    for _ in 0..times {
        assert_eq!(attempt(shared, bucket, NOW).await, Ok(()));
    }
}

pub async fn a_lock_is_over_by_itself_and_the_next_one_is_twice_as_long(shared: &SharedState) {
    let ada = account("ada");
    fail(shared, ada, 5).await;
    assert_eq!(attempt(shared, ada, NOW + secs(10)).await, Err(secs(20)));
    assert_eq!(attempt(shared, ada, NOW + secs(30)).await, Ok(()));
    assert_eq!(attempt(shared, ada, NOW + secs(31)).await, Err(secs(59)));
    let mut now = NOW + secs(90);
    for lock in [120, 240, 480, 960, 1800, 1800] {
        assert_eq!(attempt(shared, ada, now).await, Ok(()));
        assert_eq!(attempt(shared, ada, now).await, Err(secs(lock)));
        now = now + secs(lock);
    }
}

pub async fn accounts_and_networks_are_apart(shared: &SharedState) {
    let network = |last| Bucket::Network(ClientNetwork::from(IpAddr::from([192, 0, 2, last])));
    for bucket in [account("ada"), account("bob"), network(1), network(2)] {
        fail(shared, bucket, 5).await;
        assert_eq!(attempt(shared, bucket, NOW).await, Err(secs(30)));
    }
}

pub async fn failures_are_forgotten_after_the_longest_lock_without_any(shared: &SharedState) {
    let ada = account("ada");
    fail(shared, ada, 4).await;
    for _ in 0..4 {
        assert_eq!(attempt(shared, ada, NOW + secs(1800)).await, Ok(()));
    }
    assert_eq!(attempt(shared, ada, NOW + secs(3599)).await, Ok(()));
    assert_eq!(attempt(shared, ada, NOW + secs(3599)).await, Err(secs(30)));
}

pub async fn forgetting_begins_afresh(shared: &SharedState) {
    let ada = account("ada");
    shared.lockouts.forget(ada).await.unwrap();
    fail(shared, ada, 5).await;
    shared.lockouts.forget(ada).await.unwrap();
    fail(shared, ada, 5).await;
    assert_eq!(attempt(shared, ada, NOW).await, Err(secs(30)));
}

pub async fn of_fifty_attempts_at_a_time_those_before_the_lock_are_let_through(
    shared: &SharedState,
) {
    let attempts = (0..50).map(|_| attempt(shared, account("ada"), NOW));
    let let_through = future::join_all(attempts).await;
    assert_eq!(let_through.into_iter().flatten().count(), 5);
}

pub async fn taking_back_takes_the_lock_back(shared: &SharedState) {
    let ada = account("ada");
    shared.lockouts.take_back(ada).await.unwrap();
    fail(shared, ada, 5).await;
    shared.lockouts.take_back(ada).await.unwrap();
    fail(shared, ada, 1).await;
    assert_eq!(attempt(shared, ada, NOW).await, Err(secs(30)));
    for _ in 0..9 {
        shared.lockouts.take_back(ada).await.unwrap();
    }
    fail(shared, ada, 5).await;
}

pub async fn what_was_counted_can_be_looked_at(shared: &SharedState) {
    let (ada, bob) = (account("ada"), account("bob"));
    assert_eq!(shared.lockouts.look(&[]).await.unwrap(), []);
    fail(shared, ada, 5).await;
    let locked = Failures { count: 5, last: NOW, locked_until: NOW + secs(30) };
    let found = shared.lockouts.look(&[bob, ada, bob]).await.unwrap();
    assert_eq!(found, [None, Some(locked), None]);
}
