//! The HTTP client towards issuers: verified TLS, no redirects, one deadline.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// For a whole exchange.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The private CA cannot be used.
    #[error("{}: {what}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[from] reqwest::Error),
}

/// A client that trusts the system's authorities, or only those in `ca_file`.
///
/// Redirects are not followed: the address of an issuer's keys is configured, and nobody else may choose another.
///
/// # Errors
///
/// [`ClientError`] when the file is unusable.
pub fn client(ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("stormdoor/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = ca_file {
        let unusable = |what: String| ClientError::Ca { path: path.to_owned(), what };
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|_| unusable("not a PEM bundle of certificates".into()))?;
        builder = builder.tls_certs_only(certificates);
    }
    Ok(builder.build()?)
}
