//! Refresh tokens: opaque, rotated at each use, and a replay ends the family (RFC 9700 §4.14.2).
//!
//! Token `n` of a family is `HMAC-SHA256(key, family ‖ n)`, so any node can give the same successor again within
//! the grace period, without storing it. The store keeps digests only.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};
use uuid::Uuid;

use super::event::Event;
use super::{FamilyId, Session, SessionId, StoreError, User, random};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// One refresh token in a family. Redeeming it yields the next one and retires this one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefreshToken {
    /// All tokens descended from one sign-in.
    pub family: FamilyId,
    /// Its place in the family, from 0.
    pub number: u32,
    /// The session that it prolongs.
    pub session: SessionId,
    /// What became of it.
    pub state: RefreshTokenState,
    /// Worth nothing from then on.
    pub expires_at: Timestamp,
}

/// What became of a refresh token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefreshTokenState {
    /// Never used: the newest of its family.
    Current,
    /// Redeemed at `at`; the next number took its place.
    Redeemed {
        /// When.
        at: Timestamp,
    },
    /// Ended with its session.
    Revoked {
        /// When.
        at: Timestamp,
    },
}

/// What presenting a refresh token means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Redemption {
    /// Expired or revoked: refuse, with nothing else to do.
    Refuse,
    /// A second presentation within the grace period, as after a lost answer: give the same successor again.
    Repeat,
    /// A replay. One of two holders is a thief, so revoke the family (RFC 9700 §4.14.2).
    RevokeFamily,
    /// Issue the next token of the family.
    Rotate,
}

impl RefreshToken {
    /// How long the answer to a redemption may be asked for again.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// Judges this token. Pure: no clock, no store, so every row of the table below is a test.
    pub fn redeem(&self, now: Timestamp, grace: Duration) -> Redemption {
        match self.state {
            _ if now >= self.expires_at => Redemption::Refuse,
            RefreshTokenState::Current => Redemption::Rotate,
            RefreshTokenState::Redeemed { at } if now < at + grace => Redemption::Repeat,
            RefreshTokenState::Redeemed { .. } => Redemption::RevokeFamily,
            RefreshTokenState::Revoked { .. } => Redemption::Refuse,
        }
    }
}

/// A refresh token as its holder has it: base64url of family, number and MAC. Whoever holds it may prolong the
/// session.
#[derive(Debug)]
pub struct RefreshTokenText {
    /// Which family.
    pub family: FamilyId,
    /// Which token of it.
    pub number: u32,
    mac: Secret<[u8; MAC_BYTES]>,
}

const MAC_BYTES: usize = 32;
const FAMILY_BYTES: usize = 16;
const NUMBER_BYTES: usize = 4;

/// The text is no refresh token of ours. Nothing needs to be looked up to know that.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a refresh token of ours")]
pub struct NotOurs;

impl RefreshTokenText {
    /// The first token of a new family.
    pub fn first(key: &RefreshKey, now: Timestamp) -> Self {
        Self::derive(key, FamilyId::from_uuid(random::uuid_v7(now)), 0)
    }

    /// Token `number` of `family`.
    pub fn derive(key: &RefreshKey, family: FamilyId, number: u32) -> Self {
        let tag = hmac::sign(&key.for_hmac(), &message(family, number));
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(tag.as_ref());
        Self { family, number, mac: Secret::new(mac) }
    }

    /// The token after this one; none after the last of 2³².
    pub fn successor(&self, key: &RefreshKey) -> Option<Self> {
        Some(Self::derive(key, self.family, self.number.checked_add(1)?))
    }

    /// Reads what a client sent. Whatever we did not make ends here, before any look-up.
    ///
    /// # Errors
    ///
    /// [`NotOurs`] for anything but a token made with `key`.
    pub fn read(key: &RefreshKey, text: &str) -> Result<Self, NotOurs> {
        const BYTES: usize = FAMILY_BYTES + NUMBER_BYTES + MAC_BYTES;
        let mut bytes = [0; BYTES + 2];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| NotOurs)?;
        let bytes = bytes.get(..length).ok_or(NotOurs)?;
        let (family, rest) = bytes.split_first_chunk::<FAMILY_BYTES>().ok_or(NotOurs)?;
        let (number, rest) = rest.split_first_chunk::<NUMBER_BYTES>().ok_or(NotOurs)?;
        let mac: [u8; MAC_BYTES] = rest.try_into().map_err(|_| NotOurs)?;
        let family = FamilyId::from_uuid(Uuid::from_bytes(*family));
        let number = u32::from_be_bytes(*number);
        hmac::verify(&key.for_hmac(), &message(family, number), &mac).map_err(|_| NotOurs)?;
        Ok(Self { family, number, mac: Secret::new(mac) })
    }

    /// What the store looks tokens up by.
    pub fn digest(&self) -> RefreshTokenDigest {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&message(self.family, self.number));
        context.update(self.mac.expose());
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        RefreshTokenDigest(digest)
    }

    /// The one way out, for the client that may have it.
    pub fn expose_for_client(&self) -> Secret<String> {
        let mut bytes = message(self.family, self.number).to_vec();
        bytes.extend_from_slice(self.mac.expose());
        let bytes = Secret::new(bytes);
        Secret::new(URL_SAFE_NO_PAD.encode(bytes.expose()))
    }
}

fn message(family: FamilyId, number: u32) -> [u8; FAMILY_BYTES + NUMBER_BYTES] {
    let mut message = [0; FAMILY_BYTES + NUMBER_BYTES];
    let (first, last) = message.split_at_mut(FAMILY_BYTES);
    first.copy_from_slice(family.as_uuid().as_bytes());
    last.copy_from_slice(&number.to_be_bytes());
    message
}

/// SHA-256 of a refresh token. Of no use to whoever steals it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RefreshTokenDigest([u8; 32]);

impl RefreshTokenDigest {
    /// The digest with this value, as read back from a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The value, for a store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What refresh tokens are made with. All nodes have the same one, from the store.
#[derive(Clone, Debug)]
pub struct RefreshKey(Secret<[u8; 32]>);

impl RefreshKey {
    /// A key that nobody has yet.
    pub fn generate() -> Self {
        Self(Secret::new(random::bytes()))
    }

    /// The key with this value, as read back from a store.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The way out, for the store.
    pub fn expose_for_store(&self) -> &[u8; 32] {
        self.0.expose()
    }

    pub(super) fn for_hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.expose())
    }
}

/// A refresh token to be written, current.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewRefreshToken {
    /// Its family.
    pub family: FamilyId,
    /// Its place in it.
    pub number: u32,
    /// What it is looked up by.
    pub digest: RefreshTokenDigest,
    /// Worth nothing from then on; never later than the session.
    pub expires_at: Timestamp,
}

/// What became of an attempt to redeem.
#[derive(Clone, Debug)]
pub enum Redeemed {
    /// It was not current: this is what it is. Nothing was written.
    Not(RefreshToken),
    /// This attempt won: the successor is written, and nobody else can win.
    Rotated(Box<Holder>),
    /// No such token, or its session is over or its user may not sign in. Nothing was written.
    Unknown,
}

/// Whose refresh token it is.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The user, active.
    pub user: User,
    /// The session, live.
    pub session: Session,
    /// When the successor ends.
    pub expires_at: Timestamp,
}

/// The need for stored refresh tokens.
#[async_trait]
pub trait RefreshTokens: Send + Sync {
    /// The key of this installation: `candidate`, if there was none before.
    async fn key(&self, candidate: RefreshKey) -> Result<RefreshKey, StoreError>;

    /// Redeems the token of this digest and writes `successor` in one atomic step, if it is current and not
    /// expired at `now` and its session and user are good. The session counts as used at `now`; the successor
    /// ends with the session at the latest.
    async fn redeem(
        &self,
        digest: &RefreshTokenDigest,
        successor: &NewRefreshToken,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError>;

    /// Whose token `number` of `family` is, if its session is live at `now` and its user active: for giving
    /// the same successor again.
    async fn holder(
        &self,
        family: FamilyId,
        number: u32,
        now: Timestamp,
    ) -> Result<Option<Holder>, StoreError>;

    /// Revokes all tokens of a family and ends its session. True when this call did it: then `event` is recorded.
    async fn revoke_family(&self, family: FamilyId, event: &Event) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ISSUED: i64 = 1_000_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(ISSUED + millis)
    }

    fn token(state: RefreshTokenState) -> RefreshToken {
        let nil = Uuid::nil();
        RefreshToken {
            family: FamilyId::from_uuid(nil),
            number: 3,
            session: SessionId::from_uuid(nil),
            state,
            expires_at: at(100_000),
        }
    }

    #[test]
    fn what_presenting_a_refresh_token_means() {
        let redeemed = RefreshTokenState::Redeemed { at: at(1_000) };
        let revoked = RefreshTokenState::Revoked { at: at(1_000) };
        let late = RefreshTokenState::Redeemed { at: at(99_000) };
        for (state, now, redemption) in [
            (RefreshTokenState::Current, 0, Redemption::Rotate),
            (RefreshTokenState::Current, 99_999, Redemption::Rotate),
            (RefreshTokenState::Current, 100_000, Redemption::Refuse),
            (redeemed, 1_000, Redemption::Repeat),
            (redeemed, 10_999, Redemption::Repeat),
            (redeemed, 11_000, Redemption::RevokeFamily),
            (redeemed, 99_999, Redemption::RevokeFamily),
            (redeemed, 100_000, Redemption::Refuse),
            (late, 100_001, Redemption::Refuse),
            (revoked, 1_001, Redemption::Refuse),
            (revoked, 50_000, Redemption::Refuse),
        ] {
            let found = token(state).redeem(at(now), RefreshToken::GRACE);
            assert_eq!(found, redemption, "{state:?} at {now}");
        }
    }

    #[test]
    fn every_node_derives_the_same_successor() {
        let key = RefreshKey::generate();
        let other_node = RefreshKey::from_bytes(*key.expose_for_store());
        let first = RefreshTokenText::first(&key, at(0));
        let text = |token: &RefreshTokenText| token.expose_for_client().expose().clone();
        let one = first.successor(&key).expect("a second");
        let other = first.successor(&other_node).expect("a second");
        assert_eq!(text(&one), text(&other));
        assert_eq!(one.digest(), other.digest());
        assert_ne!(one.digest(), first.digest());
        assert_eq!(text(&one).len(), 70);
        let last = RefreshTokenText::derive(&key, first.family, u32::MAX);
        assert!(last.successor(&key).is_none());
    }

    #[test]
    fn only_a_token_made_with_our_key_is_read() {
        let (key, foreign) = (RefreshKey::generate(), RefreshKey::generate());
        let token = RefreshTokenText::first(&key, at(0));
        let text = token.expose_for_client();
        let read = RefreshTokenText::read(&key, text.expose()).expect("our token");
        assert_eq!((read.family, read.number), (token.family, token.number));
        assert_eq!(read.digest(), token.digest());
        assert!(RefreshTokenText::read(&foreign, text.expose()).is_err());
        assert!(RefreshTokenText::read(&key, &format!("{}A", text.expose())).is_err());
        assert!(RefreshTokenText::read(&key, "").is_err());
        assert!(RefreshTokenText::read(&key, &"A".repeat(10_000)).is_err());
        for position in 0..text.expose().len() {
            let mut forged = text.expose().clone().into_bytes();
            forged[position] = if forged[position] == b'A' { b'Q' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ASCII");
            assert!(RefreshTokenText::read(&key, &forged).is_err(), "{position}");
        }
    }

    proptest! {
        #[test]
        fn reading_anything_never_panics(text in "[A-Za-z0-9_=+/. -]{0,120}") {
            let _ = RefreshTokenText::read(&RefreshKey::from_bytes([7; 32]), &text);
        }
    }
}
