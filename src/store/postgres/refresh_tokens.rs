//! What prolongs sessions.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{Answered, Postgres, events, sessions, users};
use crate::clock::Timestamp;
use crate::identity::refresh_token::{Holder, Redeemed, RefreshTokenDigest, RefreshTokenState};
use crate::identity::{
    EndReason, Event, FamilyId, NewRefreshToken, RefreshKey, RefreshToken, RefreshTokens,
    SessionId, StoreError,
};
use crate::store::record::refresh_tokens::{read, read_key};

const KEY_NAME: &str = "refresh_tokens";

#[async_trait]
impl RefreshTokens for Postgres {
    async fn key(&self, candidate: RefreshKey) -> Result<RefreshKey, StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(KEY_NAME)
        .bind(candidate.expose_for_store().as_slice())
        .execute(&mut *transaction)
        .answered()
        .await?;
        let row = sqlx::query("SELECT name, value FROM secrets WHERE name = $1")
            .bind(KEY_NAME)
            .fetch_one(&mut *transaction)
            .answered()
            .await?;
        let key = read_key(&row)?;
        transaction.commit().answered().await?;
        Ok(key)
    }

    async fn redeem(
        &self,
        digest: &RefreshTokenDigest,
        successor: &NewRefreshToken,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        let mut transaction = self.write().await?;
        // The session before its token, as whoever ends it does.
        let Some(found) = find(&mut transaction, digest).await? else {
            return Ok(Redeemed::Unknown);
        };
        sessions::lock(&mut transaction, found.session).await?;
        let sql = concat!(
            "UPDATE refresh_tokens SET redeemed_at = $1 \
                   WHERE digest = $2 AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > $1 \
                   RETURNING ",
            columns!(refresh_tokens)
        );
        let won = sqlx::query(sql)
            .bind(now.as_millis())
            .bind(digest.as_bytes().as_slice())
            .fetch_optional(&mut *transaction)
            .answered()
            .await?;
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
        sqlx::query("UPDATE sessions SET last_seen_at = $1 WHERE id = $2")
            .bind(holder.session.last_seen_at.as_millis())
            .bind(session.to_string())
            .execute(&mut *transaction)
            .answered()
            .await?;
        let successor = NewRefreshToken { expires_at: holder.expires_at, ..successor.clone() };
        insert(&mut transaction, &successor, session).await?;
        transaction.commit().answered().await?;
        Ok(Redeemed::Rotated(Box::new(holder)))
    }

    async fn holder(
        &self,
        family: FamilyId,
        number: u32,
        now: Timestamp,
    ) -> Result<Option<Holder>, StoreError> {
        let mut connection = self.pool.acquire().answered().await?;
        let row = sqlx::query(concat!(
            "SELECT ",
            columns!(refresh_tokens),
            " FROM refresh_tokens WHERE family = $1 AND number = $2"
        ))
        .bind(family.to_string())
        .bind(i64::from(number))
        .fetch_optional(&mut *connection)
        .answered()
        .await?;
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
        let session = sqlx::query(concat!(
            "SELECT ",
            columns!(refresh_tokens),
            " FROM refresh_tokens WHERE family = $1 LIMIT 1"
        ))
        .bind(family.to_string())
        .fetch_optional(&mut *transaction)
        .answered()
        .await?;
        let Some(session) = session.as_ref().map(read).transpose()?.map(|token| token.session)
        else {
            return Ok(false);
        };
        let ended = sessions::end(&mut transaction, session, EndReason::Replay, event.at).await?;
        if ended {
            events::insert(&mut transaction, event).await?;
        }
        transaction.commit().answered().await?;
        Ok(ended)
    }
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    token: &NewRefreshToken,
    session: SessionId,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO refresh_tokens (digest, family, number, session, expires_at) \
               VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(token.digest.as_bytes().as_slice())
        .bind(token.family.to_string())
        .bind(i64::from(token.number))
        .bind(session.to_string())
        .bind(token.expires_at.as_millis())
        .execute(connection)
        .answered_or_conflict("refresh token", &["digest", "number"])
        .await
        .map(drop)
}

/// Session and user, if both are good at `now`.
async fn holder(
    connection: &mut PgConnection,
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
    connection: &mut PgConnection,
    digest: &RefreshTokenDigest,
) -> Result<Option<RefreshToken>, StoreError> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(refresh_tokens),
        " FROM refresh_tokens WHERE digest = $1"
    ))
    .bind(digest.as_bytes().as_slice())
    .fetch_optional(connection)
    .answered()
    .await;
    row?.as_ref().map(read).transpose()
}
