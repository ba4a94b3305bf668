//! One sign-in, many hosts: how a browser that is signed in at the portal gets a cookie on the host of an app.
//!
//! ```text
//!  app host                                   portal
//!  GET /report ──── no cookie
//!    set nonce cookie, 303 ─────────────────► /auth/continue?flow=…      (sealed: host, path, digest of the nonce)
//!                                               signs in, if needed
//!  /.stormdoor/callback?ticket=… ◄──────────── 303                        (ticket: one use, one minute)
//!    nonce fits, ticket taken: set cookie, 303 ─► /report
//! ```
//!
//! The flow is sealed, so that nobody but us says where a ticket goes. The ticket is bound to a nonce that only the browser
//! which began has, so that a ticket sent to somebody else signs nobody in (login forgery). The cookie on the app's host
//! belongs to the same session: it ends with it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::session::NewCookie;
use super::{Identity, Purpose, SecretDigest, SecretText, Session, SessionId, StoreError};
use crate::clock::Timestamp;

/// How long somebody may take to sign in on the way.
pub const FLOW: Duration = Duration::from_mins(30);

/// How long a ticket is good.
const TICKET: Duration = Duration::from_mins(1);

/// Longest path that is led back to, in bytes. From a longer one, people come to `/`.
const PATH_MAX: usize = 2048;

/// Where somebody wanted to go when a sign-in came between.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Flow {
    /// `https://host[:port]` of the app.
    pub origin: String,
    /// Its canonical host.
    pub host: String,
    /// Path and query at it.
    pub path: String,
    /// A second factor must have been given within so many seconds.
    pub second_factor: Option<u64>,
    /// Names the nonce cookie: several tabs can be on their way at the same time.
    pub slot: u8,
    nonce: String,
    until: i64,
}

/// A flow that has begun.
#[derive(Debug)]
pub struct Begun {
    /// The sealed flow, for a query.
    pub parameter: String,
    /// The value of the nonce cookie.
    pub nonce: SecretText,
    /// Which of the nonce cookies.
    pub slot: u8,
}

/// Nonce cookies of one browser and host at a time. A further one replaces an older one.
const SLOTS: u8 = 8;

/// Why somebody was not led on.
#[derive(Debug, thiserror::Error)]
pub enum CarryOverError {
    /// The flow or the ticket is over, used, or was made for another browser or host.
    #[error("this way in is over; go to the page again")]
    Over,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Deserialize, Serialize)]
struct Ticket {
    session: String,
    host: String,
    nonce: String,
}

impl Identity {
    /// Begins to lead somebody from `path` at `host` to the portal and back. `is_taken`: whether the browser has a nonce in
    /// this slot already, for another tab.
    pub fn begin_flow(
        &self,
        origin: String,
        host: &str,
        path: &str,
        second_factor: Option<Duration>,
        is_taken: impl Fn(u8) -> bool,
    ) -> Begun {
        let nonce = SecretText::generate();
        let [random] = super::random::bytes();
        let slot = free_slot(random, is_taken);
        let path = if path.len() <= PATH_MAX { path } else { "/" };
        let flow = Flow {
            origin,
            host: host.to_owned(),
            path: path.to_owned(),
            second_factor: second_factor.map(|within| within.as_secs()),
            slot,
            nonce: text_of(&nonce.digest(Purpose::Ticket)),
            until: (self.clock.now() + FLOW).as_millis(),
        };
        let text = serde_json::to_vec(&flow).unwrap_or_default();
        let parameter = URL_SAFE_NO_PAD.encode(self.sealer.seal("flow", &text));
        Begun { parameter, nonce, slot }
    }

    /// Reads a sealed flow.
    ///
    /// # Errors
    ///
    /// [`CarryOverError::Over`].
    pub fn read_flow(&self, parameter: &str) -> Result<Flow, CarryOverError> {
        let sealed = URL_SAFE_NO_PAD.decode(parameter).map_err(|_| CarryOverError::Over)?;
        let text = self.sealer.open("flow", &sealed).map_err(|_| CarryOverError::Over)?;
        let flow: Flow = serde_json::from_slice(text.expose()).map_err(|_| CarryOverError::Over)?;
        let good = self.clock.now() < Timestamp::from_millis(flow.until);
        if good { Ok(flow) } else { Err(CarryOverError::Over) }
    }

    /// A ticket with which the browser of `flow` gets a cookie of `session` on the flow's host.
    ///
    /// # Errors
    ///
    /// When the place for handshakes could not be reached.
    pub async fn ticket(&self, flow: &Flow, session: SessionId) -> Result<SecretText, StoreError> {
        let ticket = Ticket {
            session: session.to_string(),
            host: flow.host.clone(),
            nonce: flow.nonce.clone(),
        };
        let (text, now) = (SecretText::generate(), self.clock.now());
        let value = serde_json::to_string(&ticket).unwrap_or_default();
        let key = text.digest(Purpose::Ticket);
        self.records.handshakes.put(key, value, now + TICKET, now).await?;
        Ok(text)
    }

    /// Trades a ticket for a cookie on `host`: once, and only for the browser that holds `nonce`.
    ///
    /// # Errors
    ///
    /// [`CarryOverError`].
    pub async fn redeem_ticket(
        &self,
        ticket: &str,
        host: &str,
        nonce: &str,
    ) -> Result<(SecretText, Session), CarryOverError> {
        let (key, now) = (SecretDigest::of(ticket, Purpose::Ticket), self.clock.now());
        let value = self.records.handshakes.take(&key, now).await?;
        let ticket: Option<Ticket> = value.and_then(|value| serde_json::from_str(&value).ok());
        let ticket = ticket.ok_or(CarryOverError::Over)?;
        let nonce = text_of(&SecretDigest::of(nonce, Purpose::Ticket));
        if ticket.host != host || ticket.nonce != nonce {
            return Err(CarryOverError::Over);
        }
        let session: SessionId = ticket.session.parse().map_err(|_| CarryOverError::Over)?;
        let text = self.cookie_on(session, host, None).await?.ok_or(CarryOverError::Over)?;
        let session = self.session(session).await?.ok_or(CarryOverError::Over)?;
        Ok((text, session))
    }

    /// A fresh cookie of a session on `host`, in place of those it had there. None when the session is over.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn cookie_on(
        &self,
        session: SessionId,
        host: &str,
        replaces: Option<&str>,
    ) -> Result<Option<SecretText>, StoreError> {
        let text = SecretText::generate();
        let cookie = NewCookie { digest: text.digest(Purpose::Cookie), host: Arc::from(host) };
        let old = replaces.map(|value| SecretDigest::of(value, Purpose::Cookie));
        let now = self.clock.now();
        let added = self.records.sessions.add_cookie(session, &cookie, old.as_ref(), now).await?;
        self.index.forget_session(session);
        Ok(added.then_some(text))
    }
}

/// A slot that is not taken, beginning with one by chance: tabs that are opened at the same time know nothing of each
/// other.
fn free_slot(random: u8, is_taken: impl Fn(u8) -> bool) -> u8 {
    let slots = || (0..SLOTS).map(|place| random.wrapping_add(place) % SLOTS);
    slots().find(|slot| !is_taken(*slot)).unwrap_or(random % SLOTS)
}

fn text_of(digest: &SecretDigest) -> String {
    URL_SAFE_NO_PAD.encode(digest.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_takes_no_slot_of_another_while_there_is_a_free_one() {
        for random in [0, 5, 7, 250, 255] {
            for free in 0..SLOTS {
                assert_eq!(free_slot(random, |slot| slot != free), free, "{random}");
            }
            assert_eq!(free_slot(random, |_| true), random % SLOTS);
        }
    }
}
