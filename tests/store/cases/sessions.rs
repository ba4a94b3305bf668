use std::time::Duration;

use stormdoor::identity::refresh_token::Redeemed;
use stormdoor::identity::session::{Begun, NewCookie, SessionEnd};
use stormdoor::identity::{
    EndReason, EventKind, Letter, LetterKind, Purpose, SecretText, Standing,
};
use stormdoor::store::Stores;

use crate::given::{self, HOUR, KEEP, NOW};

pub async fn a_begun_session_is_found_as_it_was(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let found = stores.sessions.find(held.session.id).await.unwrap();
    assert_eq!(found, Some(held.session));
    let user = stores.users.find(held.user.id).await.unwrap().unwrap();
    assert_eq!(user.last_login_at, Some(NOW));
}

pub async fn a_letter_about_a_new_client_is_written_with_its_session(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let kind = LetterKind::PasswordChanged;
    let letter = Letter { to: held.user.email.clone(), name: None, kind };
    let begin = async |agent: &str| {
        let (mut new, ..) = given::new_session(&held.user);
        new.session.user_agent = Some(agent.into());
        new.if_new_client = Some(letter.clone());
        let event = given::event(EventKind::SignedIn);
        stores.sessions.begin(&new, held.user.epoch, &event).await.unwrap();
        stores.letters.take_due(NOW, HOUR, 10).await.unwrap().len()
    };
    // As the sessions of `given`, but another version.
    assert_eq!(begin("curl/9.1").await, 0);
    assert_eq!(begin("Firefox/140").await, 1);
    assert_eq!(begin("Firefox/141").await, 0);
}

pub async fn a_session_of_a_locked_user_does_not_begin(stores: &Stores) {
    let user = given::a_user(stores, "ada").await;
    let locked = given::set_standing(stores, user.id, Standing::Disabled).await;
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
    for standing in [Standing::Disabled, Standing::Active] {
        given::set_standing(stores, user.id, standing).await.unwrap();
    }
    let (new, ..) = given::new_session(&user);
    let event = given::event(EventKind::SignedIn);
    let begun = stores.sessions.begin(&new, user.epoch, &event).await.unwrap();
    assert_eq!(begun, Begun::NotAllowed);
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
    given::set_standing(stores, bob.user.id, Standing::Disabled).await.unwrap();
    assert_eq!(since(NOW).await.len(), 2);
}

pub async fn locking_a_user_ends_the_sessions_of_that_user_only(stores: &Stores) {
    let (ada, bob) = (
        given::a_signed_in_user(stores, "ada").await,
        given::a_signed_in_user(stores, "bob").await,
    );
    let user = given::set_standing(stores, ada.user.id, Standing::Disabled).await;
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
    assert_eq!(stores.tidy(NOW + 2 * HOUR, KEEP).await.unwrap(), 0);
    assert_eq!(stores.tidy(NOW + 26 * HOUR, KEEP).await.unwrap(), 1, "the refresh token");
    assert!(stores.sessions.find(held.session.id).await.unwrap().is_some());
    assert_eq!(stores.tidy(NOW + 31 * 24 * HOUR, KEEP).await.unwrap(), 1, "the session");
    assert!(stores.users.find(held.user.id).await.unwrap().is_some());
    stores.ping().await.unwrap();
}

pub async fn a_session_has_one_cookie_for_each_host(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let id = held.session.id;
    let cookie = |host: &str| {
        let digest = SecretText::generate().digest(Purpose::Cookie);
        NewCookie { digest, host: host.into() }
    };
    let (first, second, elsewhere) = (cookie("a"), cookie("a"), cookie("b"));
    for cookie in [&first, &elsewhere, &second] {
        assert!(stores.sessions.add_cookie(id, cookie, None, NOW).await.unwrap());
    }
    let found = stores.sessions.by_cookie(&second.digest).await.unwrap().unwrap();
    assert_eq!((found.session.id, &*found.host), (id, "a"));
    assert_eq!(found.user.id, held.user.id);
    assert!(stores.sessions.by_cookie(&elsewhere.digest).await.unwrap().is_some());
    assert!(stores.sessions.by_cookie(&first.digest).await.unwrap().is_none(), "replaced");

    let event = given::event(EventKind::SignedOut);
    stores.sessions.end(id, EndReason::SignOut, &event).await.unwrap();
    let found = stores.sessions.by_cookie(&second.digest).await.unwrap().unwrap();
    assert!(!found.session.is_live(NOW));
    assert!(!stores.sessions.add_cookie(id, &cookie("c"), None, NOW).await.unwrap());
}

pub async fn uses_are_noted_and_never_go_back(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let id = held.session.id;
    let later = NOW + HOUR / 2;
    stores.sessions.seen(&[(id, later)]).await.unwrap();
    stores.sessions.seen(&[(id, NOW)]).await.unwrap();
    assert_eq!(stores.sessions.find(id).await.unwrap().unwrap().last_seen_at, later);
}

pub async fn live_sessions_are_listed_by_their_last_use(stores: &Stores) {
    let ada = given::a_signed_in_user(stores, "ada").await;
    let second = given::a_signed_in_session(stores, &ada.user).await;
    let bob = given::a_signed_in_user(stores, "bob").await;
    stores.sessions.seen(&[(second.id, NOW + HOUR / 2)]).await.unwrap();
    let ids = |sessions: Vec<stormdoor::identity::Session>| -> Vec<_> {
        sessions.into_iter().map(|session| session.id).collect()
    };
    let of_ada = async |now| ids(stores.sessions.of_user(ada.user.id, now).await.unwrap());
    assert_eq!(of_ada(NOW).await, [second.id, ada.session.id]);
    assert_eq!(of_ada(NOW + HOUR).await, [second.id], "the other was idle for too long");
    assert!(of_ada(NOW + 2 * HOUR).await.is_empty());
    let (page, total) = stores.sessions.list(NOW, 1, 1).await.unwrap();
    assert_eq!((page.len(), total), (1, 3));

    let event = given::event(EventKind::SignedOutEverywhere);
    let (reason, keep) = (EndReason::SignedOutEverywhere, Some(second.id));
    let ended = stores.sessions.end_all(ada.user.id, keep, reason, &event).await.unwrap();
    assert_eq!(ended, [ada.session.id]);
    assert_eq!(of_ada(NOW).await, [second.id]);
    assert!(stores.sessions.find(bob.session.id).await.unwrap().unwrap().ended.is_none());
}

pub async fn a_second_factor_is_noted_in_a_live_session_only(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let event = given::event(EventKind::SignedOut);
    assert!(stores.sessions.stepped_up(held.session.id, &event).await.unwrap());
    let found = stores.sessions.find(held.session.id).await.unwrap().unwrap();
    assert_eq!(found.second_factor_at, Some(NOW));
    stores.sessions.end(held.session.id, EndReason::SignOut, &event).await.unwrap();
    assert!(!stores.sessions.stepped_up(held.session.id, &event).await.unwrap());
}
