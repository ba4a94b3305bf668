//! Mails to be sent: the outbox.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{Sqlite, unavailable};
use crate::clock::Timestamp;
use crate::identity::letter::{Letter, Queued};
use crate::identity::{LetterId, Letters, StoreError, random};
use crate::store::record::letters::{read, read_id, read_waiting};

#[async_trait]
impl Letters for Sqlite {
    async fn put(&self, letter: &Letter, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        insert(&mut transaction, letter, now).await?;
        transaction.commit().await.map_err(unavailable)
    }

    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        at_most: u32,
    ) -> Result<Vec<Queued>, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "UPDATE letters SET due_at = ?2, attempts = attempts + 1 WHERE id IN \
                   (SELECT id FROM letters WHERE state = 'waiting' AND due_at <= ?1 \
                    ORDER BY due_at, id LIMIT ?3) RETURNING *";
        let rows = sqlx::query(sql)
            .bind(now.as_millis())
            .bind((now + lease).as_millis())
            .bind(at_most)
            .fetch_all(&mut *transaction)
            .await
            .map_err(unavailable)?;
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
        transaction.commit().await.map_err(unavailable)?;
        taken.sort_by_key(|queued| (queued.queued_at, queued.id));
        Ok(taken)
    }

    async fn sent(&self, id: LetterId) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        finish(&mut transaction, &id.to_string(), "sent", None).await?;
        transaction.commit().await.map_err(unavailable)
    }

    async fn failed(
        &self,
        id: LetterId,
        next_try: Option<Timestamp>,
        why: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        if let Some(next) = next_try {
            let sql = "UPDATE letters SET due_at = ?, last_error = ? \
                       WHERE id = ? AND state = 'waiting'";
            sqlx::query(sql)
                .bind(next.as_millis())
                .bind(why)
                .bind(id.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(unavailable)?;
        } else {
            finish(&mut transaction, &id.to_string(), "given_up", Some(why)).await?;
        }
        transaction.commit().await.map_err(unavailable)
    }

    async fn waiting(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        let sql = "SELECT 'all' AS name, count(*) AS count, min(queued_at) AS oldest \
                   FROM letters WHERE state = 'waiting'";
        let row = sqlx::query(sql).fetch_one(&self.readers).await.map_err(unavailable)?;
        read_waiting(&row)
    }

    async fn written(&self) {
        self.letter_written.notified().await;
    }
}

/// Writes `letter` in the transaction of its cause, due at once. Whoever sends letters is woken.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    letter: &Letter,
    at: Timestamp,
) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO letters (id, kind, payload, queued_at, due_at) VALUES (?1, ?2, ?3, ?4, ?4)";
    sqlx::query(sql)
        .bind(LetterId::from_uuid(random::uuid_v7(at)).to_string())
        .bind(letter.kind.name())
        .bind(letter.expose_for_store().expose())
        .bind(at.as_millis())
        .execute(connection)
        .await
        .map(drop)
        .map_err(unavailable)
}

/// Gives up what waits since before `waiting_since`, and removes what was finished and was written before `finished`.
/// Returns how many rows went.
pub(super) async fn tidy(
    connection: &mut SqliteConnection,
    waiting_since: Timestamp,
    finished: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "UPDATE letters SET state = 'given_up', payload = NULL, \
               last_error = coalesce(last_error, 'nobody sent it in time') \
               WHERE state = 'waiting' AND queued_at < ?";
    sqlx::query(sql)
        .bind(waiting_since.as_millis())
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    let removed = sqlx::query("DELETE FROM letters WHERE state <> 'waiting' AND queued_at < ?")
        .bind(finished.as_millis())
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(removed.rows_affected())
}

/// A letter that was sent or given up stays so: whoever comes later lost its lease.
async fn finish(
    connection: &mut SqliteConnection,
    id: &str,
    state: &'static str,
    why: Option<&str>,
) -> Result<(), StoreError> {
    let sql = "UPDATE letters SET state = ?, payload = NULL, last_error = ? \
               WHERE id = ? AND state = 'waiting'";
    sqlx::query(sql)
        .bind(state)
        .bind(why)
        .bind(id)
        .execute(connection)
        .await
        .map(drop)
        .map_err(unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::LetterKind;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const LEASE: Duration = Duration::from_mins(1);

    async fn with_letters(count: usize) -> (Sqlite, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(&folder.path().join("stormdoor.db")).await.expect("a store");
        for number in 0..count {
            let to = format!("ana{number}@example.org").parse().expect("an address");
            let letter = Letter { to, name: None, kind: LetterKind::PasswordChanged };
            store.put(&letter, NOW).await.expect("a letter");
        }
        (store, folder)
    }

    #[tokio::test]
    async fn one_letter_that_cannot_be_read_does_not_keep_back_the_others() {
        let (store, _folder) = with_letters(2).await;
        let sql = "UPDATE letters SET payload = '{}' WHERE rowid = 1";
        sqlx::query(sql).execute(&store.writer).await.expect("a broken row");
        assert_eq!(store.take_due(NOW, LEASE, 10).await.expect("the other one").len(), 1);
        assert_eq!(store.waiting().await.expect("a count").0, 1);
    }

    #[tokio::test]
    async fn what_a_finished_letter_said_is_nowhere_in_its_row() {
        let (store, _folder) = with_letters(2).await;
        let taken = store.take_due(NOW, LEASE, 10).await.expect("two letters");
        let [first, second] = taken.as_slice() else { panic!("two letters") };
        store.sent(first.id).await.expect("sent");
        store.failed(second.id, None, "550").await.expect("given up");
        let sql = "SELECT state FROM letters WHERE payload IS NULL ORDER BY state";
        let states: Vec<String> =
            sqlx::query_scalar(sql).fetch_all(&store.readers).await.expect("rows");
        assert_eq!(states, ["given_up", "sent"]);
    }
}
