use stormdoor::identity::{EventKind, SignInName, StoreError};
use stormdoor::store::Stores;

use crate::given::{self, NOW};

pub async fn a_user_is_read_back_as_it_was(stores: &Stores) {
    let mut ada = given::user("ada");
    ada.roles = vec!["developer".into(), "viewer".into()];
    ada.last_login_at = Some(NOW);
    ada.epoch = 7;
    stores.users.insert(&ada, &given::event(EventKind::Registered)).await.unwrap();
    for name in ["ada", "ADA@example.org"] {
        let name: SignInName = name.parse().unwrap();
        let found = stores.users.find_by_name(&name).await.unwrap().unwrap();
        assert_eq!(format!("{found:?}"), format!("{ada:?}"));
        assert_eq!(found.password_hash.expose_for_store(), ada.password_hash.expose_for_store());
    }
}

pub async fn a_missing_user_is_not_found(stores: &Stores) {
    let nobody = given::user("nobody");
    assert!(stores.users.find(nobody.id).await.unwrap().is_none());
    let name = SignInName::Email(nobody.email);
    assert!(stores.users.find_by_name(&name).await.unwrap().is_none());
    let event = given::event(EventKind::UserDisabled);
    let standing = stormdoor::identity::Standing::Disabled;
    assert!(stores.users.set_standing(nobody.id, standing, &event).await.unwrap().is_none());
    assert!(stores.events.latest(1).await.unwrap().is_empty());
}

pub async fn addresses_and_names_are_unique(stores: &Stores) {
    given::a_user(stores, "ada").await;
    let event = given::event(EventKind::Registered);
    let mut same_name = given::user("ada");
    same_name.email = "other@example.org".parse().unwrap();
    let mut same_email = given::user("ada");
    same_email.username = "other".parse().unwrap();
    for (user, wanted) in [(same_name, "username"), (same_email, "email")] {
        let refused = stores.users.insert(&user, &event).await;
        let Err(StoreError::Conflict { field, .. }) = refused else {
            panic!("{wanted} twice: {refused:?}");
        };
        assert_eq!(field, wanted);
    }
    assert_eq!(stores.events.latest(100).await.unwrap().len(), 1, "nothing else was written");
}

pub async fn a_name_with_odd_characters_stays_as_it_was(stores: &Stores) {
    let mut ada = given::user("ada");
    let odd = "Ada \"'; DROP TABLE users; -- \u{1F6AA} ́é \\ %";
    ada.full_name = Some(odd.to_owned());
    ada.email = "o'neil+%_@example.org".parse().unwrap();
    stores.users.insert(&ada, &given::event(EventKind::Registered)).await.unwrap();
    let found = stores.users.find_by_name(&SignInName::Email(ada.email)).await.unwrap().unwrap();
    assert_eq!(found.full_name.as_deref(), Some(odd));
}
