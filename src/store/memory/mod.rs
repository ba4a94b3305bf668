//! Shared state of a single node: in this process, gone with it.

mod counters;
mod handshakes;
mod lockouts;

pub use counters::Counters;
pub use handshakes::MemoryHandshakes;
pub use lockouts::Lockouts;
