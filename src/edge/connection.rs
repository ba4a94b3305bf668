//! One connection of a client: its stream, what is known about it, and the switch that ends it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures::task::AtomicWaker;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Scheme;

/// What is known about a connection, shared by all its requests.
#[derive(Debug)]
pub struct Connection {
    /// The direct peer; whom the PROXY protocol named, when it was spoken.
    pub peer: SocketAddr,
    /// Whether it speaks TLS.
    pub scheme: Scheme,
    /// The server name of the handshake (RFC 6066 §3), lower case.
    pub server_name: Option<Arc<str>>,
    switch: KillSwitch,
}

impl Connection {
    pub(super) fn new(
        peer: SocketAddr,
        scheme: Scheme,
        server_name: Option<Arc<str>>,
    ) -> Arc<Self> {
        Arc::new(Self { peer, scheme, server_name, switch: KillSwitch::default() })
    }

    /// The connection of a session, over HTTP/1 and HTTP/2. `None` for sessions that did not come through our listener.
    pub fn of(session: &Session) -> Option<Arc<Self>> {
        let digest = session.digest()?.proxy_digest.as_ref()?;
        digest.user_data.as_ref()?.downcast_ref::<Arc<Self>>().map(Arc::clone)
    }

    /// The switch that ends it.
    pub fn kill_switch(&self) -> KillSwitch {
        self.switch.clone()
    }
}

/// Ends a connection from outside: its reads and writes fail from then on. Clones are one switch.
#[derive(Clone, Default)]
pub struct KillSwitch(Arc<Switch>);

#[derive(Default)]
struct Switch {
    killed: AtomicBool,
    reader: AtomicWaker,
}

impl KillSwitch {
    /// Ends the connection, whatever it is doing.
    pub fn kill(&self) {
        self.0.killed.store(true, Ordering::Release);
        self.0.reader.wake();
    }

    fn check(&self) -> io::Result<()> {
        if self.0.killed.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "ended by the gateway"));
        }
        Ok(())
    }
}

impl fmt::Debug for KillSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KillSwitch({})", self.0.killed.load(Ordering::Relaxed))
    }
}

/// The stream of a connection, as Pingora wants it. It holds no buffer of its own: an idle connection is cheap.
#[derive(Debug)]
pub(super) struct Socket {
    transport: Transport,
    connection: Arc<Connection>,
    proxy_digest: Arc<ProxyDigest>,
    socket_digest: Arc<SocketDigest>,
    /// Held for as long as the connection is open: what the limits count.
    _counted: Box<dyn fmt::Debug + Send + Sync>,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Tls(_) => "Tls",
        })
    }
}

impl Socket {
    pub(super) fn plain(
        stream: TcpStream,
        connection: Arc<Connection>,
        counted: Box<dyn fmt::Debug + Send + Sync>,
    ) -> Self {
        Self::new(Transport::Plain(stream), connection, counted)
    }

    pub(super) fn tls(
        stream: TlsStream<TcpStream>,
        connection: Arc<Connection>,
        counted: Box<dyn fmt::Debug + Send + Sync>,
    ) -> Self {
        Self::new(Transport::Tls(Box::new(stream)), connection, counted)
    }

    fn new(
        transport: Transport,
        connection: Arc<Connection>,
        counted: Box<dyn fmt::Debug + Send + Sync>,
    ) -> Self {
        let socket_digest = SocketDigest::from_raw_fd(transport.tcp().as_raw_fd());
        // Pingora asks for it; what the kernel says would be the load balancer under the PROXY protocol.
        let _first = socket_digest.peer_addr.set(Some(connection.peer.into()));
        // Not about proxies: it is where Pingora carries data of ours from a stream to its sessions.
        let response = ResponseHeader::build(200, Some(0)).expect("200 is a status");
        let carried: Box<dyn std::any::Any + Send + Sync> = Box::new(Arc::clone(&connection));
        let proxy_digest = Arc::new(ProxyDigest::new(Box::new(response), Some(carried)));
        let socket_digest = Arc::new(socket_digest);
        Self { transport, connection, proxy_digest, socket_digest, _counted: counted }
    }
}

impl Transport {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let switch = &self.connection.switch;
        switch.0.reader.register(context.waker());
        switch.check()?;
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.switch.check()?;
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.switch.check()?;
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Transport::Tls(stream) => {
                Pin::new(stream.as_mut()).poll_write_vectored(context, slices)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[async_trait]
impl Shutdown for Socket {
    async fn shutdown(&mut self) {
        // The client may be gone already; there is nobody left to tell.
        let _closed = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Socket {
    fn id(&self) -> UniqueIDType {
        self.transport.tcp().as_raw_fd()
    }
}

impl Ssl for Socket {
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match &self.transport {
            Transport::Plain(_) => None,
            Transport::Tls(stream) => match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Some(ALPN::H2),
                _ => Some(ALPN::H1),
            },
        }
    }
}

#[async_trait]
impl Peek for Socket {}

impl GetTimingDigest for Socket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Socket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.proxy_digest))
    }
}

impl GetSocketDigest for Socket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket_digest))
    }
}
