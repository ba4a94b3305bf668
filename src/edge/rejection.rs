//! Why the edge does not take a request.

use std::fmt;

/// A refusal before routing. The connection is closed after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rejection {
    /// From a fixed list; the `reason` label of `stormdoor_http_rejected_total`.
    pub reason: &'static str,
    /// The status to answer with.
    pub status: u16,
}

impl Rejection {
    /// A connection without the facts that our listener attaches: a fault of ours.
    pub const UNKNOWN_CONNECTION: Self = Self { reason: "unknown_connection", status: 500 };

    /// A request with more than one reading, or against the rules of HTTP.
    pub const fn malformed(reason: &'static str) -> Self {
        Self { reason, status: 400 }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.status)
    }
}

impl std::error::Error for Rejection {}
