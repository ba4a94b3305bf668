//! What comes with a new passkey to say where it is from (WebAuthn §6.5). Nothing of it is believed.

use super::cbor::{Item, Map};
use super::{PasskeyError, PublicKey};

/// An attestation object, taken apart.
pub(super) struct AttestationObject<'b> {
    format: &'b str,
    statement: Map<'b>,
    /// Not read yet.
    pub(super) authenticator_data: &'b [u8],
}

const MALFORMED: PasskeyError = PasskeyError::Malformed("attestation object");

impl<'b> AttestationObject<'b> {
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, PasskeyError> {
        let map = Map::read(bytes).map_err(|_| MALFORMED)?;
        let (Some(Item::Text(format)), Some(Item::Map(statement)), Some(Item::Bytes(data))) =
            (map.get("fmt"), map.get("attStmt"), map.get("authData"))
        else {
            return Err(MALFORMED);
        };
        Ok(Self { format, statement: statement.clone(), authenticator_data: data })
    }

    /// Steps 21 to 24 of WebAuthn §7.1: no attestation and self attestation are acceptable. Every other statement is
    /// treated as none, as the end of §7.1 allows: with no roots to trust there is nothing to verify it against.
    pub(super) fn check(
        &self,
        key: &PublicKey,
        client_data_hash: &[u8; 32],
    ) -> Result<(), PasskeyError> {
        match self.format {
            // §8.7.
            "none" if self.statement.len() > 0 => {
                Err(PasskeyError::Malformed("attestation statement"))
            }
            // §8.2, without `x5c`: signed with the new key itself.
            "packed" if self.statement.get("x5c").is_none() => {
                self.check_self_attestation(key, client_data_hash)
            }
            _ => Ok(()),
        }
    }

    fn check_self_attestation(
        &self,
        key: &PublicKey,
        client_data_hash: &[u8; 32],
    ) -> Result<(), PasskeyError> {
        let (Some(Item::Integer(algorithm)), Some(Item::Bytes(signature))) =
            (self.statement.get("alg"), self.statement.get("sig"))
        else {
            return Err(PasskeyError::Malformed("attestation statement"));
        };
        let signed = [self.authenticator_data, client_data_hash].concat();
        if *algorithm == key.algorithm().cose() && key.verifies(&signed, signature) {
            Ok(())
        } else {
            Err(PasskeyError::WrongSignature)
        }
    }
}
