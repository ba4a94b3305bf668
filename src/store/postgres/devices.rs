//! Device passwords and API tokens.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Answered, Postgres, events, users};
use crate::clock::Timestamp;
use crate::identity::device::{DEVICES_MAX, Device, HeldDevice};
use crate::identity::{DeviceId, Devices, Event, SecretDigest, StoreError, UserId};
use crate::store::record::devices::{permissions, read};

#[async_trait]
impl Devices for Postgres {
    async fn insert(
        &self,
        device: &Device,
        digest: &SecretDigest,
        event: &Event,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        // Two at a time must not both be the last one.
        users::lock(&mut transaction, device.user).await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM devices WHERE user_id = $1")
            .bind(device.user.to_string())
            .fetch_one(&mut *transaction)
            .answered()
            .await?;
        if u64::try_from(count).unwrap_or(0) >= DEVICES_MAX {
            return Ok(false);
        }
        let sql = "INSERT INTO devices (id, user_id, digest, name, permissions, created_at, last_used_at, \
                   last_address, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        sqlx::query(sql)
            .bind(device.id.to_string())
            .bind(device.user.to_string())
            .bind(digest.as_bytes().as_slice())
            .bind(&device.name)
            .bind(permissions(device))
            .bind(device.created_at.as_millis())
            .bind(device.last_used_at.map(Timestamp::as_millis))
            .bind(device.last_address.as_deref())
            .bind(device.expires_at.map(Timestamp::as_millis))
            .execute(&mut *transaction)
            .answered_or_conflict("device", &["id", "digest"])
            .await?;
        events::insert(&mut transaction, event).await?;
        transaction.commit().answered().await?;
        Ok(true)
    }

    async fn by_digest(&self, digest: &SecretDigest) -> Result<Option<HeldDevice>, StoreError> {
        let mut connection = self.pool.acquire().answered().await?;
        let row =
            sqlx::query(concat!("SELECT ", columns!(devices), " FROM devices WHERE digest = $1"))
                .bind(digest.as_bytes().as_slice())
                .fetch_optional(&mut *connection)
                .answered()
                .await?;
        let Some(device) = row.as_ref().map(read).transpose()? else { return Ok(None) };
        let user = users::find(&mut connection, device.user).await?;
        Ok(user.map(|user| HeldDevice { device, user }))
    }

    async fn of_user(&self, user: UserId) -> Result<Vec<Device>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(devices),
            " FROM devices WHERE user_id = $1 ORDER BY id DESC"
        ))
        .bind(user.to_string())
        .fetch_all(&self.pool)
        .answered()
        .await;
        rows?.iter().map(read).collect()
    }

    async fn remove(&self, user: UserId, id: DeviceId, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let removed = sqlx::query("DELETE FROM devices WHERE id = $1 AND user_id = $2")
            .bind(id.to_string())
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

    async fn used(&self, uses: &[(DeviceId, Timestamp, Arc<str>)]) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        // In one order, so that two nodes that note the same ones do not wait for each other.
        let mut uses = uses.to_vec();
        uses.sort_by_key(|(device, ..)| device.to_string());
        for (device, at, from) in uses {
            let sql = "UPDATE devices SET last_used_at = $1, last_address = $2 \
                       WHERE id = $3 AND coalesce(last_used_at, 0) <= $1";
            sqlx::query(sql)
                .bind(at.as_millis())
                .bind(&*from)
                .bind(device.to_string())
                .execute(&mut *transaction)
                .answered()
                .await?;
        }
        transaction.commit().answered().await
    }
}
