//! Passkeys: the relying party's half of Web Authentication Level 3 (in comments: WebAuthn).
//!
//! | ceremony | we send | comes back to |
//! |---|---|---|
//! | registration, §7.1 | [`creation_options`] | [`register`], which yields a [`Passkey`] to be stored |
//! | authentication, §7.2 | [`request_options`] | [`Assertion::parse`], then [`Assertion::verify`] with the stored one |
//!
//! All of it is pure. Three duties are the caller's, because they need memory:
//!
//! - A [`Challenge`] is good for one ceremony of one browser, and for [`TIMEOUT`].
//! - A credential id that anybody has registered is not registered again (§7.1 step 26).
//! - An assertion is accepted for the user who owns the passkey, and whose handle is [the one it
//!   names](Assertion::user_handle) (§7.2 steps 5 and 6); then the counter and the backup state of [`Used`] are stored,
//!   the counter only if it is still the one that was compared with.
//!
//! Attestation is not asked for: whoever made an authenticator, its owner chose it. A self attestation is checked,
//! because it proves that the key is there; statements with certificates are passed over, and nothing is believed for
//! their sake. So an `aaguid` is a hint for naming a passkey, never a proof of what it is kept in.
//!
//! Written on ring, as all signatures here, because the one library for this brings a second stack of cryptography.

mod assertion;
mod attestation;
mod authenticator_data;
mod cbor;
mod client_data;
mod cose;
#[cfg(any(test, feature = "examples"))]
pub mod example;
mod options;
mod registration;
mod response;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;

pub use assertion::{Assertion, Used};
pub use cose::{Algorithm, ParsePublicKeyError, PublicKey};
pub use options::{Owner, TIMEOUT, creation_options, request_options};
pub use registration::register;
pub use response::MAX_RESPONSE;

use self::authenticator_data::{AuthenticatorData, Flags};
use crate::identity::random;

/// This door, as browsers and authenticators know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelyingParty {
    /// The host of the public URL: what passkeys are bound to, for ever.
    pub id: String,
    /// For people.
    pub name: String,
    /// Where our pages are, exactly as browsers write it: `https://door.example`.
    pub origins: Vec<String>,
}

/// What makes one ceremony differ from all others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Challenge([u8; 32]);

impl Challenge {
    /// One that nobody can guess.
    pub fn generate() -> Self {
        Self(random::bytes())
    }

    /// The challenge with this value, as remembered.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The value, to be remembered.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In base64url, as it travels.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// What an authenticator calls a passkey: 1 to 1,023 bytes of its choice.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CredentialId(Vec<u8>);

impl CredentialId {
    /// The longest, in bytes (WebAuthn §4).
    pub const MAX: usize = 1023;

    /// The id with this value.
    ///
    /// # Errors
    ///
    /// [`PasskeyError::CredentialIdTooLong`], or [`PasskeyError::Malformed`] when it is empty.
    pub fn new(bytes: Vec<u8>) -> Result<Self, PasskeyError> {
        match bytes.len() {
            0 => Err(PasskeyError::Malformed("credential id")),
            1..=Self::MAX => Ok(Self(bytes)),
            _ => Err(PasskeyError::CredentialIdTooLong),
        }
    }

    /// The value, for a store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// In base64url, as it travels.
impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

/// A registered passkey (a credential record, WebAuthn §4). Nothing in it is secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Passkey {
    /// Unique among all users.
    pub id: CredentialId,
    /// What assertions are verified with.
    pub key: PublicKey,
    /// What the authenticator counted at its last use; always zero for most of them.
    pub counter: u32,
    /// Ways to reach the authenticator, such as `internal`; hints for browsers.
    pub transports: Vec<String>,
    /// The model of authenticator, as it says itself.
    pub aaguid: [u8; 16],
    /// Whether it may be copied to other devices. Never changes.
    pub backup_eligible: bool,
    /// Whether it was, when it was last used.
    pub backed_up: bool,
}

/// Whether the authenticator must make sure who uses it, by PIN, finger or face.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UserVerification {
    /// It should when it can: enough beside a password.
    Preferred,
    /// It must: then the passkey alone is two factors.
    Required,
}

/// Why a ceremony failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasskeyError {
    /// May it be copied or not? It changed its mind, which a passkey cannot.
    #[error("the passkey's backup eligibility is not the registered one")]
    BackupEligibilityChanged,
    /// Backed up, yet not eligible for it.
    #[error("the authenticator says that a passkey is backed up which cannot be")]
    BackupStateImpossible,
    /// The authenticator counted less than last time: there may be a copy of it.
    #[error("the passkey's counter went from {stored} to {shown}: it may have been copied")]
    CounterWentBack {
        /// What was counted at the last use.
        stored: u32,
        /// What was shown now.
        shown: u32,
    },
    /// More than [`CredentialId::MAX`] bytes.
    #[error("the credential id is longer than {} bytes", CredentialId::MAX)]
    CredentialIdTooLong,
    /// Our page was in a frame of somebody else's.
    #[error("the ceremony took place in a frame of another origin")]
    CrossOrigin,
    /// This part is not as the standard has it.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Longer than anything that a browser sends.
    #[error("the response is longer than {} bytes", MAX_RESPONSE)]
    TooLarge,
    /// The key is none that we asked for, or not a sound one.
    #[error(transparent)]
    UnusableKey(#[from] ParsePublicKeyError),
    /// Nobody touched the authenticator.
    #[error("the authenticator did not see that somebody was there")]
    UserNotPresent,
    /// The authenticator was to make sure who uses it, and did not.
    #[error("the authenticator did not verify who used it")]
    UserNotVerified,
    /// Another ceremony's.
    #[error("wrong challenge")]
    WrongChallenge,
    /// Another passkey than the one it is verified with.
    #[error("wrong passkey")]
    WrongCredential,
    /// Not on a page of ours.
    #[error("wrong origin")]
    WrongOrigin,
    /// For another relying party.
    #[error("wrong relying party")]
    WrongRelyingParty,
    /// Made with another key, or over something else.
    #[error("wrong signature")]
    WrongSignature,
    /// A registration in the place of an authentication, or the reverse.
    #[error("wrong kind of ceremony")]
    WrongType,
}

/// What is asked of authenticator data in both ceremonies. The numbers are the steps of WebAuthn §7.1, and after the
/// stroke those of §7.2.
fn check_authenticator(
    data: &AuthenticatorData<'_>,
    rp: &RelyingParty,
    user_verification: UserVerification,
) -> Result<(), PasskeyError> {
    // 14 / 15.
    if digest::digest(&digest::SHA256, rp.id.as_bytes()).as_ref() != data.rp_id_hash {
        return Err(PasskeyError::WrongRelyingParty);
    }

    // 15 / 16: we never register silently (`mediation: conditional`).
    if !data.flags.has(Flags::USER_PRESENT) {
        return Err(PasskeyError::UserNotPresent);
    }

    // 16 / 17.
    let verified = data.flags.has(Flags::USER_VERIFIED);
    if user_verification == UserVerification::Required && !verified {
        return Err(PasskeyError::UserNotVerified);
    }

    // 17 / 18.
    if data.flags.has(Flags::BACKED_UP) && !data.flags.has(Flags::BACKUP_ELIGIBLE) {
        return Err(PasskeyError::BackupStateImpossible);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
