//! Request heads: no panic, and the same verdict however the bytes were cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stormdoor::edge::head::{HeadLimits, HeadScanner, Scan};

const LIMITS: HeadLimits = HeadLimits { bytes: 4096, headers: 50, target_bytes: 1024 };

fuzz_target!(|bytes: &[u8]| {
    let whole = HeadScanner::default().scan(bytes, &LIMITS);
    let mut scanner = HeadScanner::default();
    let mut last = Scan::Incomplete;
    for end in 1..=bytes.len() {
        last = scanner.scan(&bytes[..end], &LIMITS);
        if last != Scan::Incomplete {
            break;
        }
    }
    if let (Scan::Complete(one), Scan::Complete(other)) = (whole, last) {
        assert_eq!(one, other);
    }
});
