use futures::future;
use stormdoor::clock::Timestamp;
use stormdoor::identity::{EndReason, Event, EventKind};
use stormdoor::store::Stores;

use crate::given::{self, HOUR, KEEP, MINUTE, NOW};

pub async fn what_happened_is_read_back_newest_first(stores: &Stores) {
    let user = given::user("ada");
    let mut first = given::event(EventKind::SessionEnded { reason: EndReason::Replay });
    first.subject = Some(user.id);
    stores.events.record(&first).await.unwrap();
    stores.events.record(&given::event(EventKind::SignedOut)).await.unwrap();

    let [newest, oldest] = stores.events.latest(10).await.unwrap().try_into().unwrap();
    assert_eq!(newest.kind, "signed_out");
    assert!(newest.number > oldest.number);
    assert_eq!((oldest.at, oldest.subject, oldest.session), (NOW, Some(user.id), None));
    assert_eq!(oldest.client.as_deref(), Some("192.0.2.1"));
    assert_eq!(oldest.details, serde_json::json!({ "reason": "replay" }));
}

pub async fn what_happened_after_a_number_is_read_in_order_and_by_page(stores: &Stores) {
    let record = async |kind| stores.events.record(&given::event(kind)).await.unwrap();
    for kind in [EventKind::SignedIn, EventKind::Unlocked, EventKind::SignedOut] {
        record(kind).await;
    }
    let kinds = async |number, count| {
        let found = stores.events.after(number, count).await.unwrap();
        found.into_iter().map(|event| (event.number, event.kind)).collect::<Vec<_>>()
    };

    let page = kinds(0, 2).await;
    let [(_, first), (seen, second)] = &*page else { panic!("{page:?}") };
    assert_eq!((first.as_str(), second.as_str()), ("signed_in", "unlocked"));
    let rest = kinds(*seen, 2).await;
    let [(last, third)] = &*rest else { panic!("{rest:?}") };
    assert_eq!(third, "signed_out");
    assert!(kinds(*last, 2).await.is_empty());
}

pub async fn what_happened_long_ago_is_forgotten_from_the_beginning(stores: &Stores) {
    let record = async |kind, at: Timestamp| {
        stores.events.record(&Event { at, ..given::event(kind) }).await.unwrap();
    };
    let kept = async || {
        let kept = stores.events.latest(99).await.unwrap();
        kept.into_iter().rev().map(|event| event.kind).collect::<Vec<_>>()
    };
    record(EventKind::SignedIn, NOW).await;
    record(EventKind::Unlocked, NOW + HOUR).await;
    // By a clock that is behind.
    record(EventKind::PasswordChanged, NOW).await;
    record(EventKind::SignedOut, NOW + 2 * HOUR).await;

    assert_eq!(stores.tidy(NOW + KEEP, KEEP).await.unwrap(), 0, "not older than that");
    assert_eq!(stores.tidy(NOW + KEEP + MINUTE, KEEP).await.unwrap(), 1);
    assert_eq!(kept().await, ["unlocked", "password_changed", "signed_out"], "none in the middle");
    assert_eq!(stores.tidy(NOW + KEEP + 9 * HOUR, KEEP).await.unwrap(), 2);
    assert_eq!(kept().await, ["signed_out"], "the last one says how far the numbers are");

    let seen = stores.events.latest(1).await.unwrap()[0].number;
    record(EventKind::SignedIn, NOW + KEEP).await;
    assert_eq!(stores.events.after(seen, 9).await.unwrap()[0].number, seen + 1);
}

pub async fn of_many_old_entries_all_go_but_the_last(stores: &Stores) {
    let many = (0..1100).map(async |_| {
        stores.events.record(&given::event(EventKind::SignedOut)).await.unwrap();
    });
    future::join_all(many).await;
    assert_eq!(stores.tidy(NOW + KEEP + MINUTE, KEEP).await.unwrap(), 1099);
    assert_eq!(stores.events.latest(99).await.unwrap().len(), 1);
}
