//! What is known about one connection of a client, and the switch that ends it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures::task::AtomicWaker;
use pingora_proxy::Session;

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

    pub(super) fn switch(&self) -> &KillSwitch {
        &self.switch
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
    /// Reading and writing may be different tasks.
    writer: AtomicWaker,
}

impl KillSwitch {
    /// Ends the connection, whatever it is doing.
    pub fn kill(&self) {
        self.0.killed.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    pub(super) fn is_killed(&self) -> bool {
        self.0.killed.load(Ordering::Acquire)
    }

    /// For a task that reads: it is woken by [`KillSwitch::kill`].
    pub(super) fn check_reading(&self, context: &Context<'_>) -> io::Result<()> {
        self.0.reader.register(context.waker());
        self.check()
    }

    /// For a task that writes: it is woken by [`KillSwitch::kill`].
    pub(super) fn check_writing(&self, context: &Context<'_>) -> io::Result<()> {
        self.0.writer.register(context.waker());
        self.check()
    }

    fn check(&self) -> io::Result<()> {
        if self.is_killed() {
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
