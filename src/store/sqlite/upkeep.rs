//! Keeping the file small, and knowing that it answers.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::{Sqlite, events, letters, provisioning, unavailable};
use crate::clock::Timestamp;
use crate::identity::StoreError;
use crate::identity::letter::PATIENCE;
use crate::store::record::users::read_id;
use crate::store::upkeep::{KEEP_LETTERS, KEEP_SESSIONS, KEEP_TOKENS, KEEP_UNPROVEN, Upkeep};

#[async_trait]
impl Upkeep for Sqlite {
    async fn ping(&self) -> Result<(), StoreError> {
        // Takes the write lock. That alone writes nothing: after something was not written, perhaps because the file
        // system is full or became read-only, something is, until it can be.
        let mut transaction = self.write().await?;
        if self.rolled_back.swap(false, Ordering::Relaxed) {
            // A number in the head of the file that nobody looks at.
            let write = sqlx::query("PRAGMA user_version = 0").execute(&mut *transaction).await;
            write.map_err(unavailable)?;
        }
        transaction.commit().await.map_err(unavailable)?;
        let read = sqlx::query("SELECT id FROM users LIMIT 1").fetch_optional(&self.readers).await;
        read.map(drop).map_err(unavailable)
    }

    async fn tidy(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let tokens = sqlx::query("DELETE FROM refresh_tokens WHERE expires_at < ?")
            .bind((now - KEEP_TOKENS).as_millis())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let sql = "DELETE FROM sessions WHERE expires_at < ?1 OR ended_at < ?1";
        let sessions = sqlx::query(sql)
            .bind((now - KEEP_SESSIONS).as_millis())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        // Whoever sends letters gives up by itself. This is for a gateway that no longer sends any.
        let waiting_since = now - 2 * PATIENCE;
        let letters = letters::tidy(&mut transaction, waiting_since, now - KEEP_LETTERS).await?;
        let links = sqlx::query("DELETE FROM mailed_tokens WHERE expires_at < ?")
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        // Whoever never proved the address may have mistyped it, and it is somebody else's.
        let sql = "DELETE FROM users WHERE standing = 'unverified' AND created_at < ? RETURNING id";
        let unproven = sqlx::query(sql)
            .bind((now - KEEP_UNPROVEN).as_millis())
            .fetch_all(&mut *transaction)
            .await
            .map_err(unavailable)?;
        for row in &unproven {
            let user = read_id(row)?;
            provisioning::mark_erased(&mut transaction, user, "never_proven", now).await?;
        }
        transaction.commit().await.map_err(unavailable)?;
        let rows = [tokens, sessions, links].map(|gone| gone.rows_affected());
        Ok(letters + rows.iter().sum::<u64>() + unproven.len() as u64)
    }

    async fn forget_events(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let gone = events::forget(&mut transaction, before).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(gone)
    }

    async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}
