//! Sign-ins, and the cookies that keep them.

use std::sync::Arc;
use std::time::Duration;

use super::{Columns, Fields};
use crate::identity::session::{SessionEnd, SessionKind};
use crate::identity::{EndReason, Session, SessionId, StoreError};

pub(in crate::store) fn read(row: &impl Columns) -> Result<Session, StoreError> {
    let fields = Fields::new(row, "session", "id");
    let idle_ms: i64 = fields.get("idle_timeout_ms")?;
    let ended = match fields.optional("ended_at")? {
        None => None,
        Some(at) => Some((at, fields.word("end_reason", EndReason::from_name)?)),
    };
    Ok(Session {
        id: fields.parse("id")?,
        user: fields.parse("user")?,
        created_at: fields.get("created_at")?,
        last_seen_at: fields.get("last_seen_at")?,
        expires_at: fields.get("expires_at")?,
        idle_timeout: Duration::from_millis(u64::try_from(idle_ms).unwrap_or(0)),
        ended,
        user_agent: fields.optional("user_agent")?,
        client_address: fields.optional("client_address")?,
        second_factor_at: fields.optional("second_factor_at")?,
        kind: match fields.get::<&str>("kind")? {
            "browser" => SessionKind::Browser,
            _ => SessionKind::Tokens,
        },
    })
}

/// Of a row that has nothing else.
pub(in crate::store) fn read_id(row: &impl Columns) -> Result<SessionId, StoreError> {
    Fields::new(row, "session", "id").parse("id")
}

/// Of a session that ended.
pub(in crate::store) fn read_end(row: &impl Columns) -> Result<SessionEnd, StoreError> {
    let fields = Fields::new(row, "session", "id");
    Ok(SessionEnd { session: fields.parse("id")?, at: fields.get("ended_at")? })
}

/// Whose cookie it is, and on which host it is good.
pub(in crate::store) fn read_cookie(
    row: &impl Columns,
) -> Result<(SessionId, Arc<str>), StoreError> {
    let fields = Fields::new(row, "cookie", "session");
    Ok((fields.parse("session")?, fields.get("host")?))
}
