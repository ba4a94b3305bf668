use std::sync::Arc;
use std::time::Duration;

use futures::future;
use stormdoor::clock::Timestamp;
use stormdoor::identity::refresh_token::{Redeemed, RefreshTokenState};
use stormdoor::identity::{EndReason, EventKind, RefreshKey, RefreshTokenText, Standing};
use stormdoor::store::Stores;

use crate::given::{self, HOUR, NOW, SignedIn};

async fn redeem(stores: &Stores, held: &SignedIn, now: Timestamp) -> Redeemed {
    let digest = held.token.digest();
    stores.refresh_tokens.redeem(&digest, &held.successor(now), now).await.unwrap()
}

/// Thirty-two tabs wake up at once and present the same refresh token (RFC 9700 §4.14.2).
pub async fn concurrent_redemptions_have_exactly_one_winner(stores: &Stores) {
    let held = Arc::new(given::a_signed_in_user(stores, "ada").await);

    let attempts = (0..32).map(|_| {
        let (stores, held) = (stores.clone(), Arc::clone(&held));
        tokio::spawn(async move { redeem(&stores, &held, NOW).await })
    });
    let outcomes = future::try_join_all(attempts).await.unwrap();

    let won = |outcome: &&Redeemed| matches!(outcome, Redeemed::Rotated(_));
    let late = |outcome: &&Redeemed| {
        let redeemed = RefreshTokenState::Redeemed { at: NOW };
        matches!(outcome, Redeemed::Not(token) if token.state == redeemed)
    };
    assert_eq!(outcomes.iter().filter(won).count(), 1);
    assert_eq!(outcomes.iter().filter(late).count(), 31);
}

pub async fn a_rotation_leaves_one_current_token(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let later = NOW + Duration::from_mins(10);
    let Redeemed::Rotated(winner) = redeem(stores, &held, later).await else {
        panic!("a current token");
    };
    assert_eq!((winner.user.id, winner.session.id), (held.user.id, held.session.id));
    assert_eq!((winner.session.last_seen_at, winner.expires_at), (later, later + HOUR));

    let session = stores.sessions.find(held.session.id).await.unwrap().unwrap();
    assert_eq!(session.last_seen_at, later);
    let second = held.token.successor(&held.key).unwrap();
    let third = given::new_token(&second.successor(&held.key).unwrap(), later + HOUR);
    let next = stores.refresh_tokens.redeem(&second.digest(), &third, later).await.unwrap();
    assert!(matches!(next, Redeemed::Rotated(_)));
}

pub async fn a_token_is_worth_nothing_from_the_moment_it_expires(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let late = redeem(stores, &held, NOW + HOUR).await;
    assert!(matches!(late, Redeemed::Not(token) if token.state == RefreshTokenState::Current));
    let (family, number) = (held.token.family, held.token.number);
    let good_at = async |now| stores.refresh_tokens.holder(family, number, now).await.unwrap();
    assert!(good_at(NOW + HOUR).await.is_none());
    let just_in_time = NOW + HOUR - Duration::from_millis(1);
    assert!(good_at(just_in_time).await.is_some());
    assert!(matches!(redeem(stores, &held, just_in_time).await, Redeemed::Rotated(_)));
}

pub async fn a_token_of_an_ended_session_is_not_redeemed(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let event = given::event(EventKind::SignedOut);
    assert!(stores.sessions.end(held.session.id, EndReason::SignOut, &event).await.unwrap());
    let outcome = redeem(stores, &held, NOW).await;
    let revoked = RefreshTokenState::Revoked { at: NOW };
    assert!(matches!(outcome, Redeemed::Not(token) if token.state == revoked));
}

pub async fn a_token_of_a_locked_user_is_not_redeemed(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    given::set_standing(stores, held.user.id, Standing::Disabled).await.unwrap();
    assert!(matches!(redeem(stores, &held, NOW).await, Redeemed::Not(_)));
    // Unlocking does not bring old credentials back.
    given::set_standing(stores, held.user.id, Standing::Active).await.unwrap();
    assert!(matches!(redeem(stores, &held, NOW).await, Redeemed::Not(_)));
}

pub async fn an_unknown_token_is_unknown(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let other = RefreshTokenText::first(&held.key, NOW).digest();
    let next = held.successor(NOW);
    let outcome = stores.refresh_tokens.redeem(&other, &next, NOW).await.unwrap();
    assert!(matches!(outcome, Redeemed::Unknown));
}

pub async fn revoking_a_family_reaches_its_newest_token_and_its_session(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let bystander = given::a_signed_in_user(stores, "bob").await;
    assert!(matches!(redeem(stores, &held, NOW).await, Redeemed::Rotated(_)));

    let kind = EventKind::RefreshReplayed { family: held.token.family, number: 0 };
    let revoke = async || {
        let event = given::event(kind.clone());
        stores.refresh_tokens.revoke_family(held.token.family, &event).await.unwrap()
    };
    assert!(revoke().await);
    assert!(!revoke().await);

    let second = held.token.successor(&held.key).unwrap();
    let third = given::new_token(&second.successor(&held.key).unwrap(), NOW + HOUR);
    let newest = stores.refresh_tokens.redeem(&second.digest(), &third, NOW).await.unwrap();
    let revoked = RefreshTokenState::Revoked { at: NOW };
    assert!(matches!(newest, Redeemed::Not(token) if token.state == revoked));
    let session = stores.sessions.find(held.session.id).await.unwrap().unwrap();
    assert_eq!(session.ended, Some((NOW, EndReason::Replay)));
    assert!(matches!(redeem(stores, &bystander, NOW).await, Redeemed::Rotated(_)));

    let recorded = stores.events.latest(100).await.unwrap();
    let replays = recorded.iter().filter(|event| event.kind == "refresh_replayed").count();
    assert_eq!(replays, 1);
}

pub async fn the_successor_ends_with_the_session(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let mut next = held.successor(NOW);
    next.expires_at = NOW + 24 * HOUR;
    let outcome = stores.refresh_tokens.redeem(&held.token.digest(), &next, NOW).await.unwrap();
    let Redeemed::Rotated(holder) = outcome else {
        panic!("a current token");
    };
    assert_eq!(holder.expires_at, NOW + 2 * HOUR);
    let late = NOW + 2 * HOUR;
    let after = stores.refresh_tokens.holder(next.family, next.number, late).await.unwrap();
    assert!(after.is_none());
}

pub async fn every_node_gets_the_same_key(stores: &Stores) {
    let keys = (0..8).map(|_| stores.refresh_tokens.key(RefreshKey::generate()));
    let keys = future::try_join_all(keys).await.unwrap();
    let first = keys[0].expose_for_store();
    assert!(keys.iter().all(|key| key.expose_for_store() == first));
}
