//! The one connection of this node, and what becomes of calls that fail.
//!
//! A request never waits for a connection to be made: while there is none, it is told so at once. [`Link::keep`] makes
//! it, and makes it again; it also says every [`BEAT_EVERY`] that this node is there, which counts nodes and notices
//! silence when nobody asks anything.
//!
//! The circuit breaker: a connection that broke, or [`TOLERATED`] bad answers in a row, take the connection away from
//! requests. They get the next one, which has answered a beat in the time that requests have.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, FromRedisValue, RedisError, Script, ScriptInvocation, ServerErrorKind};
use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;

use super::connect::{ConnectError, Connector};
use super::{Time, millis, script};
use crate::clock::Timestamp;
use crate::config::{LimitsOnOutage, RedisSettings};
use crate::observe::{Check, CheckStatus, Metrics, Status};

pub(super) static BEAT: LazyLock<Script> = script!("beat.lua");

/// Between two beats.
const BEAT_EVERY: Duration = Duration::from_secs(2);

/// A node that was not heard of for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(10);

/// Between two attempts to come back.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// For making a connection, with TLS, signing in and loading scripts.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Bad answers in a row that are put down to chance.
const TOLERATED: u32 = 3;

/// Sign-ins take longer than a request, and are worth more patience.
const PATIENCE: u32 = 10;

pub(super) struct Link {
    connector: Connector,
    prefix: String,
    time: Time,
    timeout: Duration,
    /// What requests use; none while away.
    wire: ArcSwapOption<MultiplexedConnection>,
    /// In a row.
    failures: AtomicU32,
    away: AtomicBool,
    why: Mutex<Cow<'static, str>>,
    /// This one, among others.
    node: String,
    nodes: AtomicU32,
    went: Notify,
    /// Whether requests are refused meanwhile.
    refuses: bool,
    metrics: Arc<Metrics>,
}

impl Link {
    pub(super) fn new(
        settings: &RedisSettings,
        time: Time,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ConnectError> {
        Ok(Self {
            connector: Connector::new(settings)?,
            prefix: settings.prefix.clone(),
            time,
            timeout: settings.timeout,
            wire: ArcSwapOption::empty(),
            failures: AtomicU32::new(0),
            away: AtomicBool::new(false),
            why: Mutex::default(),
            node: Uuid::new_v4().to_string(),
            nodes: AtomicU32::new(1),
            went: Notify::new(),
            refuses: settings.limits_on_outage == LimitsOnOutage::Refuse,
            metrics,
        })
    }

    /// The key `name` of ours.
    pub(super) fn key(&self, concern: &str, name: &str) -> String {
        format!("{}{concern}:{name}", self.prefix)
    }

    /// `now` for a script: empty when Redis's own clock counts.
    pub(super) fn now(&self, now: Timestamp) -> String {
        match self.time {
            Time::OfCaller => now.as_millis().to_string(),
            Time::OfServer => String::new(),
        }
    }

    /// How long Redis keeps what is of no use after `life`. The rules decide when something is over; this only gives
    /// room back, and is later by what clocks may differ.
    pub(super) fn kept_for(life: Duration) -> i64 {
        millis(life.saturating_add(Duration::from_mins(1)))
    }

    /// How many nodes there were when last counted, this one included.
    pub(super) fn nodes(&self) -> NonZeroU32 {
        NonZeroU32::new(self.nodes.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN)
    }

    /// A decision about `concern` is made without Redis.
    pub(super) fn degraded(&self, concern: &'static str) {
        self.metrics.shared_state_degraded(concern);
    }

    /// Runs a script for a request that is not to be delayed.
    pub(super) async fn quick<A: FromRedisValue, T>(
        &self,
        call: &ScriptInvocation<'_>,
        read: impl FnOnce(A) -> Option<T>,
    ) -> Result<T, Outage> {
        self.run(self.timeout, async |wire| call.invoke_async(wire).await, read).await
    }

    /// Does something for a sign-in.
    pub(super) async fn patient<A, T>(
        &self,
        call: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<A, RedisError>,
        read: impl FnOnce(A) -> Option<T>,
    ) -> Result<T, Outage> {
        self.run(self.timeout * PATIENCE, call, read).await
    }

    async fn run<A, T>(
        &self,
        within: Duration,
        call: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<A, RedisError>,
        read: impl FnOnce(A) -> Option<T>,
    ) -> Result<T, Outage> {
        let Some(wire) = self.wire.load_full() else { return Err(Outage::AWAY) };
        let outcome = ask(&wire, within, call, read).await;
        match &outcome {
            Ok(_) => self.failures.store(0, Ordering::Relaxed),
            Err(outage) => {
                self.metrics.shared_state_error(outage.reason);
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                let current = self.wire.load();
                // One that was replaced meanwhile says nothing about its successor.
                let is_current = current.as_ref().is_some_and(|now| Arc::ptr_eq(now, &wire));
                if is_current && (outage.broken || failures >= TOLERATED) {
                    self.go_away(outage);
                }
            }
        }
        outcome
    }

    fn go_away(&self, outage: &Outage) {
        self.wire.store(None);
        self.failures.store(0, Ordering::Relaxed);
        self.metrics.shared_state_up(false);
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&outage.what);
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                reason = outage.reason,
                error = &*outage.what,
                "Redis does not answer; going on as shared_state.on_outage says"
            );
        }
        self.went.notify_one();
    }

    fn come_back(&self, wire: MultiplexedConnection) {
        self.failures.store(0, Ordering::Relaxed);
        self.wire.store(Some(Arc::new(wire)));
        self.metrics.shared_state_up(true);
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("Redis answers again");
        }
    }

    /// Beats, and comes back, for ever.
    pub(super) async fn keep(&self) {
        loop {
            let pause = if self.away.load(Ordering::Relaxed) { RETRY_EVERY } else { BEAT_EVERY };
            // After an outage began: a breath before trying again, whatever the pause was.
            if timeout(pause, self.went.notified()).await.is_ok() {
                tokio::time::sleep(RETRY_EVERY).await;
            }
            self.tend().await;
        }
    }

    /// One beat; with a new connection when there is none.
    pub(super) async fn tend(&self) {
        let key = self.key("nodes", "");
        let mut beat = BEAT.prepare_invoke();
        beat.key(key).arg(&self.node).arg(millis(GONE_AFTER));
        let count = |nodes: u32| (nodes > 0).then_some(nodes);
        let beaten = if self.wire.load().is_some() {
            self.quick(&beat, count).await
        } else {
            match self.connect().await {
                Ok(wire) => {
                    let beaten =
                        ask(&wire, self.timeout, async |wire| beat.invoke_async(wire).await, count)
                            .await;
                    if beaten.is_ok() {
                        self.come_back(wire);
                    }
                    beaten.inspect_err(|outage| self.still_away(outage))
                }
                Err(outage) => {
                    self.still_away(&outage);
                    Err(outage)
                }
            }
        };
        if let Ok(nodes) = beaten {
            self.nodes.store(nodes, Ordering::Relaxed);
            self.metrics.shared_state_nodes(nodes);
        }
    }

    fn still_away(&self, outage: &Outage) {
        self.metrics.shared_state_error(outage.reason);
        self.go_away(outage);
        // Nobody needs to be woken: whoever tends knows.
        let _told = futures::FutureExt::now_or_never(self.went.notified());
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Outage> {
        let connect = async {
            let mut wire = self.connector.connect().await?;
            for script in super::scripts() {
                script.load_async(&mut wire).await.map_err(|error| Outage::from(&error))?;
            }
            Ok(wire)
        };
        timeout(CONNECT_WITHIN, connect).await.unwrap_or(Err(Outage::TIMEOUT))
    }

    /// This node is not to be counted any more.
    pub(super) async fn leave(&self) {
        let key = self.key("nodes", "");
        let mut leave = redis::cmd("ZREM");
        leave.arg(key).arg(&self.node);
        // Without an answer it is counted for some seconds yet.
        let _left =
            self.patient(async |wire| leave.query_async::<i64>(wire).await, |_| Some(())).await;
    }
}

async fn ask<A, T>(
    wire: &MultiplexedConnection,
    within: Duration,
    call: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<A, RedisError>,
    read: impl FnOnce(A) -> Option<T>,
) -> Result<T, Outage> {
    let mut wire = wire.clone();
    match timeout(within, call(&mut wire)).await {
        Ok(Ok(answer)) => read(answer).ok_or(Outage::NONSENSE),
        Ok(Err(error)) => Err(Outage::from(&error)),
        Err(_elapsed) => Err(Outage::TIMEOUT),
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("away", &self.away).finish_non_exhaustive()
    }
}

impl Check for Link {
    fn name(&self) -> &'static str {
        "shared_state"
    }

    fn status(&self) -> CheckStatus {
        if !self.away.load(Ordering::Relaxed) {
            return CheckStatus { status: Status::Ok, detail: None };
        }
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Who refuses all requests had better not get any.
        let status = if self.refuses { Status::Fail } else { Status::Warn };
        CheckStatus { status, detail: Some(format!("Redis does not answer: {why}")) }
    }
}

/// Why there is no answer. Never holds what was asked or answered.
#[derive(Clone, Debug, thiserror::Error)]
#[error("Redis did not answer: {what}")]
pub(super) struct Outage {
    /// For the metric.
    reason: &'static str,
    what: Cow<'static, str>,
    /// Whether the connection is of no use any more.
    broken: bool,
}

impl Outage {
    const AWAY: Self = Self::new("connection", "there is no connection", true);
    const NONSENSE: Self = Self::new("nonsense", "it answered nonsense", false);
    const TIMEOUT: Self = Self::new("timeout", "no answer in time", false);

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
