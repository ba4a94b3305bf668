//! All records as lines of text, to move them to another kind of store.
//!
//! The first line names the tables and their columns, the last one counts the rows; between them stands a row on each
//! line. [`write()`] takes them from a store as they are at one moment. [`read`] puts them into an empty one: all of them, or
//! none.

use std::io::{BufRead, Write};

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::Stores;
use super::record::Columns;
use crate::identity::StoreError;

/// A table, as both kinds of store have it.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns. PostgreSQL calls `user` `user_id`.
    pub columns: &'static [(&'static str, Kind)],
}

/// What a column holds, when it is not null.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Bytes; in base64 in a line.
    Bytes,
    /// Yes or no.
    Flag,
    /// A whole number.
    Number,
    /// Text.
    Text,
}

use Kind::{Bytes, Flag, Number, Text};

/// Everything that is kept. What others refer to comes before them.
pub const TABLES: &[Table] = &[
    Table {
        name: "users",
        columns: &[
            ("id", Text),
            ("email", Text),
            ("username", Text),
            ("full_name", Text),
            ("password_hash", Text),
            ("roles", Text),
            ("grants", Text),
            ("standing", Text),
            ("email_verified_at", Number),
            ("created_at", Number),
            ("updated_at", Number),
            ("last_login_at", Number),
            ("epoch", Number),
        ],
    },
    Table {
        name: "sessions",
        columns: &[
            ("id", Text),
            ("user", Text),
            ("kind", Text),
            ("created_at", Number),
            ("last_seen_at", Number),
            ("expires_at", Number),
            ("idle_timeout_ms", Number),
            ("second_factor_at", Number),
            ("ended_at", Number),
            ("end_reason", Text),
            ("user_agent", Text),
            ("client_address", Text),
        ],
    },
    Table {
        name: "session_cookies",
        columns: &[("digest", Bytes), ("session", Text), ("host", Text), ("created_at", Number)],
    },
    Table {
        name: "refresh_tokens",
        columns: &[
            ("digest", Bytes),
            ("family", Text),
            ("number", Number),
            ("session", Text),
            ("redeemed_at", Number),
            ("revoked_at", Number),
            ("expires_at", Number),
        ],
    },
    Table {
        name: "setup",
        columns: &[
            ("id", Number),
            ("code_digest", Bytes),
            ("offered_at", Number),
            ("closed_at", Number),
        ],
    },
    Table { name: "secrets", columns: &[("name", Text), ("value", Bytes)] },
    Table {
        name: "signing_keys",
        columns: &[
            ("kid", Text),
            ("algorithm", Text),
            ("private", Bytes),
            ("created_at", Number),
            ("retired_at", Number),
        ],
    },
    Table {
        name: "devices",
        columns: &[
            ("id", Text),
            ("user", Text),
            ("digest", Bytes),
            ("name", Text),
            ("permissions", Text),
            ("created_at", Number),
            ("last_used_at", Number),
            ("last_address", Text),
            ("expires_at", Number),
        ],
    },
    Table {
        name: "cloud_passwords",
        columns: &[("user", Text), ("sealed", Bytes), ("set_at", Number)],
    },
    Table {
        name: "totp",
        columns: &[("user", Text), ("secret", Bytes), ("confirmed", Flag), ("last_step", Number)],
    },
    Table {
        name: "recovery_codes",
        columns: &[("user", Text), ("digest", Bytes), ("used_at", Number)],
    },
    Table {
        name: "passkeys",
        columns: &[
            ("id", Text),
            ("user", Text),
            ("name", Text),
            ("credential", Bytes),
            ("key", Bytes),
            ("counter", Number),
            ("transports", Text),
            ("aaguid", Bytes),
            ("backup_eligible", Flag),
            ("backed_up", Flag),
            ("created_at", Number),
            ("last_used_at", Number),
        ],
    },
    Table {
        name: "mailed_tokens",
        columns: &[
            ("digest", Bytes),
            ("user", Text),
            ("kind", Text),
            ("email", Text),
            ("meaning", Text),
            ("epoch", Number),
            ("created_at", Number),
            ("expires_at", Number),
        ],
    },
    Table {
        name: "letters",
        columns: &[
            ("id", Text),
            ("kind", Text),
            ("payload", Text),
            ("state", Text),
            ("queued_at", Number),
            ("due_at", Number),
            ("attempts", Number),
            ("last_error", Text),
        ],
    },
    Table {
        name: "provisioning",
        columns: &[
            ("user", Text),
            ("cloud_id", Text),
            ("generation", Number),
            ("reason", Text),
            ("state", Text),
            ("stage", Text),
            ("attempts", Number),
            ("since", Number),
            ("due_at", Number),
            ("leased_until", Number),
            ("turn", Number),
            ("asked_at", Number),
            ("last_error", Text),
        ],
    },
    Table {
        name: "audit",
        columns: &[
            ("seq", Number),
            ("at", Number),
            ("kind", Text),
            ("subject", Text),
            ("session", Text),
            ("actor", Text),
            ("client", Text),
            ("user_agent", Text),
            ("request_id", Text),
            ("details", Text),
        ],
    },
];

/// A row: one value for each column of its table.
pub(super) type Row = Vec<Value>;

/// How many rows each of [`TABLES`] has.
pub type Counts = Vec<u64>;

/// Why records were not moved. Then nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Records are put where there are none.
    #[error(
        "there are records already, in the table {0}; records are moved into an empty store only"
    )]
    NotEmpty(&'static str),
    /// What is read is not what was written.
    #[error("line {line}: {problem}")]
    Damaged {
        /// Which, from 1.
        line: u64,
        /// What is wrong. Never what stands there.
        problem: &'static str,
    },
    /// It was written by a version with other tables.
    #[error("it was written by another version of stormdoor; use the same for both")]
    OtherVersion,
    /// There are other rows in the store than were put there.
    #[error("the table {0} does not have as many rows as were put there")]
    Miscounted(&'static str),
    /// The file.
    #[error("the file cannot be read or written")]
    File(#[from] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A store that can give all its rows, and take them.
#[async_trait]
pub(super) trait Transfer: Send + Sync {
    /// How many there are, about now.
    async fn counts(&self) -> Result<Counts, TransferError>;

    /// Every row as at one moment, table by table.
    async fn give(&self, to: &mut Giving<'_>) -> Result<(), TransferError>;

    /// Takes all rows in one transaction, if there are none yet. The numbers of tables are places in [`TABLES`].
    async fn take(&self, from: &mut Taking<'_>) -> Result<(), TransferError>;
}

pub(super) type Giving<'a> = dyn FnMut(usize, Row) -> Result<(), TransferError> + Send + 'a;
pub(super) type Taking<'a> = dyn Iterator<Item = Result<(usize, Row), TransferError>> + Send + 'a;

/// Writes all records of `stores`, secrets included, and returns how many. `progress` is told of each.
///
/// # Errors
///
/// [`TransferError`]; then what was written is not complete, and [`read`] refuses it.
pub async fn write(
    stores: &Stores,
    mut to: impl Write + Send,
    mut progress: impl FnMut() + Send,
) -> Result<Counts, TransferError> {
    writeln!(to, "{}", head())?;
    let mut counts = vec![0; TABLES.len()];
    stores
        .transfer
        .give(&mut |table, row| {
            let (Some(named), Some(count)) = (TABLES.get(table), counts.get_mut(table)) else {
                return Ok(());
            };
            writeln!(to, "{}", json!([named.name, row]))?;
            *count += 1;
            progress();
            Ok(())
        })
        .await?;
    writeln!(to, "{}", tail(&counts))?;
    to.flush()?;
    Ok(counts)
}

/// Puts what [`write()`] wrote into `stores`, and returns how many records. `progress` is told of each with the bytes it took.
///
/// # Errors
///
/// [`TransferError`]; then nothing was changed.
pub async fn read(
    stores: &Stores,
    from: impl BufRead + Send,
    progress: impl FnMut(u64) + Send,
) -> Result<Counts, TransferError> {
    let mut lines = Lines { from, progress, number: 0, counts: vec![0; TABLES.len()], done: false };
    stores.transfer.take(&mut lines).await?;
    Ok(lines.counts)
}

/// Checks that there are no rows yet.
pub(super) fn must_be_empty(counts: &Counts) -> Result<(), TransferError> {
    match TABLES.iter().zip(counts).find(|(_, count)| **count > 0) {
        Some((table, _)) => Err(TransferError::NotEmpty(table.name)),
        None => Ok(()),
    }
}

/// Checks that there are as many rows as were put there.
pub(super) fn must_equal(taken: &Counts, found: &Counts) -> Result<(), TransferError> {
    match TABLES.iter().zip(taken).zip(found).find(|((_, taken), found)| taken != found) {
        Some(((table, _), _)) => Err(TransferError::Miscounted(table.name)),
        None => Ok(()),
    }
}

/// The values of a row, in the order of the columns.
pub(super) fn values(row: &impl Columns, table: &Table) -> Result<Row, TransferError> {
    let value = |(name, kind): &(&str, Kind)| -> Result<Value, sqlx::Error> {
        Ok(match kind {
            Bytes => json!(row.bytes(name)?.map(|bytes| BASE64_STANDARD.encode(bytes))),
            Flag => json!(row.flag(name)?),
            Number => json!(row.number(name)?),
            Text => json!(row.text(name)?),
        })
    };
    table.columns.iter().map(value).collect::<Result<_, _>>().map_err(outage)
}

pub(super) fn outage(error: sqlx::Error) -> TransferError {
    TransferError::Store(StoreError::Unavailable(error.into()))
}

fn fits(kind: Kind, value: &Value) -> bool {
    value.is_null()
        || match kind {
            Bytes => value.as_str().is_some_and(|text| BASE64_STANDARD.decode(text).is_ok()),
            Flag => value.is_boolean(),
            Number => value.is_i64(),
            Text => value.is_string(),
        }
}

fn head() -> Value {
    let columns = |table: &Table| table.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let tables: Map<_, _> =
        TABLES.iter().map(|table| (table.name.to_owned(), json!(columns(table)))).collect();
    json!({ "stormdoor": "export", "tables": tables })
}

fn tail(counts: &Counts) -> Value {
    let counts: Map<_, _> =
        TABLES.iter().zip(counts).map(|(table, count)| (table.name.into(), json!(count))).collect();
    json!({ "rows": counts })
}

/// The rows of a file. Ends well only behind the last line that [`write()`] wrote.
struct Lines<R, P> {
    from: R,
    progress: P,
    number: u64,
    counts: Counts,
    done: bool,
}

impl<R: BufRead, P: FnMut(u64)> Lines<R, P> {
    fn line(&mut self) -> Result<Value, TransferError> {
        let mut line = String::new();
        self.number += 1;
        let bytes = self.from.read_line(&mut line)?;
        if bytes == 0 {
            return Err(self.damaged("the file ends here, before its last line"));
        }
        (self.progress)(u64::try_from(bytes).unwrap_or(0));
        serde_json::from_str(&line).map_err(|_| self.damaged("no line of an export"))
    }

    fn row(&mut self) -> Result<Option<(usize, Row)>, TransferError> {
        if self.number == 0 {
            let first = self.line()?;
            if first.get("stormdoor").is_none() {
                return Err(self.damaged("this is no export of stormdoor"));
            }
            if first != head() {
                return Err(TransferError::OtherVersion);
            }
        }
        let line = self.line()?;
        if line.is_object() {
            if line != tail(&self.counts) {
                return Err(self.damaged("the rows are not as many as were written"));
            }
            self.done = true;
            return Ok(None);
        }
        let (name, row): (String, Row) =
            serde_json::from_value(line).map_err(|_| self.damaged("no row"))?;
        let table = TABLES.iter().position(|table| table.name == name);
        let (Some(at), Some(table)) = (table, table.and_then(|at| TABLES.get(at))) else {
            return Err(self.damaged("a row of an unknown table"));
        };
        if row.len() != table.columns.len() {
            return Err(self.damaged("not as many values as columns"));
        }
        if !table.columns.iter().zip(&row).all(|((_, kind), value)| fits(*kind, value)) {
            return Err(self.damaged("a value of another kind than its column"));
        }
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        Ok(Some((at, row)))
    }

    fn damaged(&self, problem: &'static str) -> TransferError {
        TransferError::Damaged { line: self.number, problem }
    }
}

impl<R: BufRead, P: FnMut(u64)> Iterator for Lines<R, P> {
    type Item = Result<(usize, Row), TransferError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        self.row().transpose()
    }
}
