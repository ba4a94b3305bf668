//! 1. Downstream: sockets, TLS, and who is really calling.

mod arrival;
#[cfg(any(test, feature = "examples"))]
mod example;
mod target;

pub use arrival::{Arrival, Protocol, RequestId, Scheme};
pub use target::Target;
