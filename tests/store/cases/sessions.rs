use std::time::Duration;

use stormdoor::identity::password::PasswordHash;
use stormdoor::identity::refresh_token::Redeemed;
use stormdoor::identity::session::{Begun, SessionEnd};
use stormdoor::identity::{EndReason, EventKind, Standing};
use stormdoor::store::Stores;

use crate::given::{self, HOUR, NOW};

fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_text(text.to_owned())
}

pub async fn a_begun_session_is_found_as_it_was(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let found = stores.sessions.find(held.session.id).await.unwrap();
    assert_eq!(found, Some(held.session));
    let user = stores.users.find(held.user.id).await.unwrap().unwrap();
    assert_eq!(user.last_login_at, Some(NOW));
}

pub async fn a_session_of_a_locked_user_does_not_begin(stores: &Stores) {
    let user = given::a_user(stores, "ada").await;
    let event = given::event(EventKind::UserDisabled);
    let locked = stores.users.set_standing(user.id, Standing::Disabled, &event).await.unwrap();
    let epoch = locked.unwrap().epoch;
    let (new, ..) = given::new_session(&user);
    let event = given::event(EventKind::SignedIn);
    let begun = stores.sessions.begin(&new, epoch, &event).await.unwrap();
    assert_eq!(begun, Begun::NotAllowed);
    assert_eq!(stores.sessions.find(new.session.id).await.unwrap(), None);
}

/// The password was right when it was checked, but the user was locked and unlocked meanwhile.
pub async fn a_session_does_not_begin_after_a_change_of_epoch(stores: &Stores) {
    let user = given::a_user(stores, "ada").await;
    let event = given::event(EventKind::UserDisabled);
    for standing in [Standing::Disabled, Standing::Active] {
        stores.users.set_standing(user.id, standing, &event).await.unwrap().unwrap();
    }
    let (new, ..) = given::new_session(&user);
    let begun = stores.sessions.begin(&new, user.epoch, &event).await.unwrap();
    assert_eq!(begun, Begun::NotAllowed);
}

pub async fn a_hash_that_changed_meanwhile_is_not_replaced(stores: &Stores) {
    let user = given::a_user(stores, "ada").await;
    let event = given::event(EventKind::SignedIn);
    for (old, fresh, stored) in [
        ("$another", "$too late", "$argon2id$old"),
        ("$argon2id$old", "$argon2id$new", "$argon2id$new"),
    ] {
        let (mut new, ..) = given::new_session(&user);
        new.rehash = Some((hash(old), hash(fresh)));
        assert_eq!(stores.sessions.begin(&new, 0, &event).await.unwrap(), Begun::Begun);
        let found = stores.users.find(user.id).await.unwrap().unwrap();
        assert_eq!(found.password_hash.expose_for_store(), stored);
    }
}

pub async fn ending_a_session_twice_does_it_once(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let event = given::event(EventKind::SignedOut);
    let end = async || stores.sessions.end(held.session.id, EndReason::SignOut, &event).await;
    assert!(end().await.unwrap());
    assert!(!end().await.unwrap());
    let recorded = stores.events.latest(100).await.unwrap();
    assert_eq!(recorded.iter().filter(|event| event.kind == "signed_out").count(), 1);
    let session = stores.sessions.find(held.session.id).await.unwrap().unwrap();
    assert_eq!(session.ended, Some((NOW, EndReason::SignOut)));
}

pub async fn ends_are_told_from_an_instant_on(stores: &Stores) {
    let ada = given::a_signed_in_user(stores, "ada").await;
    let bob = given::a_signed_in_user(stores, "bob").await;
    let event = given::event(EventKind::SignedOut);
    stores.sessions.end(ada.session.id, EndReason::SignOut, &event).await.unwrap();
    let end = SessionEnd { session: ada.session.id, at: NOW };
    let since = async |since| stores.sessions.ended_since(since).await.unwrap();
    assert_eq!(since(NOW).await, [end]);
    assert_eq!(since(NOW + Duration::from_millis(1)).await, []);
    let event = given::event(EventKind::UserDisabled);
    stores.users.set_standing(bob.user.id, Standing::Disabled, &event).await.unwrap();
    assert_eq!(since(NOW).await.len(), 2);
}

pub async fn locking_a_user_ends_the_sessions_of_that_user_only(stores: &Stores) {
    let (ada, bob) = (
        given::a_signed_in_user(stores, "ada").await,
        given::a_signed_in_user(stores, "bob").await,
    );
    let event = given::event(EventKind::UserDisabled);
    let user = stores.users.set_standing(ada.user.id, Standing::Disabled, &event).await.unwrap();
    assert_eq!(user.map(|user| (user.is_active(), user.epoch)), Some((false, 1)));
    let ended = async |id| stores.sessions.find(id).await.unwrap().unwrap().ended;
    assert_eq!(ended(ada.session.id).await, Some((NOW, EndReason::UserDisabled)));
    assert_eq!(ended(bob.session.id).await, None);
    let next = bob.successor(NOW);
    let bobs = stores.refresh_tokens.redeem(&bob.token.digest(), &next, NOW).await.unwrap();
    assert!(matches!(bobs, Redeemed::Rotated(_)));
}

pub async fn what_is_long_over_is_tidied_away(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    assert_eq!(stores.tidy(NOW + 2 * HOUR).await.unwrap(), 0);
    assert_eq!(stores.tidy(NOW + 26 * HOUR).await.unwrap(), 1, "the refresh token");
    assert!(stores.sessions.find(held.session.id).await.unwrap().is_some());
    assert_eq!(stores.tidy(NOW + 31 * 24 * HOUR).await.unwrap(), 1, "the session");
    assert!(stores.users.find(held.user.id).await.unwrap().is_some());
    stores.ping().await.unwrap();
}
