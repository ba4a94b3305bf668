//! Links that were mailed.

use super::{Columns, Fields};
use crate::identity::mailed_token::{Meaning, NewMailedToken};
use crate::identity::{SecretDigest, StoreError};

pub(in crate::store) fn read(row: &impl Columns) -> Result<NewMailedToken, StoreError> {
    let fields = Fields::new(row, "mailed token", "kind");
    Ok(NewMailedToken {
        digest: SecretDigest::from_bytes(fields.get("digest")?),
        user: fields.parse_optional("user")?,
        meaning: fields.json("meaning")?,
        epoch: fields.get("epoch")?,
        created_at: fields.get("created_at")?,
        expires_at: fields.get("expires_at")?,
    })
}

/// As the column `meaning` has it.
pub(in crate::store) fn meaning(token: &NewMailedToken) -> Result<String, StoreError> {
    serde_json::to_string(&token.meaning).map_err(|error| StoreError::Unavailable(error.into()))
}

/// As the column `email` has it: whoever was invited, of whom there is no other record yet.
pub(in crate::store) fn invited(token: &NewMailedToken) -> Option<&str> {
    match &token.meaning {
        Meaning::Invitation { email, .. } => Some(email.as_str()),
        _ => None,
    }
}
