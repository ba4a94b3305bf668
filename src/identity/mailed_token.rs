//! Single-use tokens that travel by mail: proving an address, choosing a new password, accepting an invitation.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::letter::Letter;
use super::{Email, Purpose, SecretDigest, SecretText, StoreError, UserId};
use crate::clock::Timestamp;

/// Digest of a mailed token.
pub type MailedTokenDigest = SecretDigest;

/// A mailed token as a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewMailedToken {
    /// Digest of its text.
    pub digest: MailedTokenDigest,
    /// For whom; nobody yet for an invitation.
    pub user: Option<UserId>,
    /// What it is good for.
    pub meaning: Meaning,
    /// The user's epoch when it was made: a token from before a change of password is void.
    pub epoch: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// What a mailed token is good for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Meaning {
    /// Calls a change of address off, and ends every session: sent to the old address.
    CancelEmail {
        /// The old address.
        #[serde(with = "as_text")]
        email: Email,
        /// The new one, when the old one must agree to it first.
        #[serde(default, with = "as_text_if_any")]
        new: Option<Email>,
    },
    /// Proves the new address.
    ChangeEmail {
        /// The new address.
        #[serde(with = "as_text")]
        email: Email,
    },
    /// Makes an account.
    Invitation {
        /// For this address.
        #[serde(with = "as_text")]
        email: Email,
        /// With these roles.
        roles: Vec<Arc<str>>,
        /// The sign-in name of whoever invited.
        invited_by: String,
    },
    /// Sets a new password.
    ResetPassword,
    /// Proves the address.
    VerifyEmail,
}

impl Meaning {
    /// The name in the store.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CancelEmail { .. } => "cancel_email",
            Self::ChangeEmail { .. } => "change_email",
            Self::Invitation { .. } => "invitation",
            Self::ResetPassword => "reset_password",
            Self::VerifyEmail => "verify_email",
        }
    }
}

mod as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::identity::Email;

    pub(super) fn serialize<S: Serializer>(email: &Email, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(email.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Email, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod as_text_if_any {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::identity::Email;

    #[expect(clippy::ref_option, reason = "serde hands references to fields")]
    pub(super) fn serialize<S: Serializer>(
        email: &Option<Email>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        email.as_ref().map(Email::as_str).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Email>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

impl NewMailedToken {
    /// A fresh token, and the text to be mailed.
    pub fn generate(
        user: Option<UserId>,
        meaning: Meaning,
        epoch: i64,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> (Self, SecretText) {
        let text = SecretText::generate();
        let digest = text.digest(Purpose::Mail);
        (Self { digest, user, meaning, epoch, created_at: now, expires_at }, text)
    }
}

/// The need for stored mailed tokens. They are used up by the change that they are for: see
/// [`Update::redeem`](super::user::Update::redeem).
#[async_trait]
pub trait MailedTokens: Send + Sync {
    /// Keeps `token` and queues `letter`, if there is one. Older ones of the same user and kind are void from then on.
    async fn issue(
        &self,
        token: &NewMailedToken,
        letter: Option<&Letter>,
        event: &Event,
    ) -> Result<(), StoreError>;

    /// The token, when it is good at `now`.
    async fn find(
        &self,
        digest: &MailedTokenDigest,
        now: Timestamp,
    ) -> Result<Option<NewMailedToken>, StoreError>;

    /// Invitations that are good at `now`, newest first.
    async fn invitations(&self, now: Timestamp) -> Result<Vec<NewMailedToken>, StoreError>;

    /// Voids the invitation to `email`. False when there is none.
    async fn revoke_invitation(&self, email: &Email, event: &Event) -> Result<bool, StoreError>;
}
