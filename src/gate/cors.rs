//! Stage: may a page of another origin read this? Preflights, and the response half.
//!
//! | | |
//! |---|---|
//! | reads | `Origin`, `Access-Control-Request-Method`, the app's policy |
//! | answers | a preflight for an app with a policy, with 204 |
//! | refuses with | nothing: a browser keeps the answer from a page of an origin that is not granted |
//!
//! A preflight is `OPTIONS` with `Origin` and `Access-Control-Request-Method` (Fetch standard §3.2.2). Every other
//! `OPTIONS` is an ordinary request. An origin that is not allowed gets the same 204 without any CORS header: the
//! status of a preflight tells a page nothing, and saying less is saying enough.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::{Answer, CorsGrant};
use crate::route::CorsPolicy;

/// The method that a preflight asks about; `None` when `method` and `headers` are no preflight.
pub(super) fn preflighted(method: &Method, headers: &HeaderMap) -> Option<Method> {
    if *method != Method::OPTIONS || !headers.contains_key(header::ORIGIN) {
        return None;
    }
    let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    Method::from_bytes(wanted.as_bytes()).ok()
}

/// What the page that sent these `headers` may be told, when its origin is allowed.
///
/// Origins are compared byte by byte, as browsers send them: no suffix, prefix or pattern that somebody could register
/// around. `null` is an origin like any other and so not allowed unless it is listed.
pub(super) fn grant(policy: &CorsPolicy, headers: &HeaderMap) -> Option<CorsGrant> {
    let origin = only(headers, &header::ORIGIN)?;
    if policy.any_origin {
        let origin = HeaderValue::from_static("*");
        let exposed_headers = policy.exposed_headers.clone();
        return Some(CorsGrant { origin, credentials: false, exposed_headers });
    }
    policy.origins.contains(origin).then(|| CorsGrant {
        origin: origin.clone(),
        credentials: policy.credentials,
        exposed_headers: policy.exposed_headers.clone(),
    })
}

/// The answer to a preflight. The origin and the credentials come from the grant, as on every other response.
pub(super) fn answer(policy: &CorsPolicy, granted: bool) -> Answer {
    const VARY: HeaderValue = HeaderValue::from_static(
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    );
    let mut headers = vec![(header::VARY, VARY)];
    if granted {
        headers.extend([
            (header::ACCESS_CONTROL_ALLOW_METHODS, policy.methods.clone()),
            (header::ACCESS_CONTROL_MAX_AGE, policy.max_age.clone()),
        ]);
        if !policy.request_headers.is_empty() {
            let allowed = policy.request_headers.clone();
            headers.push((header::ACCESS_CONTROL_ALLOW_HEADERS, allowed));
        }
    }
    Answer { status: StatusCode::NO_CONTENT, headers }
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::example::{cors_policy, headers};

    #[test]
    fn what_is_a_preflight() {
        let origin = ("origin", "https://app.example");
        let wants = ("access-control-request-method", "PUT");
        for (method, lines, wanted) in [
            ("OPTIONS", &[origin, wants][..], Some(Method::PUT)),
            ("OPTIONS", &[origin], None),
            ("OPTIONS", &[wants], None),
            ("OPTIONS", &[], None),
            ("GET", &[origin, wants], None),
            ("OPTIONS", &[origin, ("access-control-request-method", "P UT")], None),
        ] {
            let method = method.parse().expect("a method");
            assert_eq!(preflighted(&method, &headers(lines)), wanted, "{method} {lines:?}");
        }
    }

    #[test]
    fn only_the_exact_origin_is_granted() {
        let policy = cors_policy(&["https://app.example"]);
        for (origin, granted) in [
            ("https://app.example", true),
            ("https://app.example.evil.example", false),
            ("https://evil-app.example", false),
            ("https://app.example:8443", false),
            ("http://app.example", false),
            ("https://APP.example", false),
            ("null", false),
        ] {
            let grant = grant(&policy, &headers(&[("origin", origin)]));
            assert_eq!(grant.is_some(), granted, "{origin}");
            assert!(grant.is_none_or(|grant| grant.origin == origin && grant.credentials));
        }
        let two = [("origin", "https://app.example"), ("origin", "https://evil.example")];
        assert!(grant(&policy, &headers(&two)).is_none());
        assert!(grant(&policy, &headers(&[])).is_none());
    }

    #[test]
    fn any_origin_never_comes_with_credentials() {
        let policy = CorsPolicy { any_origin: true, ..cors_policy(&[]) };
        let grant = grant(&policy, &headers(&[("origin", "https://x.example")])).expect("a grant");
        assert_eq!((grant.origin.as_bytes(), grant.credentials), (&b"*"[..], false));
    }

    #[test]
    fn a_preflight_from_elsewhere_learns_nothing() {
        let policy = cors_policy(&["https://app.example"]);
        let names = |granted| {
            let headers = answer(&policy, granted).headers;
            headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(false), [header::VARY]);
        assert!(names(true).contains(&header::ACCESS_CONTROL_ALLOW_METHODS));
    }
}
