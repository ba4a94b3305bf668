//! Small bodies that rules look into: read and checked before any upstream hears of the request.
//!
//! Pingora keeps what is read in its retry buffer and sends that first, as it would to a second endpoint. What does not fit
//! there any more is [`Ahead::Begun`], and comes before the first part that is streamed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;

use crate::gate::{BodyGuard, Refusal};

/// What a body may have to be read ahead: the size of Pingora's retry buffer.
const SMALL: usize = 64 * 1024;

/// The longest DATA frame that we announce to take (the default, RFC 9113 §6.5.2).
const FRAME: usize = 16 * 1024;

/// How long a refused body is read on: a client that is still sending may not look for an answer, or lose it.
const LINGER: Duration = Duration::from_secs(1);

/// How far a body was read.
pub(super) enum Ahead {
    /// It is longer: some of it was read, and the part is here when it is not in the retry buffer.
    Begun(Option<Bytes>),
    /// Nothing was read: it is known to be longer, or there is none.
    Untouched,
    /// All of it, and nothing is wrong with it.
    Whole,
}

/// Reads a body that may be small, and shows it to `guard`. It may pause for `idle`.
///
/// `Ok(Err(refusal))` when it breaks the rules or pauses for too long: nothing was answered yet.
pub(super) async fn read_ahead(
    session: &mut Session,
    guard: &mut BodyGuard,
    idle: Duration,
) -> Result<std::result::Result<Ahead, Refusal>> {
    let declared = declared_length(session);
    if declared.is_some_and(|length| length > SMALL) || session.as_mut().is_body_done() {
        return Ok(Ok(Ahead::Untouched));
    }
    invite(session).await?;
    session.as_mut().enable_retry_buffering();
    // Pingora sends nothing of a body that has ended but is not in its buffer. An HTTP/2 body may end with any frame, so
    // the last one that is read of a body without a length must be sure to fit.
    let room = if declared.is_none() && session.is_http2() { SMALL - FRAME } else { SMALL };
    let mut read = BytesMut::new();
    while read.len() <= room {
        let Some(chunk) = next_chunk(session, idle).await? else { return Ok(too_slow(session)) };
        let end = chunk.is_none();
        let chunk = chunk.unwrap_or_default();
        if let Err(refusal) = guard.feed(&chunk, end) {
            let rest = SMALL.saturating_sub(read.len() + chunk.len());
            linger(session, rest, idle.min(LINGER)).await;
            return Ok(Err(refusal));
        }
        if end {
            return Ok(Ok(Ahead::Whole));
        }
        read.extend_from_slice(&chunk);
    }
    let kept = !session.as_ref().retry_buffer_truncated();
    if session.as_mut().is_body_done() {
        return match guard.feed(b"", true) {
            Err(refusal) => Ok(Err(refusal)),
            Ok(()) if kept => Ok(Ok(Ahead::Whole)),
            Ok(()) => Error::e_explain(ErrorType::InternalError, "a frame longer than announced"),
        };
    }
    Ok(Ok(Ahead::Begun((!kept).then(|| read.freeze()))))
}

/// The next part of the body (`Some(None)`: there is no more), or nothing within `idle`.
async fn next_chunk(session: &mut Session, idle: Duration) -> Result<Option<Option<Bytes>>> {
    match tokio::time::timeout(idle, session.read_request_body()).await {
        Ok(Ok(chunk)) => Ok(Some(chunk)),
        Ok(Err(error)) if *error.etype() == ErrorType::ReadTimedout => Ok(None),
        Ok(Err(error)) => Err(error.into_down()),
        Err(_elapsed) => Ok(None),
    }
}

/// Reads what is left of a small body. A connection on which more may come is not used again.
async fn linger(session: &mut Session, mut rest: usize, time: Duration) {
    let all = async {
        while let Ok(Some(chunk)) = session.read_request_body().await {
            if chunk.len() > rest {
                break;
            }
            rest -= chunk.len();
        }
    };
    let _elapsed = tokio::time::timeout(time, all).await;
    if !session.as_mut().is_body_done() {
        session.set_keepalive(None);
    }
}

/// Tells a client that waits for it to send the body (RFC 9110 §10.1.1). Pingora does not, before an upstream is chosen.
///
/// Over HTTP/2 Pingora cannot send it either; such a client sends the body when it has waited for a while.
pub(super) async fn invite(session: &mut Session) -> Result<()> {
    if session.req_header().headers.contains_key(header::EXPECT) {
        session.downstream_session.write_continue_response().await.map_err(Error::into_down)?;
        // It is met: an upstream need not answer it again.
        session.req_header_mut().remove_header(&header::EXPECT);
    }
    Ok(())
}

fn declared_length(session: &Session) -> Option<usize> {
    session.req_header().headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_slow(session: &mut Session) -> std::result::Result<Ahead, Refusal> {
    session.set_keepalive(None);
    Err(Refusal::RequestTimeout)
}
