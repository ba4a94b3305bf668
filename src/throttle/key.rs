//! Whose budget is spent.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// A budget: which policy, and whose.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    /// The name of the policy, from the configuration: bounded in number.
    pub policy: Arc<str>,
    /// Who spends.
    pub who: Who,
}

/// Who spends from a budget.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Who {
    /// Everybody at this network together.
    Client(ClientNetwork),
    /// One subject, wherever it calls from.
    Subject(Arc<str>),
}

/// The network that counts as one client: an IPv4 address, or an IPv6 /64.
///
/// One subscriber holds a whole /64, so counting single IPv6 addresses would count nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientNetwork(IpAddr);

impl From<IpAddr> for ClientNetwork {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let prefix = u128::from(address) & !u128::from(u64::MAX);
                Self(IpAddr::V6(Ipv6Addr::from(prefix)))
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}/32"),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_addresses_share_a_budget() {
        let network = |text: &str| ClientNetwork::from(text.parse::<IpAddr>().expect("an address"));
        for (one, other, shared) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            assert_eq!(network(one) == network(other), shared, "{one} and {other}");
        }
    }
}
