//! What has become of one request so far. Pingora hands it to every phase.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use pingora_core::{Error, ErrorType, Result};

use super::live::LiveSocket;
use super::snapshot::Snapshot;
use crate::edge::{Arrival, BusyGuard};
use crate::gate::{Admission, BodyGuard, Dress, Refusal};
use crate::observe::RouteMetrics;
use crate::upstream::bridge::Crossing;
use crate::upstream::{EndpointGuard, EndpointId};

/// The state of one request. Private fields: each phase goes through a method that says what it may do.
pub struct Exchange {
    /// The configuration this request entered by; a reload does not change it half-way.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) started: Instant,
    pub(super) arrival: Option<Arrival>,
    pub(super) dress: Dress,
    pub(super) progress: Progress,
    /// Why it was refused, for the log; set once.
    pub(super) reason: Option<&'static str>,
    /// A breach found while the body streamed by; `fail_to_proxy` answers with it.
    pub(super) breach: Option<Refusal>,
    pub(super) body: Option<BodyGuard>,
    /// The beginning of the body, read before an upstream was chosen and not sent yet.
    pub(super) held: Option<Bytes>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    /// From the head to the decision: what the gate cost this request.
    pub(super) overhead: Duration,
    pub(super) tried: Vec<EndpointId>,
    pub(super) endpoint: Option<EndpointGuard>,
    pub(super) metrics: Option<RouteMetrics>,
    pub(super) live: Option<LiveSocket>,
    /// On a route to Nextcloud: what it is told, and what its answer must be.
    pub(super) crossing: Option<Crossing>,
    /// Held while the request is in flight, so that a drain waits for it.
    pub(super) _busy: BusyGuard,
}

/// One value instead of several flags: a request cannot be both answered and on its way.
pub(super) enum Progress {
    Admitted(Admission),
    Answered { status: StatusCode, by: &'static str },
    Received,
}

impl Exchange {
    pub(super) fn started(snapshot: Arc<Snapshot>, busy: BusyGuard) -> Self {
        Self {
            snapshot,
            started: Instant::now(),
            arrival: None,
            dress: Dress::default(),
            progress: Progress::Received,
            reason: None,
            breach: None,
            body: None,
            held: None,
            request_bytes: 0,
            response_bytes: 0,
            overhead: Duration::ZERO,
            tried: Vec::new(),
            endpoint: None,
            metrics: None,
            live: None,
            crossing: None,
            _busy: busy,
        }
    }

    /// The admission.
    ///
    /// # Errors
    ///
    /// An internal error in a phase that Pingora must not reach without admission.
    pub(super) fn admission(&self) -> Result<&Admission> {
        match &self.progress {
            Progress::Admitted(admission) => Ok(admission),
            Progress::Answered { .. } | Progress::Received => {
                Error::e_explain(ErrorType::InternalError, "forwarding without admission")
            }
        }
    }

    /// The facts of the request.
    ///
    /// # Errors
    ///
    /// An internal error in a phase that Pingora must not reach before `request_filter`.
    pub(super) fn arrival(&self) -> Result<&Arrival> {
        self.arrival.as_ref().ok_or_else(|| {
            Error::explain(ErrorType::InternalError, "a phase before the request was read")
        })
    }

    pub(super) fn request_id(&self) -> &str {
        self.arrival.as_ref().map_or("", |arrival| arrival.request_id.as_str())
    }
}
