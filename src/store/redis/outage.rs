//! Why there was no answer, and what that says about the connection.

use std::borrow::Cow;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why there is no answer. Never holds what was asked or answered.
#[derive(Clone, Debug, thiserror::Error)]
#[error("Redis did not answer: {what}")]
pub(super) struct Outage {
    /// For the metric.
    pub(super) reason: &'static str,
    pub(super) what: Cow<'static, str>,
    /// Whether the connection is of no use any more.
    pub(super) broken: bool,
}

impl Outage {
    pub(super) const AWAY: Self = Self::new("connection", "there is no connection", true);
    pub(super) const MOVED: Self =
        Self::new("refused", "the key is at a server that is not known yet", false);
    pub(super) const NONSENSE: Self = Self::new("nonsense", "it answered nonsense", false);
    pub(super) const TIMEOUT: Self = Self::new("timeout", "no answer in time", false);

    const fn new(reason: &'static str, what: &'static str, broken: bool) -> Self {
        Self { reason, what: Cow::Borrowed(what), broken }
    }

    pub(super) fn connection(what: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: "connection", what: what.into(), broken: true }
    }
}

impl From<&RedisError> for Outage {
    fn from(error: &RedisError) -> Self {
        let (reason, broken) = match error.kind() {
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => ("nonsense", false),
            // A master that became a replica: whoever knows the new one must be asked. A password that is wrong stays so
            // for this connection.
            ErrorKind::AuthenticationFailed
            | ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
                ("refused", true)
            }
            ErrorKind::Server(_) | ErrorKind::Extension => ("refused", false),
            _ => ("connection", true),
        };
        // The text of a parser holds what it could not read.
        let what = match reason {
            "nonsense" => Self::NONSENSE.what,
            _ => error.to_string().into(),
        };
        Self { reason, what, broken: broken || error.is_unrecoverable_error() }
    }
}
