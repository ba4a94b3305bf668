//! The only writer of our own responses.

use bytes::Bytes;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::seal::Seal;
use crate::edge::RequestId;
use crate::gate::Answer;
use crate::gate::Dress;
use crate::gate::Refusal;
use crate::gate::is_looked_at;
use crate::portal::LeadToSignIn;
use crate::portal::{PAGE_HEADERS, error_page};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"stormdoor\", charset=\"UTF-8\"");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Hands the facts to the seal. Every response of this request, ours or the upstream's, is dressed by them.
pub(super) fn dress(session: &mut Session, request_id: &RequestId, dress: &Dress) {
    if let Some(seal) = session.downstream_modules_ctx.get_mut::<Seal>() {
        seal.fill(request_id, dress);
    }
}

/// Answers with a problem (RFC 9457); with a page, when somebody looks at it. Sets `cookies`.
pub(super) async fn refusal(
    session: &mut Session,
    refusal: &Refusal,
    request_id: &str,
    basic: bool,
    cookies: Vec<HeaderValue>,
) -> Result<StatusCode> {
    let problem = refusal.problem();
    let mut head = ResponseHeader::build(problem.status, Some(8))?;
    let request = session.req_header();
    let body = if is_looked_at(&request.method, &request.headers) {
        for (name, value) in PAGE_HEADERS {
            head.insert_header(name, value)?;
        }
        error_page(problem.status, problem.title, None, request_id)
    } else {
        head.insert_header(header::CONTENT_TYPE, PROBLEM_JSON)?;
        head.insert_header(header::CACHE_CONTROL, NO_STORE)?;
        problem.body(request_id)
    };
    let body = Bytes::from(body);
    if let Some(seconds) = problem.retry_after {
        head.insert_header(header::RETRY_AFTER, HeaderValue::from(seconds))?;
    }
    if let Some(allow) = &problem.allow
        && let Ok(value) = HeaderValue::from_str(allow)
    {
        head.insert_header(header::ALLOW, value)?;
    }
    if let Some(challenge) = &problem.challenge
        && let Ok(value) = HeaderValue::from_str(challenge)
    {
        head.insert_header(header::WWW_AUTHENTICATE, value)?;
        // Clients that know nothing else ask their user by this one (RFC 7617 §2).
        if basic && problem.status == StatusCode::UNAUTHORIZED {
            head.append_header(header::WWW_AUTHENTICATE, BASIC)?;
        }
    }
    for cookie in cookies {
        head.append_header(header::SET_COOKIE, cookie)?;
    }
    whole(session, head, body).await?;
    Ok(problem.status)
}

/// Sends a browser to sign-in.
pub(super) async fn see_other(session: &mut Session, way: LeadToSignIn) -> Result<StatusCode> {
    let status = StatusCode::SEE_OTHER;
    let mut head = ResponseHeader::build(status, Some(4))?;
    head.insert_header(header::LOCATION, way.location)?;
    head.insert_header(header::CACHE_CONTROL, NO_STORE)?;
    if let Some(cookie) = way.cookie {
        head.append_header(header::SET_COOKIE, cookie)?;
    }
    whole(session, head, Bytes::new()).await?;
    Ok(status)
}

/// Answers with a small answer of the gate's own.
pub(super) async fn answer(session: &mut Session, answer: Answer) -> Result<StatusCode> {
    let mut head = ResponseHeader::build(answer.status, Some(8))?;
    for (name, value) in answer.headers {
        head.insert_header(name, value)?;
    }
    whole(session, head, Bytes::new()).await?;
    Ok(answer.status)
}

/// Writes a complete response. `HEAD` gets the head of it (RFC 9110 §9.3.2).
pub(super) async fn whole(
    session: &mut Session,
    mut head: ResponseHeader,
    body: Bytes,
) -> Result<()> {
    let bodiless = head.status == StatusCode::NO_CONTENT || head.status == StatusCode::NOT_MODIFIED;
    if !bodiless {
        head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    }
    let head_only = bodiless || body.is_empty() || session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(head), head_only).await?;
    if !head_only {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}
