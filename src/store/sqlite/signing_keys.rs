//! What we sign with.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{Sqlite, conflict_or_unavailable, events, unavailable};
use crate::clock::Timestamp;
use crate::identity::StoreError;
use crate::identity::token::{SigningKey, SigningKeys};
use crate::store::record::signing_keys::read;

#[async_trait]
impl SigningKeys for Sqlite {
    async fn all(&self) -> Result<Vec<SigningKey>, StoreError> {
        let rows = sqlx::query(ALL).fetch_all(&self.readers).await;
        rows.map_err(unavailable)?.iter().map(read).collect()
    }

    async fn rotate(&self, key: &SigningKey) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("UPDATE signing_keys SET retired_at = ? WHERE retired_at IS NULL")
            .bind(key.created_at.as_millis())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        insert(&mut transaction, key).await?;
        events::insert(&mut transaction, &key.made()).await?;
        transaction.commit().await.map_err(unavailable)
    }

    async fn insert_first(&self, key: &SigningKey) -> Result<SigningKey, StoreError> {
        let mut transaction = self.write().await?;
        let rows = sqlx::query(ALL).fetch_all(&mut *transaction).await.map_err(unavailable)?;
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
        transaction.commit().await.map_err(unavailable)?;
        Ok(key.clone())
    }

    async fn remove(&self, kid: &str, before: Timestamp) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM signing_keys WHERE kid = ? AND retired_at < ?")
            .bind(kid)
            .bind(before.as_millis())
            .execute(&self.writer)
            .await
            .map_err(unavailable)?;
        Ok(removed.rows_affected() > 0)
    }
}

/// Newest first.
const ALL: &str = "SELECT * FROM signing_keys ORDER BY created_at DESC, kid";

async fn insert(connection: &mut SqliteConnection, key: &SigningKey) -> Result<(), StoreError> {
    let sql = "INSERT INTO signing_keys (kid, algorithm, private, created_at, retired_at) \
               VALUES (?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(key.kid.as_str())
        .bind(key.algorithm.name())
        .bind(key.private.expose().as_slice())
        .bind(key.created_at.as_millis())
        .bind(key.retired_at.map(Timestamp::as_millis))
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| conflict_or_unavailable("signing key", &["kid"], error))
}
