//! Shared state of a single node: in this process, gone with it.

mod counters;
mod handshakes;

pub use counters::Counters;
pub use handshakes::MemoryHandshakes;
