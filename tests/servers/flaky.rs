//! Something between a client and a server that can be told to misbehave.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "several test programs share this file, and none of them needs all of it"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What becomes of answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mood {
    /// Connections are closed, and new ones at once.
    Dead,
    /// Every answer is another one.
    Nonsense,
    /// They are passed on.
    Well,
    /// They come two seconds late.
    Slow,
}

/// Passes everything on to a server, as its mood is.
pub(crate) struct Flaky {
    pub(crate) address: SocketAddr,
    mood: watch::Sender<Mood>,
}

impl Flaky {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        Self::start(Place::Tcp(server), None).await
    }

    /// The same, speaking TLS.
    pub(crate) async fn with_tls(server: SocketAddr, config: rustls::ServerConfig) -> Self {
        Self::start(Place::Tcp(server), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    /// The same, before a server that listens on the socket at `path`.
    pub(crate) async fn before_socket(path: &Path) -> Self {
        Self::start(Place::Socket(path.to_owned()), None).await
    }

    async fn start(server: Place, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mood, moods) = watch::channel(Mood::Well);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, tls, moods) = (server.clone(), tls.clone(), moods.clone());
                tokio::spawn(async move {
                    let Some((from_server, to_server)) = server.connect().await else { return };
                    match tls {
                        None => pass_on(client, from_server, to_server, moods).await,
                        Some(tls) => {
                            let Ok(client) = tls.accept(client).await else { return };
                            pass_on(client, from_server, to_server, moods).await;
                        }
                    }
                });
            }
        });
        Self { address, mood }
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

/// Where a server is.
#[derive(Clone)]
enum Place {
    Socket(PathBuf),
    Tcp(SocketAddr),
}

type FromServer = Box<dyn AsyncRead + Send + Unpin>;
type ToServer = Box<dyn AsyncWrite + Send + Unpin>;

impl Place {
    async fn connect(&self) -> Option<(FromServer, ToServer)> {
        Some(match self {
            Self::Socket(path) => {
                let (from, to) = UnixStream::connect(path).await.ok()?.into_split();
                (Box::new(from), Box::new(to))
            }
            Self::Tcp(address) => {
                let (from, to) = TcpStream::connect(address).await.ok()?.into_split();
                (Box::new(from), Box::new(to))
            }
        })
    }
}

async fn pass_on(
    client: impl AsyncRead + AsyncWrite + Send + 'static,
    mut from_server: FromServer,
    mut to_server: ToServer,
    mut moods: watch::Receiver<Mood>,
) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let there = async move {
        let _ended = tokio::io::copy(&mut from_client, &mut to_server).await;
    };
    let mut watched = moods.clone();
    let back = async move {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let Ok(read) = from_server.read(&mut bytes).await else { return };
            let mood = *moods.borrow_and_update();
            let answer: &[u8] = match mood {
                Mood::Nonsense => b"no protocol of this world\r\n\r\n",
                _ => &bytes[..read],
            };
            if mood == Mood::Slow {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            if read == 0 || to_client.write_all(answer).await.is_err() {
                return;
            }
            let _ignored = to_client.flush().await;
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = watched.wait_for(|mood| *mood == Mood::Dead) => {}
    }
}
