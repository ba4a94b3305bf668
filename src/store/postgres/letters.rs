//! Mails to be sent: the outbox.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{Answered, Postgres};
use crate::clock::Timestamp;
use crate::identity::letter::{Letter, Queued};
use crate::identity::{LetterId, Letters, StoreError, random};
use crate::store::record::letters::{read, read_id, read_waiting};

#[async_trait]
impl Letters for Postgres {
    async fn put(&self, letter: &Letter, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        insert(&mut transaction, letter, now).await?;
        transaction.commit().answered().await
    }

    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        at_most: u32,
    ) -> Result<Vec<Queued>, StoreError> {
        let mut transaction = self.write().await?;
        let sql = concat!(
            "UPDATE letters SET due_at = $2, attempts = attempts + 1 WHERE id IN \
                   (SELECT id FROM letters WHERE state = 'waiting' AND due_at <= $1 \
                    ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING ",
            columns!(letters)
        );
        let rows = sqlx::query(sql)
            .bind(now.as_millis())
            .bind((now + lease).as_millis())
            .bind(i64::from(at_most))
            .fetch_all(&mut *transaction)
            .answered()
            .await?;
        let mut taken = Vec::with_capacity(rows.len());
        for row in &rows {
            match read(row) {
                Ok(queued) => taken.push(queued),
                // One row that cannot be read must not keep back all others, nor come again for ever.
                Err(error) => {
                    tracing::error!(%error, "a letter is given up");
                    finish(&mut transaction, read_id(row)?, "given_up", Some("it cannot be read"))
                        .await?;
                }
            }
        }
        transaction.commit().answered().await?;
        taken.sort_by_key(|queued| (queued.queued_at, queued.id));
        Ok(taken)
    }

    async fn sent(&self, id: LetterId) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        finish(&mut transaction, &id.to_string(), "sent", None).await?;
        transaction.commit().answered().await
    }

    async fn failed(
        &self,
        id: LetterId,
        next_try: Option<Timestamp>,
        why: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        if let Some(next) = next_try {
            let sql = "UPDATE letters SET due_at = $1, last_error = $2 \
                       WHERE id = $3 AND state = 'waiting'";
            sqlx::query(sql)
                .bind(next.as_millis())
                .bind(why)
                .bind(id.to_string())
                .execute(&mut *transaction)
                .answered()
                .await?;
        } else {
            finish(&mut transaction, &id.to_string(), "given_up", Some(why)).await?;
        }
        transaction.commit().answered().await
    }

    async fn waiting(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        let sql = "SELECT 'all' AS name, count(*) AS count, min(queued_at) AS oldest \
                   FROM letters WHERE state = 'waiting'";
        let row = sqlx::query(sql).fetch_one(&self.pool).answered().await?;
        read_waiting(&row)
    }

    async fn written(&self) {
        self.letter_written.notified().await;
    }
}

/// Writes `letter` in the transaction of its cause, due at once. Whoever sends letters is woken.
pub(super) async fn insert(
    connection: &mut PgConnection,
    letter: &Letter,
    at: Timestamp,
) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO letters (id, kind, payload, queued_at, due_at) VALUES ($1, $2, $3, $4, $4)";
    sqlx::query(sql)
        .bind(LetterId::from_uuid(random::uuid_v7(at)).to_string())
        .bind(letter.kind.name())
        .bind(letter.expose_for_store().expose())
        .bind(at.as_millis())
        .execute(connection)
        .answered()
        .await
        .map(drop)
}

/// Gives up what waits since before `waiting_since`, and removes what was finished and was written before `finished`.
/// Returns how many rows went.
pub(super) async fn tidy(
    connection: &mut PgConnection,
    waiting_since: Timestamp,
    finished: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "UPDATE letters SET state = 'given_up', payload = NULL, \
               last_error = coalesce(last_error, 'nobody sent it in time') \
               WHERE state = 'waiting' AND queued_at < $1";
    sqlx::query(sql).bind(waiting_since.as_millis()).execute(&mut *connection).answered().await?;
    let removed = sqlx::query("DELETE FROM letters WHERE state <> 'waiting' AND queued_at < $1")
        .bind(finished.as_millis())
        .execute(connection)
        .answered()
        .await?;
    Ok(removed.rows_affected())
}

/// A letter that was sent or given up stays so: whoever comes later lost its lease.
async fn finish(
    connection: &mut PgConnection,
    id: &str,
    state: &'static str,
    why: Option<&str>,
) -> Result<(), StoreError> {
    let sql = "UPDATE letters SET state = $1, payload = NULL, last_error = $2 \
               WHERE id = $3 AND state = 'waiting'";
    sqlx::query(sql).bind(state).bind(why).bind(id).execute(connection).answered().await.map(drop)
}
