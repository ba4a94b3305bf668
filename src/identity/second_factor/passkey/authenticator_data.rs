//! What an authenticator says and signs (WebAuthn §6.1): for which relying party, that somebody was there, and at
//! registration the new key.

use super::cbor::Map;
use super::{CredentialId, PasskeyError};

/// Authenticator data, taken apart to the last byte.
#[derive(Clone, Debug)]
pub(super) struct AuthenticatorData<'b> {
    /// SHA-256 of the relying party's id.
    pub(super) rp_id_hash: &'b [u8; 32],
    pub(super) flags: Flags,
    /// Zero for authenticators that do not count.
    pub(super) counter: u32,
    /// At registration only.
    pub(super) attested: Option<AttestedCredential<'b>>,
}

/// The passkey that was just made.
#[derive(Clone, Debug)]
pub(super) struct AttestedCredential<'b> {
    pub(super) aaguid: [u8; 16],
    pub(super) id: CredentialId,
    /// In COSE, not read yet.
    pub(super) key: &'b [u8],
}

/// One byte of yes and no.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags(u8);

impl Flags {
    pub(super) const USER_PRESENT: u8 = 1;
    pub(super) const USER_VERIFIED: u8 = 1 << 2;
    pub(super) const BACKUP_ELIGIBLE: u8 = 1 << 3;
    pub(super) const BACKED_UP: u8 = 1 << 4;
    pub(super) const ATTESTED: u8 = 1 << 6;
    pub(super) const EXTENSIONS: u8 = 1 << 7;

    /// Bits that mean nothing yet may be anything.
    pub(super) fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

impl<'b> AuthenticatorData<'b> {
    /// Reads `bytes`; nothing may be behind what the flags announce.
    ///
    /// # Errors
    ///
    /// [`PasskeyError::Malformed`], or [`PasskeyError::CredentialIdTooLong`].
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, PasskeyError> {
        const TRUNCATED: PasskeyError = PasskeyError::Malformed("authenticator data");
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or(TRUNCATED)?;
        let ([flags], rest) = rest.split_first_chunk::<1>().ok_or(TRUNCATED)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(TRUNCATED)?;
        let flags = Flags(*flags);
        let mut attested = None;
        if flags.has(Flags::ATTESTED) {
            let (credential, behind) = AttestedCredential::read_first(rest)?;
            (attested, rest) = (Some(credential), behind);
        }
        if flags.has(Flags::EXTENSIONS) {
            // What extensions say is read over: we ask for none that says something there.
            let (_, behind) = Map::read_first(rest)
                .map_err(|_| PasskeyError::Malformed("authenticator extensions"))?;
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(PasskeyError::Malformed("bytes behind the authenticator data"));
        }
        Ok(Self { rp_id_hash, flags, counter: u32::from_be_bytes(*counter), attested })
    }
}

impl<'b> AttestedCredential<'b> {
    /// WebAuthn §6.5.1.
    fn read_first(bytes: &'b [u8]) -> Result<(Self, &'b [u8]), PasskeyError> {
        const TRUNCATED: PasskeyError = PasskeyError::Malformed("attested credential data");
        let (aaguid, rest) = bytes.split_first_chunk::<16>().ok_or(TRUNCATED)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(TRUNCATED)?;
        let length = usize::from(u16::from_be_bytes(*length));
        // Before the bytes are looked for, so that this is what is said of a long id.
        if length > CredentialId::MAX {
            return Err(PasskeyError::CredentialIdTooLong);
        }
        let (id, rest) = rest.split_at_checked(length).ok_or(TRUNCATED)?;
        let (_, behind) =
            Map::read_first(rest).map_err(|_| PasskeyError::Malformed("public key"))?;
        let key = rest.get(..rest.len() - behind.len()).ok_or(TRUNCATED)?;
        Ok((Self { aaguid: *aaguid, id: CredentialId::new(id.to_vec())?, key }, behind))
    }
}
