//! The PROXY protocol, versions 1 and 2: the first bytes from a listed load balancer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parsed {
    /// A whole header.
    Header {
        /// Its length; what follows is the connection proper.
        len: usize,
        /// Who is calling; `None` for the balancer's own health checks (`LOCAL`, `UNKNOWN`).
        source: Option<SocketAddr>,
    },
    /// Not whole yet, and nothing wrong so far.
    Incomplete,
    /// No header.
    Invalid,
}

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V1_SIGNATURE: &[u8; 6] = b"PROXY ";

/// The longest header of version 1, with its line end.
const V1_LONGEST: usize = 107;

/// The longest header of version 2 that is accepted: addresses and a few hundred bytes of extensions.
const V2_LONGEST: usize = 16 + 1024;

/// The most bytes that [`parse`] needs to come to a verdict.
pub const LONGEST: usize = V2_LONGEST;

/// Reads a header from all bytes received so far.
pub fn parse(buffer: &[u8]) -> Parsed {
    if starts_alike(buffer, V2_SIGNATURE) {
        parse_v2(buffer).unwrap_or(Parsed::Incomplete)
    } else if starts_alike(buffer, V1_SIGNATURE) {
        parse_v1(buffer)
    } else {
        Parsed::Invalid
    }
}

fn starts_alike(buffer: &[u8], signature: &[u8]) -> bool {
    buffer.iter().zip(signature).all(|(one, other)| one == other)
}

fn parse_v1(buffer: &[u8]) -> Parsed {
    let window = buffer.get(..V1_LONGEST).unwrap_or(buffer);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if buffer.len() >= V1_LONGEST { Parsed::Invalid } else { Parsed::Incomplete };
    };
    let Some(line) = window.get(..end).and_then(|line| std::str::from_utf8(line).ok()) else {
        return Parsed::Invalid;
    };
    let len = end + 2;
    if line == "PROXY UNKNOWN" || line.starts_with("PROXY UNKNOWN ") {
        return Parsed::Header { len, source: None };
    }
    match v1_source(line) {
        Some(source) => Parsed::Header { len, source: Some(source) },
        None => Parsed::Invalid,
    }
}

/// `None` when the line is not valid.
fn v1_source(line: &str) -> Option<SocketAddr> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    let (source, target) = (words.next()?.parse().ok()?, words.next()?.parse::<IpAddr>().ok()?);
    let (port, _target_port) = (v1_port(words.next()?)?, v1_port(words.next()?)?);
    let fits = match family {
        "TCP4" => |address: IpAddr| address.is_ipv4(),
        "TCP6" => |address: IpAddr| address.is_ipv6(),
        _ => return None,
    };
    let whole = words.next().is_none() && fits(source) && fits(target);
    whole.then(|| SocketAddr::new(source.to_canonical(), port))
}

fn v1_port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `None` while bytes are missing.
fn parse_v2(buffer: &[u8]) -> Option<Parsed> {
    let head = buffer.get(12..16)?;
    let &[version_and_command, family, high, low] = head else { return None };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    let len = 16 + rest;
    if len > V2_LONGEST {
        return Some(Parsed::Invalid);
    }
    let command = match version_and_command {
        0x20 => Command::Local,
        0x21 => Command::Proxy,
        _ => return Some(Parsed::Invalid),
    };
    let addresses = buffer.get(16..len)?;
    let source = match (command, family) {
        (Command::Local, _) | (Command::Proxy, 0x00) => None,
        (Command::Proxy, 0x11) => match v2_ipv4(addresses) {
            Some(source) => Some(source),
            None => return Some(Parsed::Invalid),
        },
        (Command::Proxy, 0x21) => match v2_ipv6(addresses) {
            Some(source) => Some(source),
            None => return Some(Parsed::Invalid),
        },
        _ => return Some(Parsed::Invalid),
    };
    Some(Parsed::Header { len, source })
}

enum Command {
    Local,
    Proxy,
}

fn v2_ipv4(addresses: &[u8]) -> Option<SocketAddr> {
    let source: [u8; 4] = addresses.get(..4)?.try_into().ok()?;
    let port: [u8; 2] = addresses.get(8..10)?.try_into().ok()?;
    let _whole = addresses.get(..12)?;
    Some(SocketAddr::new(Ipv4Addr::from(source).into(), u16::from_be_bytes(port)))
}

fn v2_ipv6(addresses: &[u8]) -> Option<SocketAddr> {
    let source: [u8; 16] = addresses.get(..16)?.try_into().ok()?;
    let port: [u8; 2] = addresses.get(32..34)?.try_into().ok()?;
    let _whole = addresses.get(..36)?;
    Some(SocketAddr::new(Ipv6Addr::from(source).to_canonical(), u16::from_be_bytes(port)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn version_1_lines() {
        let header = |source: &str| Some(source.parse::<SocketAddr>().expect("an address"));
        for (line, source) in [
            ("PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n", header("203.0.113.9:4711")),
            ("PROXY TCP6 2001:db8::1 fd00::1 4711 443\r\n", header("[2001:db8::1]:4711")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN a b c d\r\n", None),
        ] {
            let bytes = format!("{line}rest");
            assert_eq!(
                parse(bytes.as_bytes()),
                Parsed::Header { len: line.len(), source },
                "{line}"
            );
        }
        for line in [
            "PROXY TCP4 2001:db8::1 fd00::1 4711 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 4711\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 4711 443 x\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 +4711 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 99999 443\r\n",
            "PROXY UDP4 203.0.113.9 10.0.0.1 4711 443\r\n",
            "GET / HTTP/1.1\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Parsed::Invalid, "{line}");
        }
        assert_eq!(parse(b"PROXY TCP4 203"), Parsed::Incomplete);
        assert_eq!(parse(format!("PROXY {}", "x".repeat(200)).as_bytes()), Parsed::Invalid);
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut bytes = V2_SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(addresses.len()).expect("short").to_be_bytes());
        bytes.extend(addresses);
        bytes
    }

    proptest! {
        #[test]
        fn version_2_gives_back_the_source(
            source in any::<[u8; 4]>(), port in any::<u16>(), extra in prop::collection::vec(any::<u8>(), 0..64), cut in 0usize..28,
        ) {
            let mut addresses = source.to_vec();
            addresses.extend([10, 0, 0, 1]);
            addresses.extend(port.to_be_bytes());
            addresses.extend(443u16.to_be_bytes());
            addresses.extend(&extra);
            let mut bytes = v2(0x21, 0x11, &addresses);
            let len = bytes.len();
            prop_assert_eq!(parse(&bytes[..cut.min(len - 1)]), Parsed::Incomplete);
            bytes.extend(b"rest");
            let source = Some(SocketAddr::new(IpAddr::from(source), port));
            prop_assert_eq!(parse(&bytes), Parsed::Header { len, source });
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _verdict = parse(&bytes);
            let _verdict = parse(&v2(0x21, 0x21, &bytes));
        }
    }

    #[test]
    fn version_2_headers_that_are_none() {
        assert_eq!(parse(&v2(0x21, 0x11, &[0; 8])), Parsed::Invalid);
        assert_eq!(parse(&v2(0x31, 0x11, &[0; 12])), Parsed::Invalid);
        assert_eq!(parse(&v2(0x21, 0x12, &[0; 12])), Parsed::Invalid);
        assert_eq!(parse(&v2(0x21, 0x11, &[0; 2000])), Parsed::Invalid);
        assert_eq!(parse(&v2(0x20, 0x00, &[])), Parsed::Header { len: 16, source: None });
    }
}
