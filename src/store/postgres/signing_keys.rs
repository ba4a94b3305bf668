//! What we sign with.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{Answered, Postgres};
use crate::clock::Timestamp;
use crate::identity::StoreError;
use crate::identity::token::{SigningKey, SigningKeys};
use crate::store::record::signing_keys::read;

#[async_trait]
impl SigningKeys for Postgres {
    async fn all(&self) -> Result<Vec<SigningKey>, StoreError> {
        let rows = sqlx::query("SELECT * FROM signing_keys ORDER BY created_at DESC, kid")
            .fetch_all(&self.pool)
            .answered()
            .await;
        rows?.iter().map(read).collect()
    }

    async fn insert(&self, key: &SigningKey) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        insert(&mut transaction, key).await?;
        transaction.commit().answered().await
    }

    async fn insert_first(&self, key: &SigningKey) -> Result<SigningKey, StoreError> {
        let mut transaction = self.write().await?;
        // Nodes that start together make one key between them. Readers go on.
        sqlx::query("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")
            .execute(&mut *transaction)
            .answered()
            .await?;
        let sql = "SELECT * FROM signing_keys WHERE algorithm = $1 AND retired_at IS NULL \
                   ORDER BY created_at DESC, kid LIMIT 1";
        let present = sqlx::query(sql)
            .bind(key.algorithm.name())
            .fetch_optional(&mut *transaction)
            .answered()
            .await?;
        if let Some(present) = present {
            return read(&present);
        }
        insert(&mut transaction, key).await?;
        transaction.commit().answered().await?;
        Ok(key.clone())
    }

    async fn retire(&self, kid: &str, at: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE signing_keys SET retired_at = $1 WHERE kid = $2 AND retired_at IS NULL";
        let retired =
            sqlx::query(sql).bind(at.as_millis()).bind(kid).execute(&self.pool).answered().await?;
        Ok(retired.rows_affected() > 0)
    }

    async fn remove(&self, kid: &str, before: Timestamp) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM signing_keys WHERE kid = $1 AND retired_at < $2")
            .bind(kid)
            .bind(before.as_millis())
            .execute(&self.pool)
            .answered()
            .await?;
        Ok(removed.rows_affected() > 0)
    }
}

async fn insert(connection: &mut PgConnection, key: &SigningKey) -> Result<(), StoreError> {
    let sql = "INSERT INTO signing_keys (kid, algorithm, private, created_at, retired_at) \
               VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(key.kid.as_str())
        .bind(key.algorithm.name())
        .bind(key.private.expose().as_slice())
        .bind(key.created_at.as_millis())
        .bind(key.retired_at.map(Timestamp::as_millis))
        .execute(connection)
        .answered_or_conflict("signing key", &["kid"])
        .await
        .map(drop)
}
