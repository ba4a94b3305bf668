//! What happened. A trigger numbers them, one transaction at a time.
//!
//! Nothing here ever changes an entry, and only [`forget`] removes any: the oldest, and so many that none in the middle is
//! missing. That is what a chain needs: when entries carry a digest of the one before, the digest of the last one that was
//! forgotten is kept, signed, in its place, and the rest is verified from there. Until then an operator who may write
//! into the database can change what happened.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, QueryBuilder};

use super::{Answered, Postgres, letters};
use crate::clock::Timestamp;
use crate::identity::event::{EventQuery, Recorded};
use crate::identity::{Event, Events, Letter, StoreError};
use crate::store::record::events::{read, read_node};
use crate::store::upkeep::PORTION;

#[async_trait]
impl Events for Postgres {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        insert(&mut transaction, event).await?;
        transaction.commit().answered().await
    }

    async fn record_and_tell(&self, event: &Event, letters: &[Letter]) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        for letter in letters {
            letters::insert(&mut transaction, letter, event.at).await?;
        }
        insert(&mut transaction, event).await?;
        transaction.commit().answered().await
    }

    async fn search(&self, query: &EventQuery) -> Result<Vec<Recorded>, StoreError> {
        let mut sql =
            QueryBuilder::new(concat!("SELECT ", columns!(audit), " FROM audit WHERE 1 = 1"));
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
        sql.push(" ORDER BY seq DESC LIMIT ").push_bind(i64::from(query.limit));
        let rows = sql.build().fetch_all(&self.pool).answered().await;
        rows?.iter().map(|row| self.read_event(row)).collect()
    }

    async fn after(&self, number: i64, count: u32) -> Result<Vec<Recorded>, StoreError> {
        // One transaction at a time appends: numbers become visible in their order.
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(audit),
            " FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2"
        ))
        .bind(number)
        .bind(i64::from(count))
        .fetch_all(&self.pool)
        .answered()
        .await;
        rows?.iter().map(|row| self.read_event(row)).collect()
    }

    async fn appended(&self) {
        self.happened.notified().await;
    }

    async fn latest(&self, count: u32) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(audit),
            " FROM audit ORDER BY seq DESC LIMIT $1"
        ))
        .bind(i64::from(count))
        .fetch_all(&self.pool)
        .answered()
        .await;
        rows?.iter().map(|row| self.read_event(row)).collect()
    }
}

/// Writes `event` in the transaction of its cause, as its last step: from here to the commit everybody else who writes one
/// waits.
pub(super) async fn insert(connection: &mut PgConnection, event: &Event) -> Result<(), StoreError> {
    let client = event.client.as_ref();
    let sql = "INSERT INTO audit (at, kind, subject, session, client, user_agent, request_id, details, \
               actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
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
        .answered()
        .await
        .map(drop)
}

/// Up to [`PORTION`] of the first entries, as [`Upkeep`](crate::store::upkeep::Upkeep) says.
pub(super) async fn forget(
    connection: &mut PgConnection,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "WITH first AS (SELECT seq, at FROM audit ORDER BY seq LIMIT $2) \
               DELETE FROM audit WHERE seq IN (SELECT seq FROM first) \
               AND seq < coalesce((SELECT min(seq) FROM first WHERE at >= $1), $3) \
               AND seq < (SELECT max(seq) FROM audit)";
    let forgotten = sqlx::query(sql)
        .bind(before.as_millis())
        .bind(i64::from(PORTION))
        .bind(i64::MAX)
        .execute(connection)
        .answered()
        .await?;
    Ok(forgotten.rows_affected())
}

impl Postgres {
    fn read_event(&self, row: &PgRow) -> Result<Recorded, StoreError> {
        Ok(Recorded { elsewhere: read_node(row)? != self.node, ..read(row)? })
    }
}
