//! A connection to a server that is to be written to: verified TLS when asked for, signed in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisConnectionInfo, RedisError, ServerErrorKind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::outage::Outage;
use super::wire::Manner;
use crate::config::{HostAndPort, RedisServer, RedisSettings};

/// Why Redis can never be reached as configured.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The private CA cannot be used.
    #[error("{}: {what}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// TLS cannot be used.
    #[error("TLS cannot be used")]
    Tls(#[from] rustls::Error),
}

/// Which server is meant.
#[derive(Debug)]
pub(super) enum Place {
    /// The one that the settings name or lead to.
    AsConfigured,
    /// One of a cluster.
    At(HostAndPort),
}

impl Place {
    /// Where the server that is here sends us, when it does.
    pub(super) fn redirected_by(&self, error: &RedisError) -> Option<(HostAndPort, Manner)> {
        let (address, _slot) = error.redirect_node()?;
        let (host, port) = address.rsplit_once(':')?;
        let host = match (host, self) {
            // It does not know its own name, or those of others.
            ("" | "?", Self::At(here)) => here.host.as_str(),
            (host, _) => host,
        };
        let manner = match error.kind() {
            ErrorKind::Server(ServerErrorKind::Ask) => Manner::Ahead,
            _ => Manner::Plain,
        };
        Some((HostAndPort { host: host.to_owned(), port: port.parse().ok()? }, manner))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsConfigured => f.write_str("shared_state.url"),
            Self::At(at) => write!(f, "{}:{}", at.host, at.port),
        }
    }
}

/// For one sentinel or one server of a cluster, so that a silent one leaves time for the next.
pub(super) const ASK_WITHIN: Duration = Duration::from_millis(500);

/// How to reach Redis.
pub(super) struct Connector {
    server: RedisServer,
    tls: Option<TlsConnector>,
    login: RedisConnectionInfo,
}

impl Connector {
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, ConnectError> {
        let tls = if settings.tls { Some(tls(settings.ca_file.as_deref())?) } else { None };
        let mut login =
            RedisConnectionInfo::default().set_skip_set_lib_name().set_db(settings.database.into());
        if let Some(user) = &settings.user {
            login = login.set_username(user);
        }
        if let Some(password) = &settings.password {
            login = login.set_password(password.expose());
        }
        Ok(Self { server: settings.server.clone(), tls, login })
    }

    /// Those of the servers that share the keys among them that are known from the start. None: there is no cluster.
    pub(super) fn cluster(&self) -> &[HostAndPort] {
        match &self.server {
            RedisServer::Cluster(servers) => servers,
            RedisServer::Sentinels { .. } | RedisServer::Single(_) => &[],
        }
    }

    pub(super) async fn connect(&self, place: &Place) -> Result<MultiplexedConnection, Outage> {
        if let Place::At(server) = place {
            return self.connect_to(server).await;
        }
        match &self.server {
            RedisServer::Cluster(servers) => {
                let mut last = Outage::connection("no server was asked");
                for server in servers {
                    match timeout(ASK_WITHIN, self.connect_to(server)).await {
                        Ok(Ok(wire)) => return Ok(wire),
                        Ok(Err(outage)) => last = outage,
                        Err(_elapsed) => last = Outage::TIMEOUT,
                    }
                }
                Err(last)
            }
            RedisServer::Single(server) => self.connect_to(server).await,
            RedisServer::Sentinels { sentinels, master } => {
                let mut last = Outage::connection("no sentinel was asked");
                for sentinel in sentinels {
                    match timeout(ASK_WITHIN, self.find_master(sentinel, master)).await {
                        Ok(Ok(found)) => return self.open_master(&found).await,
                        Ok(Err(outage)) => last = outage,
                        Err(_elapsed) => last = Outage::connection("a sentinel is silent"),
                    }
                }
                Err(last)
            }
        }
    }

    pub(super) async fn connect_to(
        &self,
        server: &HostAndPort,
    ) -> Result<MultiplexedConnection, Outage> {
        self.open(server, &self.login).await
    }

    /// Whom `sentinel` calls `master` at the moment. Many sentinels want nobody to sign in, and refuse whoever tries.
    async fn find_master(
        &self,
        sentinel: &HostAndPort,
        master: &str,
    ) -> Result<HostAndPort, Outage> {
        let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
        let signed_in = self.login.clone().set_db(0);
        let mut outage = Outage::connection("no sentinel was asked");
        for login in [nobody, signed_in] {
            let mut connection = self.open(sentinel, &login).await?;
            let mut question = redis::cmd("SENTINEL");
            question.arg("get-master-addr-by-name").arg(master);
            match question.query_async::<Option<(String, u16)>>(&mut connection).await {
                Ok(Some((host, port))) => return Ok(HostAndPort { host, port }),
                Ok(None) => return Err(Outage::connection("the sentinel knows no such master")),
                Err(error) => outage = Outage::from(&error),
            }
        }
        Err(outage)
    }

    /// Sentinels may not have noticed yet that a master is none any more.
    async fn open_master(&self, at: &HostAndPort) -> Result<MultiplexedConnection, Outage> {
        let mut connection = self.open(at, &self.login).await?;
        let role: redis::Value =
            redis::cmd("ROLE").query_async(&mut connection).await.map_err(|e| Outage::from(&e))?;
        let is_master = match &role {
            redis::Value::Array(parts) => matches!(
                parts.first(),
                Some(redis::Value::BulkString(word)) if word == b"master"
            ),
            _ => false,
        };
        if is_master { Ok(connection) } else { Err(Outage::connection("the master is none")) }
    }

    async fn open(
        &self,
        at: &HostAndPort,
        login: &RedisConnectionInfo,
    ) -> Result<MultiplexedConnection, Outage> {
        let io = |error: std::io::Error| Outage::connection(error.to_string());
        let stream = TcpStream::connect((at.host.as_str(), at.port)).await.map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        // Each call has a deadline of its own.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let failed = |error: RedisError| Outage::from(&error);
        let connection = match &self.tls {
            None => {
                let (connection, driver) =
                    MultiplexedConnection::new_with_config(login, stream, config)
                        .await
                        .map_err(failed)?;
                tokio::spawn(driver);
                connection
            }
            Some(tls) => {
                let name = ServerName::try_from(at.host.clone())
                    .map_err(|_| Outage::connection("its name cannot be in a certificate"))?;
                let stream = tls.connect(name, stream).await.map_err(io)?;
                let (connection, driver) =
                    MultiplexedConnection::new_with_config(login, stream, config)
                        .await
                        .map_err(failed)?;
                tokio::spawn(driver);
                connection
            }
        };
        Ok(connection)
    }
}

/// Trusts the system's authorities, or only those in `ca_file`.
fn tls(ca_file: Option<&Path>) -> Result<TlsConnector, ConnectError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let unusable = |what: String| ConnectError::Ca { path: path.to_owned(), what };
            let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate
                    .map_err(|_| unusable("not a PEM bundle of certificates".to_owned()))?;
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(unusable("no certificate in it".to_owned()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
