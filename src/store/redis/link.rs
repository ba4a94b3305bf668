//! The way of this node to its servers: whom a request asks, and what is kept up for it.
//!
//! A request never waits for a connection to be made. [`Link::keep`] makes them, and makes them again; it learns who of
//! a cluster has which keys, and says every [`BEAT_EVERY`] that this node is there, which counts nodes and notices
//! silence when nobody asks anything.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future;
use redis::{FromRedisValue, Script};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::call::Call;
use super::connect::{ASK_WITHIN, ConnectError, Connector, Place};
use super::map::{Map, Masters, is_well};
use super::outage::Outage;
use super::wire::{Manner, Missed, Wire};
use super::{Time, millis, script};
use crate::clock::Timestamp;
use crate::config::{HostAndPort, LimitsOnOutage, RedisSettings};
use crate::observe::{Check, CheckStatus, Metrics, Status};

pub(super) static BEAT: LazyLock<Script> = script!("beat.lua");

/// Between two beats.
const BEAT_EVERY: Duration = Duration::from_secs(2);

/// A node that was not heard of for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(10);

/// Between two attempts to come back.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// Sign-ins take longer than a request, and are worth more patience.
const PATIENCE: u32 = 10;

/// Servers that are asked for one answer: one that has the key no more, one that gives it away, one that gets it.
const ASKED_AT_MOST: usize = 3;

/// Most servers that are remembered before they have keys.
const STRANGERS_MAX: usize = 32;

pub(super) struct Link {
    connector: Connector,
    map: ArcSwap<Map>,
    /// Servers to which we were sent, and that no map showed.
    strangers: Mutex<BTreeSet<(String, u16)>>,
    prefix: String,
    time: Time,
    timeout: Duration,
    /// This one, among others.
    node: String,
    nodes: AtomicU32,
    wake: Arc<Notify>,
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
        let wake = Arc::new(Notify::new());
        let first = Wire::new(Place::AsConfigured, Arc::clone(&wake), Arc::clone(&metrics));
        Ok(Self {
            connector: Connector::new(settings)?,
            map: ArcSwap::from_pointee(Map::whole(Arc::new(first))),
            strangers: Mutex::default(),
            prefix: settings.prefix.clone(),
            time,
            timeout: settings.timeout,
            node: Uuid::new_v4().to_string(),
            nodes: AtomicU32::new(1),
            wake,
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

    /// Asks for a request that is not to be delayed.
    pub(super) async fn quick<A: FromRedisValue, T>(
        &self,
        call: &Call,
        read: impl Fn(A) -> Option<T>,
    ) -> Result<T, Outage> {
        self.run(call, self.timeout, read).await
    }

    /// Asks for a sign-in.
    pub(super) async fn patient<A: FromRedisValue, T>(
        &self,
        call: &Call,
        read: impl Fn(A) -> Option<T>,
    ) -> Result<T, Outage> {
        self.run(call, self.timeout * PATIENCE, read).await
    }

    async fn run<A: FromRedisValue, T>(
        &self,
        call: &Call,
        within: Duration,
        read: impl Fn(A) -> Option<T>,
    ) -> Result<T, Outage> {
        let deadline = Instant::now() + within;
        let mut wire = self.map.load().of(call).ok_or(Outage::AWAY)?;
        let mut manner = Manner::Plain;
        for _ in 0..ASKED_AT_MOST {
            match wire.ask(call, manner, deadline, &read).await {
                Ok(answer) => return Ok(answer),
                Err(Missed::Outage(outage)) => return Err(outage),
                Err(Missed::Elsewhere(place, how)) => {
                    if how == Manner::Plain {
                        // The map is old.
                        self.wake.notify_one();
                    }
                    let Some(there) = self.map.load().at(&place) else {
                        self.remember(place);
                        break;
                    };
                    (wire, manner) = (there, how);
                }
            }
        }
        self.metrics.shared_state_error(Outage::MOVED.reason);
        Err(Outage::MOVED)
    }

    fn remember(&self, place: HostAndPort) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.len() < STRANGERS_MAX {
            strangers.insert((place.host, place.port));
        }
        self.wake.notify_one();
    }

    /// Beats, and comes back, for ever.
    pub(super) async fn keep(&self) {
        loop {
            let pause = if self.is_whole() { BEAT_EVERY } else { RETRY_EVERY };
            // After an outage began: a breath before trying again, whatever the pause was.
            if timeout(pause, self.wake.notified()).await.is_ok() {
                tokio::time::sleep(RETRY_EVERY).await;
            }
            self.tend().await;
        }
    }

    /// Whether every server is connected.
    fn is_whole(&self) -> bool {
        self.map.load().wires().iter().all(|wire| wire.is_connected())
    }

    /// One beat; with new connections where there are none.
    pub(super) async fn tend(&self) {
        if !self.connector.cluster().is_empty() {
            self.learn().await;
        }
        let map = self.map.load_full();
        let beat = Call::script(&BEAT, &self.key("nodes", ""));
        let beat = beat.arg(&self.node).arg(millis(GONE_AFTER));
        let beaten = map.of(&beat);
        let tended = map.wires().iter().map(async |wire| {
            let (connector, within) = (&self.connector, self.timeout);
            if beaten.as_ref().is_some_and(|beaten| Arc::ptr_eq(beaten, wire)) {
                let count = |nodes: u32| (nodes > 0).then_some(nodes);
                if let Ok(nodes) = wire.tend(connector, &beat, within, count).await {
                    self.nodes.store(nodes, Ordering::Relaxed);
                    self.metrics.shared_state_nodes(nodes);
                }
            } else {
                let info = Call::command("CLUSTER", "INFO");
                let well = |info: String| is_well(&info).then_some(());
                // What became of it, the wire knows.
                let _well = wire.tend(connector, &info, within, well).await;
            }
        });
        future::join_all(tended).await;
        self.metrics.shared_state_up(self.is_whole());
    }

    /// Asks who has which keys: a server that is connected, or else those that the settings name. When nobody knows, what
    /// was known is kept.
    async fn learn(&self) {
        let map = self.map.load_full();
        let mut learned = None;
        for wire in map.wires() {
            if let (Place::At(at), Some(connection)) = (&wire.place, wire.connection()) {
                let asked = timeout(ASK_WITHIN, Masters::ask(&connection, &at.host)).await;
                if let Ok(Ok(masters)) = asked {
                    learned = Some(masters);
                    break;
                }
            }
        }
        if learned.is_none() {
            for server in self.connector.cluster() {
                let asked = timeout(ASK_WITHIN, async {
                    let connection = self.connector.connect_to(server).await?;
                    Masters::ask(&connection, &server.host).await
                });
                if let Ok(Ok(masters)) = asked.await {
                    learned = Some(masters);
                    break;
                }
            }
        }
        let Some(masters) = learned else { return };
        let new = |at| {
            Arc::new(Wire::new(Place::At(at), Arc::clone(&self.wake), Arc::clone(&self.metrics)))
        };
        let redrawn = Arc::new(map.redrawn(&masters, &self.strangers(&map), new));
        self.map.store(Arc::clone(&redrawn));
        for wire in map.wires() {
            if !redrawn.wires().iter().any(|kept| Arc::ptr_eq(kept, wire)) {
                wire.retire();
            }
        }
    }

    /// Servers without keys that are to be kept in the map: those that we were sent to since, and those that answered.
    fn strangers(&self, map: &Map) -> Vec<HostAndPort> {
        let sent =
            std::mem::take(&mut *self.strangers.lock().unwrap_or_else(PoisonError::into_inner));
        let sent = sent.into_iter().map(|(host, port)| HostAndPort { host, port });
        let kept = map.wires().iter().filter_map(|wire| match &wire.place {
            Place::At(at) if wire.is_connected() && !map.has_keys(wire) => Some(at.clone()),
            Place::At(_) | Place::AsConfigured => None,
        });
        kept.chain(sent).take(STRANGERS_MAX).collect()
    }

    /// This node is not to be counted any more.
    pub(super) async fn leave(&self) {
        let leave = Call::command("ZREM", &self.key("nodes", "")).arg(&self.node);
        // Without an answer it is counted for some seconds yet.
        let _left = self.patient(&leave, |_: i64| Some(())).await;
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("whole", &self.is_whole()).finish_non_exhaustive()
    }
}

impl Check for Link {
    fn name(&self) -> &'static str {
        "shared_state"
    }

    fn status(&self) -> CheckStatus {
        let map = self.map.load();
        let Some(away) = map.wires().iter().find(|wire| !wire.is_connected()) else {
            return CheckStatus { status: Status::Ok, detail: None };
        };
        // Who refuses all requests had better not get any.
        let none = !map.wires().iter().any(|wire| wire.is_connected());
        let status = if self.refuses && none { Status::Fail } else { Status::Warn };
        CheckStatus { status, detail: Some(format!("Redis does not answer: {}", away.why())) }
    }
}
