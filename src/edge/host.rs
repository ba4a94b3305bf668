//! The canonical host: what routing compares, however it was spelt.

use std::net::Ipv6Addr;
use std::sync::Arc;

use super::Rejection;

/// A host and, when it was named, a port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    /// Lower case, no trailing dot; IPv6 canonical in brackets.
    pub host: Arc<str>,
    /// As sent; none when absent.
    pub port: Option<u16>,
}

const BAD_HOST: Rejection = Rejection { reason: "bad_host", status: 400 };

impl Authority {
    /// Reads the value of `Host` or of `:authority` (RFC 9110 §7.2).
    ///
    /// # Errors
    ///
    /// 400 for anything but a name or address with an optional port: user information, paths, blanks, empty or
    /// overlong labels, ports that are not numbers.
    pub fn parse(raw: &str) -> Result<Self, Rejection> {
        let (name, port) = split_port(raw)?;
        let host = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inside) => {
                let address: Ipv6Addr = inside.parse().map_err(|_| BAD_HOST)?;
                format!("[{address}]").into()
            }
            None => canonical_name(name)?,
        };
        Ok(Self { host, port })
    }
}

fn split_port(raw: &str) -> Result<(&str, Option<u16>), Rejection> {
    let end_of_name = raw.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = raw.get(end_of_name..).and_then(|rest| rest.find(':')) else {
        return Ok((raw, None));
    };
    let (name, port) = raw.split_at(end_of_name + colon);
    let port = port.get(1..).unwrap_or_default();
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BAD_HOST);
    }
    Ok((name, Some(port.parse().map_err(|_| BAD_HOST)?)))
}

fn canonical_name(name: &str) -> Result<Arc<str>, Rejection> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let legal = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() > 253 || !name.split('.').all(legal) {
        return Err(BAD_HOST);
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Ok(name.to_ascii_lowercase().into());
    }
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_host() {
        for (raw, host, port) in [
            ("a.example.org", "a.example.org", None),
            ("A.Example.ORG.", "a.example.org", None),
            ("a.example.org:8443", "a.example.org", Some(8443)),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]:443", "[::1]", Some(443)),
            ("[0:0::0:1]", "[::1]", None),
        ] {
            let authority = Authority::parse(raw).expect(raw);
            assert_eq!((&*authority.host, authority.port), (host, port), "{raw}");
        }
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for raw in [
            "",
            ".",
            "..",
            "a..b",
            "a b",
            "a/b",
            "u@a",
            "a:",
            "a:b",
            "a:99999",
            "a:80:80",
            "[::1",
            "::1",
            "[::1]x",
            "[1.2.3.4]",
            "a\u{e4}",
            "a,b",
            "a\tb",
            "a?b",
            "a#b",
            "a%2e",
            "[::1%eth0]",
            "a:+80",
        ] {
            assert!(Authority::parse(raw).is_err(), "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn reading_twice_changes_nothing(raw in "\\PC{0,40}") {
            if let Ok(once) = Authority::parse(&raw) {
                let twice = Authority::parse(&once.host).expect("a canonical host is a host");
                prop_assert_eq!(once.host, twice.host);
            }
        }
    }
}
