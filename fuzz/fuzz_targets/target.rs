//! Targets: no panic, and reading what was accepted once more changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stormdoor::edge::Target;
use stormdoor::route::TargetProfile;

fuzz_target!(|text: &str| {
    for profile in [TargetProfile::Strict, TargetProfile::Dav] {
        if let Ok(target) = Target::parse(text, profile) {
            assert_eq!(Target::parse(target.as_str(), profile).as_ref(), Ok(&target));
            assert!(target.segments().all(|segment| segment != ".." && segment != "."));
        }
    }
});
