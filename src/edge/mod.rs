//! 1. Downstream: sockets, TLS, and who is really calling.
//!
//! What a request meets, in order: `listener` accepts and limits, `tls` shakes hands, `head` judges the raw HTTP/1 head,
//! [`Arrival::read`] makes the facts: `host`, `target`, `client_address`, `request_id`. All parsing is pure. A
//! [`Connection`] is what all requests of one socket share; `socket` is its stream, which `body` keeps from reading over the
//! end of a request; [`Drain`] knows who is still busy when we leave.

mod admission;
mod arrival;
mod body;
mod client_address;
mod connection;
mod drain;
#[cfg(any(test, feature = "examples"))]
mod example;
pub mod head;
mod host;
mod listener;
pub mod method;
pub mod proxy_protocol;
mod redirect;
mod rejection;
mod request_id;
mod socket;
mod target;
pub mod tls;

pub use arrival::{Arrival, Downstream, Protocol, Reading, RequestId, Scheme};
pub use client_address::{Client, TrustedProxies};
pub use connection::{Connection, KillSwitch};
pub use drain::{BusyGuard, Drain};
pub use host::Authority;
pub use listener::{Bound, Edge, Service, Settings, bind};
pub use redirect::Redirect;
pub use rejection::Rejection;
pub use target::Target;
pub use tls::install_crypto;
