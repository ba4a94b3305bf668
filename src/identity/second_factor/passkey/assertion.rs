//! Authentication (WebAuthn §7.2): from what the browser sent to the proof that a passkey was used.

use serde::Deserialize;

use super::authenticator_data::{AuthenticatorData, Flags};
use super::client_data::{self, Ceremony};
use super::response::{self, Base64Url};
use super::{Challenge, CredentialId, Passkey, PasskeyError, RelyingParty, UserVerification};

/// What a browser sent, read and not verified: enough to look the passkey up.
#[derive(Debug)]
pub struct Assertion {
    credential_id: CredentialId,
    response: Response,
}

/// `AuthenticatorAssertionResponseJSON`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: Base64Url,
    authenticator_data: Base64Url,
    signature: Base64Url,
    #[serde(default)]
    user_handle: Option<Base64Url>,
}

/// A passkey was used. This is to be stored with it (WebAuthn §7.2 step 24).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Used {
    /// What the authenticator has counted.
    pub counter: u32,
    /// Whether the authenticator made sure who used it.
    pub user_verified: bool,
    /// Whether the passkey is on more than one device.
    pub backed_up: bool,
}

impl Assertion {
    /// Reads an `AuthenticationResponseJSON`.
    ///
    /// # Errors
    ///
    /// [`PasskeyError::TooLarge`] or [`PasskeyError::Malformed`].
    pub fn parse(json: &str) -> Result<Self, PasskeyError> {
        // 3; 4: no extension is asked for. 7.
        let (credential_id, response): (_, Response) = response::read(json)?;
        Ok(Self { credential_id, response })
    }

    /// Which passkey it is said to be.
    pub fn credential_id(&self) -> &CredentialId {
        &self.credential_id
    }

    /// Whose it is said to be, if that is said: the handle that the passkey was made with. It is not signed.
    pub fn user_handle(&self) -> Option<&[u8]> {
        let handle = self.response.user_handle.as_ref()?.0.as_slice();
        // Some browsers write nothing instead of leaving it out.
        Some(handle).filter(|handle| !handle.is_empty())
    }

    /// Verifies it as an answer to the [options](super::request_options) with this `challenge`.
    ///
    /// The steps have the numbers of WebAuthn §7.2. Steps 1 and 2 are the browser's; 5 and 6, that the user may use
    /// `passkey`, and 24, that [`Used`] is stored, are the caller's.
    ///
    /// # Errors
    ///
    /// [`PasskeyError`]; then nobody is authenticated.
    pub fn verify(
        &self,
        rp: &RelyingParty,
        challenge: &Challenge,
        passkey: &Passkey,
        user_verification: UserVerification,
    ) -> Result<Used, PasskeyError> {
        // 6, as far as it can be checked here.
        if passkey.id != self.credential_id {
            return Err(PasskeyError::WrongCredential);
        }

        // 8 to 14, and 20.
        let client_data = &self.response.client_data.0;
        let client_data_hash =
            client_data::check(client_data, Ceremony::Authentication, challenge, rp)?;

        // 15 to 18. A new key has no place in an assertion (§6.3.3).
        let bytes = &self.response.authenticator_data.0;
        let data = AuthenticatorData::read(bytes)?;
        if data.attested.is_some() {
            return Err(PasskeyError::Malformed("a public key in an assertion"));
        }
        super::check_authenticator(&data, rp, user_verification)?;

        // 19.
        if data.flags.has(Flags::BACKUP_ELIGIBLE) != passkey.backup_eligible {
            return Err(PasskeyError::BackupEligibilityChanged);
        }

        // 21.
        let signed = [bytes.as_slice(), &client_data_hash].concat();
        if !passkey.key.verifies(&signed, &self.response.signature.0) {
            return Err(PasskeyError::WrongSignature);
        }

        // 22, behind the signature: only the authenticator itself can say this. It might be a copy, so it is refused.
        let (stored, shown) = (passkey.counter, data.counter);
        if (stored, shown) != (0, 0) && shown <= stored {
            return Err(PasskeyError::CounterWentBack { stored, shown });
        }

        // 23: what extensions say is passed over.
        Ok(Used {
            counter: shown,
            user_verified: data.flags.has(Flags::USER_VERIFIED),
            backed_up: data.flags.has(Flags::BACKED_UP),
        })
    }
}
