//! How the next endpoint is chosen: a pure function on where each endpoint stands.

use crate::config::Balance;

/// What the choice depends on, per endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Standing {
    /// It has an address, and its health checks do not say that it is down.
    pub(super) available: bool,
    /// This request has already failed there.
    pub(super) tried: bool,
    /// It failed too often lately.
    pub(super) ejected: bool,
    /// Requests in flight there.
    pub(super) in_flight: usize,
}

/// The index of the endpoint to use, or `None` when none is available.
///
/// Endpoints that were not tried come before tried ones, and among these the ones in good standing before ejected
/// ones. Neither is ever a reason to choose nothing: ejection works only while something better is there, so it
/// cannot empty an upstream, and the only endpoint may be tried twice. What is equally good goes by `turn`,
/// evenly, whatever is missing between.
pub(super) fn pick(balance: Balance, standings: &[Standing], turn: usize) -> Option<usize> {
    let rank = |standing: &Standing| {
        let load = match balance {
            Balance::LeastRequests => standing.in_flight,
            Balance::RoundRobin => 0,
        };
        (standing.tried, standing.ejected, load)
    };
    let available = || standings.iter().enumerate().filter(|(_, standing)| standing.available);
    let best = available().map(|(_, standing)| rank(standing)).min()?;
    let equals = || available().filter(|(_, standing)| rank(standing) == best);
    let place = turn.checked_rem(equals().count())?;
    equals().nth(place).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn up(in_flight: usize) -> Standing {
        Standing { available: true, tried: false, ejected: false, in_flight }
    }

    const DOWN: Standing = Standing { available: false, ..up(0) };

    const fn tried(standing: Standing) -> Standing {
        Standing { tried: true, ..standing }
    }

    const fn ejected(standing: Standing) -> Standing {
        Standing { ejected: true, ..standing }
    }

    #[test]
    fn which_endpoint_is_picked() {
        use Balance::{LeastRequests, RoundRobin};
        for (balance, standings, turn, picked) in [
            (LeastRequests, &[][..], 0, None),
            (LeastRequests, &[DOWN, DOWN], 0, None),
            (LeastRequests, &[up(3), up(1), up(2)], 0, Some(1)),
            (LeastRequests, &[up(3), up(1), up(2)], 1, Some(1)),
            (LeastRequests, &[up(1), up(2), up(1)], 0, Some(0)),
            (LeastRequests, &[up(1), up(2), up(1)], 1, Some(2)),
            (RoundRobin, &[up(9), up(0)], 0, Some(0)),
            (RoundRobin, &[up(9), up(0)], 1, Some(1)),
            (RoundRobin, &[up(9), up(0)], 2, Some(0)),
            (RoundRobin, &[up(0), DOWN, up(0)], 1, Some(2)),
            (LeastRequests, &[tried(up(0)), up(9)], 0, Some(1)),
            (LeastRequests, &[ejected(up(0)), up(9)], 0, Some(1)),
            (LeastRequests, &[ejected(up(0)), tried(up(9))], 0, Some(0)),
            (LeastRequests, &[tried(up(0))], 5, Some(0)),
            (LeastRequests, &[ejected(up(2)), ejected(up(1))], 0, Some(1)),
            (LeastRequests, &[tried(ejected(up(0))), DOWN], 0, Some(0)),
        ] {
            assert_eq!(pick(balance, standings, turn), picked, "{balance:?} {standings:?} {turn}");
        }
    }

    #[test]
    fn turns_are_even_around_a_gap() {
        let standings = [up(0), DOWN, up(0), up(0)];
        let mut counts = [0; 4];
        for turn in 0..300 {
            counts[pick(Balance::RoundRobin, &standings, turn).expect("one is up")] += 1;
        }
        assert_eq!(counts, [100, 0, 100, 100]);
    }
}
