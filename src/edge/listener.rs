//! Accept loops: limits before anything costs, the PROXY protocol, TLS, and our own reading of HTTP/1 heads.
//!
//! Pingora's listener is not used: it never closes an idle HTTP/1 connection, reads heads without a deadline, and accepts
//! heads with several readings. Ours drives Pingora's HTTP application through its public API: HTTP/2 connections whole,
//! HTTP/1 requests one by one, each after [`super::head`] has judged its raw bytes.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use ipnet::IpNet;
use pingora_core::apps::{HttpServerApp, ServerApp};
use pingora_core::protocols::http::server::Session as ServerSession;
use pingora_core::protocols::{ALPN, Ssl};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::admission::OpenConnections;
use super::connection::Connection;
use super::drain::{LAST_CALL, OpenGuard};
use super::head::{HeadLimits, HeadScanner, Scan, without_expectation};
use super::proxy_protocol::{self, Parsed};
use super::redirect;
use super::socket::{LINGER, Socket};
use super::{Drain, Rejection, Scheme};
use crate::config::EdgeLimits;
use crate::observe::Metrics;
use crate::throttle::ClientNetwork;

/// What the listeners of a process share. Settings can be replaced while connections are open.
#[derive(Debug)]
pub struct Edge {
    settings: ArcSwap<Settings>,
    open: Arc<OpenConnections>,
    drain: Arc<Drain>,
    metrics: Arc<Metrics>,
}

/// What a reload may change.
#[derive(Debug)]
pub struct Settings {
    /// What connections and heads must keep to.
    pub limits: EdgeLimits,
    /// For the TLS listener; its certificates have a swap of their own.
    pub tls: Option<Arc<ServerConfig>>,
    /// Peers that must begin with a PROXY header on the TLS listener.
    pub proxies_https: Vec<IpNet>,
    /// Peers that must begin with a PROXY header on the plain listener.
    pub proxies_http: Vec<IpNet>,
}

/// What a listener does with its connections.
pub enum Service<A> {
    /// Serves requests over TLS.
    Https(Arc<A>),
    /// Serves requests without TLS.
    Http(Arc<A>),
    /// Sends everybody to HTTPS.
    Redirect(redirect::Redirect),
}

impl<A> Clone for Service<A> {
    fn clone(&self) -> Self {
        match self {
            Self::Https(app) => Self::Https(Arc::clone(app)),
            Self::Http(app) => Self::Http(Arc::clone(app)),
            Self::Redirect(redirect) => Self::Redirect(redirect.clone()),
        }
    }
}

/// An address that is ours, on which nobody listens yet: whoever connects is refused at once, and goes elsewhere.
pub struct Bound {
    socket: TcpSocket,
    address: SocketAddr,
}

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Takes `address`.
///
/// # Errors
///
/// When it is in use or not ours, said with the address.
pub fn bind(address: SocketAddr) -> io::Result<Bound> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Connections of the process before us may still be closing.
        socket.set_reuseaddr(address.port() != 0)?;
        socket.bind(address)?;
        Ok(Bound { socket, address })
    };
    bind().map_err(|error| taken(address, &error))
}

impl Bound {
    /// Listens from now on. The caller learns the real port from the socket when 0 was asked for.
    ///
    /// # Errors
    ///
    /// When somebody else began to listen there meanwhile, said with the address.
    pub fn listen(self) -> io::Result<TcpListener> {
        let listener = self.socket.listen(BACKLOG).and_then(tokio::net::TcpListener::into_std);
        listener.map_err(|error| taken(self.address, &error))
    }
}

fn taken(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

/// After an accept that failed (out of descriptors, mostly), before the next one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Edge {
    /// An edge with these settings and no connections.
    pub fn new(settings: Settings, drain: Arc<Drain>, metrics: Arc<Metrics>) -> Arc<Self> {
        let open = OpenConnections::new(Arc::clone(&metrics));
        Arc::new(Self { settings: ArcSwap::from_pointee(settings), open, drain, metrics })
    }

    /// Puts other settings in force, for new connections and for the next head of open ones.
    pub fn replace(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Accepts on `listener` until the drain begins.
    ///
    /// # Errors
    ///
    /// When the socket cannot be used with the runtime.
    pub async fn serve<A>(
        self: Arc<Self>,
        listener: TcpListener,
        service: Service<A>,
    ) -> io::Result<()>
    where
        A: HttpServerApp + Send + Sync + 'static,
    {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut leaving = self.drain.watch();
        // A drain is not over while a connection is between the kernel and its own guard.
        let _accepting = self.drain.open();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = leaving.wait_for(|leaving| *leaving) => return Ok(()),
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (edge, service) = (Arc::clone(&self), service.clone());
                    let open = self.drain.open();
                    tokio::spawn(async move { edge.connection(stream, peer, service, open).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection<A>(
        self: Arc<Self>,
        mut stream: TcpStream,
        peer: SocketAddr,
        service: Service<A>,
        open: OpenGuard,
    ) where
        A: HttpServerApp + Send + Sync + 'static,
    {
        let settings = self.settings.load_full();
        let limits = settings.limits;
        let Some(counted) = self.open.count(limits.connections) else {
            return self.metrics.rejected("connections");
        };
        let _nagle = stream.set_nodelay(true);
        let direct = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let proxies = match &service {
            Service::Https(_) => &settings.proxies_https,
            Service::Http(_) | Service::Redirect(_) => &settings.proxies_http,
        };
        let peer = if proxies.iter().any(|network| network.contains(&direct.ip())) {
            match timeout(limits.handshake_timeout, read_proxy_header(&mut stream)).await {
                Ok(Ok(source)) => source.unwrap_or(direct),
                Ok(Err(_)) | Err(_) => return self.metrics.rejected("proxy_header"),
            }
        } else {
            direct
        };
        let client = ClientNetwork::from(peer.ip());
        let Some(client) = self.open.count_client(client, limits.connections_per_client) else {
            return self.metrics.rejected("connections_per_client");
        };
        let counted = Box::new((counted, client, open));
        match service {
            Service::Https(app) => {
                let Some(config) = settings.tls.clone() else { return };
                let Some((stream, name)) = self.handshake(stream, config, &limits).await else {
                    return;
                };
                let connection = Connection::new(peer, Scheme::Https, name);
                let mut socket = Socket::tls(stream, connection, counted);
                if matches!(socket.selected_alpn_proto(), Some(ALPN::H2)) {
                    socket.expect_preface_within(limits.handshake_timeout);
                    let shutdown = self.drain.watch_for_change();
                    let _ended = app.process_new(Box::new(socket), &shutdown).await;
                } else {
                    self.http1(Box::new(socket), peer.ip(), &app).await;
                }
            }
            Service::Http(app) => {
                let connection = Connection::new(peer, Scheme::Http, None);
                let socket = Socket::plain(stream, connection, counted);
                self.http1(Box::new(socket), peer.ip(), &app).await;
            }
            Service::Redirect(redirect) => {
                let connection = Connection::new(peer, Scheme::Http, None);
                let mut socket = Socket::plain(stream, connection, counted);
                let Some(head) = self.next_head(&mut socket, Turn::First).await else { return };
                let answer = redirect.answer(&head);
                let _gone = socket.write_all(answer.as_bytes()).await;
            }
        }
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        config: Arc<ServerConfig>,
        limits: &EdgeLimits,
    ) -> Option<(tokio_rustls::server::TlsStream<TcpStream>, Option<Arc<str>>)> {
        let accepting = TlsAcceptor::from(config).accept(stream);
        let stream = match timeout(limits.handshake_timeout, accepting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => {
                self.metrics.handshake("failed", "none");
                return None;
            }
            Err(_elapsed) => {
                self.metrics.handshake("timeout", "none");
                return None;
            }
        };
        let session = stream.get_ref().1;
        let version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            _ => "1.2",
        };
        self.metrics.handshake("ok", version);
        let name = session.server_name().map(|name| name.to_ascii_lowercase().into());
        Some((stream, name))
    }

    /// Requests of one HTTP/1 connection, one after the other.
    async fn http1<A>(&self, mut socket: Box<Socket>, peer: IpAddr, app: &Arc<A>)
    where
        A: HttpServerApp + Send + Sync + 'static,
    {
        let shutdown = self.drain.watch();
        let (mut persistent, mut turn) = (None, Turn::First);
        loop {
            let Some(head) = self.next_head(&mut socket, turn).await else { return };
            turn = Turn::Later;
            let mut session = ServerSession::new_http1(socket);
            match persistent.take() {
                Some(settings) => apply(settings, &mut session),
                None => session.set_keepalive(Some(self.keepalive_secs())),
            }
            // Pingora reads on behind an early answer, to keep the connection; not for ever.
            session.set_total_drain_timeout(Some(LINGER));
            if self.drain.is_leaving() {
                session.set_keepalive(None);
            }
            session.set_pipelined_prefix(head);
            let Some(reused) = app.process_new_http(session, &shutdown).await else { return };
            tracing::trace!(%peer, "kept alive");
            let stream;
            (stream, persistent) = reused.consume();
            let Ok(same) = stream.into_any().downcast::<Socket>() else { return };
            socket = same;
            if !socket.end_body() {
                return;
            }
        }
    }

    fn keepalive_secs(&self) -> u64 {
        self.settings.load().limits.keepalive.as_secs().max(1)
    }

    /// Waits for the next head, judges it, and returns its bytes; what came behind them is left in the socket. `None` when
    /// the connection is over: closed, silent, too slow, refused, or because we leave.
    async fn next_head(&self, socket: &mut Socket, turn: Turn) -> Option<BytesMut> {
        let limits = self.settings.load().limits;
        let mut leaving = self.drain.watch();
        // On the stack, so that a connection that waits holds no buffer.
        let mut first = [0; 1024];
        let read = tokio::select! {
            biased;
            read = socket.read(&mut first) => read.ok().filter(|read| *read > 0)?,
            () = last_call(&mut leaving, turn) => return None,
            () = tokio::time::sleep(limits.keepalive) => return None,
        };
        let mut buffer = BytesMut::with_capacity(2048);
        buffer.extend_from_slice(first.get(..read)?);
        match timeout(limits.head_timeout, self.rest_of_head(socket, buffer, &limits)).await {
            Ok(Ok(head)) => head,
            Ok(Err(rejection)) => {
                self.reject(socket, rejection).await;
                None
            }
            Err(_elapsed) => {
                self.reject(socket, Rejection { reason: "head_timeout", status: 408 }).await;
                None
            }
        }
    }

    async fn rest_of_head(
        &self,
        socket: &mut Socket,
        mut buffer: BytesMut,
        limits: &EdgeLimits,
    ) -> Result<Option<BytesMut>, Rejection> {
        let limits = HeadLimits {
            bytes: limits.head_bytes,
            headers: limits.headers,
            target_bytes: limits.target_bytes,
        };
        let mut scanner = HeadScanner::default();
        loop {
            match scanner.scan(&buffer, &limits) {
                Scan::Complete(summary) => {
                    // The empty lines before a request line stay with us: one reader less to agree with.
                    let _skipped = buffer.split_to(summary.skipped);
                    if summary.upgrade {
                        // Whose bytes those behind are, the answer decides.
                        return Ok(Some(buffer));
                    }
                    let len = summary.len - summary.skipped;
                    let sent_ahead = buffer.len() > len;
                    let behind = if sent_ahead { buffer.split_off(len) } else { BytesMut::new() };
                    socket.begin_body(summary.body, behind);
                    if summary.vain_expectation {
                        buffer = without_expectation(&buffer);
                    }
                    return Ok(Some(buffer));
                }
                Scan::Refused(rejection) => return Err(rejection),
                Scan::Incomplete => match socket.read_buf(&mut buffer).await {
                    Ok(0) | Err(_) => return Ok(None),
                    Ok(_) => {}
                },
            }
        }
    }

    async fn reject(&self, socket: &mut Socket, rejection: Rejection) {
        self.metrics.rejected(rejection.reason);
        socket.refuse();
        let _gone = socket.write_all(problem(rejection).as_bytes()).await;
    }
}

/// Which request of its connection is awaited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    /// The connection was just made: whoever made it has something to ask.
    First,
    /// It is kept alive, and may be closed at any time (RFC 9112 §9.5).
    Later,
}

/// Until a connection that brings no request may be closed because we leave.
async fn last_call(leaving: &mut watch::Receiver<bool>, turn: Turn) {
    drop(leaving.wait_for(|leaving| *leaving).await);
    if turn == Turn::First {
        tokio::time::sleep(LAST_CALL).await;
    }
}

fn apply(settings: pingora_core::apps::HttpPersistentSettings, session: &mut ServerSession) {
    settings.apply_to_session(session);
}

/// The whole answer to a head that nobody else will see (RFC 9457).
pub(super) fn problem(rejection: Rejection) -> String {
    let (status, title) = match rejection.status {
        404 => ("404 Not Found", "There is nothing here"),
        408 => ("408 Request Timeout", "The request took too long to arrive"),
        414 => ("414 URI Too Long", "The target is too long"),
        417 => ("417 Expectation Failed", "This expectation is not met here"),
        431 => ("431 Request Header Fields Too Large", "The request head is too large"),
        501 => ("501 Not Implemented", "This method does not exist here"),
        505 => ("505 HTTP Version Not Supported", "This version of HTTP is not spoken here"),
        _ => ("400 Bad Request", "The request is malformed"),
    };
    let code = status.split(' ').next().unwrap_or("400");
    let slug = match rejection.status {
        404 => "no-route",
        408 => "request-timeout",
        _ => "malformed-request",
    };
    let body = format!(
        r#"{{"type":"/problems/{slug}","title":"{title}","status":{code},"reason":"{}"}}"#,
        rejection.reason
    );
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Reads exactly the PROXY header and not a byte more.
async fn read_proxy_header(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut peeked = [0; proxy_protocol::LONGEST];
    let mut seen = 0;
    loop {
        let read = stream.peek(&mut peeked).await?;
        match proxy_protocol::parse(peeked.get(..read).unwrap_or_default()) {
            Parsed::Header { len, source } => {
                let header = peeked.get_mut(..len).unwrap_or_default();
                stream.read_exact(header).await?;
                return Ok(source);
            }
            Parsed::Incomplete if read > 0 => {
                if read == seen {
                    // Peeking does not wait for more; the deadline of the handshake bounds this.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                seen = read;
            }
            Parsed::Incomplete | Parsed::Invalid => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no PROXY header"));
            }
        }
    }
}
