//! What we sign with.

use super::{Columns, Fields};
use crate::identity::StoreError;
use crate::identity::token::SigningKey;
use crate::secret::Secret;

pub(in crate::store) fn read(row: &impl Columns) -> Result<SigningKey, StoreError> {
    let fields = Fields::new(row, "signing key", "kid");
    Ok(SigningKey {
        kid: fields.get("kid")?,
        algorithm: fields.parse("algorithm")?,
        private: Secret::new(fields.get("private")?),
        created_at: fields.get("created_at")?,
        retired_at: fields.optional("retired_at")?,
    })
}
