//! What prolongs sessions, and the key that derives it.

use super::{Columns, Fields};
use crate::identity::refresh_token::RefreshTokenState;
use crate::identity::{RefreshKey, RefreshToken, StoreError};

pub(in crate::store) fn read(row: &impl Columns) -> Result<RefreshToken, StoreError> {
    let fields = Fields::new(row, "refresh token", "family");
    let redeemed = fields.optional("redeemed_at")?;
    let state = match (fields.optional("revoked_at")?, redeemed) {
        (Some(at), _) => RefreshTokenState::Revoked { at },
        (None, Some(at)) => RefreshTokenState::Redeemed { at },
        (None, None) => RefreshTokenState::Current,
    };
    Ok(RefreshToken {
        family: fields.parse("family")?,
        number: fields.get("number")?,
        session: fields.parse("session")?,
        state,
        expires_at: fields.get("expires_at")?,
    })
}

pub(in crate::store) fn read_key(row: &impl Columns) -> Result<RefreshKey, StoreError> {
    Fields::new(row, "secret", "name").get("value").map(RefreshKey::from_bytes)
}
