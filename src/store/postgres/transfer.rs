//! All rows, to move them to another kind of store, and back.

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::TryStreamExt;
use sqlx::{Executor, PgConnection};

use super::{Postgres, row};
use crate::store::transfer::{
    Counts, Giving, Kind, Row, TABLES, Table, Taking, Transfer, TransferError, must_be_empty,
    must_equal, outage, values,
};

#[async_trait]
impl Transfer for Postgres {
    async fn counts(&self) -> Result<Counts, TransferError> {
        let mut connection = self.pool.acquire().await.map_err(outage)?;
        counts(&mut connection).await
    }

    async fn give(&self, to: &mut Giving<'_>) -> Result<(), TransferError> {
        // One snapshot for all tables.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let mut transaction = self.pool.begin_with(begin).await.map_err(outage)?;
        patiently(&mut transaction).await?;
        for (at, table) in TABLES.iter().enumerate() {
            let sql = format!("SELECT {} FROM {}", columns(table), table.name);
            let mut rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch(&mut *transaction);
            while let Some(row) = rows.try_next().await.map_err(outage)? {
                to(at, values(&row, table)?)?;
            }
        }
        Ok(())
    }

    async fn take(&self, from: &mut Taking<'_>) -> Result<(), TransferError> {
        let mut transaction = self.write().await?;
        patiently(&mut transaction).await?;
        let all = TABLES.iter().map(|table| table.name).collect::<Vec<_>>().join(", ");
        let sql = format!("LOCK TABLE {all} IN EXCLUSIVE MODE");
        transaction.execute(sqlx::AssertSqlSafe(sql)).await.map_err(outage)?;
        // What happened keeps its numbers.
        let sql = "ALTER TABLE audit DISABLE TRIGGER audit_is_appended";
        transaction.execute(sql).await.map_err(outage)?;
        must_be_empty(&counts(&mut transaction).await?)?;
        let mut taken = vec![0; TABLES.len()];
        for row in from {
            let (at, row) = row?;
            let (Some(table), Some(count)) = (TABLES.get(at), taken.get_mut(at)) else { continue };
            insert(&mut transaction, table, &row).await?;
            *count += 1;
        }
        must_equal(&taken, &counts(&mut transaction).await?)?;
        let sql = "ALTER TABLE audit ENABLE TRIGGER audit_is_appended";
        transaction.execute(sql).await.map_err(outage)?;
        transaction.commit().await.map_err(outage)?;
        Ok(())
    }
}

/// A table may take longer than an answer to somebody who waits.
async fn patiently(connection: &mut PgConnection) -> Result<(), TransferError> {
    let settings = "SELECT set_config('statement_timeout', '0', TRUE), \
                    set_config('idle_in_transaction_session_timeout', '0', TRUE)";
    connection.execute(settings).await.map(drop).map_err(outage)
}

async fn counts(connection: &mut PgConnection) -> Result<Counts, TransferError> {
    let mut counts = Counts::new();
    for table in TABLES {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await
            .map_err(outage)?;
        counts.push(u64::try_from(count).unwrap_or(0));
    }
    Ok(counts)
}

fn columns(table: &Table) -> String {
    table.columns.iter().map(|(name, _)| row::own(name)).collect::<Vec<_>>().join(", ")
}

async fn insert(
    connection: &mut PgConnection,
    table: &Table,
    row: &Row,
) -> Result<(), TransferError> {
    let places = (1..=row.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
    let sql = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, columns(table));
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
    for ((_, kind), value) in table.columns.iter().zip(row) {
        query = match kind {
            Kind::Bytes => {
                query.bind(value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok()))
            }
            Kind::Flag => query.bind(value.as_bool()),
            Kind::Number => query.bind(value.as_i64()),
            Kind::Text => query.bind(value.as_str().map(str::to_owned)),
        };
    }
    query.execute(connection).await.map(drop).map_err(outage)
}
