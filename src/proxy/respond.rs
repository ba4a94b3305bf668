//! The only writer of our own responses.

use bytes::Bytes;
use http::HeaderMap;
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
use crate::route::Route;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"stormdoor\", charset=\"UTF-8\"");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Hands the facts to the seal. Every response of this request, ours or the upstream's, is dressed by them.
pub(super) fn dress(session: &mut Session, request_id: &RequestId, dress: &Dress) {
    if let Some(seal) = session.downstream_modules_ctx.get_mut::<Seal>() {
        seal.fill(request_id, dress);
    }
}

/// Whether a 401 asks for Basic, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Basic {
    No,
    First,
    Too,
}

impl Basic {
    pub(super) fn of(route: &Route) -> Self {
        match (route.manner.for_programs, route.accept.takes_basic() || route.accept.upstream) {
            (true, _) => Self::First,
            (false, true) => Self::Too,
            (false, false) => Self::No,
        }
    }
}

/// Answers with a problem (RFC 9457); with a page, when somebody looks at it. Sets `cookies`.
pub(super) async fn refusal(
    session: &mut Session,
    refusal: &Refusal,
    request_id: &str,
    basic: Basic,
    cookies: Vec<HeaderValue>,
) -> Result<StatusCode> {
    let problem = refusal.problem();
    let mut head = ResponseHeader::build(problem.status, Some(8))?;
    let request = session.req_header();
    // Asked by Basic, a browser would put a window of its own over a page whose script met the end of a session.
    let basic = if is_scripted(&request.headers) { Basic::No } else { basic };
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
        // Clients that know nothing else ask their user by this one (RFC 7617 §2). Some look at the first only.
        let basic = if problem.status == StatusCode::UNAUTHORIZED { basic } else { Basic::No };
        if basic == Basic::First {
            head.append_header(header::WWW_AUTHENTICATE, BASIC)?;
        }
        head.append_header(header::WWW_AUTHENTICATE, value)?;
        if basic == Basic::Too {
            head.append_header(header::WWW_AUTHENTICATE, BASIC)?;
        }
    }
    for cookie in cookies {
        head.append_header(header::SET_COOKIE, cookie)?;
    }
    whole(session, head, body).await?;
    Ok(problem.status)
}

/// Whether a script on a page sent it. Only browsers set the former, and the latter is how scripts say so.
fn is_scripted(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("sec-fetch-mode").is_some_and(|mode| mode != "navigate")
        || text("x-requested-with").is_some_and(|with| with.eq_ignore_ascii_case("xmlhttprequest"))
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
