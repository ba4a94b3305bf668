//! Mails to be sent: the outbox.

use super::{Columns, Fields};
use crate::clock::Timestamp;
use crate::identity::StoreError;
use crate::identity::letter::{Letter, Queued};

pub(in crate::store) fn read(row: &impl Columns) -> Result<Queued, StoreError> {
    let fields = Fields::new(row, "letter", "id");
    let letter = Letter::from_store(fields.get("payload")?);
    Ok(Queued {
        id: fields.parse("id")?,
        letter: letter.map_err(|error| fields.corrupt("payload", error))?,
        queued_at: fields.get("queued_at")?,
        attempt: fields.get("attempts")?,
    })
}

/// Which one it is, even if nothing else of it can be read.
pub(in crate::store) fn read_id(row: &impl Columns) -> Result<&str, StoreError> {
    Fields::new(row, "letter", "id").get("id")
}

/// Of the one row that counts them: how many wait, and since when the oldest does.
pub(in crate::store) fn read_waiting(
    row: &impl Columns,
) -> Result<(u64, Option<Timestamp>), StoreError> {
    let fields = Fields::new(row, "letters", "name");
    Ok((fields.get("count")?, fields.optional("oldest")?))
}
