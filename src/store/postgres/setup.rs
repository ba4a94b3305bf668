//! The first admin.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{Answered, Postgres, events, provisioning, users};
use crate::clock::Timestamp;
use crate::identity::setup::{SetupDigest, SetupOutcome, SetupState};
use crate::identity::{Event, Setup, StoreError, User};
use crate::store::record::setup::read;

#[async_trait]
impl Setup for Postgres {
    async fn state(&self) -> Result<SetupState, StoreError> {
        let mut connection = self.pool.acquire().answered().await?;
        state(&mut connection).await
    }

    async fn offer(&self, code: &SetupDigest, now: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "INSERT INTO setup (id, code_digest, offered_at) VALUES (1, $1, $2) \
                   ON CONFLICT (id) DO UPDATE SET code_digest = $1, offered_at = $2 \
                   WHERE setup.closed_at IS NULL";
        let offered = sqlx::query(sql)
            .bind(code.as_bytes().as_slice())
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .answered()
            .await?;
        transaction.commit().answered().await?;
        Ok(offered.rows_affected() > 0)
    }

    async fn complete(
        &self,
        code: &SetupDigest,
        user: &User,
        event: &Event,
    ) -> Result<SetupOutcome, StoreError> {
        let mut transaction = self.write().await?;
        // The row is there since a code was offered: whoever has it locked decides.
        sqlx::query("SELECT 1 FROM setup WHERE id = 1 FOR UPDATE")
            .execute(&mut *transaction)
            .answered()
            .await?;
        match state(&mut transaction).await? {
            SetupState::Closed => return Ok(SetupOutcome::Closed),
            SetupState::Open(offered) if offered != Some(*code) => {
                return Ok(SetupOutcome::WrongCode);
            }
            SetupState::Open(_) => {}
        }
        users::insert(&mut transaction, user).await?;
        close(&mut transaction, event.at).await?;
        provisioning::mark(&mut transaction, user.id, event).await?;
        events::insert(&mut transaction, event).await?;
        transaction.commit().answered().await?;
        Ok(SetupOutcome::Completed)
    }
}

/// Closes the setup for ever. Closing it again changes nothing.
pub(super) async fn close(connection: &mut PgConnection, at: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO setup (id, closed_at) VALUES (1, $1) \
               ON CONFLICT (id) DO UPDATE SET code_digest = NULL, closed_at = $1 \
               WHERE setup.closed_at IS NULL";
    sqlx::query(sql).bind(at.as_millis()).execute(connection).answered().await.map(drop)
}

async fn state(connection: &mut PgConnection) -> Result<SetupState, StoreError> {
    let sql = "SELECT 'setup' AS name, code_digest, closed_at FROM setup WHERE id = 1";
    let row = sqlx::query(sql).fetch_optional(connection).answered().await?;
    row.as_ref().map_or(Ok(SetupState::Open(None)), read)
}
