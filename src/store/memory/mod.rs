//! Shared state of a single node: in this process, gone with it.

mod counters;

pub use counters::Counters;
