//! Timeouts, protocol and TLS towards an endpoint: one prepared peer per address, cloned per request.
//!
//! What Pingora 0.9.1 on rustls does, and what we therefore see to when a configuration is loaded:
//!
//! - An empty server name would switch verification off, so there always is one.
//! - An address as server name is verified against the certificate's IP addresses and not sent as SNI (RFC 6066 §3).
//! - `_` in the first label would be verified as `-`, that is against another name: refused.
//! - Connections are pooled by address, server name and `group_key`, not by CA: the key is made from the CA.

use std::net::{IpAddr, SocketAddr};
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::TcpKeepalive;
use pingora_core::protocols::tls::CaType;
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy, PeerOptions};
use pingora_core::utils::tls::{WrappedX509, parse_x509};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::UpstreamError;
use super::dns;
use crate::config::{Endpoint, Upstream, UpstreamProtocol};

/// Requests that share one HTTP/2 connection at a time. Pingora's default is one.
const H2_STREAMS: usize = 100;
/// How often an idle HTTP/2 connection is asked whether it still lives.
const H2_PING: Duration = Duration::from_secs(30);
/// When and how the kernel asks whether an idle connection still lives, and when it gives one up.
const KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_mins(1),
    interval: Duration::from_secs(10),
    count: 3,
    #[cfg(target_os = "linux")]
    user_timeout: Duration::ZERO,
};

/// What the peers of one endpoint have in common.
#[derive(Clone, Debug)]
pub(super) struct PeerTemplate {
    tls: bool,
    server_name: String,
    port: u16,
    group_key: u64,
    options: PeerOptions,
}

impl PeerTemplate {
    /// The peer at `address`.
    pub(super) fn at(&self, address: IpAddr) -> HttpPeer {
        let address = SocketAddr::new(address, self.port);
        let mut peer = HttpPeer::new(address, self.tls, self.server_name.clone());
        peer.group_key = self.group_key;
        peer.options = self.options.clone();
        peer
    }
}

/// What the peers of one upstream have in common.
#[derive(Debug)]
pub(super) struct PeerSettings {
    upstream: Arc<str>,
    server_name: Option<String>,
    group_key: u64,
    options: PeerOptions,
}

impl PeerSettings {
    /// Reads the private CA and sets every option.
    pub(super) fn of(upstream: &Upstream) -> Result<Self, UpstreamError> {
        let mut options = PeerOptions::new();
        let timeouts = &upstream.timeouts;
        options.connection_timeout = Some(timeouts.connect);
        options.total_connection_timeout = Some(timeouts.connect);
        options.read_timeout = Some(timeouts.read);
        options.write_timeout = Some(timeouts.write);
        options.idle_timeout = Some(timeouts.idle);
        options.tcp_keepalive = Some(KEEPALIVE);
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::standard();
        match upstream.protocol {
            UpstreamProtocol::Http1 => options.set_http_version(1, 1),
            UpstreamProtocol::Http2 => {
                options.set_http_version(2, 2);
                options.max_h2_streams = H2_STREAMS;
                options.h2_ping_interval = Some(H2_PING);
            }
        }
        let mut group_key = 0;
        if let Some(file) = &upstream.tls.ca_file {
            let certificates = read_ca(&upstream.name, file)?;
            group_key = key_of(&certificates);
            options.ca = Some(wrap(&upstream.name, file, &certificates)?);
        }
        if upstream.tls.danger_skip_verification.is_some() {
            options.verify_cert = false;
            options.verify_hostname = false;
        }
        Ok(Self {
            upstream: Arc::clone(&upstream.name),
            server_name: upstream.tls.server_name.clone(),
            group_key,
            options,
        })
    }

    /// What the peers of `endpoint` have in common.
    pub(super) fn template(&self, endpoint: &Endpoint) -> Result<PeerTemplate, UpstreamError> {
        let server_name = if endpoint.tls { self.server_name(endpoint)? } else { String::new() };
        Ok(PeerTemplate {
            tls: endpoint.tls,
            server_name,
            port: endpoint.port,
            group_key: self.group_key,
            options: self.options.clone(),
        })
    }

    /// The name that the certificate of `endpoint` must be for.
    fn server_name(&self, endpoint: &Endpoint) -> Result<String, UpstreamError> {
        let wanted = self.server_name.as_deref().unwrap_or(&endpoint.host);
        let name = match dns::literal(wanted) {
            Some(address) => address.to_string(),
            None => wanted.to_owned(),
        };
        let first_label = name.split('.').next().unwrap_or_default();
        if first_label.contains('_') || ServerName::try_from(name.as_str()).is_err() {
            return Err(UpstreamError::ServerName { upstream: Arc::clone(&self.upstream), name });
        }
        Ok(name)
    }
}

/// The certificates in `file`, each usable as a trust anchor.
fn read_ca(
    upstream: &Arc<str>,
    file: &Path,
) -> Result<Vec<CertificateDer<'static>>, UpstreamError> {
    let problem = |problem: String| ca_error(upstream, file, problem);
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| problem(error.to_string()))?;
    if certificates.is_empty() {
        return Err(problem("no certificate in it".to_owned()));
    }
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| problem(error.to_string()))?;
        X509Certificate::from_der(certificate).map_err(|error| problem(error.to_string()))?;
    }
    Ok(certificates)
}

/// As Pingora takes them.
///
/// Its own parser, an older release of the one just used, panics on what it cannot read; that ends the loading of this
/// configuration and nothing else.
fn wrap(
    upstream: &Arc<str>,
    file: &Path,
    certificates: &[CertificateDer<'static>],
) -> Result<Arc<CaType>, UpstreamError> {
    let wrapped = panic::catch_unwind(|| {
        let each = certificates.iter().map(|der| WrappedX509::new(der.to_vec(), parse_x509));
        each.collect::<Vec<_>>()
    });
    match wrapped {
        Ok(wrapped) => Ok(wrapped.into()),
        Err(_) => Err(ca_error(upstream, file, "a certificate cannot be read".to_owned())),
    }
}

fn ca_error(upstream: &Arc<str>, file: &Path, problem: String) -> UpstreamError {
    UpstreamError::Ca { upstream: Arc::clone(upstream), file: PathBuf::from(file), problem }
}

/// Tells pooled connections apart that were verified by different CAs. Not 0, which means the system's.
fn key_of(certificates: &[CertificateDer<'static>]) -> u64 {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for certificate in certificates {
        context.update(certificate);
    }
    let digest = context.finish();
    let head = digest.as_ref().first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(head).max(1)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use pingora_core::protocols::tls::ALPN;
    use pingora_core::upstreams::peer::Peer as _;

    use super::super::tests::upstream;
    use super::*;

    fn endpoint(host: &str) -> Endpoint {
        Endpoint { tls: true, host: host.to_owned(), port: 8443 }
    }

    fn ca_pem() -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).expect("a certificate").pem()
    }

    fn file_with(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        file
    }

    #[test]
    fn every_timeout_is_set_and_the_certificate_is_verified() {
        let settings = PeerSettings::of(&upstream()).expect("settings");
        let template = settings.template(&endpoint("app.example.org")).expect("a template");
        let peer = template.at(IpAddr::from([192, 0, 2, 1]));
        assert_eq!(peer.sni(), "app.example.org");
        assert!(peer.verify_cert() && peer.verify_hostname() && peer.tls());
        for timeout in [
            peer.connection_timeout(),
            peer.total_connection_timeout(),
            peer.options.read_timeout,
            peer.options.write_timeout,
            peer.idle_timeout(),
        ] {
            assert!(timeout.is_some());
        }
        assert_eq!(peer.get_alpn(), Some(&ALPN::H1));
    }

    #[test]
    fn http2_is_spoken_on_many_streams() {
        let mut upstream = upstream();
        upstream.protocol = UpstreamProtocol::Http2;
        let settings = PeerSettings::of(&upstream).expect("settings");
        assert_eq!(settings.options.alpn, ALPN::H2);
        assert_eq!(settings.options.max_h2_streams, H2_STREAMS);
    }

    #[test]
    fn which_name_a_certificate_must_be_for() {
        let mut upstream = upstream();
        for (host, server_name, name) in [
            ("app.example.org", None, Some("app.example.org")),
            ("192.0.2.1", None, Some("192.0.2.1")),
            ("[2001:db8::1]", None, Some("2001:db8::1")),
            ("192.0.2.1", Some("app.example.org"), Some("app.example.org")),
            ("my_app.example.org", None, None),
            ("my_app.example.org", Some("app.example.org"), Some("app.example.org")),
            ("app.example.org", Some(""), None),
        ] {
            upstream.tls.server_name = server_name.map(str::to_owned);
            let settings = PeerSettings::of(&upstream).expect("settings");
            let template = settings.template(&endpoint(host));
            assert_eq!(template.ok().map(|found| found.server_name).as_deref(), name, "{host}");
        }
    }

    #[test]
    fn connections_verified_by_different_cas_are_not_shared() {
        let mut upstream = upstream();
        let mut keys = vec![0];
        for _ in 0..2 {
            let file = file_with(&ca_pem());
            upstream.tls.ca_file = Some(file.path().to_owned());
            let settings = PeerSettings::of(&upstream).expect("settings");
            let again = PeerSettings::of(&upstream).expect("settings");
            assert_eq!(settings.group_key, again.group_key, "a reload keeps its pool");
            assert!(!keys.contains(&settings.group_key));
            keys.push(settings.group_key);
        }
    }

    #[test]
    fn a_ca_that_is_none_is_refused() {
        let mut upstream = upstream();
        for text in
            ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            let file = file_with(text);
            upstream.tls.ca_file = Some(file.path().to_owned());
            let refused = PeerSettings::of(&upstream).err();
            assert!(matches!(refused, Some(UpstreamError::Ca { .. })), "{text}");
        }
        upstream.tls.ca_file = Some(PathBuf::from("no/such/file"));
        assert!(matches!(PeerSettings::of(&upstream), Err(UpstreamError::Ca { .. })));
    }

    #[test]
    fn verification_is_skipped_only_when_told_to() {
        let mut upstream = upstream();
        upstream.tls.danger_skip_verification = Some("a printer".to_owned());
        let settings = PeerSettings::of(&upstream).expect("settings");
        assert!(!settings.options.verify_cert);
    }
}
