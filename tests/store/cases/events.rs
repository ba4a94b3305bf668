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
