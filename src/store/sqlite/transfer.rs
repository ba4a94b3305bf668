//! All rows, to move them to another kind of store, and back.

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::TryStreamExt;
use sqlx::SqliteConnection;

use super::Sqlite;
use crate::store::transfer::{
    Counts, Giving, Kind, Row, TABLES, Table, Taking, Transfer, TransferError, must_be_empty,
    must_equal, outage, values,
};

#[async_trait]
impl Transfer for Sqlite {
    async fn counts(&self) -> Result<Counts, TransferError> {
        let mut connection = self.readers.acquire().await.map_err(outage)?;
        counts(&mut connection).await
    }

    async fn give(&self, to: &mut Giving<'_>) -> Result<(), TransferError> {
        // One snapshot for all tables.
        let mut transaction = self.readers.begin().await.map_err(outage)?;
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
        must_be_empty(&counts(&mut transaction).await?)?;
        let mut taken = vec![0; TABLES.len()];
        for row in from {
            let (at, row) = row?;
            let (Some(table), Some(count)) = (TABLES.get(at), taken.get_mut(at)) else { continue };
            insert(&mut transaction, table, &row).await?;
            *count += 1;
        }
        must_equal(&taken, &counts(&mut transaction).await?)?;
        transaction.commit().await.map_err(outage)?;
        Ok(())
    }
}

async fn counts(connection: &mut SqliteConnection) -> Result<Counts, TransferError> {
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
    table.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

async fn insert(
    connection: &mut SqliteConnection,
    table: &Table,
    row: &Row,
) -> Result<(), TransferError> {
    let places = (1..=row.len()).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn every_column_is_moved() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(&folder.path().join("stormdoor.db")).await.expect("a store");
        let sql = "SELECT tables.name || '.' || columns.name FROM sqlite_schema AS tables, \
                   pragma_table_info(tables.name) AS columns WHERE tables.type = 'table' \
                   AND tables.name NOT LIKE 'sqlite_%' AND tables.name <> '_sqlx_migrations'";
        let found: Vec<String> =
            sqlx::query_scalar(sql).fetch_all(&store.readers).await.expect("columns");
        let moved = TABLES.iter().flat_map(|table| {
            table.columns.iter().map(|(column, _)| format!("{}.{column}", table.name))
        });
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), moved.collect());
    }
}
