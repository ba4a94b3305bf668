//! What can be made to go wrong, once each.

use std::time::Duration;

/// A fault of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Hang up; nothing has happened.
    HangUpBefore,
    /// Do what was asked, then hang up.
    HangUpAfter,
    /// Do what was asked, then answer 500 (996 in an envelope).
    ErrorAfter,
    /// On a create: make the bare account, then answer 996 because an app's listener threw.
    ListenerThrows,
    /// On a create: make the bare account, then answer 101 "Bad request" because the database stumbled.
    DatabaseStumbles,
    /// 429 without a body and without `Retry-After`.
    TooMany,
    /// 503 as in maintenance mode, for this request only.
    Maintenance,
    /// Wait first, then go on as usual.
    Delay(Duration),
    /// Do what was asked, then answer 200 with bytes that mean nothing.
    Nonsense,
    /// Nothing can be stored: 507 on WebDAV, 996 elsewhere.
    DiskFull,
}

/// A fault that waits for a request like this.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// Any method if nothing.
    pub(crate) method: Option<String>,
    /// A part of the target; empty fits all.
    pub(crate) target_part: String,
    pub(crate) fault: Fault,
}

impl Planned {
    pub(crate) fn fits(&self, method: &str, target: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && target.contains(&self.target_part)
    }
}
