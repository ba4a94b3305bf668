//! 1. Downstream: sockets, TLS, and who is really calling.

mod arrival;
mod target;

pub use arrival::{Arrival, Protocol, RequestId, Scheme};
pub use target::Target;
