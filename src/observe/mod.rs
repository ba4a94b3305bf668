//! What an operator sees: logs, metrics, health.
//!
//! | for whom | where | what |
//! |---|---|---|
//! | a colleague | [`log`] | what happened, one line per event, on standard error |
//! | an investigation | [`AccessLog`] | one line per request |
//! | a dashboard | [`Metrics`] | numbers with bounded labels |
//! | an orchestrator | [`Health`] | may this node get requests? |
//!
//! [`endpoint`] shows the last two on a listener of their own.

pub mod endpoint;
pub mod fields;
pub mod log;

mod access_log;
mod health;
mod metrics;

pub use access_log::{AccessLog, Destination, Line};
pub use health::{Check, CheckStatus, Health, Readiness, Status};
pub use metrics::{Metrics, RouteMetrics};
