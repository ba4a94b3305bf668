//! What happened.

use super::{Columns, Fields};
use crate::identity::StoreError;
use crate::identity::event::Recorded;

/// An entry as if this process had written it: by what signs another one did, each backend knows.
pub(in crate::store) fn read(row: &impl Columns) -> Result<Recorded, StoreError> {
    let fields = Fields::new(row, "audit entry", "kind");
    Ok(Recorded {
        number: fields.get("seq")?,
        at: fields.get("at")?,
        kind: fields.get("kind")?,
        subject: fields.parse_optional("subject")?,
        session: fields.parse_optional("session")?,
        actor: fields.parse_optional("actor")?,
        client: fields.optional("client")?,
        details: fields.json("details")?,
        elsewhere: false,
    })
}

/// Which process wrote it, where that is kept.
pub(in crate::store) fn read_node(row: &impl Columns) -> Result<&str, StoreError> {
    Fields::new(row, "audit entry", "kind").get("node")
}
