//! A `MaxMind` DB with one network in it, written by hand: <https://maxmind.github.io/MaxMind-DB/>.

use std::net::Ipv4Addr;

/// A list that says that `network`/24 is in Berlin.
pub(crate) fn berlin(network: Ipv4Addr) -> Vec<u8> {
    const NODES: u32 = 24;
    let bits = u32::from(network);
    let mut file = Vec::new();
    for depth in 0..NODES {
        // The way on is the next node, behind the last one the first record; everywhere else is nothing.
        let on = if depth + 1 == NODES { NODES + 16 } else { depth + 1 };
        let goes_right = bits >> (31 - depth) & 1 == 1;
        for right in [false, true] {
            let record = if right == goes_right { on } else { NODES };
            file.extend_from_slice(&record.to_be_bytes()[1..]);
        }
    }
    file.extend_from_slice(&[0; 16]);
    let named = |name: &str| map(&[("names", map(&[("en", text(name))]))]);
    file.extend(map(&[("city", named("Berlin")), ("country", named("Germany"))]));
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    file.extend(map(&[
        ("binary_format_major_version", number(5, 2)),
        ("binary_format_minor_version", number(5, 0)),
        ("build_epoch", vec![0x04, 0x02, 0x69, 0x20, 0x00, 0x00]),
        ("database_type", text("GeoLite2-City")),
        ("description", map(&[("en", text("one network"))])),
        ("ip_version", number(5, 4)),
        ("languages", vec![0x01, 0x04, 0x42, b'e', b'n']),
        ("node_count", number(6, NODES)),
        ("record_size", number(5, 24)),
    ]));
    file
}

fn text(text: &str) -> Vec<u8> {
    assert!(text.len() < 285, "the short forms are enough");
    let mut out = match u8::try_from(text.len()).unwrap() {
        short @ 0..29 => vec![0x40 + short],
        long => vec![0x40 + 29, long - 29],
    };
    out.extend_from_slice(text.as_bytes());
    out
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![0xe0 | u8::try_from(pairs.len()).unwrap()];
    for (key, value) in pairs {
        out.extend(text(key));
        out.extend_from_slice(value);
    }
    out
}

/// An unsigned number of 16 (type 5) or 32 bits (type 6).
fn number(kind: u8, value: u32) -> Vec<u8> {
    let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![kind << 5 | u8::try_from(bytes.len()).unwrap()];
    out.extend(bytes);
    out
}
