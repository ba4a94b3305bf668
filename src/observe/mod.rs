//! What an operator sees: logs, metrics, health.

mod metrics;

pub use metrics::{Metrics, RouteMetrics};
