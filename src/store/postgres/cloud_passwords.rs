//! App passwords of Nextcloud, sealed.

use async_trait::async_trait;

use super::{Answered, Postgres, events};
use crate::identity::{CloudPasswords, Event, StoreError, UserId};

#[async_trait]
impl CloudPasswords for Postgres {
    async fn find(&self, user: UserId) -> Result<Option<Vec<u8>>, StoreError> {
        sqlx::query_scalar("SELECT sealed FROM cloud_passwords WHERE user_id = $1")
            .bind(user.to_string())
            .fetch_optional(&self.pool)
            .answered()
            .await
    }

    async fn set(&self, user: UserId, sealed: &[u8], event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "INSERT INTO cloud_passwords (user_id, sealed, set_at) \
                   SELECT id, $2, $3 FROM users WHERE id = $1 \
                   ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, set_at = excluded.set_at";
        let set = sqlx::query(sql)
            .bind(user.to_string())
            .bind(sealed)
            .bind(event.at.as_millis())
            .execute(&mut *transaction)
            .answered()
            .await?;
        if set.rows_affected() == 0 {
            return Ok(false);
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().answered().await?;
        Ok(true)
    }

    async fn remove(&self, user: UserId, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let removed = sqlx::query("DELETE FROM cloud_passwords WHERE user_id = $1")
            .bind(user.to_string())
            .execute(&mut *transaction)
            .answered()
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().answered().await?;
        Ok(true)
    }
}
