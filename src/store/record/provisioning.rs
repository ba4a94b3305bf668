//! Who must be looked at in Nextcloud: the journal.

use super::{Columns, Fields};
use crate::identity::provisioning::{Backlog, Entry, Stage, State, Taken};
use crate::identity::{CloudId, StoreError};

pub(in crate::store) fn read(row: &impl Columns) -> Result<Entry, StoreError> {
    let fields = Fields::new(row, "provisioning", "user");
    Ok(Entry {
        user: fields.parse("user")?,
        cloud: fields.optional("cloud_id")?.map(CloudId::from_store),
        generation: fields.get("generation")?,
        reason: fields.get("reason")?,
        state: fields.word("state", State::from_name)?,
        stage: fields.word("stage", Stage::from_name)?,
        attempts: fields.get("attempts")?,
        since: fields.get("since")?,
        due_at: fields.get("due_at")?,
        last_error: fields.optional("last_error")?,
    })
}

/// An entry with the turn in which it was taken.
pub(in crate::store) fn read_taken(row: &impl Columns) -> Result<Taken, StoreError> {
    let turn = Fields::new(row, "provisioning", "user").get("turn")?;
    Ok(Taken { entry: read(row)?, turn })
}

/// Of the one row that counts them.
pub(in crate::store) fn read_backlog(row: &impl Columns) -> Result<Backlog, StoreError> {
    let fields = Fields::new(row, "provisioning", "name");
    Ok(Backlog {
        waiting: fields.get("waiting")?,
        oldest: fields.optional("oldest")?,
        failed: fields.get("failed")?,
    })
}
