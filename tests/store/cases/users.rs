use std::sync::Arc;

use futures::future;
use stormdoor::identity::mailed_token::{Meaning, NewMailedToken};
use stormdoor::identity::password::PasswordHash;
use stormdoor::identity::user::{Addition, Change, Grant, Update, Updated, UserQuery};
use stormdoor::identity::{
    EndReason, EventKind, Letter, LetterKind, SignInName, Standing, StoreError,
};
use stormdoor::store::Stores;

use crate::given::{self, HOUR, NOW};

pub async fn a_user_is_read_back_as_it_was(stores: &Stores) {
    let mut ada = given::user("ada");
    ada.roles = vec!["developer".into(), "viewer".into()];
    ada.last_login_at = Some(NOW);
    ada.email_verified_at = Some(NOW);
    ada.standing = Standing::AwaitingApproval;
    ada.grants = vec![
        Grant { permission: "files:read".parse().unwrap(), until: Some(NOW) },
        Grant { permission: "mail:*".parse().unwrap(), until: None },
    ];
    ada.epoch = 7;
    given::insert(stores, &ada, EventKind::Registered).await.unwrap();
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
    assert!(given::set_standing(stores, nobody.id, Standing::Disabled).await.is_none());
    let event = given::event(EventKind::UserErased);
    assert!(!stores.users.erase(nobody.id, &event).await.unwrap());
    assert!(stores.events.latest(1).await.unwrap().is_empty());
}

pub async fn addresses_and_names_are_unique(stores: &Stores) {
    given::a_user(stores, "ada").await;
    let mut same_name = given::user("ada");
    same_name.email = "other@example.org".parse().unwrap();
    let mut same_email = given::user("ada");
    same_email.username = "other".parse().unwrap();
    for (user, wanted) in [(same_name, "username"), (same_email, "email")] {
        let refused = given::insert(stores, &user, EventKind::Registered).await;
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
    given::insert(stores, &ada, EventKind::Registered).await.unwrap();
    let found = stores.users.find_by_name(&SignInName::Email(ada.email)).await.unwrap().unwrap();
    assert_eq!(found.full_name.as_deref(), Some(odd));
}

fn password(text: &str) -> Change {
    Change::Password(PasswordHash::from_text(text.to_owned()))
}

pub async fn a_change_is_all_or_nothing(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let other = given::a_signed_in_session(stores, &held.user).await;
    let letter =
        Letter { to: held.user.email.clone(), name: None, kind: LetterKind::PasswordChanged };
    let update = Update {
        keep: Some(held.session.id),
        letters: vec![letter],
        ..given::update(password("$new"), EventKind::PasswordChanged)
    };

    let stale = Update { epoch: Some(99), ..update.clone() };
    let found = stores.users.update(held.user.id, &stale).await.unwrap();
    assert!(matches!(found, Updated::Stale));
    assert_eq!(stores.letters.waiting().await.unwrap().0, 0);

    let fresh = Update { epoch: Some(0), ..update };
    let Updated::Done(user) = stores.users.update(held.user.id, &fresh).await.unwrap() else {
        panic!("not updated");
    };
    assert_eq!((user.epoch, user.password_hash.expose_for_store()), (1, "$new"));
    let ended = async |id| stores.sessions.find(id).await.unwrap().unwrap().ended;
    assert_eq!(ended(held.session.id).await, None, "the one that is kept");
    assert_eq!(ended(other.id).await, Some((NOW, EndReason::PasswordChanged)));
    assert_eq!(stores.letters.waiting().await.unwrap().0, 1);
    assert_eq!(stores.events.latest(1).await.unwrap()[0].kind, "password_changed");
}

pub async fn a_hash_that_changed_meanwhile_is_not_replaced(stores: &Stores) {
    let user = given::a_user(stores, "ada").await;
    let hash = |text: &str| PasswordHash::from_text(text.to_owned());
    for (old, fresh, stored) in [
        ("$another", "$too late", "$argon2id$old"),
        ("$argon2id$old", "$argon2id$new", "$argon2id$new"),
    ] {
        stores.users.rehash(user.id, &hash(old), &hash(fresh)).await.unwrap();
        let found = stores.users.find(user.id).await.unwrap().unwrap();
        assert_eq!(found.password_hash.expose_for_store(), stored);
    }
}

pub async fn users_are_listed_by_what_is_asked(stores: &Stores) {
    for name in ["ada", "bob", "eve%"] {
        let mut user = given::user(&name.replace('%', ""));
        user.full_name = Some(format!("Full {name}"));
        if name == "bob" {
            user.roles = vec!["developer".into()];
            user.standing = Standing::Disabled;
        }
        given::insert(stores, &user, EventKind::UserAdded).await.unwrap();
    }
    let all = UserQuery { limit: 10, ..UserQuery::default() };
    let search = |text: &str| UserQuery { search: Some(text.to_owned()), ..all.clone() };
    for (query, names, total) in [
        (all.clone(), "ada bob eve", 3),
        (UserQuery { skip: 3, ..all.clone() }, "", 3),
        (search("BOB@ex"), "bob", 1),
        (search("full"), "ada bob eve", 3),
        (search("%"), "eve", 1),
        (search("_"), "", 0),
        (search("\\"), "", 0),
        (UserQuery { standing: Some(Standing::Disabled), ..all.clone() }, "bob", 1),
        (UserQuery { role: Some("viewer".into()), ..all.clone() }, "ada eve", 2),
        (UserQuery { role: Some("view".into()), ..all.clone() }, "", 0),
    ] {
        let (found, count) = stores.users.list(&query).await.unwrap();
        let mut found: Vec<_> = found.iter().map(|user| user.username.as_str()).collect();
        // Made in the same millisecond, so in any order.
        found.sort_unstable();
        assert_eq!((found.join(" ").as_str(), count), (names, total), "{query:?}");
    }
}

pub async fn erasing_takes_everything_but_the_record_of_it(stores: &Stores) {
    let held = given::a_signed_in_user(stores, "ada").await;
    let event = given::event(EventKind::UserErased);
    assert!(stores.users.erase(held.user.id, &event).await.unwrap());
    assert!(stores.users.find(held.user.id).await.unwrap().is_none());
    assert!(stores.sessions.find(held.session.id).await.unwrap().is_none());
    assert_eq!(stores.events.latest(1).await.unwrap()[0].kind, "user_erased");
}

/// The race that decides whether a mailed link works once.
pub async fn of_fifty_uses_of_one_mailed_link_one_wins(stores: &Stores) {
    let user = given::a_user(stores, "ada").await;
    let (token, _text) =
        NewMailedToken::generate(Some(user.id), Meaning::ResetPassword, 0, NOW, NOW + HOUR);
    let asked = given::event(EventKind::PasswordResetAsked);
    stores.mailed_tokens.issue(&token, None, &asked).await.unwrap();
    let attempts = (0..50).map(|number| {
        let (stores, digest, id) = (stores.clone(), token.digest, user.id);
        tokio::spawn(async move {
            let change = password(&format!("$by {number}"));
            let update =
                Update { redeem: Some(digest), ..given::update(change, EventKind::PasswordReset) };
            matches!(stores.users.update(id, &update).await.unwrap(), Updated::Done(_))
        })
    });
    let won = future::try_join_all(attempts).await.unwrap();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let user = stores.users.find(user.id).await.unwrap().unwrap();
    assert_eq!(user.epoch, 1, "one change");
}

pub async fn of_fifty_uses_of_one_invitation_one_wins(stores: &Stores) {
    let meaning = Meaning::Invitation {
        email: "eve@example.org".parse().unwrap(),
        roles: vec!["viewer".into()],
        invited_by: "ada".into(),
    };
    let (token, _text) = NewMailedToken::generate(None, meaning, 0, NOW, NOW + HOUR);
    let event = given::event(EventKind::Invited { roles: vec![] });
    stores.mailed_tokens.issue(&token, None, &event).await.unwrap();
    let good = stores.mailed_tokens.invitations(NOW).await.unwrap();
    assert_eq!(good, std::slice::from_ref(&token));
    let attempts = (0..50).map(|number| {
        let (stores, digest) = (stores.clone(), token.digest);
        tokio::spawn(async move {
            let user = given::user(&format!("eve{number}"));
            let plain = Addition::plain(user, given::event(EventKind::Registered));
            stores.users.insert(&Addition { redeem: Some(digest), ..plain }).await.unwrap()
        })
    });
    let won = future::try_join_all(attempts).await.unwrap();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let all = UserQuery { limit: 100, role: Some(Arc::from("viewer")), ..UserQuery::default() };
    assert_eq!(stores.users.list(&all).await.unwrap().1, 1);
    assert!(stores.mailed_tokens.invitations(NOW).await.unwrap().is_empty());
}
