//! Columns, as the driver of PostgreSQL reads them.

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::store::record::Columns;

impl Columns for PgRow {
    fn text(&self, column: &str) -> Result<Option<&str>, sqlx::Error> {
        self.try_get(own(column))
    }

    fn number(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(own(column))
    }

    fn flag(&self, column: &str) -> Result<Option<bool>, sqlx::Error> {
        self.try_get(own(column))
    }

    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, sqlx::Error> {
        self.try_get(own(column))
    }
}

/// `user` is a word of SQL there, so that no column is called so.
pub(super) fn own(column: &str) -> &str {
    match column {
        "user" => "user_id",
        other => other,
    }
}
