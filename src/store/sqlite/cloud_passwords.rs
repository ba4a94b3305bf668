//! App passwords of Nextcloud, sealed.

use async_trait::async_trait;

use super::{Sqlite, events, unavailable};
use crate::identity::{CloudPasswords, Event, StoreError, UserId};

#[async_trait]
impl CloudPasswords for Sqlite {
    async fn find(&self, user: UserId) -> Result<Option<Vec<u8>>, StoreError> {
        sqlx::query_scalar("SELECT sealed FROM cloud_passwords WHERE user = ?")
            .bind(user.to_string())
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable)
    }

    async fn set(&self, user: UserId, sealed: &[u8], event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "INSERT INTO cloud_passwords (user, sealed, set_at) \
                   SELECT id, ?2, ?3 FROM users WHERE id = ?1 \
                   ON CONFLICT (user) DO UPDATE SET sealed = ?2, set_at = ?3";
        let set = sqlx::query(sql)
            .bind(user.to_string())
            .bind(sealed)
            .bind(event.at.as_millis())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        if set.rows_affected() == 0 {
            return Ok(false);
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(true)
    }

    async fn remove(&self, user: UserId, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let removed = sqlx::query("DELETE FROM cloud_passwords WHERE user = ?")
            .bind(user.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(true)
    }
}
