//! Towards the client: which security headers a response lacks.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::route::SecurityHeaders;

/// The headers of `wanted` that `response` does not have. What acts on pages only stays off everything else.
pub fn missing<'a>(
    wanted: &'a SecurityHeaders,
    response: &HeaderMap,
) -> impl Iterator<Item = &'a (HeaderName, HeaderValue)> {
    let html = response
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let on_html = wanted.on_html.iter().filter(move |_| html);
    wanted.always.iter().chain(on_html).filter(|(name, _)| !response.contains_key(name))
}
