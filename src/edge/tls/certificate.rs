//! A chain and its key, read from PEM files and known to belong together.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;
use crate::clock::Timestamp;

/// A usable certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    /// The names in it: DNS names in lower case, addresses as text.
    pub(super) names: Vec<String>,
    pub(super) not_after: Timestamp,
}

impl Certificate {
    /// Reads a chain (leaf first) and its key (PKCS#8, PKCS#1 or SEC1).
    pub(super) fn load(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let unusable =
            |path: &Path, what: String| TlsError::Unusable { path: path.to_owned(), what };
        let pem = read(chain)?;
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(chain, format!("not PEM: {error}")))?;
        let Some(leaf) = certificates.first() else {
            return Err(unusable(chain, "no certificate; expected PEM, leaf first".into()));
        };
        let (names, not_after) =
            names_and_end(leaf).map_err(|what| unusable(chain, what.to_owned()))?;
        let pem = zeroize::Zeroizing::new(read(key)?);
        let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
            unusable(key, "no private key; expected PEM (PKCS#8, PKCS#1 or SEC1)".into())
        })?;
        let signing = ring::sign::any_supported_type(&private)
            .map_err(|_| unusable(key, "not a key for RSA, ECDSA P-256/P-384 or Ed25519".into()))?;
        let certified = CertifiedKey::new(certificates, signing);
        certified.keys_match().map_err(|_| {
            let certificate = chain.display();
            unusable(key, format!("this key does not belong to the certificate in {certificate}"))
        })?;
        Ok(Self { key: Arc::new(certified), names, not_after })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn names_and_end(leaf: &CertificateDer<'_>) -> Result<(Vec<String>, Timestamp), &'static str> {
    let (_, leaf) =
        X509Certificate::from_der(leaf).map_err(|_| "the certificate cannot be read")?;
    let not_after = Timestamp::from_secs(leaf.validity().not_after.timestamp());
    let mut names = Vec::new();
    if let Ok(Some(alternative)) = leaf.subject_alternative_name() {
        for name in &alternative.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(octets) => names.extend(address(octets)),
                _ => {}
            }
        }
    }
    if names.is_empty() {
        return Err("the certificate names no host (subjectAltName is empty)");
    }
    Ok((names, not_after))
}

fn address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(std::net::IpAddr::from);
    let v6 = <[u8; 16]>::try_from(octets).map(std::net::IpAddr::from);
    v4.or(v6).ok().map(|address| address.to_string())
}
