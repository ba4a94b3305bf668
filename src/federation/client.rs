//! The HTTP client towards issuers: one deadline for a whole exchange.

use std::path::Path;
use std::time::Duration;

use crate::outbound::{self, UnusableCa};

/// For a whole exchange.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The private CA cannot be used.
    #[error(transparent)]
    Ca(#[from] UnusableCa),
    /// The client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[from] reqwest::Error),
}

/// A client that trusts the system's authorities, or only those in `ca_file`.
///
/// # Errors
///
/// [`ClientError`] when the file is unusable.
pub fn client(ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    Ok(outbound::client(ca_file)?.timeout(TIMEOUT).build()?)
}
