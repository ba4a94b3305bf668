//! What happened. A trigger numbers them; nothing here ever changes or removes one.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, QueryBuilder};

use super::{Answered, Postgres, letters};
use crate::identity::event::{EventQuery, Recorded};
use crate::identity::{Event, Events, Letter, StoreError};
use crate::store::record::events::{read, read_node};

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
        sql.push(" ORDER BY seq DESC LIMIT ").push_bind(i64::from(query.limit));
        let rows = sql.build().fetch_all(&self.pool).answered().await;
        rows?.iter().map(|row| self.read_event(row)).collect()
    }

    async fn after(&self, number: i64, count: u32) -> Result<Vec<Recorded>, StoreError> {
        // One transaction at a time appends: numbers become visible in their order.
        let rows = sqlx::query("SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2")
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
        let rows = sqlx::query("SELECT * FROM audit ORDER BY seq DESC LIMIT $1")
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

impl Postgres {
    fn read_event(&self, row: &PgRow) -> Result<Recorded, StoreError> {
        Ok(Recorded { elsewhere: read_node(row)? != self.node, ..read(row)? })
    }
}
