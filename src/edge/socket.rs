//! The stream of a connection, as Pingora wants it.
//!
//! It gives Pingora the bytes of the request in hand and no others: what a client sends ahead is held for the next head.
//! It fails once the connection is killed, or too slow with its first bytes; and when it is dropped while the client may
//! be sending, it lingers, so that our answer is not lost to a reset.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use pingora_http::ResponseHeader;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::body::Body;
use super::connection::Connection;
use super::head::BodyFraming;

/// It holds no buffer of its own unless the client sent ahead: an idle connection is cheap.
#[derive(Debug)]
pub(super) struct Socket {
    transport: Transport,
    reading: Reading,
    /// Bytes that arrived before their turn.
    held: BytesMut,
    /// Until the client has said what it must say first.
    opening: Option<Box<Opening>>,
    connection: Arc<Connection>,
    proxy_digest: Arc<ProxyDigest>,
    socket_digest: Arc<SocketDigest>,
    id: UniqueIDType,
    /// Held for as long as the connection is open: what the limits and the drain count.
    counted: Counted,
}

/// Whatever must live as long as a connection.
pub(super) type Counted = Box<dyn fmt::Debug + Send + Sync>;

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Given away, to linger.
    Gone,
}

/// To whom the next bytes belong.
#[derive(Debug)]
enum Reading {
    /// To whoever reads: a head, HTTP/2 or another protocol.
    All,
    /// To a request body, and those behind it to nobody yet.
    Body(Body),
    /// To nobody: the request is refused, and the connection about to be closed with the client still sending.
    Refused,
}

#[derive(Debug)]
struct Opening {
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

/// How long the client has to read an answer that came before it had sent everything.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// How much is read meanwhile and thrown away. What the buffers of two kernels hold, so that time is what ends it.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// The connection preface of HTTP/2 (RFC 9113 §3.4); from there on, the idle timeout watches.
const H2_PREFACE: usize = 24;

/// Read at once of what is not wanted yet.
const AHEAD: usize = 1024;

/// What no reader of chunks accepts, wherever it stands in them: a carriage return without its line feed. Pingora then
/// answers 400, where a failed read would mean a client that is gone.
const POISON: &[u8] = b"\rx";

impl Socket {
    pub(super) fn plain(stream: TcpStream, connection: Arc<Connection>, counted: Counted) -> Self {
        let id = stream.as_raw_fd();
        Self::new(Transport::Plain(stream), id, connection, counted)
    }

    pub(super) fn tls(
        stream: TlsStream<TcpStream>,
        connection: Arc<Connection>,
        counted: Counted,
    ) -> Self {
        let id = stream.get_ref().0.as_raw_fd();
        Self::new(Transport::Tls(Box::new(stream)), id, connection, counted)
    }

    fn new(
        transport: Transport,
        id: UniqueIDType,
        connection: Arc<Connection>,
        counted: Counted,
    ) -> Self {
        let socket_digest = SocketDigest::from_raw_fd(id);
        // Pingora asks for it; what the kernel says would be the load balancer under the PROXY protocol.
        let _first = socket_digest.peer_addr.set(Some(connection.peer.into()));
        // Not about proxies: it is where Pingora carries data of ours from a stream to its sessions.
        let response = ResponseHeader::build(200, Some(0)).expect("200 is a status");
        let carried: Box<dyn std::any::Any + Send + Sync> = Box::new(Arc::clone(&connection));
        let proxy_digest = Arc::new(ProxyDigest::new(Box::new(response), Some(carried)));
        let socket_digest = Arc::new(socket_digest);
        Self {
            transport,
            reading: Reading::All,
            held: BytesMut::new(),
            opening: None,
            connection,
            proxy_digest,
            socket_digest,
            id,
            counted,
        }
    }

    /// The preface of HTTP/2 must be here in time: nothing else bounds a client that shakes hands and is silent.
    pub(super) fn expect_preface_within(&mut self, time: Duration) {
        let deadline = Box::pin(sleep(time));
        self.opening = Some(Box::new(Opening { missing: H2_PREFACE, deadline }));
    }

    /// A head was read, with `behind` after it: from here to the end of its body, only the body is given on.
    pub(super) fn begin_body(&mut self, framing: BodyFraming, behind: BytesMut) {
        self.held = behind;
        self.reading = Reading::Body(Body::from(framing));
    }

    /// Whether the request was read to its end. The next bytes are a head, then.
    pub(super) fn end_body(&mut self) -> bool {
        let whole = match &self.reading {
            Reading::All => true,
            Reading::Body(body) => body.is_over(),
            Reading::Refused => false,
        };
        if whole {
            self.reading = Reading::All;
        }
        whole
    }

    /// What still comes belongs to a request that was refused.
    pub(super) fn refuse(&mut self) {
        self.reading = Reading::Refused;
    }

    /// Whether closing now would answer bytes of the client with a reset.
    fn client_may_be_sending(&self) -> bool {
        let expected = match &self.reading {
            Reading::All => false,
            Reading::Body(body) => !body.is_over() || !self.held.is_empty(),
            Reading::Refused => true,
        };
        expected && !self.connection.switch().is_killed()
    }

    fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Reading::Body(body) = &mut self.reading else { return Poll::Ready(Ok(())) };
        if body.is_over() {
            return self.poll_ahead(context);
        }
        let before = buffer.filled().len();
        if self.held.is_empty() {
            ready!(Pin::new(&mut self.transport).poll_read(context, buffer))?;
        } else {
            take_held(&mut self.held, buffer);
        }
        let read = buffer.filled().get(before..).unwrap_or_default();
        if read.is_empty() {
            // The client is gone: nobody is left to linger for.
            self.reading = Reading::All;
            return Poll::Ready(Ok(()));
        }
        let (taken, judged) = body.take(read);
        if judged.is_err() {
            self.reading = Reading::Refused;
            buffer.set_filled(before + taken);
            poison(buffer);
            return Poll::Ready(Ok(()));
        }
        let behind = read.get(taken..).unwrap_or_default();
        if !behind.is_empty() {
            let mut held = BytesMut::from(behind);
            held.extend_from_slice(&self.held);
            self.held = held;
            buffer.set_filled(before + taken);
        }
        Poll::Ready(Ok(()))
    }

    /// Keeps what comes early, and learns of a client that goes away. What was kept is not added to: the client has
    /// filled its share, and the kernel makes it wait.
    fn poll_ahead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            return Poll::Pending;
        }
        let mut ahead = [0; AHEAD];
        let mut ahead = ReadBuf::new(&mut ahead);
        ready!(Pin::new(&mut self.transport).poll_read(context, &mut ahead))?;
        if ahead.filled().is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.held.extend_from_slice(ahead.filled());
        Poll::Pending
    }
}

/// Gives `buffer` what was held, as much as fits.
fn take_held(held: &mut BytesMut, buffer: &mut ReadBuf<'_>) {
    let some = held.split_to(held.len().min(buffer.remaining()));
    buffer.put_slice(&some);
    if held.is_empty() {
        // Not only its contents, but its memory.
        *held = BytesMut::new();
    }
}

fn poison(buffer: &mut ReadBuf<'_>) {
    let room = POISON.len().min(buffer.remaining());
    buffer.put_slice(POISON.get(..room).unwrap_or_default());
}

impl Opening {
    /// Whether the deadline has passed with something still missing.
    fn poll_is_late(&mut self, context: &mut Context<'_>) -> bool {
        self.deadline.as_mut().poll(context).is_ready()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &mut *self;
        socket.connection.switch().check_reading(context)?;
        match &socket.reading {
            Reading::Body(_) => return socket.poll_body(context, buffer),
            Reading::Refused => {
                poison(buffer);
                return Poll::Ready(Ok(()));
            }
            Reading::All if !socket.held.is_empty() => {
                take_held(&mut socket.held, buffer);
                return Poll::Ready(Ok(()));
            }
            Reading::All => {}
        }
        if let Some(opening) = &mut socket.opening
            && opening.poll_is_late(context)
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no preface")));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut socket.transport).poll_read(context, buffer))?;
        if let Some(opening) = &mut socket.opening {
            opening.missing = opening.missing.saturating_sub(buffer.filled().len() - before);
            if opening.missing == 0 {
                socket.opening = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.switch().check_writing(context)?;
        Pin::new(&mut self.transport).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.switch().check_writing(context)?;
        Pin::new(&mut self.transport).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let killed = self.connection.switch().check_writing(context);
        // Said to a killed client too, but not waited for.
        match (Pin::new(&mut self.transport).poll_shutdown(context), killed) {
            (Poll::Pending, Err(killed)) => Poll::Ready(Err(killed)),
            (closing, _) => closing,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.switch().check_writing(context)?;
        Pin::new(&mut self.transport).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

/// Pingora drops most streams without shutting them down, an early refusal of an upload among them: so it is the drop
/// that lingers, and in a task of its own, for nobody has to wait for it.
impl Drop for Socket {
    fn drop(&mut self) {
        if !self.client_may_be_sending() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let transport = std::mem::replace(&mut self.transport, Transport::Gone);
        let counted = std::mem::replace(&mut self.counted, Box::new(()));
        runtime.spawn(async move {
            let _slow = timeout(LINGER, linger(transport)).await;
            drop(counted);
        });
    }
}

/// Lets the client read what was written: closing with unread bytes would send a reset that overtakes it.
async fn linger(mut transport: Transport) {
    // The client may be gone already, or know the end from the shutdown before.
    let _told = transport.shutdown().await;
    let mut thrown = vec![0; 16 * 1024];
    let mut total = 0;
    while total < LINGER_BYTES
        && let Ok(read) = transport.read(&mut thrown).await
        && read > 0
    {
        total += read;
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
        self.id
    }
}

impl Ssl for Socket {
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match &self.transport {
            Transport::Plain(_) | Transport::Gone => None,
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

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
            Self::Gone => Poll::Ready(Ok(0)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, slices),
            Self::Gone => Poll::Ready(Ok(0)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Tls(_) => "Tls",
            Self::Gone => "Gone",
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::edge::Scheme;

    async fn pair() -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let client = TcpStream::connect(address).await.expect("a connection");
        let (stream, peer) = listener.accept().await.expect("a connection");
        let connection = Connection::new(peer, Scheme::Http, None);
        (client, Socket::plain(stream, connection, Box::new(())))
    }

    #[tokio::test]
    async fn the_switch_ends_who_reads_and_who_writes() {
        for writes in [false, true] {
            let (_client, mut socket) = pair().await;
            let switch = socket.connection.kill_switch();
            // The client sends nothing and reads nothing, so both wait.
            let task = tokio::spawn(async move {
                if writes {
                    socket.write_all(&vec![0; 64 << 20]).await.map(drop)
                } else {
                    socket.read(&mut [0; 1]).await.map(drop)
                }
            });
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(!task.is_finished());
            switch.kill();
            let ended = timeout(Duration::from_secs(5), task).await.expect("woken");
            let error = ended.expect("no panic").expect_err("ended by the switch");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        }
    }

    #[tokio::test]
    async fn what_is_behind_a_body_is_read_after_it_and_not_before() {
        let (mut client, mut socket) = pair().await;
        client.write_all(b"cdeGET /next").await.expect("sent");
        socket.begin_body(BodyFraming::Length(5), BytesMut::from("ab"));
        let mut body = [0; 64];
        let mut read = 0;
        while read < 5 {
            read += socket.read(&mut body[read..]).await.expect("the body");
        }
        assert_eq!(&body[..read], b"abcde");
        let more = timeout(Duration::from_millis(100), socket.read(&mut body)).await;
        assert!(more.is_err(), "there is no more of it");
        assert!(socket.end_body());
        let read = socket.read(&mut body).await.expect("the next head");
        assert_eq!(&body[..read], b"GET /next");
    }

    #[tokio::test]
    async fn a_client_that_goes_away_behind_its_body_is_noticed() {
        let (client, mut socket) = pair().await;
        socket.begin_body(BodyFraming::None, BytesMut::new());
        drop(client);
        assert_eq!(socket.read(&mut [0; 8]).await.expect("no error"), 0);
    }
}
