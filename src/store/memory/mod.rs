//! Shared state of a single node, in this process.

mod counters;

pub use counters::MemoryCounters;
