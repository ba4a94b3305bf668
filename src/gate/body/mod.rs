//! Stage: is the body too large, or its JSON too deep, too long or no JSON?
//!
//! | | |
//! |---|---|
//! | reads | `Content-Length`, `Content-Type`, `Content-Encoding`; then every chunk |
//! | refuses with | [`Refusal::LengthRequired`] (411), [`Refusal::BodyTooLarge`] (413), [`Refusal::BodyNotReadable`] (415), [`Refusal::BodyNotAcceptable`] (422) |
//!
//! A declared length is refused before anything is forwarded. The rest is checked by [`BodyGuard`], which keeps counters
//! only ([`json`] is its tokenizer): of small bodies before an upstream is contacted, of others while they stream by. Its
//! verdict does not depend on how the body was cut into chunks.

mod json;

use http::Method;
use http::header::{self, HeaderMap};

use self::json::Scanner;
use super::Refusal;
use crate::edge::{Arrival, Protocol};
use crate::route::BodyRules;

/// Refuses a body that says itself that it is too large.
///
/// # Errors
///
/// [`Refusal::BodyTooLarge`].
pub(super) fn admit(content_length: Option<u64>, rules: &BodyRules) -> Result<(), Refusal> {
    match (content_length, rules.max_bytes) {
        (Some(length), Some(max)) if length > max => Err(Refusal::BodyTooLarge),
        _ => Ok(()),
    }
}

/// Refuses an upload that does not say how long it is, where the app would keep the half of it that arrived before the client
/// went away.
///
/// Over HTTP/1 a request without a length and without chunks has no body (RFC 9112 §6.3); over HTTP/2 it may have one.
///
/// # Errors
///
/// [`Refusal::LengthRequired`].
pub(super) fn admit_measured(arrival: &Arrival, headers: &HeaderMap) -> Result<(), Refusal> {
    let may_have_body =
        headers.contains_key(header::TRANSFER_ENCODING) || arrival.protocol == Protocol::Http2;
    if arrival.method == Method::PUT && arrival.content_length.is_none() && may_have_body {
        return Err(Refusal::LengthRequired);
    }
    Ok(())
}

/// Checks one request body as it streams by.
#[derive(Debug)]
pub struct BodyGuard {
    /// Bytes that may still come. `None`: no limit.
    left: Option<u64>,
    check: Check,
}

#[derive(Debug)]
enum Check {
    Json(Scanner),
    Nothing,
    /// It says that it is JSON, but in a content coding that hides it.
    Unreadable,
}

impl BodyGuard {
    /// What watches over the body of a request with these `headers`; `None` when `rules` ask for nothing.
    ///
    /// JSON is what a `Content-Type` of `application/json` or `…+json` says is JSON. An empty body is nobody's JSON and
    /// passes.
    pub fn for_request(rules: &BodyRules, headers: &HeaderMap) -> Option<Self> {
        let check = match &rules.json {
            Some(limits) if says_json(headers) => {
                if is_coded(headers) {
                    Check::Unreadable
                } else {
                    Check::Json(Scanner::new(*limits))
                }
            }
            _ => Check::Nothing,
        };
        let nothing_to_do = rules.max_bytes.is_none() && matches!(check, Check::Nothing);
        (!nothing_to_do).then_some(Self { left: rules.max_bytes, check })
    }

    /// Whether it looks at what the body says, and not at its size only.
    pub fn looks_inside(&self) -> bool {
        !matches!(self.check, Check::Nothing)
    }

    /// Checks the next `chunk`; `end` says that it is the last one. Once refused, always refused.
    ///
    /// # Errors
    ///
    /// As in the table above.
    pub fn feed(&mut self, chunk: &[u8], end: bool) -> Result<(), Refusal> {
        // What exceeds the limit is not looked at, so that the verdict does not depend on where the chunks end.
        let length = chunk.len() as u64;
        let allowed = self.left.map_or(length, |left| left.min(length));
        let within = usize::try_from(allowed).ok().and_then(|allowed| chunk.get(..allowed));
        self.check.feed(within.unwrap_or(chunk))?;
        if allowed < length {
            self.left = Some(0);
            return Err(Refusal::BodyTooLarge);
        }
        self.left = self.left.map(|left| left - allowed);
        if end { self.check.finish() } else { Ok(()) }
    }
}

impl Check {
    fn feed(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Nothing => Ok(()),
            Self::Unreadable if chunk.is_empty() => Ok(()),
            Self::Unreadable => Err(Refusal::BodyNotReadable { reason: "content_encoding" }),
            Self::Json(scanner) => scanner.feed(chunk).map_err(not_acceptable),
        }
    }

    fn finish(&self) -> Result<(), Refusal> {
        match self {
            Self::Nothing | Self::Unreadable => Ok(()),
            Self::Json(scanner) => scanner.finish().map_err(not_acceptable),
        }
    }
}

fn not_acceptable(reason: &'static str) -> Refusal {
    Refusal::BodyNotAcceptable { reason }
}

/// Any one of several is enough: whoever reads the request behind us may pick that one.
fn says_json(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        let essence = essence.trim_ascii().to_ascii_lowercase();
        essence == b"application/json" || essence.ends_with(b"+json")
    })
}

fn is_coded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gate::example::headers;
    use crate::route::JsonRules;

    const JSON: JsonRules = JsonRules { depth: 4, array: 5, string: 10, keys: 3 };

    fn guard(max_bytes: Option<u64>, lines: &[(&'static str, &str)]) -> Option<BodyGuard> {
        let rules = BodyRules { max_bytes, json: Some(JSON) };
        BodyGuard::for_request(&rules, &headers(lines))
    }

    fn verdict(
        guard: &mut BodyGuard,
        chunks: &[&[u8]],
    ) -> Result<(), (http::StatusCode, &'static str)> {
        let told = |refusal: Refusal| (refusal.problem().status, refusal.reason());
        for chunk in chunks {
            guard.feed(chunk, false).map_err(told)?;
        }
        guard.feed(b"", true).map_err(told)
    }

    #[test]
    fn which_requests_are_watched() {
        for (content_type, watched) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("application/json ;x=y", true),
            ("text/plain", false),
            ("application/jsonp", false),
        ] {
            assert_eq!(guard(None, &[("content-type", content_type)]).is_some(), watched);
        }
        let both = [("content-type", "text/plain"), ("content-type", "application/json")];
        assert!(guard(None, &both).is_some());
        assert!(guard(None, &[]).is_none());
        assert!(guard(Some(10), &[]).is_some());
    }

    #[test]
    fn a_body_is_counted_over_all_chunks() {
        let ten = Some(10);
        assert!(verdict(&mut guard(ten, &[]).unwrap(), &[b"01234", b"56789"]).is_ok());
        let found = verdict(&mut guard(ten, &[]).unwrap(), &[b"01234", b"567890"]);
        assert_eq!(found, Err((http::StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")));
        let mut refused = guard(ten, &[]).unwrap();
        assert!(refused.feed(b"01234567890", false).is_err());
        assert!(refused.feed(b"0", false).is_err());
    }

    #[test]
    fn a_declared_length_is_refused_at_once() {
        let rules = BodyRules { max_bytes: Some(10), json: None };
        for (length, admitted) in [(None, true), (Some(10), true), (Some(11), false)] {
            assert_eq!(admit(length, &rules).is_ok(), admitted);
        }
    }

    #[test]
    fn json_that_is_compressed_cannot_be_checked_and_is_refused() {
        let json = ("content-type", "application/json");
        let gzip = [json, ("content-encoding", "gzip")];
        let found = verdict(&mut guard(None, &gzip).unwrap(), &[b"{}"]);
        assert_eq!(found, Err((http::StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_encoding")));
        let identity = [json, ("content-encoding", "Identity")];
        assert!(verdict(&mut guard(None, &identity).unwrap(), &[b"{}"]).is_ok());
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            body in prop_oneof![
                json::tests::document().prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..40),
                "[\\[\\]{}\",:0-9.eE+a\\\\ -]{0,30}".prop_map(String::into_bytes),
            ],
            max in prop::option::of(0u64..60),
            cuts in prop::collection::vec(0usize..60, 0..6),
        ) {
            let json = [("content-type", "application/json")];
            let whole = verdict(&mut guard(max, &json).unwrap(), &[&body]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &body[cut[0]..cut[1]]).collect();
            let cut = verdict(&mut guard(max, &json).unwrap(), &chunks);
            prop_assert_eq!(whole, cut);
        }
    }
}
