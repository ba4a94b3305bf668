//! 2. The adapter to Pingora: its phases in, our calls out. No decisions.
//!
//! [`Gateway`] is what Pingora drives (`phases.rs`, one short method per phase, in Pingora's order). `Exchange` is
//! what has become of one request; [`Snapshot`] is the configuration it entered by. Small bodies that rules look into come
//! in through `read_ahead.rs`. Our own responses leave through `respond.rs`, and every response, whoever made it, through
//! `seal.rs`.

mod crossing;
mod exchange;
mod live;
mod phases;
mod portal_bridge;
mod read_ahead;
mod respond;
mod seal;
mod snapshot;

use std::sync::Arc;

use arc_swap::ArcSwap;
use ring::rand::SystemRandom;

pub use live::{LiveSocket, LiveSockets};
pub use snapshot::Snapshot;

use crate::clock::Clock;
use crate::edge::Drain;
use crate::observe::AccessLog;
use crate::observe::Metrics;
use crate::route::HeaderPreset;
use crate::route::SecurityHeaders;

/// The gateway as Pingora sees it.
pub struct Gateway {
    snapshot: Arc<ArcSwap<Snapshot>>,
    clock: Arc<dyn Clock>,
    random: SystemRandom,
    metrics: Arc<Metrics>,
    access_log: Arc<AccessLog>,
    drain: Arc<Drain>,
    live: Arc<LiveSockets>,
    fallback_headers: Arc<SecurityHeaders>,
}

/// What a [`Gateway`] is made of.
pub struct Parts {
    /// Swapped whole by a reload.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Tells when a request arrived.
    pub clock: Arc<dyn Clock>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Remembers.
    pub access_log: Arc<AccessLog>,
    /// Counts what is in flight.
    pub drain: Arc<Drain>,
    /// Open WebSockets.
    pub live: Arc<LiveSockets>,
}

impl Gateway {
    /// A gateway of these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { snapshot, clock, metrics, access_log, drain, live } = parts;
        let fallback_headers = Arc::new(SecurityHeaders::of(HeaderPreset::Strict));
        let random = SystemRandom::new();
        Self { snapshot, clock, random, metrics, access_log, drain, live, fallback_headers }
    }
}
