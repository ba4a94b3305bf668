//! What other processes did to accounts, learned from the log of what happened.
//!
//! A gateway answers from memory: who is signed in, what ended, who is locked after failures. The command line and other
//! gateways change the records beside it. Every such change is recorded in the transaction that makes it, so whoever reads
//! on in the log misses none, and can repeat in memory what the others did in their own.

use std::time::Duration;

use super::event::{EventQuery, Recorded};
use super::lockout::Account;
use super::{Identity, SessionId, StoreError};
use crate::clock::Timestamp;

/// Events that are read at a time.
const PAGE: u32 = 1000;

/// How long a change may take from its recorded moment until everybody sees it: whoever writes waits for the store. An
/// access token that was issued in between says what was true before.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// What was learned that is not for the memory of accounts.
#[derive(Clone, Copy, Debug)]
pub struct Followed {
    /// The number of the last event by now.
    pub seen: i64,
    /// Whether another process made a signing key.
    pub key_made: bool,
}

/// What an event means to the memory of a gateway.
struct Meaning {
    /// The facts behind the subject's credentials are others now.
    facts: bool,
    /// Access tokens from before are void.
    ends: bool,
    /// A lock after failures is lifted.
    unlocks: bool,
}

impl Meaning {
    fn of(kind: &str) -> Option<Self> {
        let (ends, unlocks) = match kind {
            "grants_changed"
            | "password_changed"
            | "roles_changed"
            | "signed_out_everywhere"
            | "user_deleted"
            | "user_disabled"
            | "user_erased" => (true, false),
            "password_reset" | "recovered" | "second_factor_reset" => (true, true),
            "approval_given" | "unlocked" | "user_enabled" | "user_restored" => (false, true),
            "device_removed" | "email_changed" | "profile_changed" => (false, false),
            _ => return None,
        };
        Some(Self { facts: kind != "unlocked", ends, unlocks })
    }
}

impl Identity {
    /// Does again what ended access tokens lately: they may outlive the memory of it, which ended with the process before
    /// this. Returns the number from which to [follow](Self::follow).
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn remember_ends(&self) -> Result<i64, StoreError> {
        let since = self.clock.now() - self.tokens_outlive();
        let mut page = EventQuery { limit: PAGE, ..EventQuery::default() };
        let mut newest = None;
        loop {
            let events = self.records.events.search(&page).await?;
            newest = newest.or(events.first().map(|event| event.number));
            // What ended since the sessions that ended were read, when this began, is known from here only.
            let lately = || events.iter().filter(|event| event.at >= since);
            self.end_all_but_kept(lately()).await?;
            self.catch_up(lately());
            match events.last() {
                Some(last) if last.at >= since => page.before = Some(last.number),
                _ => return Ok(newest.unwrap_or(0)),
            }
        }
    }

    /// Returns when another process may have done something, as far as the store tells.
    pub async fn others_may_have_acted(&self) {
        self.records.events.appended().await;
    }

    /// Does what other processes did since the event `seen`.
    ///
    /// # Errors
    ///
    /// When the store could not be read; then the same call does all of it again, which does no harm.
    pub async fn follow(&self, seen: i64) -> Result<Followed, StoreError> {
        let mut followed = Followed { seen, key_made: false };
        loop {
            let events = self.records.events.after(followed.seen, PAGE).await?;
            let Some(last) = events.last() else { return Ok(followed) };
            followed.seen = last.number;
            let elsewhere = || events.iter().filter(|event| event.elsewhere);
            self.end_all_but_kept(elsewhere()).await?;
            self.catch_up(elsewhere());
            self.lift_locks(&events).await;
            followed.key_made |= elsewhere().any(|event| event.kind == "signing_key_made");
        }
    }

    /// Ends in memory the sessions of whoever signed out everywhere but in one of them.
    async fn end_all_but_kept<'a>(
        &self,
        events: impl Iterator<Item = &'a Recorded> + Send,
    ) -> Result<(), StoreError> {
        let since = events.filter(|event| kept(event).is_some()).map(|event| event.at).min();
        let Some(since) = since else { return Ok(()) };
        for end in self.records.sessions.ended_since(since).await? {
            self.session_ended(end.session);
        }
        Ok(())
    }

    /// Repeats in memory what these events did elsewhere. In any order, and any number of times.
    fn catch_up<'a>(&self, events: impl Iterator<Item = &'a Recorded>) {
        for event in events {
            match (event.kind.as_str(), event.session) {
                ("refresh_replayed" | "session_ended" | "signed_out", Some(session)) => {
                    self.session_ended(session);
                }
                ("second_factor_given", Some(session)) => self.index.forget_session(session),
                _ => {}
            }
            let (Some(user), Some(meaning)) = (event.subject, Meaning::of(&event.kind)) else {
                continue;
            };
            if meaning.ends && kept(event).is_none() {
                self.credentials_ended(user, seen_by_all(event, self.clock.now()));
            } else if meaning.facts {
                self.index.forget_user(user);
            }
        }
    }

    /// Lifts the locks that these events lifted. Not at a start: in memory there is none yet, and a shared one may have
    /// begun since.
    async fn lift_locks(&self, events: &[Recorded]) {
        for event in events.iter().filter(|event| event.by_operator()) {
            let unlocks = Meaning::of(&event.kind).is_some_and(|meaning| meaning.unlocks);
            if let Some(user) = event.subject.filter(|_| unlocks) {
                self.lockouts.start_afresh(Account::Known(user)).await;
            }
        }
    }
}

/// The session that somebody kept who signed out everywhere else.
fn kept(event: &Recorded) -> Option<SessionId> {
    event.session.filter(|_| event.kind == "signed_out_everywhere")
}

/// Not later than `now`: whoever signs in afterwards is let in. Nor before it happened, by the clock of whoever did it.
fn seen_by_all(event: &Recorded, now: Timestamp) -> Timestamp {
    now.clamp(event.at, event.at + WRITTEN_WITHIN)
}

#[cfg(test)]
mod tests {
    use super::super::event::EventKind;
    use super::*;

    #[test]
    fn every_kind_that_is_looked_for_is_written_by_somebody() {
        let written = [
            EventKind::ApprovalGiven,
            EventKind::EmailChanged,
            EventKind::PasswordChanged,
            EventKind::PasswordReset,
            EventKind::ProfileChanged,
            EventKind::Recovered,
            EventKind::RolesChanged { roles: Vec::new() },
            EventKind::GrantsChanged { grants: Vec::new() },
            EventKind::SecondFactorReset,
            EventKind::SignedOutEverywhere,
            EventKind::Unlocked,
            EventKind::UserDeleted,
            EventKind::UserDisabled,
            EventKind::UserEnabled,
            EventKind::UserErased,
            EventKind::UserRestored,
        ];
        for kind in written {
            assert!(Meaning::of(kind.name()).is_some(), "{kind:?}");
        }
        let key = EventKind::SigningKeyMade { kid: "one".into() };
        assert_eq!(key.name(), "signing_key_made");
        for kind in [EventKind::SignedIn, EventKind::UserAdded, EventKind::UserImported] {
            assert!(Meaning::of(kind.name()).is_none(), "{kind:?}");
        }
    }

    #[test]
    fn a_sign_in_after_the_change_was_seen_is_good() {
        let at = Timestamp::from_secs;
        let event = Recorded {
            number: 1,
            at: at(100),
            kind: "password_reset".into(),
            subject: None,
            session: None,
            actor: None,
            client: None,
            details: serde_json::Value::Null,
            elsewhere: true,
        };
        assert_eq!(seen_by_all(&event, at(101)), at(101));
        assert_eq!(seen_by_all(&event, at(900)), at(110));
        assert_eq!(seen_by_all(&event, at(98)), at(100), "our clock is behind theirs");
    }
}
