use std::collections::BTreeSet;
use std::time::Duration;

use futures::future;
use stormdoor::clock::Timestamp;
use stormdoor::identity::letter::{Letter, LetterKind, Queued};
use stormdoor::secret::Secret;
use stormdoor::store::Stores;

use crate::given::{HOUR, KEEP, MINUTE, NOW};

const LEASE: Duration = Duration::from_mins(2);

fn letter(to: &str) -> Letter {
    let link = Secret::new("https://localhost/verify?canary".to_owned());
    let kind = LetterKind::VerifyEmail { link, valid_for: HOUR };
    Letter { to: format!("{to}@example.org").parse().unwrap(), name: Some("Ana".into()), kind }
}

async fn put(stores: &Stores, to: &str, at: Timestamp) {
    stores.letters.put(&letter(to), at).await.unwrap();
}

async fn take(stores: &Stores, now: Timestamp) -> Vec<Queued> {
    stores.letters.take_due(now, LEASE, 10).await.unwrap()
}

async fn take_only(stores: &Stores, now: Timestamp) -> Queued {
    let [only] = take(stores, now).await.try_into().unwrap();
    only
}

pub async fn a_letter_is_taken_as_it_was_written(stores: &Stores) {
    assert_eq!(stores.letters.waiting().await.unwrap(), (0, None));
    put(stores, "ana", NOW).await;
    assert_eq!(stores.letters.waiting().await.unwrap(), (1, Some(NOW)));
    assert_eq!(take(stores, NOW - MINUTE).await.len(), 0, "not due before it was written");

    let taken = take_only(stores, NOW).await;
    assert_eq!((taken.queued_at, taken.attempt), (NOW, 1));
    let text = taken.letter.expose_for_store();
    assert_eq!(text.expose(), letter("ana").expose_for_store().expose());
    assert_eq!(stores.letters.waiting().await.unwrap(), (1, Some(NOW)), "it is not sent yet");
}

pub async fn a_letter_that_was_sent_is_never_due_again_and_says_nothing(stores: &Stores) {
    put(stores, "ana", NOW).await;
    let taken = take_only(stores, NOW).await;
    stores.letters.sent(taken.id).await.unwrap();
    stores.letters.sent(taken.id).await.unwrap();
    assert_eq!(stores.letters.waiting().await.unwrap(), (0, None));
    assert_eq!(take(stores, NOW + 48 * HOUR).await.len(), 0);
}

pub async fn a_letter_that_failed_is_due_at_its_next_try(stores: &Stores) {
    put(stores, "ana", NOW).await;
    let first = take_only(stores, NOW).await;
    stores.letters.failed(first.id, Some(NOW + 5 * MINUTE), "451").await.unwrap();
    assert_eq!(take(stores, NOW + 5 * MINUTE - Duration::from_millis(1)).await.len(), 0);
    let second = take_only(stores, NOW + 5 * MINUTE).await;
    assert_eq!((second.id, second.attempt, second.queued_at), (first.id, 2, NOW));
}

pub async fn a_letter_that_was_given_up_is_never_due_again(stores: &Stores) {
    put(stores, "ana", NOW).await;
    let taken = take_only(stores, NOW).await;
    stores.letters.failed(taken.id, None, "550").await.unwrap();
    assert_eq!(stores.letters.waiting().await.unwrap(), (0, None));
    assert_eq!(take(stores, NOW + 48 * HOUR).await.len(), 0);
}

pub async fn a_letter_whose_taker_died_is_due_when_the_lease_is_over(stores: &Stores) {
    put(stores, "ana", NOW).await;
    let first = take_only(stores, NOW).await;
    assert_eq!(take(stores, NOW + LEASE - Duration::from_millis(1)).await.len(), 0);
    let second = take_only(stores, NOW + LEASE).await;
    assert_eq!((second.id, second.attempt), (first.id, 2));
}

pub async fn a_taker_that_lost_its_lease_changes_nothing_that_is_done(stores: &Stores) {
    put(stores, "ana", NOW).await;
    let slow = take_only(stores, NOW).await;
    let quick = take_only(stores, NOW + LEASE).await;
    stores.letters.sent(quick.id).await.unwrap();
    stores.letters.failed(slow.id, Some(NOW + HOUR), "a timeout").await.unwrap();
    assert_eq!(stores.letters.waiting().await.unwrap(), (0, None));
    assert_eq!(take(stores, NOW + 2 * HOUR).await.len(), 0);
}

pub async fn the_longest_due_are_taken_first_and_no_more_than_asked_for(stores: &Stores) {
    for (to, minutes) in [("third", 3), ("first", 1), ("second", 2)] {
        put(stores, to, NOW + minutes * MINUTE).await;
    }
    assert_eq!(stores.letters.waiting().await.unwrap(), (3, Some(NOW + MINUTE)));
    let now = NOW + HOUR;
    let taken = stores.letters.take_due(now, LEASE, 2).await.unwrap();
    let names: Vec<_> = taken.iter().map(|queued| queued.letter.to.local_part()).collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(take_only(stores, now).await.letter.to.local_part(), "third");
}

pub async fn twenty_takers_at_a_time_get_each_letter_once(stores: &Stores) {
    for number in 0..50 {
        put(stores, &format!("ana{number}"), NOW).await;
    }
    let takers = (0..20).map(|_| {
        let stores = stores.clone();
        tokio::spawn(async move {
            let mut all = Vec::new();
            loop {
                let taken = stores.letters.take_due(NOW, LEASE, 3).await.unwrap();
                if taken.is_empty() {
                    return all;
                }
                all.extend(taken.into_iter().map(|queued| queued.id));
            }
        })
    });
    let taken = future::try_join_all(takers).await.unwrap().concat();
    let different: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), different.len()), (50, 50));
}

pub async fn finished_letters_are_tidied_away_after_a_week(stores: &Stores) {
    put(stores, "ana", NOW).await;
    put(stores, "bob", NOW).await;
    let [ana, bob] = take(stores, NOW).await.try_into().unwrap();
    stores.letters.sent(ana.id).await.unwrap();
    stores.letters.failed(bob.id, None, "550").await.unwrap();
    assert_eq!(stores.tidy(NOW + 7 * 24 * HOUR, KEEP).await.unwrap(), 0);
    assert_eq!(stores.tidy(NOW + 7 * 24 * HOUR + MINUTE, KEEP).await.unwrap(), 2);
}

pub async fn letters_that_nobody_sends_are_given_up_and_say_nothing(stores: &Stores) {
    put(stores, "ana", NOW).await;
    stores.tidy(NOW + 48 * HOUR, KEEP).await.unwrap();
    assert_eq!(stores.letters.waiting().await.unwrap(), (1, Some(NOW)));
    stores.tidy(NOW + 48 * HOUR + MINUTE, KEEP).await.unwrap();
    assert_eq!(stores.letters.waiting().await.unwrap(), (0, None));
    assert_eq!(take(stores, NOW + 49 * HOUR).await.len(), 0);
}

pub async fn whoever_waits_learns_of_a_letter(stores: &Stores) {
    let waiter = tokio::spawn({
        let stores = stores.clone();
        async move {
            stores.letters.written().await;
            take(&stores, NOW).await
        }
    });
    put(stores, "ana", NOW).await;
    let taken = tokio::time::timeout(Duration::from_secs(10), waiter).await;
    assert_eq!(taken.expect("at once").unwrap().len(), 1);
}
