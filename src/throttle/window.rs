//! The sliding window, in integers: `used = current + previous * (W - elapsed) / W`, rounded down.
//!
//! Pure: the time is an argument. Memory and Redis run this same arithmetic, so the same sequence of
//! requests gives the same answers from both.

use std::time::Duration;

use super::Quota;
use crate::clock::Timestamp;

/// The counts of one key: of the window `number`, and of the one before it.
///
/// A window's number is its start divided by its length, so nodes agree on it without talking.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Window {
    /// Which window `current` counts.
    pub number: i64,
    /// Units spent in it.
    pub current: u32,
    /// Units spent in the window before.
    pub previous: u32,
}

/// What became of an attempt to spend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spend {
    /// The quota is used up; one unit is back after `retry_after`.
    Exhausted {
        /// Until the same attempt would be granted if nobody else spends. Never zero.
        retry_after: Duration,
        /// Until the present window ends.
        reset_after: Duration,
    },
    /// Granted.
    Granted {
        /// Units left now.
        remaining: u32,
        /// Until the present window ends.
        reset_after: Duration,
    },
}

impl Window {
    /// Spends `cost` units of `quota` at `now`, or says when to come back.
    ///
    /// A clock that went back counts on in the newest window seen.
    pub fn spend(&mut self, quota: Quota, cost: u32, now: Timestamp) -> Spend {
        let length = length_ms(quota);
        self.turn_to(now.as_millis().div_euclid(length));
        let elapsed = (now.as_millis() - self.number * length).clamp(0, length - 1);
        let reset_after = ms(length - elapsed);

        let used = self.used(length, elapsed);
        let limit = u64::from(quota.limit());
        if used + u64::from(cost) <= limit {
            self.current = self.current.saturating_add(cost);
            let left = limit - used - u64::from(cost);
            let remaining = u32::try_from(left).unwrap_or(u32::MAX);
            return Spend::Granted { remaining, reset_after };
        }
        let retry_after = ms(self.wait(length, elapsed, limit.saturating_sub(u64::from(cost))));
        Spend::Exhausted { retry_after, reset_after }
    }

    fn turn_to(&mut self, number: i64) {
        if number == self.number.saturating_add(1) {
            *self = Self { number, current: 0, previous: self.current };
        } else if number > self.number {
            *self = Self { number, current: 0, previous: 0 };
        }
    }

    fn used(&self, length: i64, elapsed: i64) -> u64 {
        u64::from(self.current) + fraction(self.previous, length - elapsed, length)
    }

    /// Milliseconds until `used` is at most `target`.
    fn wait(&self, length: i64, elapsed: i64, target: u64) -> i64 {
        // Within this window only `previous` fades; in the next one, `current` takes its place.
        if let Some(room) = target.checked_sub(u64::from(self.current)) {
            return (faded_at(self.previous, room, length) - elapsed).max(1);
        }
        (length - elapsed) + faded_at(self.current, target, length).max(0)
    }
}

/// The first `elapsed` at which `count * (length - elapsed) / length` is at most `room`.
fn faded_at(count: u32, room: u64, length: i64) -> i64 {
    if u64::from(count) <= room {
        return 0;
    }
    // count * left < (room + 1) * length, for the largest whole `left`.
    let left = ((u128::from(room) + 1) * u128::from(length.unsigned_abs()) - 1) / u128::from(count);
    length - i64::try_from(left).unwrap_or(length)
}

fn fraction(count: u32, part: i64, whole: i64) -> u64 {
    let product = u128::from(count) * u128::from(part.unsigned_abs());
    u64::try_from(product / u128::from(whole.unsigned_abs())).unwrap_or(u64::MAX)
}

fn length_ms(quota: Quota) -> i64 {
    i64::try_from(quota.window().as_millis()).unwrap_or(i64::MAX)
}

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn quota(limit: u32, window_ms: u64) -> Quota {
        let limit = NonZeroU32::new(limit).expect("a positive limit");
        Quota::new(limit, Duration::from_millis(window_ms))
    }

    #[test]
    fn the_request_after_the_limit_is_refused_until_the_window_slid() {
        let mut window = Window::default();
        let quota = quota(2, 10_000);
        let at = Timestamp::from_millis;
        assert!(matches!(window.spend(quota, 1, at(0)), Spend::Granted { remaining: 1, .. }));
        assert!(matches!(window.spend(quota, 1, at(10)), Spend::Granted { remaining: 0, .. }));
        let Spend::Exhausted { retry_after, reset_after } = window.spend(quota, 1, at(4_000))
        else {
            panic!("the third of two");
        };
        assert_eq!(reset_after, Duration::from_secs(6));
        let back = at(4_000) + retry_after;
        assert!(matches!(window.spend(quota, 1, back), Spend::Granted { .. }));
    }

    proptest! {
        #[test]
        fn retry_after_is_exact(
            limit in 1u32..50, window_ms in 1u64..5_000,
            steps in prop::collection::vec(0i64..2_000, 1..60),
        ) {
            let quota = quota(limit, window_ms);
            let mut window = Window::default();
            let mut now = 1_000_000i64;
            for step in steps {
                now += step;
                let before = window;
                if let Spend::Exhausted { retry_after, .. } =
                    window.spend(quota, 1, Timestamp::from_millis(now))
                {
                    let wait = i64::try_from(retry_after.as_millis()).expect("a short wait");
                    prop_assert!(wait >= 1);
                    let granted = |at: i64| {
                        let mut probe = before;
                        matches!(probe.spend(quota, 1, Timestamp::from_millis(at)), Spend::Granted { .. })
                    };
                    prop_assert!(granted(now + wait), "refused although it said when");
                    prop_assert!(!granted(now + wait - 1), "could have come earlier");
                }
            }
        }

        #[test]
        fn one_fixed_window_never_grants_more_than_the_limit(
            limit in 1u32..50, steps in prop::collection::vec(0i64..40, 1..200),
        ) {
            let quota = quota(limit, 1_000);
            let mut window = Window::default();
            let (mut now, mut granted) = (0i64, std::collections::HashMap::<i64, u32>::new());
            for step in steps {
                now += step;
                if let Spend::Granted { .. } = window.spend(quota, 1, Timestamp::from_millis(now)) {
                    *granted.entry(now / 1_000).or_default() += 1;
                }
            }
            prop_assert!(granted.values().all(|count| *count <= limit));
        }
    }
}
