//! Stage: client networks that may use a route.
//!
//! | | |
//! |---|---|
//! | reads | client address, route |
//! | refuses with | [`Refusal::NetworkNotAllowed`] (403) |

use super::Refusal;
use crate::edge::Arrival;
use crate::route::Route;

/// Lets the client pass when it is in none of `deny` and, where `from` says something, in one of that.
pub(super) fn admit(arrival: &Arrival, route: &Route) -> Result<(), Refusal> {
    let within = |networks: &[ipnet::IpNet]| {
        networks.iter().any(|network| network.contains(&arrival.client))
    };
    if within(&route.deny) || !(route.from.is_empty() || within(&route.from)) {
        return Err(Refusal::NetworkNotAllowed);
    }
    Ok(())
}
