//! Server name → certificate, swapped whole.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;

/// The certificates in force. New handshakes see a new set at once; open connections keep theirs.
#[derive(Debug, Default)]
pub struct Certificates(ArcSwap<Set>);

/// Certificates by the names in them.
#[derive(Debug, Default)]
pub struct Set {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// `*.example.org`, by what follows the first dot.
    one_label: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl Set {
    /// Of two certificates with one name, the first wins; the first of all serves clients without a known name.
    pub(super) fn add(&mut self, certificate: Certificate) {
        let Certificate { key, names, .. } = certificate;
        self.default.get_or_insert_with(|| Arc::clone(&key));
        for name in names {
            let (certificates, name) = match name.strip_prefix("*.") {
                Some(suffix) => (&mut self.one_label, suffix.to_owned()),
                None => (&mut self.exact, name),
            };
            certificates.entry(name).or_insert_with(|| Arc::clone(&key));
        }
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let by_name = name.and_then(|name| {
            let suffix = || name.split_once('.').and_then(|(_, suffix)| self.one_label.get(suffix));
            self.exact.get(name).or_else(suffix)
        });
        by_name.or(self.default.as_ref()).map(Arc::clone)
    }
}

impl Certificates {
    /// Puts `set` in force.
    pub fn replace(&self, set: Set) {
        self.0.store(Arc::new(set));
    }
}

impl ResolvesServerCert for Certificates {
    /// Clients that name no host, or one that nobody here has, get the default: what they ask for is then
    /// answered by the rules for requests (404 or 421), which say more than a broken handshake.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().find(hello.server_name())
    }
}
