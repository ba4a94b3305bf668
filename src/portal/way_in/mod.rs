//! The way of a browser to an app: from the app's host to sign-in and back. See [`crate::identity::carry_over`].
//!
//! [`lead_to_sign_in`] is what the proxy answers with when a browser without a session goes to a page of an app;
//! `continue` stands at the portal; `callback` on the app's own host, under a path that no app gets.

use std::fmt::Write;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::PortalState;
use super::cookie;
use super::extract::{Asked, MaybeSignedIn, Query};
use super::problem::PortalError;
use crate::clock::Timestamp;
use crate::gate::cookie_value;
use crate::identity::Identity;
use crate::identity::carry_over::{CarryOverError, FLOW, Flow};

/// Everything under it belongs to us on every host.
pub(super) const RESERVED: &str = "/.stormdoor";

/// Where and with which cookie a browser is sent to sign in.
pub struct LeadToSignIn {
    /// `Location`.
    pub location: String,
    /// `Set-Cookie`.
    pub cookie: Option<HeaderValue>,
}

/// Leads a browser that goes to `path` at `host` to sign-in and back. `is_portal`: the host is the portal's own, which
/// needs no ticket.
pub fn lead_to_sign_in(
    identity: &Identity,
    headers: &HeaderMap,
    host: &str,
    port: Option<u16>,
    path: &str,
    second_factor: Option<std::time::Duration>,
    is_portal: bool,
) -> LeadToSignIn {
    let public_url = &identity.settings().public_url;
    if is_portal {
        let page = if second_factor.is_some() { "step-up" } else { "sign-in" };
        let location = format!("{public_url}/auth/{page}?next={}", escaped(path));
        return LeadToSignIn { location, cookie: None };
    }
    let origin = match port {
        Some(port) => format!("https://{host}:{port}"),
        None => format!("https://{host}"),
    };
    let is_taken = |slot| cookie_value(headers, &cookie::nonce_name(slot)).is_some();
    let begun = identity.begin_flow(origin, host, path, second_factor, is_taken);
    let name = cookie::nonce_name(begun.slot);
    LeadToSignIn {
        location: format!("{public_url}/auth/continue?flow={}", begun.parameter),
        cookie: Some(cookie::set(&name, begun.nonce.expose(), FLOW)),
    }
}

/// Percent-encodes what would end a query's value.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _infallible = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// A path at our own host that somebody may be led to: never another host, however it is written.
pub(super) fn own_path(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let own = text.starts_with('/') && !text.starts_with("//");
    (plain && own && text.len() <= 2048).then_some(text)
}

#[derive(Deserialize)]
pub(super) struct Continue {
    flow: String,
}

/// `GET /auth/continue?flow=…`: on with somebody who is signed in, else to sign-in first.
pub(super) async fn go_on(
    State(portal): State<PortalState>,
    MaybeSignedIn(principal): MaybeSignedIn,
    Query(Continue { flow: parameter }): Query<Continue>,
) -> Result<Response, PortalError> {
    let flow = portal.identity.read_flow(&parameter)?;
    let session = principal.as_ref().and_then(|principal| principal.session);
    let Some(session) = session else {
        return Ok(see_other(&format!("/auth/sign-in?flow={parameter}")));
    };
    let given = principal.and_then(|principal| principal.second_factor_at);
    if needs_factor(&flow, given, portal.clock.now()) {
        return Ok(see_other(&format!("/auth/step-up?flow={parameter}")));
    }
    let ticket = portal.identity.ticket(&flow, session).await?;
    let Flow { origin, slot, path, .. } = flow;
    let path = escaped(&path);
    let ticket = ticket.expose();
    Ok(see_other(&format!("{origin}{RESERVED}/callback?ticket={ticket}&slot={slot}&path={path}")))
}

fn needs_factor(flow: &Flow, given: Option<Timestamp>, now: Timestamp) -> bool {
    flow.second_factor.is_some_and(|within| {
        given.is_none_or(|at| now.since(at) > std::time::Duration::from_secs(within))
    })
}

#[derive(Deserialize)]
pub(super) struct Callback {
    ticket: String,
    slot: u8,
    path: String,
}

/// `GET /.stormdoor/callback` on an app's host: a ticket becomes a cookie.
pub(super) async fn callback(
    State(portal): State<PortalState>,
    Asked(caller): Asked,
    MaybeSignedIn(here): MaybeSignedIn,
    headers: HeaderMap,
    Query(Callback { ticket, slot, path }): Query<Callback>,
) -> Result<Response, PortalError> {
    let name = cookie::nonce_name(slot);
    let redeemed = match cookie_value(&headers, &name) {
        Some(nonce) => portal.identity.redeem_ticket(&ticket, &caller.host, nonce).await,
        None => Err(CarryOverError::Over),
    };
    // Only ever a path of this host.
    let mut response = see_other(own_path(&path).unwrap_or("/"));
    let (value, session) = match redeemed {
        Ok(redeemed) => redeemed,
        // Another tab took the slot, and was here first.
        Err(CarryOverError::Over) if here.is_some() => return Ok(response),
        Err(error) => return Err(error.into()),
    };
    let life = session.expires_at.since(portal.clock.now());
    response.headers_mut().append(header::SET_COOKIE, cookie::session(&value, life));
    let spent = cookie::set(&name, "", std::time::Duration::ZERO);
    response.headers_mut().append(header::SET_COOKIE, spent);
    Ok(response)
}

/// `GET /.stormdoor/sign-out` on an app's host: to the portal's page that asks.
pub(super) async fn sign_out(State(portal): State<PortalState>) -> Response {
    see_other(&format!("{}/auth/sign-out", portal.identity.settings().public_url))
}

/// 303 (RFC 9110 §15.4.4), never cached.
pub(super) fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(location) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_host() {
        for (text, own) in [
            ("/", true),
            ("/auth/account?x=1", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("https://evil.example", false),
            ("javascript:alert(1)", false),
            ("", false),
            ("account", false),
            ("/a\r\nSet-Cookie: x=y", false),
            ("/\t/evil.example", false),
            ("/ä", false),
        ] {
            assert_eq!(own_path(text).is_some(), own, "{text:?}");
        }
    }
}
