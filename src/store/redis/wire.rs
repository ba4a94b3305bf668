//! The one connection of this node to one server, and its circuit breaker.
//!
//! A request never waits for a connection to be made: while there is none, it is told so at once. [`Wire::tend`] makes
//! it, and makes it again.
//!
//! The circuit breaker: a connection that broke, or [`TOLERATED`] bad answers in a row, take the connection away from
//! requests. They get the next one, which has answered a question in the time that requests have.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::call::Call;
use super::connect::{Connector, Place};
use super::outage::Outage;
use crate::config::HostAndPort;
use crate::observe::Metrics;

/// For making a connection, with TLS, signing in and loading scripts.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Bad answers in a row that are put down to chance.
const TOLERATED: u32 = 3;

/// A server, and the connection to it.
pub(super) struct Wire {
    pub(super) place: Place,
    /// What requests use; none while away.
    connection: ArcSwapOption<MultiplexedConnection>,
    /// In a row.
    failures: AtomicU32,
    /// Whether the log has been told so.
    away: AtomicBool,
    why: Mutex<Cow<'static, str>>,
    /// Whoever tends.
    wake: Arc<Notify>,
    metrics: Arc<Metrics>,
}

/// How a call is put.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Manner {
    /// To the server to which the key is on its way, as the one that has its slot said.
    Ahead,
    /// To the server that has the slot of the key.
    Plain,
}

/// No answer.
pub(super) enum Missed {
    /// Another server of the cluster is to be asked.
    Elsewhere(HostAndPort, Manner),
    Outage(Outage),
}

impl Wire {
    pub(super) fn new(place: Place, wake: Arc<Notify>, metrics: Arc<Metrics>) -> Self {
        Self {
            place,
            connection: ArcSwapOption::empty(),
            failures: AtomicU32::new(0),
            away: AtomicBool::new(false),
            why: Mutex::default(),
            wake,
            metrics,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.load().is_some()
    }

    /// Why there is no connection.
    pub(super) fn why(&self) -> Cow<'static, str> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn connection(&self) -> Option<Arc<MultiplexedConnection>> {
        self.connection.load_full()
    }

    pub(super) async fn ask<A: FromRedisValue, T>(
        &self,
        call: &Call,
        manner: Manner,
        deadline: Instant,
        read: &impl Fn(A) -> Option<T>,
    ) -> Result<T, Missed> {
        let Some(wire) = self.connection.load_full() else {
            return Err(Missed::Outage(Outage::AWAY));
        };
        let outcome = self.ask_on(&wire, call, manner, deadline, read).await;
        let Err(Missed::Outage(outage)) = &outcome else {
            self.failures.store(0, Ordering::Relaxed);
            return outcome;
        };
        self.metrics.shared_state_error(outage.reason);
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let current = self.connection.load();
        // One that was replaced meanwhile says nothing about its successor.
        let is_current = current.as_ref().is_some_and(|now| Arc::ptr_eq(now, &wire));
        if is_current && (outage.broken || failures >= TOLERATED) {
            self.go_away(outage);
            self.wake.notify_one();
        }
        outcome
    }

    async fn ask_on<A: FromRedisValue, T>(
        &self,
        wire: &MultiplexedConnection,
        call: &Call,
        manner: Manner,
        deadline: Instant,
        read: &impl Fn(A) -> Option<T>,
    ) -> Result<T, Missed> {
        let mut wire = wire.clone();
        let answer = timeout_at(deadline, async {
            match manner {
                Manner::Ahead => call.ask_ahead(&mut wire).await,
                Manner::Plain => call.ask(&mut wire).await,
            }
        });
        match answer.await {
            Ok(Ok(answer)) => read(answer).ok_or(Missed::Outage(Outage::NONSENSE)),
            Ok(Err(error)) => Err(match self.place.redirected_by(&error) {
                Some((place, manner)) => Missed::Elsewhere(place, manner),
                None => Missed::Outage(Outage::from(&error)),
            }),
            Err(_elapsed) => Err(Missed::Outage(Outage::TIMEOUT)),
        }
    }

    /// Puts a question, on a new connection when there is none: whoever answers it within the time is there.
    pub(super) async fn tend<A: FromRedisValue, T>(
        &self,
        connector: &Connector,
        question: &Call,
        within: Duration,
        read: impl Fn(A) -> Option<T>,
    ) -> Result<T, Outage> {
        if self.is_connected() {
            let answer = self.ask(question, Manner::Plain, Instant::now() + within, &read).await;
            return answer.map_err(Outage::from);
        }
        let coming = async {
            let wire = self.connect(connector).await?;
            let deadline = Instant::now() + within;
            let answer = self.ask_on(&wire, question, Manner::Plain, deadline, &read).await?;
            Ok::<_, Outage>((wire, answer))
        };
        match coming.await {
            Ok((wire, answer)) => {
                self.come_back(wire);
                Ok(answer)
            }
            Err(outage) => {
                self.metrics.shared_state_error(outage.reason);
                self.go_away(&outage);
                Err(outage)
            }
        }
    }

    async fn connect(&self, connector: &Connector) -> Result<MultiplexedConnection, Outage> {
        let connect = async {
            let mut wire = connector.connect(&self.place).await?;
            for script in super::scripts() {
                script.load_async(&mut wire).await.map_err(|error| Outage::from(&error))?;
            }
            Ok(wire)
        };
        timeout(CONNECT_WITHIN, connect).await.unwrap_or(Err(Outage::TIMEOUT))
    }

    fn go_away(&self, outage: &Outage) {
        self.connection.store(None);
        self.failures.store(0, Ordering::Relaxed);
        self.metrics.shared_state_up(false);
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&outage.what);
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                server = %self.place,
                reason = outage.reason,
                error = &*outage.what,
                "Redis does not answer; going on as shared_state.on_outage says"
            );
        }
    }

    fn come_back(&self, wire: MultiplexedConnection) {
        self.failures.store(0, Ordering::Relaxed);
        self.connection.store(Some(Arc::new(wire)));
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!(server = %self.place, "Redis answers again");
        }
    }

    /// It is no server of this gateway any more.
    pub(super) fn retire(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!(server = %self.place, "other servers of the Redis cluster took its keys over");
        }
    }
}

impl From<Missed> for Outage {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Elsewhere(..) => Self::MOVED,
            Missed::Outage(outage) => outage,
        }
    }
}
