//! The need that shared state fulfils: exact counting.

use async_trait::async_trait;

use super::{Key, Quota, Spend};
use crate::clock::Timestamp;

/// Counts what was spent. One node: in memory. Several: shared.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Spends `cost` units of the budget `key` in one atomic step.
    ///
    /// # Errors
    ///
    /// [`CountersUnavailable`] when the shared counters do not answer; nothing was spent.
    async fn spend(
        &self,
        key: &Key,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> Result<Spend, CountersUnavailable>;
}

/// The counters did not answer. Trying again later may work.
#[derive(Debug, thiserror::Error)]
#[error("the rate-limit counters did not answer")]
pub struct CountersUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);
