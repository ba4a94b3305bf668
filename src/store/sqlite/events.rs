//! What happened. They are numbered as they are written.
//!
//! Nothing here ever changes an entry, and only [`forget`] removes any: the oldest, and so many that none in the middle is
//! missing. That is what a chain needs: when entries carry a digest of the one before, the digest of the last one that was
//! forgotten is kept, signed, in its place, and the rest is verified from there. Until then an operator who may write
//! into the file can change what happened.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};

use super::{Sqlite, letters, unavailable};
use crate::clock::Timestamp;
use crate::identity::event::{EventQuery, Recorded};
use crate::identity::{Event, Events, Letter, StoreError};
use crate::store::record::events::read;
use crate::store::upkeep::PORTION;

#[async_trait]
impl Events for Sqlite {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(unavailable)
    }

    async fn record_and_tell(&self, event: &Event, letters: &[Letter]) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        insert(&mut transaction, event).await?;
        for letter in letters {
            letters::insert(&mut transaction, letter, event.at).await?;
        }
        transaction.commit().await.map_err(unavailable)
    }

    async fn search(&self, query: &EventQuery) -> Result<Vec<Recorded>, StoreError> {
        let mut sql = QueryBuilder::new("SELECT * FROM audit WHERE 1 = 1");
        if let Some(user) = query.user {
            sql.push(" AND (subject = ").push_bind(user.to_string());
            sql.push(" OR actor = ").push_bind(user.to_string()).push(")");
        }
        if let Some(kind) = &query.kind {
            sql.push(" AND kind = ").push_bind(kind.clone());
        }
        if let Some(before) = query.before {
            sql.push(" AND seq < ").push_bind(before);
        }
        sql.push(" ORDER BY seq DESC LIMIT ").push_bind(query.limit);
        let rows = sql.build().fetch_all(&self.readers).await;
        rows.map_err(unavailable)?.iter().map(read_event).collect()
    }

    async fn after(&self, number: i64, count: u32) -> Result<Vec<Recorded>, StoreError> {
        // One writer at a time: numbers become visible in their order.
        let rows = sqlx::query("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?")
            .bind(number)
            .bind(count)
            .fetch_all(&self.readers)
            .await;
        rows.map_err(unavailable)?.iter().map(read_event).collect()
    }

    async fn appended(&self) {
        // The file tells nobody.
        std::future::pending::<()>().await;
    }

    async fn latest(&self, count: u32) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query("SELECT * FROM audit ORDER BY seq DESC LIMIT ?")
            .bind(count)
            .fetch_all(&self.readers)
            .await;
        rows.map_err(unavailable)?.iter().map(read_event).collect()
    }
}

/// Writes `event` in the transaction of its cause.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    event: &Event,
) -> Result<(), StoreError> {
    let client = event.client.as_ref();
    let sql = "INSERT INTO audit (at, kind, subject, session, client, user_agent, request_id, details, \
               actor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(event.at.as_millis())
        .bind(event.kind.name())
        .bind(event.subject.map(|subject| subject.to_string()))
        .bind(event.session.map(|session| session.to_string()))
        .bind(client.map(|client| client.address.to_string()))
        .bind(client.and_then(|client| client.user_agent.as_deref()))
        .bind(client.map(|client| client.request_id.as_ref()))
        .bind(event.kind.details().to_string())
        .bind(event.actor.map(|actor| actor.to_string()))
        .execute(connection)
        .await
        .map(drop)
        .map_err(unavailable)
}

/// Up to [`PORTION`] of the first entries, as [`Upkeep`](crate::store::upkeep::Upkeep) says.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "WITH first AS (SELECT seq, at FROM audit ORDER BY seq LIMIT ?2) \
               DELETE FROM audit WHERE seq IN (SELECT seq FROM first) \
               AND seq < coalesce((SELECT min(seq) FROM first WHERE at >= ?1), ?3) \
               AND seq < (SELECT max(seq) FROM audit)";
    let forgotten = sqlx::query(sql)
        .bind(before.as_millis())
        .bind(i64::from(PORTION))
        .bind(i64::MAX)
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(forgotten.rows_affected())
}

/// One gateway uses the file; beside it only commands do, for nobody's request.
fn read_event(row: &SqliteRow) -> Result<Recorded, StoreError> {
    let recorded = read(row)?;
    Ok(Recorded { elsewhere: recorded.by_operator(), ..recorded })
}
