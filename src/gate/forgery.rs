//! Stage: does the page that sent this belong here?
//!
//! | | |
//! |---|---|
//! | reads | the kind of the credential, the method, `Sec-Fetch-Site`, `Origin`; the app's CORS policy |
//! | refuses with | [`Refusal::Forbidden`] (403) `cross_site` |
//!
//! A browser adds the session cookie by itself, so a request in its name may come from any page. Requests that change
//! nothing pass: their answers cannot be read across sites, unless CORS allows it. All others, and WebSockets, which CORS
//! does not guard, must come from our own origin or from one that the app's CORS policy trusts with credentials.
//! On a public route such a request is anonymous, since anybody may send it.
//!
//! `SameSite=Lax` says the same to the browser; this does not depend on the browser keeping to it.

use http::{HeaderMap, Method, header};

use super::{Caller, Refusal};
use crate::edge::{Arrival, Scheme};
use crate::identity::{CredentialKind, Principal};
use crate::route::{AccessRule, CorsPolicy, Route};

/// In whose name a request is, once it is known not to be forged.
///
/// # Errors
///
/// As in the table above.
pub(super) fn admit(
    caller: Caller,
    arrival: &Arrival,
    headers: &HeaderMap,
    route: &Route,
) -> Result<Caller, Refusal> {
    let Some(principal) = caller.principal() else { return Ok(caller) };
    match not_forged(principal, arrival, headers, route.app.cors.as_ref()) {
        Ok(()) => Ok(caller),
        Err(_) if route.access == AccessRule::Public => Ok(Caller::Anonymous),
        Err(refusal) => Err(refusal),
    }
}

/// Admits what is not forged.
///
/// # Errors
///
/// As in the table above.
fn not_forged(
    principal: &Principal,
    arrival: &Arrival,
    headers: &HeaderMap,
    cors: Option<&CorsPolicy>,
) -> Result<(), Refusal> {
    if principal.kind != CredentialKind::Cookie {
        return Ok(());
    }
    if changes_nothing(&arrival.method) && !arrival.websocket {
        return Ok(());
    }
    if is_same_origin(arrival, headers) || is_trusted(headers, cors) {
        return Ok(());
    }
    Err(Refusal::Forbidden { reason: "cross_site", scopes: Vec::new() })
}

/// Safe methods (RFC 9110 §9.2.1), and those of WebDAV that only read.
fn changes_nothing(method: &Method) -> bool {
    method.is_safe() || ["PROPFIND", "REPORT", "SEARCH"].contains(&method.as_str())
}

/// Whether the browser says that the page which sent this is of the same origin as its target. Says nothing at all: no.
pub fn is_same_origin(arrival: &Arrival, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // Set by the browser, and not by scripts (Fetch Metadata §2). `none`: the user typed it.
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN) else { return false };
    let (scheme, own_port) = match arrival.scheme {
        Scheme::Https => ("https://", 443),
        Scheme::Http => ("http://", 80),
    };
    let Some(authority) = origin.strip_prefix(scheme) else { return false };
    let Some(port) = authority.strip_prefix(&*arrival.host) else { return false };
    match (port.strip_prefix(':'), arrival.port) {
        (None, None) => port.is_empty(),
        (None, Some(named)) => port.is_empty() && named == own_port,
        (Some(port), named) => port == named.unwrap_or(own_port).to_string(),
    }
}

fn is_trusted(headers: &HeaderMap, cors: Option<&CorsPolicy>) -> bool {
    let (Some(policy), Some(origin)) = (cors, headers.get(header::ORIGIN)) else { return false };
    policy.credentials && policy.origins.contains(origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::example::{cors_policy, headers};

    fn arrival(method: &Method, port: Option<u16>) -> Arrival {
        Arrival { port, ..Arrival::example(method.as_str(), "app.example", "/x") }
    }

    #[test]
    fn what_a_page_may_send_in_the_name_of_a_cookie() {
        let cookie = Principal { kind: CredentialKind::Cookie, ..Principal::example("ada") };
        let trusting = cors_policy(&["https://trusted.example"]);
        for (method, port, lines, passes) in [
            (Method::GET, None, &[][..], true),
            (Method::GET, None, &[("sec-fetch-site", "cross-site")], true),
            (Method::POST, None, &[], false),
            (Method::POST, None, &[("sec-fetch-site", "same-origin")], true),
            (Method::POST, None, &[("sec-fetch-site", "none")], true),
            (Method::POST, None, &[("sec-fetch-site", "same-site")], false),
            (Method::DELETE, None, &[("sec-fetch-site", "cross-site")], false),
            (Method::POST, None, &[("origin", "https://app.example")], true),
            (Method::POST, None, &[("origin", "https://app.example:443")], true),
            (Method::POST, Some(443), &[("origin", "https://app.example")], true),
            (Method::POST, Some(8443), &[("origin", "https://app.example:8443")], true),
            (Method::POST, Some(8443), &[("origin", "https://app.example")], false),
            (Method::POST, None, &[("origin", "https://app.example:8443")], false),
            (Method::POST, None, &[("origin", "http://app.example")], false),
            (Method::POST, None, &[("origin", "https://app.example.evil")], false),
            (Method::POST, None, &[("origin", "https://evil.example")], false),
            (Method::POST, None, &[("origin", "null")], false),
            (Method::POST, None, &[("origin", "https://trusted.example")], true),
            (
                Method::POST,
                None,
                &[("sec-fetch-site", "cross-site"), ("origin", "https://trusted.example")],
                true,
            ),
            (
                Method::POST,
                None,
                &[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")],
                false,
            ),
        ] {
            let label = format!("{method} {port:?} {lines:?}");
            let found =
                not_forged(&cookie, &arrival(&method, port), &headers(lines), Some(&trusting));
            assert_eq!(found.is_ok(), passes, "{label}");
        }
    }

    #[test]
    fn a_websocket_is_guarded_though_it_begins_with_get_and_a_token_is_never_forged() {
        let cookie = Principal { kind: CredentialKind::Cookie, ..Principal::example("ada") };
        let socket = Arrival { websocket: true, ..arrival(&Method::GET, None) };
        assert!(not_forged(&cookie, &socket, &headers(&[]), None).is_err());
        let own = headers(&[("origin", "https://app.example")]);
        assert!(not_forged(&cookie, &socket, &own, None).is_ok());
        let token = Principal::example("ada");
        assert!(not_forged(&token, &arrival(&Method::POST, None), &headers(&[]), None).is_ok());
    }
}
