//! The immutable facts of one request.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Method;

use super::Target;
use crate::clock::Timestamp;

/// What is known about a request before anybody decides on it. Parsed once; everything later reads this.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When its head was complete.
    pub received_at: Timestamp,
    /// Names it in logs, answers and at the upstream.
    pub request_id: RequestId,
    /// Who is really calling, after trusted proxies; IPv4-mapped IPv6 is IPv4.
    pub client: IpAddr,
    /// How it reached us, after trusted proxies.
    pub scheme: Scheme,
    /// The protocol of the client's connection.
    pub protocol: Protocol,
    /// On the method allow-list.
    pub method: Method,
    /// The canonical host: lower case, no port, no trailing dot; IPv6 in brackets.
    pub host: Arc<str>,
    /// The port of `Host` when it named one.
    pub port: Option<u16>,
    /// Path and query: the accepted bytes, and the decoded segments that policy judges.
    pub target: Target,
    /// Whether it asks to become a WebSocket (RFC 6455 §4.1), completely and over HTTP/1.1.
    pub websocket: bool,
    /// The length its body declares; `None` when chunked, HTTP/2 without length, or no body.
    pub content_length: Option<u64>,
}

/// `https` or `http`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The protocol of the client's connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Names one request: 32 hexadecimal digits of ours, or what a trusted proxy sent (1 to 128 of
/// `a-z A-Z 0-9 - _ .`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes `text` when it is a legal request id.
    pub fn accept(text: &str) -> Option<Self> {
        let legal = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        legal.then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
