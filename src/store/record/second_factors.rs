//! Authenticator apps and passkeys. Recovery codes are only counted.

use super::{Columns, Fields};
use crate::identity::second_factor::passkey::{CredentialId, Passkey, PublicKey};
use crate::identity::second_factor::{StoredPasskey, StoredTotp};
use crate::identity::{StoreError, UserId};

pub(in crate::store) fn read_totp(row: &impl Columns) -> Result<StoredTotp, StoreError> {
    let fields = Fields::new(row, "totp", "user");
    let last_step: Option<i64> = fields.optional("last_step")?;
    Ok(StoredTotp {
        sealed: fields.get("secret")?,
        confirmed: fields.get("confirmed")?,
        last_step: last_step.and_then(|step| u64::try_from(step).ok()),
    })
}

pub(in crate::store) fn read_passkey(row: &impl Columns) -> Result<StoredPasskey, StoreError> {
    let fields = Fields::new(row, "passkey", "id");
    let id = CredentialId::new(fields.get("credential")?);
    let key = PublicKey::from_cose(fields.get("key")?);
    Ok(StoredPasskey {
        id: fields.parse("id")?,
        name: fields.get("name")?,
        passkey: Passkey {
            id: id.map_err(|error| fields.corrupt("credential", error))?,
            key: key.map_err(|error| fields.corrupt("key", error))?,
            counter: fields.get("counter")?,
            transports: fields.json("transports")?,
            aaguid: fields.get("aaguid")?,
            backup_eligible: fields.get("backup_eligible")?,
            backed_up: fields.get("backed_up")?,
        },
        created_at: fields.get("created_at")?,
        last_used_at: fields.optional("last_used_at")?,
    })
}

/// A passkey, and whose it is.
pub(in crate::store) fn read_owned(
    row: &impl Columns,
) -> Result<(UserId, StoredPasskey), StoreError> {
    let owner = Fields::new(row, "passkey", "id").parse("user")?;
    Ok((owner, read_passkey(row)?))
}
