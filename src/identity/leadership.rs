//! Work that one gateway of several does for all of them, such as clean-up: whoever has its lease.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// The need for a place where gateways agree on who does what. Whoever asks again before a lease is over keeps it.
#[async_trait]
pub trait Leadership: Send + Sync {
    /// Takes or prolongs the lease of `work` for `lease` from now, by one clock for all. Of any number of callers at the same
    /// time, one gets true: nobody else has it until then.
    async fn lead(&self, work: &'static str, lease: Duration) -> Result<bool, StoreError>;

    /// Gives the lease of `work` back, if it is the caller's, so that nobody waits for its end.
    async fn resign(&self, work: &'static str) -> Result<(), StoreError>;
}
