//! Sign-ins.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{Sqlite, conflict_or_unavailable, events, letters, refresh_tokens, unavailable, users};
use crate::clock::Timestamp;
use crate::identity::session::{
    Begun, ByCookie, KeptBy, NewCookie, NewSession, SessionEnd, is_new_client,
};
use crate::identity::{
    EndReason, Event, SecretDigest, Session, SessionId, Sessions, StoreError, UserId,
};
use crate::store::record::sessions::{read, read_cookie, read_end, read_id};

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
        let sql =
            "UPDATE users SET last_login_at = ? WHERE id = ? AND standing = 'active' AND epoch = ?";
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
        if let Some(letter) = &new.if_new_client
            && is_from_new_client(&mut transaction, session).await?
        {
            letters::insert(&mut transaction, letter, session.created_at).await?;
        }
        insert(&mut transaction, session).await?;
        match &new.kept_by {
            KeptBy::Cookie(cookie) => {
                insert_cookie(&mut transaction, session.id, cookie, session.created_at).await?;
            }
            KeptBy::RefreshToken(token) => {
                refresh_tokens::insert(&mut transaction, token, session.id).await?;
            }
        }
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
        rows.iter().map(read_end).collect()
    }

    async fn by_cookie(&self, digest: &SecretDigest) -> Result<Option<ByCookie>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(unavailable)?;
        let row = sqlx::query("SELECT session, host FROM session_cookies WHERE digest = ?")
            .bind(digest.as_bytes().as_slice())
            .fetch_optional(&mut *connection)
            .await
            .map_err(unavailable)?;
        let Some(row) = row else { return Ok(None) };
        let (session, host) = read_cookie(&row)?;
        let Some(session) = find(&mut connection, session).await? else {
            return Ok(None);
        };
        let user = users::find(&mut connection, session.user).await?;
        Ok(user.map(|user| ByCookie { session, user, host }))
    }

    async fn add_cookie(
        &self,
        session: SessionId,
        cookie: &NewCookie,
        replaces: Option<&SecretDigest>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let found = find(&mut transaction, session).await?;
        if !found.is_some_and(|found| found.is_live(now)) {
            return Ok(false);
        }
        if let Some(old) = replaces {
            sqlx::query("DELETE FROM session_cookies WHERE digest = ? AND session = ?")
                .bind(old.as_bytes().as_slice())
                .bind(session.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(unavailable)?;
        }
        // One cookie for each host: an older one of this host is no longer good.
        sqlx::query("DELETE FROM session_cookies WHERE session = ? AND host = ?")
            .bind(session.to_string())
            .bind(&*cookie.host)
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        insert_cookie(&mut transaction, session, cookie, now).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(true)
    }

    async fn stepped_up(&self, session: SessionId, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "UPDATE sessions SET second_factor_at = ? WHERE id = ? AND ended_at IS NULL";
        let noted = sqlx::query(sql)
            .bind(event.at.as_millis())
            .bind(session.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        if noted.rows_affected() == 0 {
            return Ok(false);
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(true)
    }

    async fn seen(&self, sessions: &[(SessionId, Timestamp)]) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        for (session, at) in sessions {
            sqlx::query("UPDATE sessions SET last_seen_at = max(last_seen_at, ?) WHERE id = ?")
                .bind(at.as_millis())
                .bind(session.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(unavailable)?;
        }
        transaction.commit().await.map_err(unavailable)
    }

    async fn of_user(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let sql = format!(
            "SELECT * FROM sessions WHERE {LIVE} AND user = ?2 ORDER BY last_seen_at DESC, id"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(now.as_millis())
            .bind(user.to_string())
            .fetch_all(&self.readers)
            .await;
        rows.map_err(unavailable)?.iter().map(read).collect()
    }

    async fn list(
        &self,
        now: Timestamp,
        skip: u32,
        limit: u32,
    ) -> Result<(Vec<Session>, u64), StoreError> {
        let sql = format!("SELECT count(*) FROM sessions WHERE {LIVE}");
        let total: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(now.as_millis())
            .fetch_one(&self.readers)
            .await
            .map_err(unavailable)?;
        let sql = format!(
            "SELECT * FROM sessions WHERE {LIVE} ORDER BY last_seen_at DESC, id LIMIT ?2 OFFSET ?3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(now.as_millis())
            .bind(limit)
            .bind(skip)
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
        let sessions = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok((sessions, u64::try_from(total).unwrap_or(0)))
    }

    async fn end_all(
        &self,
        user: UserId,
        keep: Option<SessionId>,
        reason: EndReason,
        event: &Event,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut transaction = self.write().await?;
        let ended = end_all_but(&mut transaction, user, keep, reason, event.at).await?;
        if !ended.is_empty() {
            events::insert(&mut transaction, event).await?;
        }
        transaction.commit().await.map_err(unavailable)?;
        Ok(ended)
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

/// What a live session is, at the time bound twice.
const LIVE: &str = "ended_at IS NULL AND expires_at > ?1 AND last_seen_at + idle_timeout_ms > ?1";

async fn insert_cookie(
    connection: &mut SqliteConnection,
    session: SessionId,
    cookie: &NewCookie,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO session_cookies (digest, session, host, created_at) VALUES (?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(cookie.digest.as_bytes().as_slice())
        .bind(session.to_string())
        .bind(&*cookie.host)
        .bind(now.as_millis())
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| conflict_or_unavailable("cookie", &["digest"], error))
}

async fn is_from_new_client(
    connection: &mut SqliteConnection,
    session: &Session,
) -> Result<bool, StoreError> {
    let known: Vec<Option<String>> =
        sqlx::query_scalar("SELECT DISTINCT user_agent FROM sessions WHERE user = ?")
            .bind(session.user.to_string())
            .fetch_all(connection)
            .await
            .map_err(unavailable)?;
    Ok(is_new_client(known.iter().map(Option::as_deref), session.user_agent.as_deref()))
}

async fn insert(connection: &mut SqliteConnection, session: &Session) -> Result<(), StoreError> {
    let sql = "INSERT INTO sessions (id, user, created_at, last_seen_at, expires_at, idle_timeout_ms, \
               ended_at, end_reason, user_agent, client_address, kind, second_factor_at) \
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
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
        .bind(session.kind.name())
        .bind(session.second_factor_at.map(Timestamp::as_millis))
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

/// Ends all sessions of a user but one, with their refresh tokens. Returns those that this call ended.
pub(super) async fn end_all_but(
    connection: &mut SqliteConnection,
    user: UserId,
    keep: Option<SessionId>,
    reason: EndReason,
    at: Timestamp,
) -> Result<Vec<SessionId>, StoreError> {
    let keep = keep.map(|session| session.to_string()).unwrap_or_default();
    let sql = "UPDATE refresh_tokens SET revoked_at = ?1 WHERE revoked_at IS NULL \
               AND session IN (SELECT id FROM sessions WHERE user = ?2 AND id <> ?3)";
    sqlx::query(sql)
        .bind(at.as_millis())
        .bind(user.to_string())
        .bind(&keep)
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    let sql = "UPDATE sessions SET ended_at = ?, end_reason = ? \
               WHERE user = ? AND id <> ? AND ended_at IS NULL RETURNING id";
    let rows = sqlx::query(sql)
        .bind(at.as_millis())
        .bind(reason.name())
        .bind(user.to_string())
        .bind(&keep)
        .fetch_all(connection)
        .await
        .map_err(unavailable)?;
    rows.iter().map(read_id).collect()
}
