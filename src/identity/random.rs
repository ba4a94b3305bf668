//! Randomness for secrets and identifiers: the operating system's, by way of ring.

use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

use crate::clock::Timestamp;

/// `N` bytes that nobody can guess.
///
/// # Panics
///
/// When the operating system has no randomness to give.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system yields random bytes; without them nothing safe can be made");
    bytes
}

/// A fresh `UUIDv7` (RFC 9562 §5.7): sorts by `now`, and 74 bits of it are random.
pub fn uuid_v7(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_sort_by_time_and_differ() {
        let early = uuid_v7(Timestamp::from_secs(1));
        let late = uuid_v7(Timestamp::from_secs(2));
        assert!(early < late);
        assert_eq!(early.get_version_num(), 7);
        assert_ne!(uuid_v7(Timestamp::from_secs(1)), early);
    }
}
