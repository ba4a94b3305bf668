//! Towards the client: HSTS, CSP, nosniff and their like, where the upstream did not send its own.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::route::SecurityHeaders;

/// The `headers` that `response` lacks. One that the upstream sent stays as it is, so none is sent twice.
pub fn missing<'a>(
    headers: &'a SecurityHeaders,
    response: &HeaderMap,
) -> impl Iterator<Item = &'a (HeaderName, HeaderValue)> {
    let on_html: &[_] = if is_html(response) { &headers.on_html } else { &[] };
    headers.always.iter().chain(on_html).filter(|(name, _)| !response.contains_key(name))
}

fn is_html(response: &HeaderMap) -> bool {
    let Some(value) = response.get(header::CONTENT_TYPE) else { return false };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii();
    essence.eq_ignore_ascii_case(b"text/html")
        || essence.eq_ignore_ascii_case(b"application/xhtml+xml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::example::headers;
    use crate::route::HeaderPreset;

    #[test]
    fn what_the_upstream_sent_is_not_sent_again() {
        let preset = SecurityHeaders::of(HeaderPreset::Strict);
        let response = headers(&[("x-frame-options", "SAMEORIGIN")]);
        let names: Vec<_> = missing(&preset, &response).map(|(name, _)| name.as_str()).collect();
        assert!(!names.contains(&"x-frame-options"));
        assert!(names.contains(&"x-content-type-options"));
    }

    #[test]
    fn pages_get_a_content_security_policy_and_pictures_do_not() {
        let preset = SecurityHeaders::of(HeaderPreset::Strict);
        for (content_type, html) in [
            ("text/html", true),
            ("Text/HTML ; charset=utf-8", true),
            ("application/xhtml+xml", true),
            ("image/png", false),
            ("text/htmlx", false),
        ] {
            let response = headers(&[("content-type", content_type)]);
            let policy = header::CONTENT_SECURITY_POLICY;
            let found = missing(&preset, &response).any(|(name, _)| *name == policy);
            assert_eq!(found, html, "{content_type}");
        }
    }
}
