//! Session ↔ `http::Request` for the portal.
//!
//! Bodies of our API are small: they are read whole, with a hard cap and one deadline for all of it, before the
//! router sees the request.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tower::ServiceExt;

use super::read_ahead;
use super::respond;
use crate::gate::Refusal;
use crate::portal::Caller;

/// For the whole body. Slower senders get 408.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves the request with `router`, which learns about the caller from `caller`.
///
/// `Ok(Err(refusal))` when the body is too large or too slow: nothing was answered yet.
pub(super) async fn serve(
    session: &mut Session,
    router: &Router,
    caller: Caller,
    target: &str,
    max_bytes: u64,
) -> Result<std::result::Result<(StatusCode, u64), Refusal>> {
    let body = match read_body(session, max_bytes).await? {
        Ok(body) => body,
        Err(refusal) => {
            // What is left unread would be taken for the next request.
            session.set_keepalive(None);
            return Ok(Err(refusal));
        }
    };
    let mut parts = session.req_header().as_owned_parts();
    let Ok(uri) = target.parse() else {
        return Ok(Err(Refusal::Internal { reason: "target" }));
    };
    // The judged target, never the one that was sent.
    parts.uri = uri;
    let mut request = Request::from_parts(parts, Body::from(body));
    request.extensions_mut().insert(caller);

    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(Err(Refusal::Internal { reason: "portal_body" }));
    };
    let body = body.to_bytes();
    let (status, length) = (parts.status, body.len() as u64);
    respond::whole(session, ResponseHeader::from(parts), body).await?;
    Ok(Ok((status, length)))
}

async fn read_body(
    session: &mut Session,
    max_bytes: u64,
) -> Result<std::result::Result<Bytes, Refusal>> {
    read_ahead::invite(session).await?;
    let all = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = session.read_request_body().await? {
            if (body.len() + chunk.len()) as u64 > max_bytes {
                return Ok(Err(Refusal::BodyTooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Ok(body.freeze()))
    };
    match tokio::time::timeout(BODY_TIMEOUT, all).await {
        Ok(body) => body,
        Err(_elapsed) => Ok(Err(Refusal::RequestTimeout)),
    }
}
