//! Examples of arrivals and targets, for tests and benches.

use std::net::IpAddr;

use super::{Arrival, Protocol, RequestId, Scheme, Target};
use crate::clock::Timestamp;
use crate::route::TargetProfile;

impl Arrival {
    /// `method` for `target` at `host` over HTTPS, from 192.0.2.1, at the beginning of 2024.
    ///
    /// # Panics
    ///
    /// When `method` is not a method, or `target` has more than one reading.
    pub fn example(method: &str, host: &str, target: &str) -> Self {
        let id = RequestId::accept("0123456789abcdef0123456789abcdef");
        Self {
            received_at: Timestamp::from_secs(1_704_067_200),
            request_id: id.expect("a legal request id"),
            client: IpAddr::from([192, 0, 2, 1]),
            scheme: Scheme::Https,
            protocol: Protocol::Http2,
            method: method.parse().expect("a method"),
            host: host.into(),
            port: None,
            target: Target::example(target),
            websocket: false,
            content_length: None,
        }
    }
}

impl Target {
    /// The target that `text` says, under the strict profile.
    ///
    /// # Panics
    ///
    /// When `text` has more than one reading.
    pub fn example(text: &str) -> Self {
        Self::parse(text, TargetProfile::Strict).expect("a target with one reading")
    }
}
