//! How long one request through the whole gateway takes: TLS in, the gate, plain HTTP out, and back.
//!
//! Gateway, client and upstream share this process, so the figures are round trips and not the gateway's cost alone;
//! compare them with each other and with earlier ones.

#![expect(missing_docs, reason = "criterion's macro writes a public function")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use stormdoor::assembly::{self, Running, Setup};
use stormdoor::clock::SystemClock;
use stormdoor::config;
use stormdoor::identity::password::Password;
use stormdoor::identity::service::NewUser;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const EMAIL: &str = "ana@example.org";
const PASSWORD: &str = "correct-horse-battery-staple-42";

fn one_request(c: &mut Criterion) {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let door = runtime.block_on(Door::open()).expect("a gateway");
    let token = runtime.block_on(door.sign_in()).expect("a token");

    let mut group = c.benchmark_group("proxy/request");
    group.throughput(Throughput::Elements(1));
    let public = "GET /public/x HTTP/1.1\r\nHost: app.localhost\r\n\r\n".to_owned();
    let full = format!(
        "GET /api/x HTTP/1.1\r\nHost: app.localhost\r\nOrigin: https://other.localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    for (name, request) in [("public", public), ("full chain, known token", full)] {
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter_custom(async |rounds| {
                door.time(&request, rounds).await.expect("an answer to every request")
            });
        });
    }
    group.finish();
    runtime.block_on(door.gateway.stop(Duration::from_secs(1)));
}

/// A gateway before an upstream, and what a client needs to know of it.
struct Door {
    gateway: Running,
    address: SocketAddr,
    tls: TlsConnector,
    _data: TempDir,
}

impl Door {
    async fn open() -> Result<Self> {
        stormdoor::edge::install_crypto();
        let upstream = upstream().await?;
        let data = tempfile::tempdir()?;
        let config = config::parse(&yaml(upstream), "bench.yaml", data.path(), &|_| None)?;
        let setup = Setup { config, data: data.path().to_owned(), clock: Arc::new(SystemClock) };
        let gateway = assembly::start(setup).await?;
        let address = gateway.https().context("an HTTPS listener")?;

        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(data.path().join("tls/self-made.pem"))?)?;
        let config =
            rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { gateway, address, tls: TlsConnector::from(Arc::new(config)), _data: data })
    }

    async fn connect(&self, host: &'static str) -> Result<Client> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(ServerName::try_from(host)?, stream).await?;
        Ok(Client { stream, read: Vec::new() })
    }

    async fn sign_in(&self) -> Result<String> {
        let password = Password::new(PASSWORD.to_owned())?;
        let email = EMAIL.to_owned();
        let new = NewUser { email, username: None, full_name: None, password };
        self.gateway
            .identity()
            .add_user(new, vec!["reader".into()], &stormdoor::identity::admin::By::Operator)
            .await?;
        let body = serde_json::json!({ "email": EMAIL, "password": PASSWORD }).to_string();
        let request = format!(
            "POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.connect("localhost").await?.ask(&request).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        let token = answer.get("access_token").and_then(serde_json::Value::as_str);
        Ok(token.context("a token")?.to_owned())
    }

    /// How long `rounds` requests take, one after the other on one connection.
    async fn time(&self, request: &str, rounds: u64) -> Result<Duration> {
        let mut client = self.connect("app.localhost").await?;
        client.ask(request).await?;
        let began = Instant::now();
        for _ in 0..rounds {
            client.ask(request).await?;
        }
        Ok(began.elapsed())
    }
}

/// The whole chain with limits that are counted and never reached.
fn yaml(upstream: SocketAddr) -> String {
    format!(
        r#"
public_url: https://localhost
listeners:
  https: {{ address: "127.0.0.1:0", http2: false }}
  http: {{ address: off }}
  operations: {{ address: off }}
accounts: {{ password: {{ argon2: {{ memory_kib: 64, passes: 1 }} }} }}
roles: {{ reader: {{ permissions: ["files:read"], rate_limit: 1000000000/s }} }}
rate_limits: {{ default: 1000000000/s }}
apps:
  app:
    host: app.localhost
    upstream: "http://{upstream}"
    cors: {{ origins: ["https://other.localhost"], credentials: true }}
    routes:
      - {{ path: /public/**, access: public }}
      - {{ path: /api/**, allow: ["files:read"], rate_limit: 1000000000/s }}
observe: {{ access_log: off, level: error }}
"#
    )
}

struct Client {
    stream: TlsStream<TcpStream>,
    read: Vec<u8>,
}

impl Client {
    /// Sends `request` and returns the body of the answer, which must be a 200 with a length.
    async fn ask(&mut self, request: &str) -> Result<Vec<u8>> {
        self.stream.write_all(request.as_bytes()).await?;
        let end = loop {
            if let Some(end) = end_of_head(&self.read) {
                break end;
            }
            self.fill().await?;
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let head = String::from_utf8(head)?.to_ascii_lowercase();
        if !head.starts_with("http/1.1 200 ") {
            bail!("{head}");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("a length")?.parse()?;
        while self.read.len() < length {
            self.fill().await?;
        }
        Ok(self.read.drain(..length).collect())
    }

    async fn fill(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.read).await? == 0 {
            bail!("closed");
        }
        Ok(())
    }
}

/// Answers every bodiless request with the same few bytes.
async fn upstream() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_all(stream));
        }
    });
    Ok(address)
}

async fn answer_all(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::new();
    loop {
        while let Some(end) = end_of_head(&read) {
            read.drain(..end);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await?;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    Some(bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4)
}

criterion_group!(benches, one_request);
criterion_main!(benches);
