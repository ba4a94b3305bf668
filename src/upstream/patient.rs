//! Connections for WebSockets that let a request end before they read its answer.
//!
//! Pingora 0.9.1 tears a WebSocket down when it reads the upstream's 101 before it has seen the end of the (empty) request
//! body (cloudflare/pingora#946): the two arrive on different sides of one `select!`. After a write, reads of these
//! connections are put off by a few turns of the task, in which the end of the body always comes first. To be dropped
//! with the first Pingora that mends the race.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora_core::{Error, ErrorType, OrErr, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Turns of the task between a write and the next read. Two are enough; they cost microseconds.
const TURNS: u8 = 8;

/// Makes patient connections.
#[derive(Debug)]
pub(super) struct Patient {
    connect: Duration,
}

impl Patient {
    pub(super) fn within(connect: Duration) -> Arc<Self> {
        Arc::new(Self { connect })
    }
}

#[async_trait]
impl L4Connect for Patient {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let address = address
            .as_inet()
            .ok_or_else(|| Error::explain(ErrorType::ConnectError, "not an internet address"))?;
        let stream = timeout(self.connect, TcpStream::connect(address))
            .await
            .or_err(ErrorType::ConnectTimedout, "connecting for a WebSocket")?
            .or_err(ErrorType::ConnectError, "connecting for a WebSocket")?;
        let _nagle = stream.set_nodelay(true);
        let socket = PatientSocket { stream, turns: 0 };
        Ok(VirtualSocketStream::new(Box::new(socket)).into())
    }
}

#[derive(Debug)]
struct PatientSocket {
    stream: TcpStream,
    turns: u8,
}

impl VirtualSocket for PatientSocket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            // The gateway's own idle timeout ends silent sockets.
            _ => Ok(()),
        }
    }
}

impl AsyncRead for PatientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turns > 0 {
            self.turns -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PatientSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.turns = TURNS;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
