//! Configurations: any text is read or refused.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _verdict = stormdoor::config::parse(text, "text", Path::new("."), &|_| None);
});
