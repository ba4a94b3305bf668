//! Something between a client and a server that can be told to misbehave.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "several test programs share this file, and none of them needs all of it"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
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
        Self::start(server, None).await
    }

    /// The same, speaking TLS.
    pub(crate) async fn with_tls(server: SocketAddr, config: rustls::ServerConfig) -> Self {
        Self::start(server, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(server: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mood, moods) = watch::channel(Mood::Well);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (tls, moods) = (tls.clone(), moods.clone());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    match tls {
                        None => pass_on(client, server, moods).await,
                        Some(tls) => {
                            let Ok(client) = tls.accept(client).await else { return };
                            pass_on(client, server, moods).await;
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

async fn pass_on(
    client: impl AsyncRead + AsyncWrite + Send + 'static,
    server: TcpStream,
    mut moods: watch::Receiver<Mood>,
) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
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
                Mood::Nonsense => b"HTTP/1.1 400 Bad Request\r\n\r\n",
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
