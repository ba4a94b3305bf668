//! Records in a known state.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use stormdoor::clock::Timestamp;
use stormdoor::identity::password::PasswordHash;
use stormdoor::identity::second_factor::Noted;
use stormdoor::identity::session::{Begun, KeptBy, NewSession, Timeouts};
use stormdoor::identity::user::{Addition, Change, Update, Updated};
use stormdoor::identity::{
    Client, Event, EventKind, NewRefreshToken, RefreshKey, RefreshTokenText, Session, Standing,
    StoreError, User, UserId, random,
};
use stormdoor::store::Stores;

/// When everything happens, unless said otherwise.
pub const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

pub const HOUR: Duration = Duration::from_hours(1);

pub const MINUTE: Duration = Duration::from_mins(1);

/// How long what happened is kept.
pub const KEEP: Duration = Duration::from_hours(400 * 24);

pub fn client() -> Client {
    Client::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), Some("curl/8.0"), "request-1")
}

pub fn event(kind: EventKind) -> Event {
    Event { at: NOW, kind, subject: None, session: None, actor: None, client: Some(client()) }
}

/// An active user, not stored yet.
pub fn user(name: &str) -> User {
    User {
        id: UserId::from_uuid(random::uuid_v7(NOW)),
        email: format!("{name}@example.org").parse().unwrap(),
        username: name.parse().unwrap(),
        full_name: None,
        password_hash: PasswordHash::from_text("$argon2id$old".to_owned()),
        roles: vec!["viewer".into()],
        grants: Vec::new(),
        standing: Standing::Active,
        email_verified_at: None,
        created_at: NOW,
        updated_at: NOW,
        last_login_at: None,
        epoch: 0,
    }
}

pub async fn a_user(stores: &Stores, name: &str) -> User {
    let user = user(name);
    stores
        .users
        .insert(&Addition::plain(user.clone(), event(EventKind::Registered)))
        .await
        .unwrap();
    user
}

/// A session of one hour without use and two in all, not stored yet, with its first refresh token of one hour.
pub fn new_session(user: &User) -> (NewSession, RefreshKey, RefreshTokenText) {
    let key = RefreshKey::generate();
    let token = RefreshTokenText::first(&key, NOW);
    let timeouts = Timeouts { idle: HOUR, absolute: 2 * HOUR };
    let session = Session::begin(user.id, &client(), timeouts, NOW);
    let refresh_token = new_token(&token, NOW + HOUR);
    (
        NewSession { session, kept_by: KeptBy::RefreshToken(refresh_token), if_new_client: None },
        key,
        token,
    )
}

pub fn new_token(token: &RefreshTokenText, expires_at: Timestamp) -> NewRefreshToken {
    NewRefreshToken {
        family: token.family,
        number: token.number,
        digest: token.digest(),
        expires_at,
    }
}

/// A signed-in user and what they hold.
pub struct SignedIn {
    pub user: User,
    pub session: Session,
    pub key: RefreshKey,
    pub token: RefreshTokenText,
}

impl SignedIn {
    /// The token after the first, ending an hour after `now`.
    pub fn successor(&self, now: Timestamp) -> NewRefreshToken {
        new_token(&self.token.successor(&self.key).unwrap(), now + HOUR)
    }
}

pub async fn a_signed_in_user(stores: &Stores, name: &str) -> SignedIn {
    let user = a_user(stores, name).await;
    let (new, key, token) = new_session(&user);
    let begun = stores.sessions.begin(&new, 0, &event(EventKind::SignedIn)).await.unwrap();
    assert_eq!(begun, Begun::Begun);
    SignedIn { user, session: new.session, key, token }
}

pub async fn insert(stores: &Stores, user: &User, kind: EventKind) -> Result<bool, StoreError> {
    stores.users.insert(&Addition::plain(user.clone(), event(kind))).await
}

/// A change with nothing else.
pub fn update(change: Change, kind: EventKind) -> Update {
    let event = event(kind);
    Update { change, epoch: None, redeem: None, keep: None, event, letters: Vec::new() }
}

/// Another standing, as an operator gives it. `None` when there is no such user.
pub async fn set_standing(stores: &Stores, id: UserId, standing: Standing) -> Option<User> {
    let update = update(Change::Standing(standing), EventKind::UserDisabled);
    match stores.users.update(id, &update).await.unwrap() {
        Updated::Done(user) => Some(*user),
        Updated::NoUser | Updated::Stale | Updated::TokenSpent => None,
    }
}

pub fn noted(kind: EventKind) -> Noted {
    Noted { event: event(kind), letters: Vec::new() }
}

/// A further session of somebody.
pub async fn a_signed_in_session(stores: &Stores, user: &User) -> Session {
    let (new, ..) = new_session(user);
    let begun = stores.sessions.begin(&new, user.epoch, &event(EventKind::SignedIn)).await.unwrap();
    assert_eq!(begun, Begun::Begun);
    new.session
}
