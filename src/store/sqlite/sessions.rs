//! Sign-ins.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::row::Fields;
use super::{Sqlite, conflict_or_unavailable, events, refresh_tokens, unavailable};
use crate::clock::Timestamp;
use crate::identity::session::{Begun, NewSession, SessionEnd};
use crate::identity::{EndReason, Event, Session, SessionId, Sessions, StoreError, UserId};

#[async_trait]
impl Sessions for Sqlite {
    async fn begin(
        &self,
        new: &NewSession,
        epoch: i64,
        event: &Event,
    ) -> Result<Begun, StoreError> {
        let mut transaction = self.write().await?;
        let session = &new.session;
        let sql = "UPDATE users SET last_login_at = ? WHERE id = ? AND is_active = 1 AND epoch = ?";
        let allowed = sqlx::query(sql)
            .bind(session.created_at.as_millis())
            .bind(session.user.to_string())
            .bind(epoch)
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        if allowed.rows_affected() == 0 {
            return Ok(Begun::NotAllowed);
        }
        if let Some((old, fresh)) = &new.rehash {
            let sql = "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?";
            sqlx::query(sql)
                .bind(fresh.expose_for_store())
                .bind(session.user.to_string())
                .bind(old.expose_for_store())
                .execute(&mut *transaction)
                .await
                .map_err(unavailable)?;
        }
        insert(&mut transaction, session).await?;
        refresh_tokens::insert(&mut transaction, &new.refresh_token, session.id).await?;
        events::insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(Begun::Begun)
    }

    async fn find(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(unavailable)?;
        find(&mut connection, id).await
    }

    async fn ended_since(&self, since: Timestamp) -> Result<Vec<SessionEnd>, StoreError> {
        let rows = sqlx::query("SELECT id, ended_at FROM sessions WHERE ended_at >= ?")
            .bind(since.as_millis())
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
        let ends = rows.iter().map(|row| {
            let fields = Fields { row, record: "session", key: "id" };
            Ok(SessionEnd { session: fields.parse("id")?, at: fields.time("ended_at")? })
        });
        ends.collect()
    }

    async fn end(
        &self,
        id: SessionId,
        reason: EndReason,
        event: &Event,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let ended = end(&mut transaction, id, reason, event.at).await?;
        if ended {
            events::insert(&mut transaction, event).await?;
        }
        transaction.commit().await.map_err(unavailable)?;
        Ok(ended)
    }
}

async fn insert(connection: &mut SqliteConnection, session: &Session) -> Result<(), StoreError> {
    let sql = "INSERT INTO sessions (id, user, created_at, last_seen_at, expires_at, idle_timeout_ms, \
               ended_at, end_reason, user_agent, client_address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(session.id.to_string())
        .bind(session.user.to_string())
        .bind(session.created_at.as_millis())
        .bind(session.last_seen_at.as_millis())
        .bind(session.expires_at.as_millis())
        .bind(i64::try_from(session.idle_timeout.as_millis()).unwrap_or(i64::MAX))
        .bind(session.ended.map(|(at, _)| at.as_millis()))
        .bind(session.ended.map(|(_, reason)| reason.name()))
        .bind(session.user_agent.as_deref())
        .bind(session.client_address.as_deref())
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| conflict_or_unavailable("session", &["id"], error))
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    id: SessionId,
) -> Result<Option<Session>, StoreError> {
    let row = sqlx::query("SELECT * FROM sessions WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await;
    row.map_err(unavailable)?.as_ref().map(read).transpose()
}

/// Ends one session with its refresh tokens. True when it was not ended before.
pub(super) async fn end(
    connection: &mut SqliteConnection,
    id: SessionId,
    reason: EndReason,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE sessions SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at IS NULL";
    let ended = sqlx::query(sql)
        .bind(at.as_millis())
        .bind(reason.name())
        .bind(id.to_string())
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    let sql = "UPDATE refresh_tokens SET revoked_at = ? WHERE session = ? AND revoked_at IS NULL";
    sqlx::query(sql)
        .bind(at.as_millis())
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(ended.rows_affected() > 0)
}

/// Ends all sessions of a user with their refresh tokens.
pub(super) async fn end_all_of(
    connection: &mut SqliteConnection,
    user: UserId,
    reason: EndReason,
    at: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE refresh_tokens SET revoked_at = ? \
               WHERE revoked_at IS NULL AND session IN (SELECT id FROM sessions WHERE user = ?)";
    sqlx::query(sql)
        .bind(at.as_millis())
        .bind(user.to_string())
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    let sql =
        "UPDATE sessions SET ended_at = ?, end_reason = ? WHERE user = ? AND ended_at IS NULL";
    sqlx::query(sql)
        .bind(at.as_millis())
        .bind(reason.name())
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Session, StoreError> {
    let fields = Fields { row, record: "session", key: "id" };
    let idle_ms: i64 = fields.get("idle_timeout_ms")?;
    let ended = match fields.time_optional("ended_at")? {
        None => None,
        Some(at) => {
            let name = fields.get::<&str>("end_reason")?;
            let reason = EndReason::from_name(name);
            Some((at, reason.ok_or_else(|| fields.corrupt("an unknown end_reason"))?))
        }
    };
    Ok(Session {
        id: fields.parse("id")?,
        user: fields.parse("user")?,
        created_at: fields.time("created_at")?,
        last_seen_at: fields.time("last_seen_at")?,
        expires_at: fields.time("expires_at")?,
        idle_timeout: Duration::from_millis(u64::try_from(idle_ms).unwrap_or(0)),
        ended,
        user_agent: fields.get::<Option<&str>>("user_agent")?.map(Arc::from),
        client_address: fields.get::<Option<&str>>("client_address")?.map(Arc::from),
    })
}
