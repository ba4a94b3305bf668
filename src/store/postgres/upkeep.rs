//! Keeping the tables small, and knowing that the server answers.

use std::time::Duration;

use async_trait::async_trait;

use super::{Answered, Postgres, letters, provisioning};
use crate::clock::Timestamp;
use crate::identity::StoreError;
use crate::identity::letter::PATIENCE;
use crate::store::Upkeep;
use crate::store::record::users::read_id;

/// How long an expired refresh token is kept.
const KEEP_TOKENS: Duration = Duration::from_hours(24);

/// How long a session that is over is kept, for its owner to see.
const KEEP_SESSIONS: Duration = Duration::from_hours(30 * 24);

/// How long a letter that was sent or given up is remembered, without what it said.
const KEEP_LETTERS: Duration = Duration::from_hours(7 * 24);

/// How long somebody who signed up has to prove the address; asking for a new password proves it too.
const KEEP_UNPROVEN: Duration = Duration::from_hours(7 * 24);

#[async_trait]
impl Upkeep for Postgres {
    async fn ping(&self) -> Result<(), StoreError> {
        // A standby answers, but takes no writes.
        let standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()")
            .fetch_one(&self.pool)
            .answered()
            .await?;
        if standby {
            return Err(StoreError::Unavailable("the server is a standby, and read-only".into()));
        }
        Ok(())
    }

    async fn tidy(&self, now: Timestamp) -> Result<u64, StoreError> {
        // Each by itself: none needs the others, and nobody waits for more than one of them. Two nodes may do it at once.
        let tokens = sqlx::query("DELETE FROM refresh_tokens WHERE expires_at < $1")
            .bind((now - KEEP_TOKENS).as_millis())
            .execute(&self.pool)
            .answered()
            .await?;
        let sql = "DELETE FROM sessions WHERE expires_at < $1 OR ended_at < $1";
        let sessions = sqlx::query(sql)
            .bind((now - KEEP_SESSIONS).as_millis())
            .execute(&self.pool)
            .answered()
            .await?;
        // Whoever sends letters gives up by itself. This is for a gateway that no longer sends any.
        let waiting_since = now - 2 * PATIENCE;
        let mut connection = self.pool.acquire().answered().await?;
        let letters = letters::tidy(&mut connection, waiting_since, now - KEEP_LETTERS).await?;
        drop(connection);
        let links = sqlx::query("DELETE FROM mailed_tokens WHERE expires_at < $1")
            .bind(now.as_millis())
            .execute(&self.pool)
            .answered()
            .await?;
        // Whoever never proved the address may have mistyped it, and it is somebody else's.
        let sql =
            "DELETE FROM users WHERE standing = 'unverified' AND created_at < $1 RETURNING id";
        let mut transaction = self.write().await?;
        let unproven = sqlx::query(sql)
            .bind((now - KEEP_UNPROVEN).as_millis())
            .fetch_all(&mut *transaction)
            .answered()
            .await?;
        for row in &unproven {
            let user = read_id(row)?;
            provisioning::mark_erased(&mut transaction, user, "never_proven", now).await?;
        }
        transaction.commit().answered().await?;
        let rows = [tokens, sessions, links].map(|gone| gone.rows_affected());
        Ok(letters + rows.iter().sum::<u64>() + unproven.len() as u64)
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
