//! Stage: cross-origin requests of browsers (Fetch standard §3.2).
//!
//! A real preflight on a route with CORS is answered here and never reaches the app; every other `OPTIONS` is an ordinary
//! request. An origin that is not allowed gets an answer without `Access-Control-Allow-Origin`, which is how browsers
//! are told no.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{Answer, CorsGrant};
use crate::edge::Arrival;
use crate::route::Route;

/// The method that a preflight asks about; `None` when this is none.
pub(super) fn asked_method(arrival: &Arrival, headers: &HeaderMap) -> Option<Method> {
    if arrival.method != Method::OPTIONS || !headers.contains_key(header::ORIGIN) {
        return None;
    }
    headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes().try_into().ok()
}

/// What the request's origin may see, if anything.
pub(super) fn grant(route: &Route, headers: &HeaderMap) -> Option<CorsGrant> {
    let policy = route.app.cors.as_ref()?;
    let origin = headers.get(header::ORIGIN)?;
    let exposed_headers = policy.exposed_headers.clone();
    if policy.any_origin {
        let origin = HeaderValue::from_static("*");
        return Some(CorsGrant { origin, credentials: false, exposed_headers });
    }
    let allowed = policy.origins.iter().any(|allowed| allowed == origin);
    allowed.then(|| CorsGrant {
        origin: origin.clone(),
        credentials: policy.credentials,
        exposed_headers,
    })
}

/// The answer to a preflight; the seal adds the origin when it is allowed.
pub(super) fn answer_preflight(route: &Route, allowed: bool) -> Answer {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    if let (true, Some(policy)) = (allowed, &route.app.cors) {
        headers.push((header::ACCESS_CONTROL_ALLOW_METHODS, policy.methods.clone()));
        headers.push((header::ACCESS_CONTROL_ALLOW_HEADERS, policy.request_headers.clone()));
        headers.push((header::ACCESS_CONTROL_MAX_AGE, policy.max_age.clone()));
    }
    Answer { status: StatusCode::NO_CONTENT, headers }
}
