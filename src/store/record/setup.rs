//! The first admin.

use super::{Columns, Fields};
use crate::identity::StoreError;
use crate::identity::setup::{SetupDigest, SetupState};

pub(in crate::store) fn read(row: &impl Columns) -> Result<SetupState, StoreError> {
    let fields = Fields::new(row, "setup", "name");
    if fields.optional::<i64>("closed_at")?.is_some() {
        return Ok(SetupState::Closed);
    }
    Ok(SetupState::Open(fields.optional("code_digest")?.map(SetupDigest::from_bytes)))
}
