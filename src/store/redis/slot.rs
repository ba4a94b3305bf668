//! Which of the 16384 parts of a cluster a key is in, as the Redis Cluster specification says.

/// The last of them.
pub(super) const LAST: u16 = 16383;

/// The slot of `key`: of what is between its first `{` and the next `}`, when something is.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let position = |text: &[u8], wanted| text.iter().position(|byte| *byte == wanted);
    let tag = position(key, b'{').and_then(|open| key.get(open + 1..)).and_then(|rest| {
        let end = position(rest, b'}').filter(|end| *end > 0)?;
        rest.get(..end)
    });
    crc16(tag.unwrap_or(key)) & LAST
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compared with CLUSTER KEYSLOT of Redis 7.
    #[test]
    fn slots_are_as_the_servers_count_them() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, slot) in [
            ("", 0),
            ("bar", 5061),
            ("foo", 12182),
            ("foo{bar}{zap}", 5061),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("{bar", 4015),
            ("{user1000}.following", 3443),
            ("user1000", 3443),
            ("stormdoor:limit:0123", 12179),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }
}
