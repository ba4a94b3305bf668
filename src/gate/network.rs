//! Stage: may this client's network use the route at all?
//!
//! | | |
//! |---|---|
//! | reads | client address, the route's `from` and `deny` |
//! | refuses with | [`Refusal::NetworkNotAllowed`] (403) |
//!
//! The address is the one that [`crate::edge`] worked out through trusted proxies; IPv4-mapped IPv6 is IPv4 there.

use std::net::IpAddr;

use super::Refusal;
use crate::route::Route;

/// Admits `client` when no `deny` network holds it and, where there are `from` networks, one of them does.
///
/// # Errors
///
/// [`Refusal::NetworkNotAllowed`].
pub(super) fn admit(client: IpAddr, route: &Route) -> Result<(), Refusal> {
    let denied = route.deny.iter().any(|network| network.contains(&client));
    let listed =
        route.from.is_empty() || route.from.iter().any(|network| network.contains(&client));
    if listed && !denied { Ok(()) } else { Err(Refusal::NetworkNotAllowed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::App;

    #[test]
    fn which_networks_may_use_a_route() {
        let networks =
            |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a network")).collect();
        for (from, deny, client, admitted) in [
            (&[][..], &[][..], "192.0.2.1", true),
            (&["192.0.2.0/24"], &[], "192.0.2.1", true),
            (&["192.0.2.0/24"], &[], "198.51.100.1", false),
            (&["192.0.2.0/24"], &[], "2001:db8::1", false),
            (&["192.0.2.0/24", "2001:db8::/48"], &[], "2001:db8::1", true),
            (&["192.0.2.0/24"], &["192.0.2.7/32"], "192.0.2.7", false),
            (&[], &["192.0.2.7/32"], "192.0.2.7", false),
            (&[], &["192.0.2.7/32"], "192.0.2.8", true),
        ] {
            let app = App::example("files", "files.example");
            let route =
                Route { from: networks(from), deny: networks(deny), ..Route::example(&app, "/**") };
            let client = client.parse().expect("an address");
            assert_eq!(admit(client, &route).is_ok(), admitted, "{client} {from:?} {deny:?}");
        }
    }
}
