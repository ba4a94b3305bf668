//! What is in progress between two requests of the same somebody: a sign-in that waits for its second factor, the
//! challenge of a passkey, a ticket on its way to another host. Kept for minutes, used once.

use async_trait::async_trait;

use super::{SecretDigest, StoreError};
use crate::clock::Timestamp;

/// The need for a place that every node reaches, for values that are lost without harm: whoever loses one begins
/// again.
#[async_trait]
pub trait Handshakes: Send + Sync {
    /// Keeps `value` under `key` until `until`.
    async fn put(
        &self,
        key: SecretDigest,
        value: String,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// What is kept under `key`, if it is not over at `now`.
    async fn look(&self, key: &SecretDigest, now: Timestamp) -> Result<Option<String>, StoreError>;

    /// Keeps nothing but that `key` was used, until `until`. Of any number of callers, one gets true.
    async fn claim(
        &self,
        key: SecretDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Takes it away. Of any number of takers at the same time, one gets it.
    async fn take(&self, key: &SecretDigest, now: Timestamp) -> Result<Option<String>, StoreError>;
}
