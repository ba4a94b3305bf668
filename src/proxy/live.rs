//! Open WebSockets by session and subject, so that the end of a credential closes them.
//!
//! Nothing inside Pingora is interrupted: the connection's own stream has a kill switch, and this map knows
//! which switches belong to whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::edge::KillSwitch;
use crate::identity::Principal;
use crate::identity::SessionId;
use crate::identity::Subject;

/// Every open WebSocket whose caller is known.
#[derive(Debug, Default)]
pub struct LiveSockets {
    sockets: Mutex<Sockets>,
}

#[derive(Debug, Default)]
struct Sockets {
    next: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    session: Option<SessionId>,
    subject: Subject,
    switch: KillSwitch,
}

/// One registered socket; dropping it takes it off the list.
#[derive(Debug)]
pub struct LiveSocket {
    number: u64,
    all: Arc<LiveSockets>,
}

impl LiveSockets {
    /// Remembers that `principal` holds the connection behind `switch`.
    pub fn register(self: &Arc<Self>, principal: &Principal, switch: KillSwitch) -> LiveSocket {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let number = sockets.next;
        sockets.next += 1;
        let open =
            Open { session: principal.session, subject: principal.subject.clone(), switch };
        sockets.open.insert(number, open);
        LiveSocket { number, all: Arc::clone(self) }
    }

    /// Closes the sockets of one session.
    pub fn close_session(&self, session: SessionId) {
        self.close(|open| open.session == Some(session));
    }

    /// Closes the sockets of one subject of ours.
    pub fn close_subject(&self, subject: &Subject) {
        self.close(|open| open.subject == *subject);
    }

    fn close(&self, meant: impl Fn(&Open) -> bool) {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        for open in sockets.open.values().filter(|open| meant(open)) {
            open.switch.kill();
        }
    }
}

impl Drop for LiveSocket {
    fn drop(&mut self) {
        let mut sockets = self.all.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.open.remove(&self.number);
    }
}
