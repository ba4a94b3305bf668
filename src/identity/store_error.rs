//! Why a record could not be read or written, in terms of what to do about it.

use std::error::Error;

/// Why the store could not do what was asked.
///
/// "Not found" is not here: a look-up that finds nothing has succeeded, and returns `Ok(None)`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller's fault, and the caller can tell the user.
    #[error("another {record} already has this {field}")]
    Conflict {
        /// Which kind of record.
        record: &'static str,
        /// Which of its fields must be unique.
        field: &'static str,
    },
    /// Our fault, or a hand-edited row. Trying again will not help.
    #[error("{record} {id} cannot be read back")]
    Corrupt {
        /// Which kind of record.
        record: &'static str,
        /// Which one, as far as known. Never a secret.
        id: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Nobody's fault. Trying again later may work.
    #[error("the store did not answer")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
