//! Waiting for the server, but not for ever.

use std::time::Duration;

use crate::identity::{StoreError, patience};

/// The server itself ends what takes longer than the configured timeout, of 10 seconds at most. This is for a network that
/// swallows the question or the answer.
const PATIENCE: Duration = Duration::from_secs(12);

/// A question to the server.
pub(super) trait Answered<T>: Future<Output = Result<T, sqlx::Error>> + Sized {
    /// The answer. Any error is an outage.
    async fn answered(self) -> Result<T, StoreError> {
        in_time(self).await.map_err(unavailable)
    }

    /// The answer. A broken uniqueness is a conflict on that field of `record`; anything else is an outage. The first of
    /// `fields` is the primary key.
    async fn answered_or_conflict(
        self,
        record: &'static str,
        fields: &[&'static str],
    ) -> Result<T, StoreError> {
        in_time(self).await.map_err(|error| {
            let broken = error.as_database_error().filter(|error| error.is_unique_violation());
            match broken.and_then(|error| conflicting(error.constraint()?, fields)) {
                Some(field) => StoreError::Conflict { record, field },
                None => unavailable(error),
            }
        })
    }
}

impl<T, F: Future<Output = Result<T, sqlx::Error>>> Answered<T> for F {}

async fn in_time<T>(
    question: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match patience::in_time(PATIENCE, Box::pin(question)).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}

/// `users_email_key` is the uniqueness of email, `users_pkey` that of the key.
fn conflicting(constraint: &str, fields: &[&'static str]) -> Option<&'static str> {
    if constraint.ends_with("_pkey") {
        return fields.first().copied();
    }
    fields.iter().find(|field| constraint.ends_with(&format!("_{field}_key"))).copied()
}

fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.into())
}
