//! What we sign with.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{Answered, Postgres, events};
use crate::clock::Timestamp;
use crate::identity::StoreError;
use crate::identity::token::{SigningKey, SigningKeys};
use crate::store::record::signing_keys::read;

#[async_trait]
impl SigningKeys for Postgres {
    async fn all(&self) -> Result<Vec<SigningKey>, StoreError> {
        let rows = sqlx::query(ALL).fetch_all(&self.pool).answered().await;
        rows?.iter().map(read).collect()
    }

    async fn rotate(&self, key: &SigningKey) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        one_at_a_time(&mut transaction).await?;
        sqlx::query("UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL")
            .bind(key.created_at.as_millis())
            .execute(&mut *transaction)
            .answered()
            .await?;
        insert(&mut transaction, key).await?;
        events::insert(&mut transaction, &key.made()).await?;
        transaction.commit().answered().await
    }

    async fn insert_first(&self, key: &SigningKey) -> Result<SigningKey, StoreError> {
        let mut transaction = self.write().await?;
        one_at_a_time(&mut transaction).await?;
        let rows = sqlx::query(ALL).fetch_all(&mut *transaction).answered().await?;
        let present = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let signs =
            |other: &&SigningKey| other.algorithm == key.algorithm && other.retired_at.is_none();
        if let Some(first) = present.iter().find(signs) {
            return Ok(first.clone());
        }
        insert(&mut transaction, key).await?;
        if !present.is_empty() {
            events::insert(&mut transaction, &key.made()).await?;
        }
        transaction.commit().answered().await?;
        Ok(key.clone())
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

/// Newest first.
const ALL: &str =
    concat!("SELECT ", columns!(signing_keys), " FROM signing_keys ORDER BY created_at DESC, kid");

/// Nodes that start together make one key between them, and of two rotations one is the later. Readers go on.
async fn one_at_a_time(connection: &mut PgConnection) -> Result<(), StoreError> {
    let sql = "LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE";
    sqlx::query(sql).execute(connection).answered().await.map(drop)
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
