//! What ended before it expired, known in memory: sessions, and everything of a user before some moment.
//!
//! Entries are kept until the last credential that they end would have expired anyway, so the set stays small.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use super::{Issuer, Principal, SessionId, Subject, UserId};
use crate::clock::Timestamp;

/// The ends of sessions and of users' older credentials.
#[derive(Debug, Default)]
pub struct Revocations {
    /// Whether there are any: the answer to nearly every question, without a lock.
    any: AtomicBool,
    ends: RwLock<Ends>,
}

#[derive(Debug, Default)]
struct Ends {
    sessions: HashMap<SessionId, Timestamp>,
    /// Everything issued before the first moment has ended; forgotten at the second.
    users: HashMap<Subject, (Timestamp, Timestamp)>,
}

impl Revocations {
    /// Ends a session's credentials. `forget_after`: when the last of them would have expired.
    pub fn end_session(&self, session: SessionId, forget_after: Timestamp) {
        let mut ends = self.ends.write().unwrap_or_else(PoisonError::into_inner);
        ends.sessions.insert(session, forget_after);
        self.any.store(true, Ordering::Release);
    }

    /// Ends every credential of `user` that was issued before `at`.
    pub fn end_user_before(&self, user: UserId, at: Timestamp, forget_after: Timestamp) {
        let mut ends = self.ends.write().unwrap_or_else(PoisonError::into_inner);
        let entry = ends.users.entry(Subject::from(user)).or_insert((at, forget_after));
        *entry = (entry.0.max(at), entry.1.max(forget_after));
        self.any.store(true, Ordering::Release);
    }

    /// Whether this session was ended.
    pub fn has_ended(&self, session: SessionId) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let ends = self.ends.read().unwrap_or_else(PoisonError::into_inner);
        ends.sessions.contains_key(&session)
    }

    /// Whether the credential behind `principal` was ended.
    pub fn is_revoked(&self, principal: &Principal) -> bool {
        if !self.any.load(Ordering::Acquire) || principal.issuer != Issuer::Own {
            return false;
        }
        let ends = self.ends.read().unwrap_or_else(PoisonError::into_inner);
        principal.session.is_some_and(|session| ends.sessions.contains_key(&session))
            || ends.users.get(&principal.subject).is_some_and(|(at, _)| principal.issued_at <= *at)
    }

    /// Forgets what no longer matters.
    pub fn tidy(&self, now: Timestamp) {
        let mut ends = self.ends.write().unwrap_or_else(PoisonError::into_inner);
        ends.sessions.retain(|_, forget_after| *forget_after > now);
        ends.users.retain(|_, (_, forget_after)| *forget_after > now);
        let any = !(ends.sessions.is_empty() && ends.users.is_empty());
        self.any.store(any, Ordering::Release);
    }
}
