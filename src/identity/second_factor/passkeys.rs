//! Passkeys as records, and the use cases around the ceremony of [`super::passkey`].

use std::time::Duration;

use super::FactorError;
use crate::clock::Timestamp;
use crate::identity::{Identity, PasskeyId, StoreError, User, UserId};

/// A passkey as a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredPasskey {
    /// Names it in the API.
    pub id: PasskeyId,
    /// What its user calls it.
    pub name: String,
    /// The credential id, as the authenticator chose it.
    pub credential: Vec<u8>,
    /// The public key (COSE).
    pub key: Vec<u8>,
    /// The signature counter that was seen last.
    pub counter: u32,
    /// How the authenticator can be reached, as it says.
    pub transports: Vec<String>,
    /// Whether it can be on several devices.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// How long a challenge is good.
pub const CHALLENGE: Duration = Duration::from_mins(5);

impl Identity {
    pub(super) async fn passkey_is_right(
        &self,
        _user: UserId,
        _answer: &str,
        _now: Timestamp,
    ) -> Result<bool, FactorError> {
        Ok(false)
    }

    pub(in crate::identity) async fn user_by_passkey(
        &self,
        _answer: &str,
        _now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        Ok(None)
    }
}
