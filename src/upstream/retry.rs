//! Which failures may be tried again, and how often.

use http::Method;
use pingora_core::Error;
use pingora_core::RetryType;

/// How far a failed attempt had come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// No connection: refused, no route, timed out, no TLS. Nothing of the request was sent.
    Connect,
    /// A kept-alive connection broke before a byte of the response: most likely the endpoint had closed it just
    /// then, but it may have acted on the request.
    StaleConnection,
    /// Anything else.
    Exchange,
}

impl Failure {
    /// How far `error` says that an attempt on an established connection had come; `reused` as Pingora tells it in
    /// `error_while_proxy`.
    pub fn of(error: &Error, reused: bool) -> Self {
        let stale = match error.retry {
            RetryType::Decided(again) => again,
            RetryType::ReusedOnly => reused,
        };
        if stale { Self::StaleConnection } else { Self::Exchange }
    }
}

/// One attempt, as far as the next depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// How many attempts were made, this one included.
    pub made: usize,
    /// How many may follow the first: the upstream's `retries`.
    pub retries: usize,
    /// There is no body, or all of it that was read so far is still at hand.
    pub body_at_hand: bool,
    /// The client has seen something of a response.
    pub response_begun: bool,
}

/// Whether there may be another attempt.
///
/// After [`Failure::Connect`] any request may be repeated, as nothing of it was sent. After
/// [`Failure::StaleConnection`] only what does no harm when done twice ([`is_idempotent`]), and only when its body can be
/// sent again.
pub fn may_try_again(failure: Failure, attempt: &Attempt<'_>) -> bool {
    if attempt.made > attempt.retries || attempt.response_begun || !attempt.body_at_hand {
        return false;
    }
    match failure {
        Failure::Connect => true,
        Failure::StaleConnection => is_idempotent(attempt.method),
        Failure::Exchange => false,
    }
}

/// Whether doing it twice has the effect of doing it once (RFC 9110 §9.2.2, and the IANA registry for the DAV
/// methods). COPY, MOVE and MKCOL are registered as idempotent too, but answer differently the second time,
/// which sync clients take for a failure; they are left out.
pub fn is_idempotent(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "DELETE"
            | "GET"
            | "HEAD"
            | "OPTIONS"
            | "PROPFIND"
            | "PROPPATCH"
            | "PUT"
            | "REPORT"
            | "SEARCH"
            | "TRACE"
    )
}

#[cfg(test)]
mod tests {
    use pingora_core::ErrorType;

    use super::*;

    #[test]
    fn what_may_be_tried_again() {
        use Failure::{Connect, Exchange, StaleConnection};
        for (failure, method, made, body_at_hand, response_begun, again) in [
            (Connect, "GET", 1, true, false, true),
            (Connect, "POST", 1, true, false, true),
            (Connect, "POST", 1, false, false, false),
            (Connect, "GET", 2, true, false, true),
            (Connect, "GET", 3, true, false, false),
            (Connect, "GET", 1, true, true, false),
            (StaleConnection, "GET", 1, true, false, true),
            (StaleConnection, "PROPFIND", 1, true, false, true),
            (StaleConnection, "PUT", 1, true, false, true),
            (StaleConnection, "PUT", 1, false, false, false),
            (StaleConnection, "POST", 1, true, false, false),
            (StaleConnection, "PATCH", 1, true, false, false),
            (StaleConnection, "MOVE", 1, true, false, false),
            (StaleConnection, "LOCK", 1, true, false, false),
            (StaleConnection, "GET", 1, true, true, false),
            (Exchange, "GET", 1, true, false, false),
        ] {
            let method: Method = method.parse().expect("a method");
            let attempt =
                Attempt { method: &method, made, retries: 2, body_at_hand, response_begun };
            assert_eq!(may_try_again(failure, &attempt), again, "{failure:?} {attempt:?}");
        }
    }

    #[test]
    fn no_retries_means_one_attempt() {
        let attempt = Attempt {
            method: &Method::GET,
            made: 1,
            retries: 0,
            body_at_hand: true,
            response_begun: false,
        };
        assert!(!may_try_again(Failure::Connect, &attempt));
    }

    #[test]
    fn an_error_is_stale_only_on_a_reused_connection() {
        let mut error = Error::new(ErrorType::ConnectionClosed);
        assert_eq!(Failure::of(&error, true), Failure::Exchange);
        error.retry = RetryType::ReusedOnly;
        assert_eq!(Failure::of(&error, true), Failure::StaleConnection);
        assert_eq!(Failure::of(&error, false), Failure::Exchange);
    }
}
