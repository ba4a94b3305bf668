//! TLS: versions, certificates, and which certificate a client gets.
//!
//! `certificate` reads a chain and its key and checks that they belong together; `self_made` makes one when there is
//! none; `resolver` chooses by server name, and is swapped whole when files change.

mod certificate;
mod resolver;
mod self_made;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;

pub use resolver::Certificates;

use crate::clock::Timestamp;
use crate::config::Tls;
use crate::config::TlsVersion;
use crate::observe::Metrics;

/// Sessions that can be resumed from memory, for TLS 1.2 clients without tickets.
const RESUMABLE: usize = 4096;

/// Why certificates could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {what}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// The self-made certificate could not be made.
    #[error("the self-made certificate cannot be made: {0}")]
    SelfMade(String),
}

/// Makes ring the process's provider of cryptography, once. Anything after it may use TLS.
pub fn install_crypto() {
    // An error says that one is installed already: this one, by an earlier call.
    let _already = ring::default_provider().install_default();
}

/// Reads all certificates of `tls`; the self-made one below `data` when none is configured or no file exists.
///
/// # Errors
///
/// [`TlsError`] when any file is unusable: all or nothing, so that a half-written renewal changes nothing.
pub fn load(
    tls: &Tls,
    data: &Path,
    now: Timestamp,
    metrics: &Metrics,
) -> Result<resolver::Set, TlsError> {
    let mut files: Vec<_> = tls
        .certificates
        .iter()
        .map(|pair| (pair.cert_file.clone(), pair.key_file.clone()))
        .collect();
    // Files that mkcert has not made yet: the demonstration starts without them.
    if !tls.self_made.is_empty() && files.iter().all(|(chain, _)| !chain.exists()) {
        files = vec![self_made::ensure(&tls.self_made, data, now)?];
    }
    let mut set = resolver::Set::default();
    for (chain, key) in files {
        let certificate = certificate::Certificate::load(&chain, &key)?;
        if certificate.not_after <= now {
            tracing::warn!(file = %chain.display(), "the certificate has expired");
        }
        for name in &certificate.names {
            metrics.certificate_not_after(name, certificate.not_after.as_secs());
        }
        set.add(certificate);
    }
    Ok(set)
}

/// A server configuration: ring, AEAD suites with forward secrecy only, no early data.
///
/// # Panics
///
/// Never: ring has suites for both versions.
pub fn server_config(
    certificates: Arc<Certificates>,
    min_version: TlsVersion,
    http2: bool,
) -> ServerConfig {
    let versions: &[_] = match min_version {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("ring has suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols =
        if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    config.session_storage = rustls::server::ServerSessionMemoryCache::new(RESUMABLE);
    if let Ok(ticketer) = ring::Ticketer::new() {
        config.ticketer = ticketer;
    }
    config
}
