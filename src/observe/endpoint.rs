//! The operations listener: metrics and health, over plain HTTP on an address of its own.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | Prometheus text |
//! | `/healthz`, `/health`, `/livez` | 200 while this process can answer at all |
//! | `/readyz`, `/ready` | 200 or 503, and how each component is |
//!
//! One request per connection, `GET` and `HEAD` only. A framework would be larger than what it serves, and this must
//! answer when everything else is in trouble.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::{Health, Metrics, Readiness};

/// Takes the address, before anything else is started that would have to be undone.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers until `shutdown` becomes true or its sender is gone. Requests that began are finished.
pub async fn serve(
    listener: std::net::TcpListener,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    // It may have come from a previous process.
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|shutdown| *shutdown) => return Ok(()),
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the operations listener cannot accept");
                // Mostly "too many open files": trying at once would only burn the processor.
                sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        // No place: closed at once. A prober tries again, and the crowd cannot take file descriptors from clients.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (metrics, health) = (Arc::clone(&metrics), Arc::clone(&health));
        tokio::spawn(async move {
            // Who is too slow or breaks off is left alone; there is nothing to tell anybody.
            let _ = timeout(DEADLINE, converse(stream, &metrics, &health)).await;
            drop(place);
        });
    }
}

async fn converse(mut stream: TcpStream, metrics: &Metrics, health: &Health) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    let answer = loop {
        if let Some(end) = end_of_head(&head) {
            break answer(head.get(..end).unwrap_or_default(), metrics, health);
        }
        if head.len() >= MOST_HEAD {
            break Answer::text(431, "head too large");
        }
        let room = u64::try_from(MOST_HEAD - head.len()).unwrap_or(u64::MAX);
        if (&mut stream).take(room).read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    };
    stream.write_all(&answer.bytes()).await?;
    stream.shutdown().await?;
    // Closing with unread bytes makes the kernel send a reset, which can overtake the answer.
    let mut rest = [0; 1024];
    let drain = async {
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    timeout(Duration::from_secs(1), drain).await.unwrap_or(Ok(()))
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n")
}

fn answer(head: &[u8], metrics: &Metrics, health: &Health) -> Answer {
    let Some((method, path)) = request_line(head) else {
        return Answer::text(400, "not an HTTP/1 request");
    };
    let answer = match path {
        "/metrics" => Answer {
            status: 200,
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body: String::new(),
            with_body: true,
        },
        "/healthz" | "/health" | "/livez" => Answer::json(200, r#"{"status":"ok"}"#.to_owned()),
        "/readyz" | "/ready" => {
            let (readiness, report) = health.report();
            let status = if readiness == Readiness::NotReady { 503 } else { 200 };
            Answer::json(status, report.to_string())
        }
        _ => return Answer::text(404, "not found"),
    };
    match method {
        "GET" | "HEAD" => {
            // Not before we know that somebody wants it.
            let body = if path == "/metrics" { metrics.render() } else { answer.body };
            Answer { body, with_body: method == "GET", ..answer }
        }
        _ => Answer::text(405, "method not allowed"),
    }
}

/// Method and path of `GET /path?query HTTP/1.1`.
fn request_line(head: &[u8]) -> Option<(&str, &str)> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut parts = std::str::from_utf8(line).ok()?.split(' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    let one_x = matches!(version, "HTTP/1.0" | "HTTP/1.1");
    if parts.next().is_some() || method.is_empty() || !target.starts_with('/') || !one_x {
        return None;
    }
    Some((method, target.split('?').next()?))
}

struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
    with_body: bool,
}

impl Answer {
    fn json(status: u16, body: String) -> Self {
        Self { status, content_type: "application/json", body, with_body: true }
    }

    fn text(status: u16, body: &str) -> Self {
        let body = format!("{body}\n");
        Self { status, content_type: "text/plain; charset=utf-8", body, with_body: true }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, content_type, body, with_body } = self;
        let reason = http::StatusCode::from_u16(*status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default();
        // RFC 9110 §15.5.6: 405 must say what is allowed.
        let allow = if *status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
        let body_shown = if *with_body { body.as_str() } else { "" };
        format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             {allow}Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n\
             {body_shown}",
            body.len(),
        )
        .into_bytes()
    }
}

const DEADLINE: Duration = Duration::from_secs(5);
const MOST_CONNECTIONS: usize = 64;
const MOST_HEAD: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::clock::Timestamp;
    use crate::observe::Status;

    struct Running {
        address: SocketAddr,
        health: Arc<Health>,
        shutdown: watch::Sender<bool>,
        task: tokio::task::JoinHandle<io::Result<()>>,
    }

    fn run() -> Running {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let health = Health::new(Arc::new(ManualClock::at(Timestamp::from_secs(0))));
        let (shutdown, receiver) = watch::channel(false);
        let task = tokio::spawn(serve(listener, Metrics::new(), Arc::clone(&health), receiver));
        Running { address, health, shutdown, task }
    }

    async fn send(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        send(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await
    }

    #[tokio::test]
    async fn health_and_metrics_are_answered_under_all_their_names() {
        let running = run();
        for path in ["/healthz", "/health", "/livez", "/readyz", "/ready", "/metrics", "/metrics?x"]
        {
            let answer = get(running.address, path).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
        }
        assert!(get(running.address, "/metrics").await.contains("\nstormdoor_build_info{"));
        assert!(get(running.address, "/healthz").await.ends_with("\r\n\r\n{\"status\":\"ok\"}"));
    }

    #[tokio::test]
    async fn a_node_that_is_not_ready_is_alive() {
        let running = run();
        running.health.set("store", Status::Warn, "slow");
        assert!(get(running.address, "/readyz").await.contains(r#"{"status":"degraded","#));
        running.health.set("store", Status::Fail, "gone");
        let answer = get(running.address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(
            answer.contains(r#""store":{"status":"fail","detail":"gone","since":""#),
            "{answer}"
        );
        assert!(get(running.address, "/healthz").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }

    #[tokio::test]
    async fn what_is_not_a_plain_get_is_refused() {
        let running = run();
        let long = [b"GET /".as_slice(), &[b'a'; 9000]].concat();
        let cases: [(&[u8], &str); 7] = [
            (b"GET /admin HTTP/1.1\r\n\r\n", "404"),
            (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
            (b"GET http://localhost/metrics HTTP/1.1\r\n\r\n", "400"),
            (b"GET /metrics HTTP/2.0\r\n\r\n", "400"),
            (b"GET /metrics HTTP/1.1 x\r\n\r\n", "400"),
            (b"\x16\x03\x01\r\n\r\n", "400"),
            (&long, "431"),
        ];
        for (request, status) in cases {
            let answer = send(running.address, request).await;
            assert_eq!(answer.get(9..12), Some(status), "{}", request.escape_ascii());
        }
    }

    #[tokio::test]
    async fn head_gets_the_length_and_no_body() {
        let answer = send(run().address, b"HEAD /healthz HTTP/1.1\r\n\r\n").await;
        assert!(answer.contains("Content-Length: 15\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn shutdown_ends_it() {
        let running = run();
        running.shutdown.send(true).unwrap();
        running.task.await.unwrap().unwrap();
    }
}
