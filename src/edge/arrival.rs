//! The immutable facts of one request.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Version, header};
use ring::rand::SystemRandom;

use super::Rejection;
use super::Target;
use super::client_address::TrustedProxies;
use super::head::check_headers;
use super::host::Authority;
use super::method;
use crate::clock::Timestamp;
use crate::route::TargetProfile;

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

    pub(super) fn from_checked(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the connection contributes to a request.
#[derive(Clone, Copy, Debug)]
pub struct Downstream<'a> {
    /// The direct peer, after the PROXY protocol.
    pub peer: IpAddr,
    /// Whether it speaks TLS to us.
    pub scheme: Scheme,
    /// The server name of the handshake (RFC 6066 §3), lower case.
    pub server_name: Option<&'a str>,
    /// The protocol.
    pub protocol: Protocol,
}

/// What reading requests depends on, beside the request itself.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Whose forwarding headers are believed.
    pub trusted: &'a TrustedProxies,
    /// Longest target, in bytes.
    pub target_bytes: usize,
    /// Where request ids come from.
    pub random: &'a SystemRandom,
}

impl Arrival {
    /// Reads a request once. `profile_of` says which unusual targets the app of a host takes.
    ///
    /// # Errors
    ///
    /// 400 for what has more than one reading, 414 for a long target, 421 when the handshake named another
    /// host (RFC 9110 §15.5.20), 501 for a method that does not exist here.
    pub fn read(
        head: &Parts,
        raw_target: &[u8],
        downstream: &Downstream<'_>,
        reading: &Reading<'_>,
        profile_of: impl FnOnce(&str) -> TargetProfile,
        received_at: Timestamp,
    ) -> Result<Self, Rejection> {
        if !method::is_allowed(&head.method) {
            return Err(Rejection { reason: "method", status: 501 });
        }
        if raw_target.len() > reading.target_bytes {
            return Err(Rejection { reason: "target_too_long", status: 414 });
        }
        if downstream.protocol == Protocol::Http2 {
            check_headers(&head.headers)?;
        }
        let authority = authority(head)?;
        check_server_name(downstream.server_name, &authority.host)?;
        let raw =
            std::str::from_utf8(raw_target).map_err(|_| Rejection::malformed("raw_non_ascii"))?;
        let target = Target::parse(origin_form(raw), profile_of(&authority.host))?;
        let client = reading.trusted.resolve(downstream.peer, downstream.scheme, &head.headers)?;
        let request_id = Some(())
            .filter(|()| client.through_proxy)
            .and_then(|()| sent_request_id(&head.headers))
            .unwrap_or_else(|| RequestId::generate(reading.random));
        Ok(Self {
            received_at,
            request_id,
            client: client.address,
            scheme: client.scheme,
            protocol: downstream.protocol,
            method: head.method.clone(),
            host: authority.host,
            port: authority.port,
            target,
            websocket: downstream.protocol == Protocol::Http1 && is_websocket(head),
            content_length: content_length(&head.headers)?,
        })
    }
}

/// `:authority` or `Host`; when there are both, they agree (RFC 9113 §8.3.1, RFC 9112 §3.2.2).
fn authority(head: &Parts) -> Result<Authority, Rejection> {
    let named =
        head.uri.authority().map(|authority| Authority::parse(authority.as_str())).transpose()?;
    let host = head
        .headers
        .get(header::HOST)
        .map(|host| host.to_str().map_err(|_| Rejection::malformed("bad_host")))
        .transpose()?
        .map(Authority::parse)
        .transpose()?;
    match (named, host) {
        (Some(named), Some(host)) if named != host => Err(Rejection::malformed("host_mismatch")),
        (Some(authority), _) | (None, Some(authority)) => Ok(authority),
        (None, None) => Err(Rejection::malformed("no_host")),
    }
}

/// A connection that was made for one name must not be used for another: the certificate, and rules that
/// depend on it, were those of the first.
fn check_server_name(server_name: Option<&str>, host: &str) -> Result<(), Rejection> {
    match server_name {
        Some(name) if name.trim_end_matches('.').eq_ignore_ascii_case(host) => Ok(()),
        Some(_) => Err(Rejection { reason: "sni_mismatch", status: 421 }),
        None => Ok(()),
    }
}

/// The path and query of an absolute-form target; others as they are. That it agrees with `Host` was checked.
fn origin_form(raw: &str) -> &str {
    if raw.starts_with('/') {
        return raw;
    }
    let Some((_, rest)) = raw.split_once("://") else { return raw };
    match rest.find(['/', '?']).and_then(|at| rest.get(at..)) {
        Some(path) if path.starts_with('/') => path,
        // `http://host?query` has no path to judge; as it stands, it is refused.
        Some(_query) => raw,
        None => "/",
    }
}

fn sent_request_id(headers: &HeaderMap) -> Option<RequestId> {
    ["x-request-id", "x-correlation-id"]
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok())
        .find_map(RequestId::accept)
}

/// A complete opening handshake (RFC 6455 §4.1). Anything less is an ordinary request.
fn is_websocket(head: &Parts) -> bool {
    let is = |name: &str, wanted: &str| {
        head.headers.get(name).is_some_and(|value| {
            value.as_bytes().trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
        })
    };
    let upgrades = head.headers.get_all(header::CONNECTION).iter().any(|value| {
        let mut options = value.as_bytes().split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && upgrades
        && is("upgrade", "websocket")
        && is("sec-websocket-version", "13")
        && head.headers.contains_key("sec-websocket-key")
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Rejection> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match text.and_then(|text| text.parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => Err(Rejection::malformed("content_length")),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(
        request: http::request::Builder,
        raw_target: &str,
        server_name: Option<&str>,
    ) -> Result<Arrival, Rejection> {
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let downstream = Downstream {
            peer: "192.0.2.1".parse().expect("an address"),
            scheme: Scheme::Https,
            server_name,
            protocol: Protocol::Http1,
        };
        let trusted = TrustedProxies::default();
        let reading = Reading { trusted: &trusted, target_bytes: 64, random: &SystemRandom::new() };
        let profile = |_: &str| TargetProfile::Strict;
        Arrival::read(
            &head,
            raw_target.as_bytes(),
            &downstream,
            &reading,
            profile,
            Timestamp::default(),
        )
    }

    #[test]
    fn an_absolute_target_is_judged_as_its_path() {
        for (raw, target) in
            [("/a?b", "/a?b"), ("http://h.example/a?b", "/a?b"), ("https://h.example", "/")]
        {
            let request = Request::get("/").header("host", "h.example");
            let arrival = read(request, raw, None).expect(raw);
            assert_eq!(arrival.target.as_str(), target);
        }
        let request = Request::get("/").header("host", "h.example");
        assert!(read(request, "http://h.example?a=/b", None).is_err());
    }

    #[test]
    fn a_connection_for_one_host_is_not_used_for_another() {
        for (server_name, status) in
            [(None, None), (Some("h.example"), None), (Some("other.example"), Some(421))]
        {
            let request = Request::get("/").header("host", "H.Example:8443");
            let verdict = read(request, "/", server_name);
            assert_eq!(verdict.err().map(|rejection| rejection.status), status, "{server_name:?}");
        }
    }

    #[test]
    fn a_request_id_of_a_stranger_is_not_taken() {
        let request = Request::get("/").header("host", "a").header("x-request-id", "mine");
        let arrival = read(request, "/", None).expect("a request");
        assert_eq!(arrival.request_id.as_str().len(), 32);
    }

    #[test]
    fn only_a_whole_opening_handshake_is_a_websocket() {
        let upgrade = || {
            Request::get("/")
                .header("host", "a")
                .header("connection", "keep-alive, Upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-version", "13")
        };
        let whole = upgrade().header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        assert!(read(whole, "/", None).expect("a request").websocket);
        assert!(!read(upgrade(), "/", None).expect("a request").websocket);
    }

    #[test]
    fn a_long_target_is_414() {
        let request = Request::get("/").header("host", "a");
        let rejection = read(request, &format!("/{}", "a".repeat(64)), None).expect_err("too long");
        assert_eq!(rejection.status, 414);
    }
}
