use std::time::Duration;

use futures::future;
use stormdoor::identity::{Purpose, SecretDigest};
use stormdoor::store::SharedState;

use crate::given::NOW;

const MINUTE: Duration = Duration::from_mins(1);

fn key(text: &str) -> SecretDigest {
    SecretDigest::of(text, Purpose::Handshake)
}

pub async fn a_missing_one_is_not_found(shared: &SharedState) {
    let found = shared.handshakes.look(&key("a"), NOW).await.unwrap();
    assert_eq!(found, None);
    let taken = shared.handshakes.take(&key("a"), NOW).await.unwrap();
    assert_eq!(taken, None);
}

pub async fn a_later_value_takes_the_place_of_an_earlier_one(shared: &SharedState) {
    for value in ["one", "two"] {
        shared.handshakes.put(key("a"), value.to_owned(), NOW + MINUTE, NOW).await.unwrap();
    }
    let found = shared.handshakes.look(&key("a"), NOW).await.unwrap();
    assert_eq!(found.as_deref(), Some("two"));
    assert_eq!(shared.handshakes.look(&key("b"), NOW).await.unwrap(), None);
}

pub async fn a_value_with_odd_characters_stays_as_it_was(shared: &SharedState) {
    for value in ["", ":", "12:34", "a\r\nb\0c", "häuser 🏠", "{\"a\": 1}"] {
        shared.handshakes.put(key("a"), value.to_owned(), NOW + MINUTE, NOW).await.unwrap();
        let found = shared.handshakes.look(&key("a"), NOW).await.unwrap();
        assert_eq!(found.as_deref(), Some(value));
    }
}

pub async fn a_value_is_worth_nothing_from_the_moment_it_is_over(shared: &SharedState) {
    let until = NOW + MINUTE;
    shared.handshakes.put(key("a"), "one".to_owned(), until, NOW).await.unwrap();
    let last = until - Duration::from_millis(1);
    assert!(shared.handshakes.look(&key("a"), last).await.unwrap().is_some());
    assert_eq!(shared.handshakes.look(&key("a"), until).await.unwrap(), None);
    assert_eq!(shared.handshakes.take(&key("a"), until).await.unwrap(), None);
}

pub async fn of_fifty_claims_of_one_key_one_wins(shared: &SharedState) {
    let claims = (0..50).map(|_| shared.handshakes.claim(key("a"), NOW + MINUTE, NOW));
    let won = future::try_join_all(claims).await.unwrap();
    assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
}

pub async fn of_fifty_takers_of_one_value_one_gets_it(shared: &SharedState) {
    shared.handshakes.put(key("a"), "one".to_owned(), NOW + MINUTE, NOW).await.unwrap();
    let (key, takers) = (key("a"), 0..50);
    let taken = takers.map(|_| shared.handshakes.take(&key, NOW));
    let taken = future::try_join_all(taken).await.unwrap();
    assert_eq!(taken.into_iter().flatten().collect::<Vec<_>>(), ["one"]);
}

pub async fn what_was_claimed_can_be_claimed_again_when_that_is_over(shared: &SharedState) {
    let (until, later) = (NOW + MINUTE, NOW + MINUTE + MINUTE);
    assert!(shared.handshakes.claim(key("a"), until, NOW).await.unwrap());
    let last = until - Duration::from_millis(1);
    assert!(!shared.handshakes.claim(key("a"), later, last).await.unwrap());
    assert!(shared.handshakes.claim(key("a"), later, until).await.unwrap());
}
