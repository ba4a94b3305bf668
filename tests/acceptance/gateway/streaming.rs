//! Bodies: streamed, bounded, checked.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use serde_json::Value;

use crate::world::{World, raw};

const LIMITED: &str = r"
rate_limits: { default: unlimited }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes: [ { path: /**, access: public } ]
  api:
    host: api.localhost
    upstream: builtin:whoami
    limits: { body: 1KiB, json: { depth: 3, array: 5, string: 20B, keys: 3 } }
    routes: [ { path: /**, access: public } ]
";

/// A body of one chunk, again and again, so that the client holds no more than that.
struct Repeated {
    chunk: Bytes,
    left: usize,
}

impl http_body::Body for Repeated {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.chunk.clone()))))
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_is_uploaded_with_flat_memory() {
    let world = World::with(LIMITED).await;
    let megabyte = Bytes::from(vec![b'a'; 1 << 20]);
    let before = resident();
    for http1 in [true, false] {
        let client =
            if http1 { world.client_builder().http1_only() } else { world.client_builder() };
        let client = client.timeout(std::time::Duration::from_mins(2)).build().unwrap();
        let answer = client
            .put(world.url("whoami.localhost", "/upload"))
            .body(reqwest::Body::wrap(Repeated { chunk: megabyte.clone(), left: 1024 }))
            .send()
            .await
            .unwrap();
        let seen: Value = answer.json().await.unwrap();
        assert_eq!(seen["body_bytes"], 1_u64 << 30);
    }
    // The client of this test is in the same process, and its buffers count too.
    let grown = resident().saturating_sub(before);
    assert!(grown < 80 << 20, "grew by {} MiB", grown >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_held_to_their_limits() {
    let world = World::with(LIMITED).await;
    let send = |body: String, kind: &'static str| {
        world
            .client()
            .post(world.url("api.localhost", "/x"))
            .header("content-type", kind)
            .body(body)
            .send()
    };
    for (body, kind, status) in [
        (r#"{"a":[1,2]}"#.to_owned(), "application/json", 200),
        ("x".repeat(2000), "text/plain", 413),
        ("[[[[1]]]]".into(), "application/json", 422),
        ("[1,2,3,4,5,6]".into(), "application/json; charset=utf-8", 422),
        (r#"{"a":1,"b":2,"c":3,"d":4}"#.into(), "application/json", 422),
        (format!("\"{}\"", "a".repeat(30)), "application/json", 422),
        ("{".into(), "application/json", 422),
        ("[[[[1]]]]".into(), "text/plain", 200),
    ] {
        let answer = send(body.clone(), kind).await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
    }
    let chunked = format!(
        "POST /x HTTP/1.1\r\nHost: api.localhost\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        "200\r\n".to_owned()
            + &"a".repeat(512)
            + "\r\n200\r\n"
            + &"a".repeat(512)
            + "\r\n1\r\na\r\n"
    );
    let answer = raw::exchange(world.http(), chunked.as_bytes()).await;
    assert_eq!(raw::status(&answer), 413, "{}", String::from_utf8_lossy(&answer));
}
