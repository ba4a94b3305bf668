//! Tokens and key sets as they come from outside: no panic, and nothing verifies without its key.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use stormdoor::clock::Timestamp;
use stormdoor::identity::Roles;
use stormdoor::identity::token::{KeySet, Verifier};

fuzz_target!(|bytes: &[u8]| {
    let _keys = KeySet::parse(bytes);
    let Ok(token) = std::str::from_utf8(bytes) else { return };
    let verifier = Verifier::new([], Roles::default(), Arc::default());
    assert!(verifier.cached(token, Timestamp::default()).is_none());
});
