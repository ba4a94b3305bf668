//! The first admin: made once, by whoever can read the code that the first start printed, and never again.

use std::str::FromStr;

use async_trait::async_trait;
use ring::digest;

use super::event::{Client, Event, EventKind};
use super::password::{Busy, Weakness};
use super::registration::InvalidField;
use super::service::NewUser;
use super::{Identity, StoreError, User, base32, random};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// The one-time code of the first-run setup: 160 random bits.
pub struct SetupCode(Secret<[u8; 20]>);

impl SetupCode {
    fn generate() -> Self {
        Self(Secret::new(random::bytes()))
    }

    fn digest(&self) -> SetupDigest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, self.0.expose()).as_ref());
        SetupDigest(bytes)
    }

    /// The one way out, for the operator's terminal: eight groups of four characters.
    pub fn expose_for_terminal(&self) -> Secret<String> {
        base32::write_for_people(self.0.expose())
    }
}

impl std::fmt::Debug for SetupCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SetupCode(..)")
    }
}

/// The text is no setup code.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a setup code")]
pub struct NotASetupCode;

/// Reads a code in any case, with or without its dashes; `O` is zero, `I` and `L` are one.
impl FromStr for SetupCode {
    type Err = NotASetupCode;

    fn from_str(text: &str) -> Result<Self, NotASetupCode> {
        base32::read_from_people(text).map(Self).map_err(|_| NotASetupCode)
    }
}

/// SHA-256 of a setup code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SetupDigest([u8; 32]);

impl SetupDigest {
    /// The digest with this value, as read back from a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The value, for a store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Whether the first admin can still be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetupState {
    /// There was an admin once. For ever.
    Closed,
    /// Not yet; the code with this digest makes one.
    Open(Option<SetupDigest>),
}

/// What became of making the first admin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetupOutcome {
    /// Somebody was first; nothing was written.
    Closed,
    /// The user was written and the setup closed.
    Completed,
    /// The code is another one by now; nothing was written.
    WrongCode,
}

/// The need for a stored first-run setup.
#[async_trait]
pub trait Setup: Send + Sync {
    /// Whether it is open.
    async fn state(&self) -> Result<SetupState, StoreError>;

    /// Makes this the code, unless the setup is closed. True when it is open.
    async fn offer(&self, code: &SetupDigest, now: Timestamp) -> Result<bool, StoreError>;

    /// Writes `user` and `event` and closes the setup for ever, in one step, if this is the code.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] on the user; then the setup stays open.
    async fn complete(
        &self,
        code: &SetupDigest,
        user: &User,
        event: &Event,
    ) -> Result<SetupOutcome, StoreError>;
}

/// What the first admin gives.
#[derive(Debug)]
pub struct FirstAdmin {
    /// The one-time code.
    pub code: String,
    /// The account.
    pub account: NewUser,
}

/// Why there is no first admin now.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Too many hashes are waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// There was an admin once.
    #[error("the first-run setup is closed")]
    Closed,
    /// Something was not as it must be.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password is not accepted.
    #[error(transparent)]
    Weak(#[from] Weakness),
    /// The code is not the one printed last.
    #[error("wrong setup code")]
    WrongCode,
}

/// The role of the first admin.
pub const FIRST_ADMIN_ROLE: &str = "superadmin";

impl Identity {
    /// A fresh code with which the first admin can be made, if there was never one. The code before it is
    /// void.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn ensure_setup_code(&self) -> Result<Option<SetupCode>, StoreError> {
        let code = SetupCode::generate();
        let open = self.records.setup.offer(&code.digest(), self.clock.now()).await?;
        Ok(open.then_some(code))
    }

    /// Makes the first admin. Works once, for ever.
    ///
    /// # Errors
    ///
    /// [`SetupError`]; then nothing was written and the code is still good, unless the setup was closed.
    pub async fn set_up(&self, first: FirstAdmin, client: &Client) -> Result<User, SetupError> {
        // The code comes first, so that nobody without it costs us a hash.
        let code: SetupCode = first.code.parse().map_err(|_| SetupError::WrongCode)?;
        let digest = code.digest();
        match self.records.setup.state().await? {
            SetupState::Closed => return Err(SetupError::Closed),
            SetupState::Open(offered) if offered != Some(digest) => {
                return Err(SetupError::WrongCode);
            }
            SetupState::Open(_) => {}
        }
        let draft = first.account.check()?;
        let password_hash = self.accept_password(&draft).await??;
        let roles = vec![FIRST_ADMIN_ROLE.into()];
        let mut user = draft.into_user(password_hash, roles, self.clock.now());
        // Whoever reads the operator's terminal vouches for the address.
        user.email_verified_at = Some(user.created_at);
        let event = self.event(EventKind::SetupClosed, Some(user.id), None, Some(client));
        match self.records.setup.complete(&digest, &user, &event).await? {
            SetupOutcome::Completed => Ok(user),
            SetupOutcome::Closed => Err(SetupError::Closed),
            SetupOutcome::WrongCode => Err(SetupError::WrongCode),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_read_back_as_people_type_it() {
        let code = SetupCode::generate();
        let text = code.expose_for_terminal().expose().clone();
        assert_eq!(text.len(), 39);
        assert_eq!(text.split('-').count(), 8);
        let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        for typed in [&text, &sloppy, &text.replace('-', "")] {
            let read: SetupCode = typed.parse().expect("the code");
            assert_eq!(read.digest(), code.digest(), "{typed}");
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let short = "0".repeat(31);
        let long = "0".repeat(33);
        for text in ["", "-", "UUUU", short.as_str(), long.as_str(), "é"] {
            assert!(text.parse::<SetupCode>().is_err(), "{text}");
        }
        assert!("0".repeat(32).parse::<SetupCode>().is_ok());
    }

    proptest! {
        #[test]
        fn every_code_is_read_back_and_nothing_panics(bytes: [u8; 20], text in "\\PC{0,50}") {
            let code = SetupCode(Secret::new(bytes));
            let read: SetupCode = code.expose_for_terminal().expose().parse().expect("the code");
            prop_assert_eq!(read.0.expose(), &bytes);
            let _ = text.parse::<SetupCode>();
        }
    }
}
