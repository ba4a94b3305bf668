//! PROXY protocol headers: no panic, and never longer than what was there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stormdoor::edge::proxy_protocol::{Parsed, parse};

fuzz_target!(|bytes: &[u8]| {
    if let Parsed::Header { len, .. } = parse(bytes) {
        assert!(len <= bytes.len());
    }
});
