//! Who does what for all nodes. Only the clock of the server is asked: those of nodes may differ.

use std::time::Duration;

use async_trait::async_trait;

use super::{Answered, Postgres};
use crate::identity::{Leadership, StoreError};

#[async_trait]
impl Leadership for Postgres {
    async fn lead(&self, work: &'static str, lease: Duration) -> Result<bool, StoreError> {
        // Whoever comes second waits for the first one's row, and then finds its lease. `clock_timestamp`, not `now`, which
        // would be the time before that wait.
        let sql = "INSERT INTO leases AS held (work, holder, until) \
                   VALUES ($1, $2, clock_timestamp() + $3 * INTERVAL '1 millisecond') \
                   ON CONFLICT (work) DO UPDATE SET holder = excluded.holder, \
                   until = clock_timestamp() + $3 * INTERVAL '1 millisecond' \
                   WHERE held.holder = excluded.holder OR held.until < clock_timestamp()";
        let taken = sqlx::query(sql)
            .bind(work)
            .bind(&self.node)
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
            .execute(&self.pool)
            .answered()
            .await?;
        Ok(taken.rows_affected() > 0)
    }

    async fn resign(&self, work: &'static str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM leases WHERE work = $1 AND holder = $2")
            .bind(work)
            .bind(&self.node)
            .execute(&self.pool)
            .answered()
            .await
            .map(drop)
    }
}
