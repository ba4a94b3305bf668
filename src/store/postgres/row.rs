//! Reading columns back into values that cannot be wrong.

use std::error::Error;
use std::str::FromStr;

use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres as Driver, Row, Type};

use crate::clock::Timestamp;
use crate::identity::StoreError;

/// One row of `record`, whose `key` column names it in errors.
pub(super) struct Fields<'a> {
    pub(super) row: &'a PgRow,
    pub(super) record: &'static str,
    pub(super) key: &'static str,
}

impl Fields<'_> {
    /// The column as the driver reads it.
    pub(super) fn get<'r, T>(&'r self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, Driver> + Type<Driver>,
    {
        self.row.try_get(column).map_err(|error| self.corrupt(error))
    }

    /// A column of text that has a stricter type.
    pub(super) fn parse<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        self.get::<&str>(column)?.parse().map_err(|error| self.corrupt(error))
    }

    /// A column of text that has a stricter type, or null.
    pub(super) fn parse_optional<T>(&self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        let text = self.get::<Option<&str>>(column)?;
        text.map(|text| text.parse().map_err(|error| self.corrupt(error))).transpose()
    }

    /// A column of JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(self.get::<&str>(column)?).map_err(|error| self.corrupt(error))
    }

    /// A column of exactly 32 bytes.
    pub(super) fn digest(&self, column: &'static str) -> Result<[u8; 32], StoreError> {
        let bytes = self.get::<&[u8]>(column)?.try_into();
        bytes.map_err(|_| self.corrupt("expected 32 bytes"))
    }

    /// A column that holds no number but a small one.
    pub(super) fn number(&self, column: &'static str) -> Result<u32, StoreError> {
        u32::try_from(self.get::<i64>(column)?).map_err(|error| self.corrupt(error))
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.get(column).map(Timestamp::from_millis)
    }

    pub(super) fn time_optional(
        &self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_millis))
    }

    /// The row cannot be read back, because of `source`.
    pub(super) fn corrupt(&self, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
        let id = self.row.try_get::<String, _>(self.key).unwrap_or_default();
        StoreError::Corrupt { record: self.record, id, source: source.into() }
    }
}
