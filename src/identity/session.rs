//! One sign-in, as a record: tokens come and go within it, and end with it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::event::{Client, Event};
use super::letter::Letter;
use super::{NewRefreshToken, SecretDigest, SessionId, StoreError, User, UserId, random};
use crate::clock::Timestamp;

/// One signed-in client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session {
    /// Names it in tokens (`sid`) and in the audit log. Not a secret.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When it was last used to get a token.
    pub last_seen_at: Timestamp,
    /// The absolute timeout: over then, however busy it is.
    pub expires_at: Timestamp,
    /// Over when it was not used for this long.
    pub idle_timeout: Duration,
    /// When and why it was ended, if it was.
    pub ended: Option<(Timestamp, EndReason)>,
    /// What the client called itself.
    pub user_agent: Option<Arc<str>>,
    /// Where it signed in from.
    pub client_address: Option<Arc<str>>,
    /// When a second factor was last given in it.
    pub second_factor_at: Option<Timestamp>,
    /// Whether it is a browser's, kept by cookie, or a program's, kept by tokens.
    pub kind: SessionKind,
}

/// How a session is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SessionKind {
    /// By a cookie.
    Browser,
    /// By refresh tokens.
    Tokens,
}

impl SessionKind {
    /// The name in the store and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Tokens => "tokens",
        }
    }
}

impl Session {
    /// A new session of `user` at `client`, beginning `now`.
    pub fn begin(user: UserId, client: &Client, timeouts: Timeouts, now: Timestamp) -> Self {
        Self {
            id: SessionId::from_uuid(random::uuid_v7(now)),
            user,
            created_at: now,
            last_seen_at: now,
            expires_at: now + timeouts.absolute,
            idle_timeout: timeouts.idle,
            ended: None,
            user_agent: client.user_agent.clone(),
            client_address: Some(client.address.to_string().into()),
            second_factor_at: None,
            kind: SessionKind::Tokens,
        }
    }

    /// Whether it can be used at `now`. Pure.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at && now < self.last_seen_at + self.idle_timeout
    }
}

/// How long a session may last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Without use.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

impl Timeouts {
    /// A session that lives by refresh tokens of life `refresh`: over when one was not used in its time, and
    /// at most 30 days old without signing in again (NIST SP 800-63B-4 §2.1.3).
    pub fn of_tokens(refresh: Duration) -> Self {
        Self { idle: refresh, absolute: refresh.max(Duration::from_hours(30 * 24)) }
    }
}

/// Why a session was ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndReason {
    /// Somebody with the right to do so ended it.
    EndedByAdmin,
    /// The user ended it from another one.
    EndedByUser,
    /// The password was changed.
    PasswordChanged,
    /// A refresh token of it was shown twice: one of two holders is a thief.
    Replay,
    /// The user signed out.
    SignOut,
    /// The user, or somebody for them, signed out everywhere.
    SignedOutEverywhere,
    /// The user was locked.
    UserDisabled,
}

impl EndReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::EndedByAdmin,
        Self::EndedByUser,
        Self::PasswordChanged,
        Self::Replay,
        Self::SignOut,
        Self::SignedOutEverywhere,
        Self::UserDisabled,
    ];

    /// The name in the store and in metrics; never changed once released.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EndedByAdmin => "ended_by_admin",
            Self::EndedByUser => "ended_by_user",
            Self::PasswordChanged => "password_changed",
            Self::Replay => "replay",
            Self::SignOut => "sign_out",
            Self::SignedOutEverywhere => "signed_out_everywhere",
            Self::UserDisabled => "user_disabled",
        }
    }

    /// The reason of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// A session to be begun, with what must become true in the same step.
#[derive(Debug)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// What keeps it.
    pub kept_by: KeptBy,
    /// Sent when the user signed in before, but never in what is still kept from a client like this: see
    /// [`is_new_client`].
    pub if_new_client: Option<Letter>,
}

/// Whether nobody of `known`, what earlier clients of a user called themselves, is like `present`. A later version of
/// the same program on the same system is like it, so digits do not count. Pure.
pub fn is_new_client<'a>(
    mut known: impl Iterator<Item = Option<&'a str>>,
    present: Option<&str>,
) -> bool {
    let alike = |one: &str, other: &str| {
        let shape = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        shape(one) == shape(other)
    };
    !known.any(|one| alike(one.unwrap_or_default(), present.unwrap_or_default()))
}

/// What keeps a new session.
#[derive(Debug)]
pub enum KeptBy {
    /// A cookie on one host.
    Cookie(NewCookie),
    /// A first refresh token.
    RefreshToken(NewRefreshToken),
}

/// A cookie of a session, good on one host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewCookie {
    /// Digest of its value.
    pub digest: SecretDigest,
    /// The host that it is good on.
    pub host: Arc<str>,
}

/// Whether a session began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begun {
    /// It did.
    Begun,
    /// The user was locked or removed meanwhile; nothing was written.
    NotAllowed,
}

/// A session by one of its cookies.
#[derive(Clone, Debug)]
pub struct ByCookie {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub user: User,
    /// The host that the cookie is good on.
    pub host: Arc<str>,
}

/// That a session was ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionEnd {
    /// Which.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
}

/// The need for stored sessions.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Begins a session: writes it, what keeps it, the user's last sign-in, `event` and the letter about a
    /// new client, if it is one; all or nothing, if the user is active and still has the epoch `epoch`.
    async fn begin(&self, new: &NewSession, epoch: i64, event: &Event)
    -> Result<Begun, StoreError>;

    /// The session of this id, ended or not.
    async fn find(&self, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// Sessions that were ended at `since` or later.
    async fn ended_since(&self, since: Timestamp) -> Result<Vec<SessionEnd>, StoreError>;

    /// The session, its user and its host, by a cookie's digest.
    async fn by_cookie(&self, digest: &SecretDigest) -> Result<Option<ByCookie>, StoreError>;

    /// Gives a session one more cookie, in place of `replaces` if that is one of it. False when the session is over.
    async fn add_cookie(
        &self,
        session: SessionId,
        cookie: &NewCookie,
        replaces: Option<&SecretDigest>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Notes that a second factor was given `now`. False when the session is over.
    async fn stepped_up(&self, session: SessionId, event: &Event) -> Result<bool, StoreError>;

    /// Notes when sessions were last used. Never earlier than what is noted already.
    async fn seen(&self, sessions: &[(SessionId, Timestamp)]) -> Result<(), StoreError>;

    /// The live sessions of a user at `now`, newest use first.
    async fn of_user(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError>;

    /// Live sessions at `now`, newest use first, and how many there are in all.
    async fn list(
        &self,
        now: Timestamp,
        skip: u32,
        limit: u32,
    ) -> Result<(Vec<Session>, u64), StoreError>;

    /// Ends every session of a user but `keep`; returns those that this call ended. `event` is recorded once, if any
    /// was ended.
    async fn end_all(
        &self,
        user: UserId,
        keep: Option<SessionId>,
        reason: EndReason,
        event: &Event,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// Ends a session and revokes its refresh tokens. True when this call did it: then `event` is recorded.
    async fn end(
        &self,
        id: SessionId,
        reason: EndReason,
        event: &Event,
    ) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn a_client_is_new_unless_one_like_it_was_there() {
        let old = "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0";
        let newer = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0";
        for (known, present, new) in [
            (vec![Some(old)], Some(newer), false),
            (vec![Some("curl/8.5.0"), Some(old)], Some("curl/8.14.1"), false),
            (vec![Some("curl/8.5.0")], Some(old), true),
            (vec![None], None, false),
            (vec![None], Some("curl/8"), true),
            (vec![], None, true),
        ] {
            assert_eq!(is_new_client(known.iter().copied(), present), new, "{known:?} {present:?}");
        }
    }

    #[test]
    fn when_a_session_is_over() {
        let client = Client::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Some("curl"), "r");
        let user = UserId::from_uuid(uuid::Uuid::nil());
        let timeouts =
            Timeouts { idle: Duration::from_secs(100), absolute: Duration::from_secs(250) };
        let at = Timestamp::from_secs;
        let fresh = Session::begin(user, &client, timeouts, at(0));
        let seen = |last: i64| Session { last_seen_at: at(last), ..fresh.clone() };
        let ended = Session { ended: Some((at(1), EndReason::SignOut)), ..fresh.clone() };
        for (session, now, live) in [
            (&fresh, 0, true),
            (&fresh, 99, true),
            (&fresh, 100, false),
            (&seen(90), 189, true),
            (&seen(200), 249, true),
            (&seen(200), 250, false),
            (&ended, 1, false),
        ] {
            assert_eq!(session.is_live(at(now)), live, "{session:?} at {now}");
        }
    }
}
