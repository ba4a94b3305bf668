use stormdoor::identity::{EventKind, UserId, random};
use stormdoor::store::Stores;

use crate::given;

pub async fn the_last_one_that_was_set_is_kept_until_it_is_removed(stores: &Stores) {
    let (ada, bob) = (given::a_user(stores, "ada").await, given::a_user(stores, "bob").await);
    let passwords = &stores.cloud_passwords;
    let set = given::event(EventKind::CloudPasswordSet);
    let removed = given::event(EventKind::CloudPasswordRemoved);
    assert_eq!(passwords.find(ada.id).await.unwrap(), None);
    assert!(!passwords.remove(ada.id, &removed).await.unwrap(), "there is none");
    for sealed in [b"one".as_slice(), b"two"] {
        assert!(passwords.set(ada.id, sealed, &set).await.unwrap());
    }
    assert_eq!(passwords.find(ada.id).await.unwrap().as_deref(), Some(b"two".as_slice()));
    assert_eq!(passwords.find(bob.id).await.unwrap(), None);
    assert!(passwords.remove(ada.id, &removed).await.unwrap());
    assert_eq!(passwords.find(ada.id).await.unwrap(), None);
    let nobody = UserId::from_uuid(random::uuid_v7(given::NOW));
    assert!(!passwords.set(nobody, b"three", &set).await.unwrap());
    let kinds: Vec<_> =
        stores.events.latest(3).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["cloud_password_removed", "cloud_password_set", "cloud_password_set"]);
}

pub async fn erasing_a_user_takes_it_along(stores: &Stores) {
    let ada = given::a_user(stores, "ada").await;
    let passwords = &stores.cloud_passwords;
    passwords.set(ada.id, b"one", &given::event(EventKind::CloudPasswordSet)).await.unwrap();
    stores.users.erase(ada.id, &given::event(EventKind::UserErased)).await.unwrap();
    assert_eq!(passwords.find(ada.id).await.unwrap(), None);
}
