//! One file has one gateway. While a new process takes over from the old one both may clean up, which does no harm.

use std::time::Duration;

use async_trait::async_trait;

use super::Sqlite;
use crate::identity::{Leadership, StoreError};

#[async_trait]
impl Leadership for Sqlite {
    async fn lead(&self, _work: &'static str, _lease: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn resign(&self, _work: &'static str) -> Result<(), StoreError> {
        Ok(())
    }
}
