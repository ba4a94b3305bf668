//! Rows, read back into records that cannot be wrong: once, whatever is behind the store.
//!
//! A backend asks in its own SQL, and gives each row to the `read` of that record's file here, which has the same name as
//! the backend's. Three things lie between a row and a record:
//!
//! - [`Columns`]: what a driver's row must give, four kinds of values by the name of a column. Each backend implements it
//!   in its `row.rs`, and there alone is said what a backend calls otherwise.
//! - [`Value`]: which Rust types stand in such a column: text, numbers, times, flags, bytes.
//! - [`Fields`]: the row of one record while it is read. What does not fit is an error that names record, row and
//!   column, and never shows what stands there.
//!
//! Where a record keeps JSON or another text of its own making, its file has what writes it too, beside what reads it.

pub(super) mod devices;
pub(super) mod events;
pub(super) mod letters;
pub(super) mod mailed_tokens;
pub(super) mod provisioning;
pub(super) mod refresh_tokens;
pub(super) mod second_factors;
pub(super) mod sessions;
pub(super) mod setup;
pub(super) mod signing_keys;
pub(super) mod users;

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::identity::StoreError;

/// A row of whichever driver. Each answers null with `None`, and what is of another kind with an error.
pub(super) trait Columns: Sync {
    fn text(&self, column: &str) -> Result<Option<&str>, sqlx::Error>;
    fn number(&self, column: &str) -> Result<Option<i64>, sqlx::Error>;
    fn flag(&self, column: &str) -> Result<Option<bool>, sqlx::Error>;
    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, sqlx::Error>;
}

/// One row of `record`, whose `key` column says in errors which one.
pub(super) struct Fields<'a> {
    row: &'a dyn Columns,
    record: &'static str,
    key: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) fn new(row: &'a dyn Columns, record: &'static str, key: &'static str) -> Self {
        Self { row, record, key }
    }

    /// A column that is never null.
    pub(super) fn get<T: Value<'a>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.optional(column)?.ok_or_else(|| self.corrupt(column, "it is null"))
    }

    /// A column that may be null.
    pub(super) fn optional<T: Value<'a>>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        T::read(self.row, column).map_err(|error| self.corrupt(column, error))
    }

    /// A column of text that has a stricter type.
    pub(super) fn parse<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        self.get::<&str>(column)?.parse().map_err(|error| self.corrupt(column, error))
    }

    /// A column of text that has a stricter type, or null.
    pub(super) fn parse_optional<T>(&self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        let text = self.optional::<&str>(column)?;
        text.map(|text| text.parse().map_err(|error| self.corrupt(column, error))).transpose()
    }

    /// A column that holds one of a few words.
    pub(super) fn word<T>(
        &self,
        column: &'static str,
        from_name: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        from_name(self.get(column)?).ok_or_else(|| self.corrupt(column, "an unknown word"))
    }

    /// A column of JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(self.get(column)?).map_err(|error| self.corrupt(column, error))
    }

    /// The row cannot be read back, because of `source` in this column.
    pub(super) fn corrupt(
        &self,
        column: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> StoreError {
        let id = self.row.text(self.key).ok().flatten().unwrap_or_default().to_owned();
        let source = Unreadable { column, source: source.into() };
        StoreError::Corrupt { record: self.record, id, source: source.into() }
    }
}

/// Which column it is.
#[derive(Debug, thiserror::Error)]
#[error("its {column} is not what is written there")]
struct Unreadable {
    column: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

/// What may stand in a column.
pub(super) trait Value<'a>: Sized {
    /// `None` when the column is null.
    fn read(
        row: &'a dyn Columns,
        column: &str,
    ) -> Result<Option<Self>, Box<dyn Error + Send + Sync>>;
}

/// Each is of one kind of column; what converts it may refuse.
macro_rules! values {
    ($($type:ty: $kind:ident, $convert:expr;)+) => {$(
        impl<'a> Value<'a> for $type {
            fn read(
                row: &'a dyn Columns,
                column: &str,
            ) -> Result<Option<Self>, Box<dyn Error + Send + Sync>> {
                Ok(row.$kind(column)?.map($convert).transpose()?)
            }
        }
    )+};
}

values! {
    &'a str: text, sure;
    String: text, |text| sure(text.to_owned());
    Arc<str>: text, |text| sure(text.into());
    i64: number, sure;
    u32: number, u32::try_from;
    u64: number, u64::try_from;
    Timestamp: number, |millis| sure(Timestamp::from_millis(millis));
    bool: flag, sure;
    &'a [u8]: bytes, sure;
    Vec<u8>: bytes, |bytes| sure(bytes.to_vec());
    [u8; 16]: bytes, <[u8; 16]>::try_from;
    [u8; 32]: bytes, <[u8; 32]>::try_from;
}

#[expect(clippy::unnecessary_wraps, reason = "stands where others may refuse")]
fn sure<T>(value: T) -> Result<T, std::convert::Infallible> {
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row without a driver: text, or null where nothing is named.
    struct Written(&'static [(&'static str, &'static str)]);

    impl Columns for Written {
        fn text(&self, column: &str) -> Result<Option<&str>, sqlx::Error> {
            Ok(self.0.iter().find(|(name, _)| *name == column).map(|(_, text)| *text))
        }

        fn number(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
            let text = self.text(column)?;
            text.map(|text| text.parse().map_err(|_| sqlx::Error::ColumnNotFound(column.into())))
                .transpose()
        }

        fn flag(&self, column: &str) -> Result<Option<bool>, sqlx::Error> {
            Ok(self.number(column)?.map(|number| number != 0))
        }

        fn bytes(&self, column: &str) -> Result<Option<&[u8]>, sqlx::Error> {
            Ok(self.text(column)?.map(str::as_bytes))
        }
    }

    /// An error with all its causes.
    fn told(error: &dyn Error) -> String {
        match error.source() {
            Some(source) => format!("{error}: {}", told(source)),
            None => error.to_string(),
        }
    }

    #[test]
    fn an_error_names_record_row_and_column_but_not_what_stands_there() {
        let row = Written(&[("id", "7"), ("counter", "-3"), ("secret", "s3cret"), ("key", "")]);
        let fields = Fields::new(&row, "passkey", "id");
        let refused = [
            fields.get::<u32>("counter").map(drop),
            fields.get::<[u8; 32]>("secret").map(drop),
            fields.word("secret", |_| None::<()>),
            fields.json::<u8>("secret").map(drop),
            fields.parse::<crate::identity::UserId>("secret").map(drop),
            fields.get::<&str>("name").map(drop),
        ];
        let columns = ["counter", "secret", "secret", "secret", "secret", "name"];
        for (refused, column) in refused.into_iter().zip(columns) {
            let error = told(&refused.expect_err("no such value"));
            assert!(error.starts_with("passkey 7 cannot be read back: its "), "{error}");
            assert!(error.contains(column) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn null_is_none_where_it_may_be_and_never_zero_or_empty() {
        let fields = Fields::new(&Written(&[]), "user", "id");
        assert!(matches!(fields.optional::<Timestamp>("last_login_at"), Ok(None)));
        assert!(matches!(fields.parse_optional::<crate::identity::UserId>("actor"), Ok(None)));
        assert!(fields.get::<i64>("epoch").is_err() && fields.get::<bool>("confirmed").is_err());
    }
}
