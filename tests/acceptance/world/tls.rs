//! TLS by hand: a client that says which name it calls and which protocol it speaks, and keeps to neither.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::World;

/// What the self-made certificate of `world` signed.
pub(crate) fn trust(world: &World) -> Vec<CertificateDer<'static>> {
    let path = world.data.path().join("tls/self-made.pem");
    CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect()
}

/// A handshake over a new connection.
pub(crate) async fn connect(
    address: SocketAddr,
    trusted: &[CertificateDer<'static>],
    name: &'static str,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    shake_hands(TcpStream::connect(address).await?, trusted, name, protocol).await
}

/// A handshake over `stream`.
pub(crate) async fn shake_hands(
    stream: TcpStream,
    trusted: &[CertificateDer<'static>],
    name: &'static str,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from(name).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}
