//! Who must be looked at in Nextcloud: the journal.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{Sqlite, events, unavailable};
use crate::clock::Timestamp;
use crate::identity::provisioning::{Backlog, Claim, Entry, Journal, Settled, Stage, State, Taken};
use crate::identity::{CloudId, Event, StoreError, UserId};
use crate::store::record::provisioning::{read, read_backlog, read_taken};

#[async_trait]
impl Journal for Sqlite {
    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        at_most: u32,
    ) -> Result<Vec<Taken>, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "UPDATE provisioning SET leased_until = ?2, turn = turn + 1 WHERE user IN \
                   (SELECT user FROM provisioning WHERE state = 'waiting' AND due_at <= ?1 \
                    AND (leased_until IS NULL OR leased_until <= ?1) \
                    ORDER BY since, user LIMIT ?3) RETURNING *";
        let rows = sqlx::query(sql)
            .bind(now.as_millis())
            .bind((now + lease).as_millis())
            .bind(at_most)
            .fetch_all(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let mut taken = rows.iter().map(read_taken).collect::<Result<Vec<_>, _>>()?;
        transaction.commit().await.map_err(unavailable)?;
        taken.sort_by_key(|taken| (taken.entry.since, taken.entry.user));
        Ok(taken)
    }

    async fn claim(&self, taken: &Taken, id: &CloudId) -> Result<Claim, StoreError> {
        let mut transaction = self.write().await?;
        let user = taken.entry.user.to_string();
        let sql = "SELECT user FROM provisioning WHERE cloud_id = ? AND user <> ?";
        let holder = sqlx::query(sql)
            .bind(id.as_str())
            .bind(&user)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(unavailable)?;
        if holder.is_some() {
            return Ok(Claim::TakenByAnother);
        }
        // A user who was erased meanwhile is not to be made.
        let sql = "UPDATE provisioning SET cloud_id = ?1 WHERE user = ?2 AND turn = ?3 \
                   AND (cloud_id IS NULL OR cloud_id = ?1) \
                   AND EXISTS (SELECT 1 FROM users WHERE id = ?2)";
        let claimed = sqlx::query(sql)
            .bind(id.as_str())
            .bind(&user)
            .bind(taken.turn)
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(if claimed.rows_affected() > 0 { Claim::Held } else { Claim::Lost })
    }

    async fn reached(
        &self,
        taken: &Taken,
        stage: Stage,
        event: Option<&Event>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "UPDATE provisioning SET stage = ? WHERE user = ? AND turn = ?";
        let reached = sqlx::query(sql)
            .bind(stage.name())
            .bind(taken.entry.user.to_string())
            .bind(taken.turn)
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        if let Some(event) = event {
            events::insert(&mut transaction, event).await?;
        }
        transaction.commit().await.map_err(unavailable)?;
        Ok(reached.rows_affected() > 0)
    }

    async fn settle(
        &self,
        taken: &Taken,
        settled: &Settled,
        event: Option<&Event>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        settle(&mut transaction, taken, settled).await?;
        if let Some(event) = event {
            events::insert(&mut transaction, event).await?;
        }
        transaction.commit().await.map_err(unavailable)
    }

    async fn find(&self, user: UserId) -> Result<Option<Entry>, StoreError> {
        let row = sqlx::query("SELECT * FROM provisioning WHERE user = ?")
            .bind(user.to_string())
            .fetch_optional(&self.readers)
            .await;
        row.map_err(unavailable)?.as_ref().map(read).transpose()
    }

    async fn list(
        &self,
        state: State,
        skip: u32,
        limit: u32,
    ) -> Result<(Vec<Entry>, u64), StoreError> {
        let total: i64 = sqlx::query_scalar("SELECT count(*) FROM provisioning WHERE state = ?")
            .bind(state.name())
            .fetch_one(&self.readers)
            .await
            .map_err(unavailable)?;
        let sql =
            "SELECT * FROM provisioning WHERE state = ? ORDER BY since, user LIMIT ? OFFSET ?";
        let rows = sqlx::query(sql)
            .bind(state.name())
            .bind(limit)
            .bind(skip)
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
        let entries = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok((entries, u64::try_from(total).unwrap_or(0)))
    }

    async fn retry(&self, user: UserId, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "UPDATE provisioning SET state = 'waiting', attempts = 0, due_at = ?1, asked_at = ?1, \
                   generation = generation + 1, since = CASE state WHEN 'waiting' THEN since ELSE ?1 END \
                   WHERE user = ?2";
        let marked = sqlx::query(sql)
            .bind(event.at.as_millis())
            .bind(user.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        if marked.rows_affected() > 0 {
            events::insert(&mut transaction, event).await?;
        }
        transaction.commit().await.map_err(unavailable)?;
        Ok(marked.rows_affected() > 0)
    }

    async fn mark_all(&self, reason: &str, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "UPDATE provisioning SET state = 'waiting', attempts = 0, due_at = ?1, reason = ?2, \
                   generation = generation + 1, since = CASE state WHEN 'waiting' THEN since ELSE ?1 END";
        let marked = sqlx::query(sql)
            .bind(now.as_millis())
            .bind(reason)
            .execute(&self.writer)
            .await
            .map_err(unavailable)?;
        Ok(marked.rows_affected())
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let sql = "SELECT 'all' AS name, count(*) FILTER (WHERE state = 'waiting') AS waiting, \
                   min(since) FILTER (WHERE state = 'waiting') AS oldest, \
                   count(*) FILTER (WHERE state = 'failed') AS failed \
                   FROM provisioning WHERE state IN ('waiting', 'failed')";
        let row = sqlx::query(sql).fetch_one(&self.readers).await.map_err(unavailable)?;
        read_backlog(&row)
    }

    async fn last_retry(&self) -> Result<Option<Timestamp>, StoreError> {
        let latest: Option<i64> = sqlx::query_scalar("SELECT max(asked_at) FROM provisioning")
            .fetch_one(&self.readers)
            .await
            .map_err(unavailable)?;
        Ok(latest.map(Timestamp::from_millis))
    }

    async fn written(&self) {
        self.provisioning_written.notified().await;
    }
}

/// Has `user` looked at, in the transaction of `cause`.
pub(super) async fn mark(
    connection: &mut SqliteConnection,
    user: UserId,
    cause: &Event,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO provisioning (user, reason, since, due_at) VALUES (?1, ?2, ?3, ?3) \
               ON CONFLICT (user) DO UPDATE SET generation = provisioning.generation + 1, reason = ?2, \
               since = CASE provisioning.state WHEN 'waiting' THEN provisioning.since ELSE ?3 END, \
               state = 'waiting', attempts = 0, due_at = ?3";
    sqlx::query(sql)
        .bind(user.to_string())
        .bind(cause.kind.name())
        .bind(cause.at.as_millis())
        .execute(connection)
        .await
        .map(drop)
        .map_err(unavailable)
}

/// Has the account of `user`, whose record is gone, removed there, in the transaction that erased them. Whoever was never
/// there is forgotten.
pub(super) async fn mark_erased(
    connection: &mut SqliteConnection,
    user: UserId,
    reason: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM provisioning WHERE user = ? AND cloud_id IS NULL")
        .bind(user.to_string())
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    let sql = "UPDATE provisioning SET generation = generation + 1, reason = ?2, \
               since = CASE state WHEN 'waiting' THEN since ELSE ?3 END, \
               state = 'waiting', attempts = 0, due_at = ?3 WHERE user = ?1";
    sqlx::query(sql)
        .bind(user.to_string())
        .bind(reason)
        .bind(at.as_millis())
        .execute(connection)
        .await
        .map(drop)
        .map_err(unavailable)
}

async fn settle(
    connection: &mut SqliteConnection,
    taken: &Taken,
    settled: &Settled,
) -> Result<(), StoreError> {
    let Taken { entry, turn } = taken;
    let user = entry.user.to_string();
    // What changed while it was looked at keeps waiting, with its own due_at.
    let query = match settled {
        Settled::Done(stage) => sqlx::query(
            "UPDATE provisioning SET leased_until = NULL, stage = ?4, attempts = 0, last_error = NULL, \
             state = CASE generation WHEN ?3 THEN 'done' ELSE 'waiting' END WHERE user = ?1 AND turn = ?2",
        )
        .bind(user)
        .bind(turn)
        .bind(entry.generation)
        .bind(stage.name()),
        Settled::Gone => sqlx::query(
            "DELETE FROM provisioning WHERE user = ?1 AND turn = ?2 \
             AND NOT EXISTS (SELECT 1 FROM users WHERE id = ?1)",
        )
        .bind(user)
        .bind(turn),
        Settled::Later { at, why } => sqlx::query(
            "UPDATE provisioning SET leased_until = NULL, last_error = coalesce(?5, last_error), \
             attempts = CASE WHEN generation = ?3 AND ?5 IS NOT NULL THEN attempts + 1 ELSE attempts END, \
             due_at = CASE generation WHEN ?3 THEN ?4 ELSE due_at END WHERE user = ?1 AND turn = ?2",
        )
        .bind(user)
        .bind(turn)
        .bind(entry.generation)
        .bind(at.as_millis())
        .bind(why.as_deref()),
        Settled::Failed { why } => sqlx::query(
            "UPDATE provisioning SET leased_until = NULL, last_error = ?4, \
             state = CASE generation WHEN ?3 THEN 'failed' ELSE 'waiting' END WHERE user = ?1 AND turn = ?2",
        )
        .bind(user)
        .bind(turn)
        .bind(entry.generation)
        .bind(why.as_str()),
    };
    query.execute(connection).await.map(drop).map_err(unavailable)
}
