use stormdoor::identity::{EndReason, EventKind};
use stormdoor::store::Stores;

use crate::given::{self, NOW};

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
