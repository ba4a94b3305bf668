//! HTTP calls that we make ourselves: to issuers, and to Nextcloud. What no caller may forget is said once, here: verified TLS,
//! no redirects (addresses are configured, and nobody else may choose another), and who is calling.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// For making a connection. How long an answer may take is the caller's to say.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A private CA cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct UnusableCa {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// A client that trusts the system's authorities, or only those in `ca_file`. It makes a connection within 5 s, and has no
/// other limit yet.
///
/// # Errors
///
/// [`UnusableCa`] when the file cannot be read, or holds no certificates in PEM.
pub fn client(ca_file: Option<&Path>) -> Result<reqwest::ClientBuilder, UnusableCa> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("stormdoor/", env!("CARGO_PKG_VERSION")));
    let Some(path) = ca_file else { return Ok(builder) };
    let unusable = |what: String| UnusableCa { path: path.to_owned(), what };
    let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|_| unusable("not a PEM bundle of certificates".into()))?;
    Ok(builder.tls_certs_only(certificates))
}
