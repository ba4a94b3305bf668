//! What prolongs sessions.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{Sqlite, conflict_or_unavailable, events, sessions, unavailable, users};
use crate::clock::Timestamp;
use crate::identity::refresh_token::{Holder, Redeemed, RefreshTokenDigest, RefreshTokenState};
use crate::identity::{
    EndReason, Event, FamilyId, NewRefreshToken, RefreshKey, RefreshToken, RefreshTokens,
    SessionId, StoreError,
};
use crate::store::record::refresh_tokens::{read, read_key};

const KEY_NAME: &str = "refresh_tokens";

#[async_trait]
impl RefreshTokens for Sqlite {
    async fn key(&self, candidate: RefreshKey) -> Result<RefreshKey, StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        )
        .bind(KEY_NAME)
        .bind(candidate.expose_for_store().as_slice())
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
        let row = sqlx::query("SELECT name, value FROM secrets WHERE name = ?")
            .bind(KEY_NAME)
            .fetch_one(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let key = read_key(&row)?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(key)
    }

    async fn redeem(
        &self,
        digest: &RefreshTokenDigest,
        successor: &NewRefreshToken,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "UPDATE refresh_tokens SET redeemed_at = ?1 \
                   WHERE digest = ?2 AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > ?1 \
                   RETURNING *";
        let won = sqlx::query(sql)
            .bind(now.as_millis())
            .bind(digest.as_bytes().as_slice())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let Some(won) = won else {
            let found = find(&mut transaction, digest).await?;
            return Ok(found.map_or(Redeemed::Unknown, Redeemed::Not));
        };
        let session = read(&won)?.session;
        let Some(mut holder) = holder(&mut transaction, session, successor.expires_at, now).await?
        else {
            // Dropping the transaction takes the redemption back.
            return Ok(Redeemed::Unknown);
        };
        holder.expires_at = holder.expires_at.min(holder.session.expires_at);
        holder.session.last_seen_at = holder.session.last_seen_at.max(now);
        sqlx::query("UPDATE sessions SET last_seen_at = ? WHERE id = ?")
            .bind(holder.session.last_seen_at.as_millis())
            .bind(session.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let successor = NewRefreshToken { expires_at: holder.expires_at, ..successor.clone() };
        insert(&mut transaction, &successor, session).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(Redeemed::Rotated(Box::new(holder)))
    }

    async fn holder(
        &self,
        family: FamilyId,
        number: u32,
        now: Timestamp,
    ) -> Result<Option<Holder>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(unavailable)?;
        let row = sqlx::query("SELECT * FROM refresh_tokens WHERE family = ? AND number = ?")
            .bind(family.to_string())
            .bind(number)
            .fetch_optional(&mut *connection)
            .await
            .map_err(unavailable)?;
        let Some(token) = row.as_ref().map(read).transpose()? else {
            return Ok(None);
        };
        if now >= token.expires_at || matches!(token.state, RefreshTokenState::Revoked { .. }) {
            return Ok(None);
        }
        holder(&mut connection, token.session, token.expires_at, now).await
    }

    async fn revoke_family(&self, family: FamilyId, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let session = sqlx::query("SELECT * FROM refresh_tokens WHERE family = ? LIMIT 1")
            .bind(family.to_string())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let Some(session) = session.as_ref().map(read).transpose()?.map(|token| token.session)
        else {
            return Ok(false);
        };
        let ended = sessions::end(&mut transaction, session, EndReason::Replay, event.at).await?;
        if ended {
            events::insert(&mut transaction, event).await?;
        }
        transaction.commit().await.map_err(unavailable)?;
        Ok(ended)
    }
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    token: &NewRefreshToken,
    session: SessionId,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO refresh_tokens (digest, family, number, session, expires_at) \
               VALUES (?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(token.digest.as_bytes().as_slice())
        .bind(token.family.to_string())
        .bind(token.number)
        .bind(session.to_string())
        .bind(token.expires_at.as_millis())
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| conflict_or_unavailable("refresh token", &["digest", "number"], error))
}

/// Session and user, if both are good at `now`.
async fn holder(
    connection: &mut SqliteConnection,
    session: SessionId,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Holder>, StoreError> {
    let session = sessions::find(connection, session).await?;
    let Some(session) = session.filter(|session| session.is_live(now)) else {
        return Ok(None);
    };
    let user = users::find(connection, session.user).await?;
    let user = user.filter(crate::identity::User::is_active);
    Ok(user.map(|user| Holder { user, session, expires_at }))
}

async fn find(
    connection: &mut SqliteConnection,
    digest: &RefreshTokenDigest,
) -> Result<Option<RefreshToken>, StoreError> {
    let row = sqlx::query("SELECT * FROM refresh_tokens WHERE digest = ?")
        .bind(digest.as_bytes().as_slice())
        .fetch_optional(connection)
        .await;
    row.map_err(unavailable)?.as_ref().map(read).transpose()
}
