//! Keeping the tables small, and knowing that the server answers.

use async_trait::async_trait;

use super::{Answered, Postgres, events, letters, provisioning};
use crate::clock::Timestamp;
use crate::identity::StoreError;
use crate::identity::letter::PATIENCE;
use crate::store::record::users::read_id;
use crate::store::upkeep::{KEEP_LETTERS, KEEP_SESSIONS, KEEP_TOKENS, KEEP_UNPROVEN, Upkeep};

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

    async fn forget_events(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut connection = self.pool.acquire().answered().await?;
        events::forget(&mut connection, before).await
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
