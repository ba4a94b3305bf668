//! The raw HTTP/1 head, judged before Pingora parses it.
//!
//! This is no second parser for speed: it answers one question, whether these bytes have exactly one reading
//! (RFC 9112), and Pingora then parses the same bytes. What it lets through, every common server reads alike.

use bytes::BytesMut;
use http::HeaderMap;
use http::header;

use super::Rejection;
use super::host::Authority;
use super::method::is_allowed_name;

/// What a head must keep to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub bytes: usize,
    /// Header lines.
    pub headers: usize,
    /// Bytes of the target.
    pub target_bytes: usize,
}

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scan {
    /// A whole head with one reading.
    Complete(HeadSummary),
    /// Not whole yet, and nothing wrong so far.
    Incomplete,
    /// Not acceptable, whatever follows.
    Refused(Rejection),
}

/// Where a head is, and how its body is framed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadSummary {
    /// Bytes of the head, with what was skipped and with the empty line at its end.
    pub len: usize,
    /// Bytes of empty lines before the request line (RFC 9112 §2.2).
    pub skipped: usize,
    /// How the body is framed.
    pub body: BodyFraming,
    /// Whether it asks for another protocol, so that what follows may be no HTTP.
    pub upgrade: bool,
    /// Whether it is of HTTP/1.0 and expects 100, which must be ignored (RFC 9110 §10.1.1).
    pub vain_expectation: bool,
}

/// How long a request body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyFraming {
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// `Content-Length`.
    Length(u64),
    /// Neither: no body.
    None,
}

/// Remembers where it looked for the end of the head, so that a slow sender costs no more than a fast one.
#[derive(Debug, Default)]
pub struct HeadScanner {
    seen: usize,
}

/// Empty lines that are skipped before a request line.
const MAX_LEADING_LINES: usize = 2;

impl HeadScanner {
    /// Looks at all bytes received so far; `buffer` only grows between calls.
    pub fn scan(&mut self, buffer: &[u8], limits: &HeadLimits) -> Scan {
        let skipped = leading_lines(buffer);
        let head = buffer.get(skipped..).unwrap_or_default();
        if has_endless_method(head) {
            return Scan::Refused(Rejection { reason: "method", status: 501 });
        }
        if head.first().is_some_and(|byte| *byte == b'\r' || *byte == b'\n') && head != b"\r" {
            return refused("empty_lines");
        }
        let from = self.seen.saturating_sub(3).max(skipped);
        let tail = buffer.get(from..).unwrap_or_default();
        let end = tail.windows(4).position(|window| window == b"\r\n\r\n").map(|at| from + at + 4);
        self.seen = buffer.len();
        let Some(end) = end else {
            return unfinished(head, limits);
        };
        if end - skipped > limits.bytes {
            return Scan::Refused(Rejection { reason: "head_too_large", status: 431 });
        }
        let lines = buffer.get(skipped..end - 2).unwrap_or_default();
        match judge(lines, limits) {
            Ok(facts) => Scan::Complete(HeadSummary {
                len: end,
                skipped,
                body: facts.body,
                upgrade: facts.upgrade,
                vain_expectation: facts.vain_expectation,
            }),
            Err(rejection) => Scan::Refused(rejection),
        }
    }
}

fn refused(reason: &'static str) -> Scan {
    Scan::Refused(Rejection::malformed(reason))
}

fn leading_lines(buffer: &[u8]) -> usize {
    let mut skipped = 0;
    while skipped < MAX_LEADING_LINES * 2
        && buffer.get(skipped..).is_some_and(|rest| rest.starts_with(b"\r\n"))
    {
        skipped += 2;
    }
    skipped
}

/// No method has a longer name.
const MAX_METHOD: usize = 32;

/// Whether it begins with a word that is a method by its letters only. Waiting for its end would be waiting for the limit.
fn has_endless_method(head: &[u8]) -> bool {
    let word = head.get(..=MAX_METHOD).unwrap_or_default();
    !word.is_empty() && word.iter().copied().all(is_token)
}

/// What can be said of a head that is not whole: that it is too large, or that it never was one.
fn unfinished(head: &[u8], limits: &HeadLimits) -> Scan {
    if head.len() > limits.bytes {
        return Scan::Refused(Rejection { reason: "head_too_large", status: 431 });
    }
    // A line feed without its carriage return would end the line for some servers only.
    let bare = head.iter().enumerate().any(|(at, byte)| {
        *byte == b'\n' && at.checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r')
    });
    if bare {
        return refused("bare_lf");
    }
    // Something that is not HTTP at all, TLS for instance, should not wait for the deadline.
    if head.first().is_some_and(|byte| !byte.is_ascii_alphabetic() && *byte != b'\r') {
        return refused("request_line");
    }
    // Nor should a request line that nothing can mend any more, HTTP/0.9 for instance.
    let line = head.windows(2).position(|pair| pair == b"\r\n").and_then(|at| head.get(..at));
    match line.map(|line| RequestLine::parse(line, limits)) {
        Some(Err(rejection)) => Scan::Refused(rejection),
        Some(Ok(_)) | None => Scan::Incomplete,
    }
}

/// Judges the lines of a head, each ended by CRLF, without the empty line.
fn judge(lines: &[u8], limits: &HeadLimits) -> Result<Conclusion, Rejection> {
    let mut lines = CrlfLines { rest: lines };
    let first = lines.next().ok_or(Rejection::malformed("request_line"))??;
    let request_line = RequestLine::parse(first, limits)?;
    let mut facts = Facts::default();
    for (number, line) in lines.enumerate() {
        if number >= limits.headers {
            return Err(Rejection { reason: "too_many_headers", status: 431 });
        }
        let (name, value) = split_header(line?)?;
        facts.note(name, value)?;
    }
    facts.conclude(&request_line)
}

/// Lines ended by CRLF; a bare CR or LF anywhere is an error.
struct CrlfLines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for CrlfLines<'a> {
    type Item = Result<&'a [u8], Rejection>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = self.rest.iter().position(|byte| *byte == b'\r' || *byte == b'\n');
        let line = found.and_then(|at| self.rest.split_at_checked(at)).and_then(|(line, rest)| {
            let rest = rest.strip_prefix(b"\r\n")?;
            self.rest = rest;
            Some(line)
        });
        if line.is_none() {
            self.rest = &[];
        }
        Some(line.ok_or(Rejection::malformed("bare_cr_or_lf")))
    }
}

struct RequestLine<'a> {
    target: &'a str,
    http10: bool,
}

impl<'a> RequestLine<'a> {
    fn parse(line: &'a [u8], limits: &HeadLimits) -> Result<Self, Rejection> {
        let bad = Rejection::malformed("request_line");
        let line = std::str::from_utf8(line).map_err(|_| Rejection::malformed("raw_non_ascii"))?;
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(bad);
        };
        let http10 = match version.as_bytes() {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            // One digit each (RFC 9112 §2.3). What is no version at all may be anything.
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
                return Err(Rejection { reason: "http_version", status: 505 });
            }
            _ => return Err(bad),
        };
        if method.is_empty() || !method.bytes().all(is_token) {
            return Err(bad);
        }
        if !is_allowed_name(method) {
            return Err(Rejection { reason: "method", status: 501 });
        }
        if target.len() > limits.target_bytes {
            return Err(Rejection { reason: "target_too_long", status: 414 });
        }
        if target.is_empty() || !target.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
            return Err(Rejection::malformed("target"));
        }
        if target.contains('#') {
            return Err(Rejection::malformed("raw_fragment"));
        }
        let absolute = target.starts_with("http://") || target.starts_with("https://");
        if !target.starts_with('/') && !absolute {
            return Err(Rejection::malformed("target_form"));
        }
        Ok(Self { target, http10 })
    }

    /// The authority of an absolute-form target.
    fn authority(&self) -> Option<&'a str> {
        let rest = self.target.split_once("://").filter(|_| !self.target.starts_with('/'))?.1;
        Some(rest.split(['/', '?']).next().unwrap_or(rest))
    }
}

fn split_header(line: &[u8]) -> Result<(&[u8], &[u8]), Rejection> {
    if line.first().is_some_and(|byte| *byte == b' ' || *byte == b'\t') {
        return Err(Rejection::malformed("obs_fold"));
    }
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = colon
        .and_then(|at| line.split_at_checked(at))
        .ok_or(Rejection::malformed("header_without_colon"))?;
    if name.contains(&b'_') {
        return Err(Rejection::malformed("underscore_header"));
    }
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(Rejection::malformed("header_name"));
    }
    let value = value.get(1..).unwrap_or_default();
    if value.iter().any(|byte| matches!(byte, 0..=0x08 | 0x0a..=0x1f | 0x7f)) {
        return Err(Rejection::malformed("header_value"));
    }
    Ok((name, value.trim_ascii()))
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[derive(Default)]
struct Facts<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
    authorization: bool,
    upgrade: bool,
    expects: bool,
}

/// What a whole head says about the bytes behind it.
struct Conclusion {
    body: BodyFraming,
    upgrade: bool,
    vain_expectation: bool,
}

impl<'a> Facts<'a> {
    fn note(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Rejection> {
        let bad = |reason| Err(Rejection::malformed(reason));
        if name.eq_ignore_ascii_case(b"host") {
            if self.host.replace(value).is_some() {
                return bad("repeated_host");
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return bad("repeated_content_length");
            }
            self.length = Some(content_length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked {
                return bad("repeated_transfer_encoding");
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return bad("transfer_encoding");
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"authorization") {
            if std::mem::replace(&mut self.authorization, true) {
                return bad("repeated_authorization");
            }
        } else if name.eq_ignore_ascii_case(b"connection") {
            check_connection(value)?;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        } else if name.eq_ignore_ascii_case(EXPECT) {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Rejection { reason: "expectation", status: 417 });
            }
            self.expects = true;
        }
        Ok(())
    }

    fn conclude(self, line: &RequestLine<'_>) -> Result<Conclusion, Rejection> {
        let bad = |reason| Err(Rejection::malformed(reason));
        let body = match (self.length, self.chunked) {
            (Some(_), true) => return bad("cl_te"),
            (None, true) if line.http10 => return bad("te_on_http10"),
            (None, true) => BodyFraming::Chunked,
            (Some(length), false) => BodyFraming::Length(length),
            (None, false) => BodyFraming::None,
        };
        // Whoever does not switch protocols would take the body for a request.
        if self.upgrade && !matches!(body, BodyFraming::None | BodyFraming::Length(0)) {
            return bad("upgrade_with_body");
        }
        let host = match self.host {
            None => return bad("no_host"),
            Some(host) => {
                std::str::from_utf8(host).map_err(|_| Rejection::malformed("bad_host"))?
            }
        };
        let host = Authority::parse(host)?;
        if let Some(authority) = line.authority()
            && Authority::parse(authority)? != host
        {
            return bad("host_mismatch");
        }
        Ok(Conclusion {
            body,
            // HTTP/1.0 has no upgrade (RFC 9110 §7.8).
            upgrade: self.upgrade && !line.http10,
            vain_expectation: self.expects && line.http10,
        })
    }
}

const EXPECT: &[u8] = b"expect";

/// `head`, which was judged already, without its `Expect` lines: who does not see them cannot answer 100 to them.
pub(super) fn without_expectation(head: &[u8]) -> BytesMut {
    let is_expectation = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(EXPECT)
    };
    let kept = head.split_inclusive(|byte| *byte == b'\n').filter(|line| !is_expectation(line));
    kept.flatten().copied().collect()
}

fn content_length(value: &[u8]) -> Result<u64, Rejection> {
    let digits = !value.is_empty() && value.len() <= 19 && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or(Rejection::malformed("content_length"))
}

/// What `Connection` may not name: removing it would change who is asking, where, or how long the body is.
fn check_connection(value: &[u8]) -> Result<(), Rejection> {
    const NEVER: [&[u8]; 14] = [
        b"authorization",
        b"connection",
        b"content-length",
        b"content-type",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"origin",
        b"range",
        b"transfer-encoding",
        b"x-real-ip",
        b"x-request-id",
        b"x-correlation-id",
    ];
    for option in value.split(|byte| *byte == b',') {
        let option = option.trim_ascii().to_ascii_lowercase();
        let named = NEVER.contains(&option.as_slice())
            || option.starts_with(b"x-auth-")
            || option.starts_with(b"x-forwarded-")
            || option.starts_with(b"access-control-");
        if named {
            return Err(Rejection::malformed("connection_names_header"));
        }
        // `Connection: X-User` of an app with header names of its own: nothing but the known options is taken.
        if !option.is_empty() && !is_known_option(&option) {
            return Err(Rejection::malformed("connection_option"));
        }
    }
    Ok(())
}

fn is_known_option(option: &[u8]) -> bool {
    const KNOWN: [&[u8]; 7] = [
        b"close",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"upgrade",
    ];
    KNOWN.contains(&option)
}

/// The same rules on headers that arrived over HTTP/2, where framing is not in them.
///
/// # Errors
///
/// 400 for names with `_`, repeated `Authorization`, `Host` or `Content-Length`, and connection-specific headers
/// (RFC 9113 §8.2.2).
pub fn check_headers(headers: &HeaderMap) -> Result<(), Rejection> {
    for single in [header::AUTHORIZATION, header::HOST, header::CONTENT_LENGTH] {
        if headers.get_all(single).iter().count() > 1 {
            return Err(Rejection::malformed("repeated_header"));
        }
    }
    for name in headers.keys() {
        if name.as_str().contains('_') {
            return Err(Rejection::malformed("underscore_header"));
        }
    }
    for forbidden in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        if headers.contains_key(forbidden) {
            return Err(Rejection::malformed("connection_header"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 4096, headers: 20, target_bytes: 256 };

    fn scan(bytes: &[u8]) -> Scan {
        HeadScanner::default().scan(bytes, &LIMITS)
    }

    fn reason(bytes: &[u8]) -> &'static str {
        match scan(bytes) {
            Scan::Refused(rejection) => rejection.reason,
            Scan::Complete(_) => "complete",
            Scan::Incomplete => "incomplete",
        }
    }

    #[test]
    fn heads_and_what_becomes_of_them() {
        for (lines, verdict) in [
            ("GET / HTTP/1.1|Host: a", "complete"),
            ("GET / HTTP/1.0|Host: a", "complete"),
            ("PROPFIND /dav/ HTTP/1.1|Host: a|Depth: 1", "complete"),
            ("GET http://a/x HTTP/1.1|Host: a", "complete"),
            (
                "GET / HTTP/1.1|Host: a|Connection: keep-alive, Upgrade|Upgrade: websocket",
                "complete",
            ),
            ("POST / HTTP/1.1|Host: a|Content-Length: 3", "complete"),
            ("POST / HTTP/1.1|Host: a|Transfer-Encoding: Chunked", "complete"),
            ("POST / HTTP/1.1|Host: a|Expect: 100-continue|Content-Length: 3", "complete"),
            ("GET / HTTP/1.1", "no_host"),
            ("GET / HTTP/1.0", "no_host"),
            ("GET / HTTP/1.1|Host: a|Host: a", "repeated_host"),
            ("GET / HTTP/1.1|Host: ", "bad_host"),
            ("GET / HTTP/1.1|Host: a/b", "bad_host"),
            ("GET http://b/ HTTP/1.1|Host: a", "host_mismatch"),
            ("GET http://a:81/ HTTP/1.1|Host: a", "host_mismatch"),
            ("POST / HTTP/1.1|Host: a|Content-Length: 3|Transfer-Encoding: chunked", "cl_te"),
            (
                "POST / HTTP/1.1|Host: a|Content-Length: 3|Content-Length: 3",
                "repeated_content_length",
            ),
            ("POST / HTTP/1.1|Host: a|Content-Length: 3, 3", "content_length"),
            ("POST / HTTP/1.1|Host: a|Content-Length: +3", "content_length"),
            ("POST / HTTP/1.1|Host: a|Content-Length: 0x3", "content_length"),
            ("POST / HTTP/1.1|Host: a|Content-Length: ", "content_length"),
            ("POST / HTTP/1.1|Host: a|Content-Length: 99999999999999999999", "content_length"),
            ("POST / HTTP/1.1|Host: a|Transfer-Encoding: gzip, chunked", "transfer_encoding"),
            ("POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked, identity", "transfer_encoding"),
            ("POST / HTTP/1.1|Host: a|Transfer-Encoding: \u{b}chunked", "header_value"),
            (
                "POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked|Transfer-Encoding: chunked",
                "repeated_transfer_encoding",
            ),
            ("POST / HTTP/1.0|Host: a|Transfer-Encoding: chunked", "te_on_http10"),
            ("GET / HTTP/1.1|Host: a| folded", "obs_fold"),
            ("GET / HTTP/1.1|Host : a", "header_name"),
            ("GET / HTTP/1.1|Host: a|: x", "header_name"),
            ("GET / HTTP/1.1|Host: a|nocolon", "header_without_colon"),
            ("GET / HTTP/1.1|Host: a|X_Auth_User: x", "underscore_header"),
            ("GET / HTTP/1.1|Host: a|X: a\u{0}b", "header_value"),
            ("GET / HTTP/1.1|Host: a|Authorization: a|authorization: b", "repeated_authorization"),
            ("GET / HTTP/1.1|Host: a|Connection: x-auth-user", "connection_names_header"),
            (
                "GET / HTTP/1.1|Host: a|Connection: close, X-Forwarded-For",
                "connection_names_header",
            ),
            ("GET / HTTP/1.1|Host: a|Connection: x-custom", "connection_option"),
            ("GET / HTTP/1.1|Host: a|Expect: 200-maybe", "expectation"),
            ("POST / HTTP/1.1|Host: a|Upgrade: websocket|Content-Length: 3", "upgrade_with_body"),
            ("GET  / HTTP/1.1|Host: a", "request_line"),
            ("GET / HTTP/1.1 |Host: a", "request_line"),
            ("GET\t/ HTTP/1.1|Host: a", "request_line"),
            ("GET /", "request_line"),
            ("GET / HTTP/1.2|Host: a", "http_version"),
            ("GET / HTTP/2.0|Host: a", "http_version"),
            ("GET / HTTP/3.7|Host: a", "http_version"),
            ("GET / http/1.1|Host: a", "request_line"),
            ("GET / HTTP/1|Host: a", "request_line"),
            ("GET / HTTP/1.|Host: a", "request_line"),
            ("GET / HTTP/.1|Host: a", "request_line"),
            ("GET / HTTP/11|Host: a", "request_line"),
            ("GET / HTTP/01.01|Host: a", "request_line"),
            ("GET / HTTP/1.1x|Host: a", "request_line"),
            ("GET / HTTP/1.10|Host: a", "request_line"),
            ("GET / HTTP/a.b|Host: a", "request_line"),
            ("GET / HTTP/|Host: a", "request_line"),
            ("GET / HTTPS/1.1|Host: a", "request_line"),
            ("get / HTTP/1.1|Host: a", "method"),
            ("FOO / HTTP/1.1|Host: a", "method"),
            ("CONNECT a:80 HTTP/1.1|Host: a", "method"),
            ("GET a HTTP/1.1|Host: a", "target_form"),
            ("OPTIONS * HTTP/1.1|Host: a", "target_form"),
            ("GET /a#b HTTP/1.1|Host: a", "raw_fragment"),
            ("GET /\u{e4} HTTP/1.1|Host: a", "target"),
        ] {
            let bytes = format!("{}\r\n\r\n", lines.replace('|', "\r\n"));
            assert_eq!(reason(bytes.as_bytes()), verdict, "{lines}");
        }
    }

    #[test]
    fn line_ends_other_than_crlf_are_refused() {
        for bytes in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
            "\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert!(matches!(scan(bytes.as_bytes()), Scan::Refused(_)), "{bytes:?}");
        }
    }

    #[test]
    fn two_empty_lines_before_a_request_are_skipped_and_three_are_not() {
        let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        for (empty, skipped) in [("", 0), ("\r\n", 2), ("\r\n\r\n", 4)] {
            let Scan::Complete(summary) = scan(format!("{empty}{request}").as_bytes()) else {
                panic!("{empty:?} was not skipped");
            };
            assert_eq!((summary.skipped, summary.len), (skipped, skipped + request.len() - 4));
        }
        assert_eq!(reason(format!("\r\n\r\n\r\n{request}").as_bytes()), "empty_lines");
    }

    #[test]
    fn limits_refuse_with_their_own_status() {
        let status = |bytes: String| match scan(bytes.as_bytes()) {
            Scan::Refused(rejection) => rejection.status,
            other => panic!("{other:?}"),
        };
        assert_eq!(status(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(300))), 414);
        assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(5000))), 431);
        let many = "X: y\r\n".repeat(20);
        assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")), 431);
    }

    #[test]
    fn a_method_without_end_is_refused_before_the_head_is_full() {
        let status = |bytes: &str| match scan(bytes.as_bytes()) {
            Scan::Refused(rejection) => rejection.status,
            Scan::Complete(_) => 200,
            Scan::Incomplete => 0,
        };
        assert_eq!(status(&"A".repeat(32)), 0, "it may still end");
        assert_eq!(status(&"A".repeat(33)), 501);
        assert_eq!(status(&"A".repeat(10_000)), 501);
        assert_eq!(status(&format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(5000))), 501);
        assert_eq!(status(&"\u{16}\u{3}\u{1}".repeat(20)), 400, "TLS is no method");
    }

    #[test]
    fn an_expectation_of_http_1_0_is_taken_out() {
        let head = "POST / HTTP/1.0\r\nHost: a\r\neXpect: 100-continue\r\nExpected: x\r\n\r\n";
        let Scan::Complete(summary) = scan(head.as_bytes()) else { panic!("not complete") };
        assert!(summary.vain_expectation);
        let without = without_expectation(head.as_bytes());
        assert_eq!(without, "POST / HTTP/1.0\r\nHost: a\r\nExpected: x\r\n\r\n".as_bytes());
        let Scan::Complete(summary) = scan(head.replace("1.0", "1.1").as_bytes()) else {
            panic!("not complete")
        };
        assert!(!summary.vain_expectation, "HTTP/1.1 may expect");
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _verdict = scan(&bytes);
        }

        #[test]
        fn how_the_bytes_were_cut_does_not_matter(
            headers in prop::collection::vec("[A-Za-z-]{1,8}: [a-z ]{0,8}", 0..5), cuts in prop::collection::vec(1usize..9, 1..80),
        ) {
            let bytes = format!("GET /x HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", headers.join("\r\n"));
            let bytes = bytes.as_bytes();
            let whole = scan(bytes);
            let mut scanner = HeadScanner::default();
            let (mut at, mut last) = (0, Scan::Incomplete);
            for cut in cuts.iter().cycle() {
                at = (at + cut).min(bytes.len());
                last = scanner.scan(&bytes[..at], &LIMITS);
                if at == bytes.len() || last != Scan::Incomplete {
                    break;
                }
            }
            match (whole, last) {
                (Scan::Complete(one), Scan::Complete(other)) => prop_assert_eq!(one, other),
                (Scan::Refused(_), Scan::Refused(_)) => {}
                (one, other) => prop_assert!(false, "{:?} and {:?}", one, other),
            }
        }

        #[test]
        fn what_is_complete_is_what_httparse_reads(
            lines in prop::collection::vec("(Host: a|Content-Length: [0-9]{1,3}|X[-_ ]?Y ?: [ -~]{0,6}|Transfer-Encoding: (chunked|gzip)|\t?[a-z]{0,3})", 0..5),
        ) {
            let bytes = format!("GET /x HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"));
            if let Scan::Complete(summary) = scan(bytes.as_bytes()) {
                let mut headers = [httparse::EMPTY_HEADER; 32];
                let mut request = httparse::Request::new(&mut headers);
                let parsed = request.parse(bytes.as_bytes()).expect("a head that we accept");
                prop_assert_eq!(parsed, httparse::Status::Complete(summary.len));
            }
        }
    }
}
