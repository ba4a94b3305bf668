//! Forwarding headers from a trusted proxy.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use stormdoor::edge::{Scheme, TrustedProxies};

fuzz_target!(|bytes: (&[u8], &[u8])| {
    let trusted = TrustedProxies::new(vec!["10.0.0.0/8".parse().expect("a network")]);
    let peer = "10.0.0.1".parse().expect("an address");
    let mut headers = HeaderMap::new();
    for (name, value) in [("x-forwarded-for", bytes.0), ("forwarded", bytes.1)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let _client = trusted.resolve(peer, Scheme::Https, &headers);
});
