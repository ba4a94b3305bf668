//! Who is really calling: the peer, or whom a trusted proxy names.
//!
//! Nobody is a trusted proxy until listed (DESIGN 3). From a listed one, the chain is walked from the right, and anything
//! that cannot be read is an error, never skipped: a skipped value is a forged one.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use super::{Rejection, Scheme};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Longest chain that is looked at.
const MAX_HOPS: usize = 32;

/// The peers whose forwarding headers are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// Who is calling, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Client {
    /// IPv4-mapped IPv6 is IPv4.
    pub address: IpAddr,
    /// Of the client's own connection.
    pub scheme: Scheme,
    /// Whether the direct peer is a trusted proxy, so that its request id counts.
    pub through_proxy: bool,
}

impl TrustedProxies {
    /// Believes the peers in `networks`.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Finds the client of a request that came from `peer` over `scheme`.
    ///
    /// # Errors
    ///
    /// 400 when a trusted peer sent a forwarding header that cannot be read, or two that disagree.
    pub fn resolve(
        &self,
        peer: IpAddr,
        scheme: Scheme,
        headers: &HeaderMap,
    ) -> Result<Client, Rejection> {
        let peer = peer.to_canonical();
        if !self.contain(peer) {
            return Ok(Client { address: peer, scheme, through_proxy: false });
        }
        let listed = self.walk(peer, chain(headers, &X_FORWARDED_FOR, x_forwarded_for)?)?;
        let standard = self.walk(peer, chain(headers, &header::FORWARDED, forwarded_for)?)?;
        let address = match (listed, standard) {
            (Some(one), Some(other)) if one != other => {
                return Err(Rejection::malformed("forwarding_headers_disagree"));
            }
            (Some(address), _) | (None, Some(address)) => address,
            (None, None) => peer,
        };
        let scheme = proto(headers)?.unwrap_or(scheme);
        Ok(Client { address, scheme, through_proxy: true })
    }

    /// The first address from the right that is not a trusted proxy; the leftmost when all are.
    ///
    /// Values left of it were written by whoever that is, so they are not even read.
    fn walk(&self, peer: IpAddr, chain: Vec<Hop>) -> Result<Option<IpAddr>, Rejection> {
        if chain.is_empty() {
            return Ok(None);
        }
        if chain.len() > MAX_HOPS {
            return Err(Rejection::malformed("forwarding_chain_too_long"));
        }
        let mut client = peer;
        for hop in chain.into_iter().rev() {
            client = hop.0.ok_or(Rejection::malformed("forwarding_header"))?;
            if !self.contain(client) {
                break;
            }
        }
        Ok(Some(client))
    }
}

/// One entry of a chain; `None` when it is no address.
struct Hop(Option<IpAddr>);

fn chain(
    headers: &HeaderMap,
    name: &HeaderName,
    read: fn(&str) -> Hop,
) -> Result<Vec<Hop>, Rejection> {
    let mut hops = Vec::new();
    for line in headers.get_all(name) {
        let line = line.to_str().map_err(|_| Rejection::malformed("forwarding_header"))?;
        hops.extend(line.split(',').map(|entry| read(entry.trim())));
    }
    Ok(hops)
}

fn x_forwarded_for(entry: &str) -> Hop {
    Hop(address(entry))
}

/// `for=` of one element of `Forwarded` (RFC 7239 §4). An element without one, `unknown` and obfuscated names are no address.
fn forwarded_for(element: &str) -> Hop {
    let node = element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    Hop(node.map(unquoted).and_then(address))
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// An address, with or without a port; IPv6 with a port in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse()
        .ok()
        .or_else(bracketed)
        .or_else(with_port)
        .map(|address: IpAddr| address.to_canonical())
}

fn proto(headers: &HeaderMap) -> Result<Option<Scheme>, Rejection> {
    let bad = Rejection::malformed("forwarded_proto");
    let mut values = headers.get_all(X_FORWARDED_PROTO).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let value = value.to_str().map_err(|_| bad)?.trim();
    if values.next().is_some() {
        return Err(bad);
    }
    if value.eq_ignore_ascii_case("https") {
        Ok(Some(Scheme::Https))
    } else if value.eq_ignore_ascii_case("http") {
        Ok(Some(Scheme::Http))
    } else {
        Err(bad)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn resolve(trusted: &[&str], peer: &str, lines: &[(&str, &str)]) -> Result<Client, Rejection> {
        let trusted = trusted.iter().map(|network| network.parse().expect("a network")).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let peer = peer.parse().expect("an address");
        TrustedProxies::new(trusted).resolve(peer, Scheme::Https, &headers)
    }

    #[test]
    fn nobody_is_believed_until_listed() {
        let lines = [
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9"),
            ("x-forwarded-proto", "garbage"),
            ("x-forwarded-for", "garbage"),
        ];
        let client = resolve(&[], "192.0.2.1", &lines).expect("headers that nobody reads");
        assert_eq!(client.address, "192.0.2.1".parse::<IpAddr>().expect("an address"));
        assert_eq!((client.scheme, client.through_proxy), (Scheme::Https, false));
    }

    #[test]
    fn whom_a_trusted_proxy_names() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        for (lines, client) in [
            (vec![], "10.0.0.1"),
            (vec![("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
            (vec![("x-forwarded-for", "198.51.100.1, 203.0.113.9")], "203.0.113.9"),
            (vec![("x-forwarded-for", "203.0.113.9, 10.1.1.1")], "203.0.113.9"),
            (
                vec![("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "10.1.1.1")],
                "203.0.113.9",
            ),
            (vec![("x-forwarded-for", "10.2.2.2, 10.1.1.1")], "10.2.2.2"),
            (vec![("x-forwarded-for", "garbage, 203.0.113.9")], "203.0.113.9"),
            (vec![("x-forwarded-for", "203.0.113.9:4711")], "203.0.113.9"),
            (vec![("x-forwarded-for", "::ffff:203.0.113.9")], "203.0.113.9"),
            (vec![("x-forwarded-for", "[2001:db8::1]:80")], "2001:db8::1"),
            (vec![("forwarded", "for=203.0.113.9;proto=https")], "203.0.113.9"),
            (vec![("forwarded", "For=\"[2001:db8::1]:80\", for=10.1.1.1")], "2001:db8::1"),
            (
                vec![("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "203.0.113.9")],
                "203.0.113.9",
            ),
        ] {
            let found = resolve(&trusted, "::ffff:10.0.0.1", &lines).expect("readable headers");
            assert_eq!(found.address.to_string(), client, "{lines:?}");
        }
    }

    #[test]
    fn what_a_trusted_proxy_may_not_send() {
        for lines in [
            vec![("x-forwarded-for", "garbage")],
            vec![("x-forwarded-for", "")],
            vec![("x-forwarded-for", "203.0.113.9, garbage")],
            vec![("x-forwarded-for", "203.0.113.9,")],
            vec![("x-forwarded-for", "garbage, 10.1.1.1")],
            vec![("forwarded", "for=unknown")],
            vec![("forwarded", "for=_hidden")],
            vec![("forwarded", "proto=https")],
            vec![("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "203.0.113.8")],
            vec![("x-forwarded-proto", "gopher")],
            vec![("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")],
        ] {
            assert!(resolve(&["10.0.0.0/8"], "10.0.0.1", &lines).is_err(), "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(value in "[ -~]{0,60}") {
            let _client = resolve(&["10.0.0.0/8"], "10.0.0.1", &[("x-forwarded-for", &value)]);
            let _client = resolve(&["10.0.0.0/8"], "10.0.0.1", &[("forwarded", &value)]);
        }
    }
}
