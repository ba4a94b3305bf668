//! From names to addresses, off the path of requests.
//!
//! `HttpPeer::new` would resolve names itself: blocking a proxy thread, and panicking on an unknown one. So names
//! are resolved here, in the background, and peers are made from addresses only.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// How often a name is resolved again.
pub(super) const EVERY: Duration = Duration::from_secs(30);
/// How soon a name that never resolved is tried again.
pub(super) const SOON: Duration = Duration::from_secs(2);
/// How long one look-up may take. The resolver of the system often waits longer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The address that `host` is, when it is one: these are never looked up. IPv6 with or without brackets.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(inside) => inside.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// The addresses of `host`, in the resolver's order (RFC 6724), each once. Never empty.
pub(super) async fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    let found = tokio::time::timeout(TIMEOUT, tokio::net::lookup_host((host, 0)))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|socket| socket.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_not_names() {
        for (host, address) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("::1", Some("::1")),
            ("[::1]", Some("::1")),
            ("[127.0.0.1]", None),
            ("localhost", None),
            ("1.2.3", None),
        ] {
            let expected = address.map(|text| text.parse::<IpAddr>().expect("an address"));
            assert_eq!(literal(host), expected, "{host}");
        }
    }

    #[tokio::test]
    async fn localhost_is_a_loopback_address() {
        let addresses = resolve("localhost").await.expect("localhost resolves");
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }

    #[tokio::test]
    async fn an_unknown_name_is_an_error_and_not_a_panic() {
        assert!(resolve("no-such-name.invalid").await.is_err());
    }
}
