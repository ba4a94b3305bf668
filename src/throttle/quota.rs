//! What an operator writes: `100/min`, `5/h`, `unlimited`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// So many per window, counted over a sliding window.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Quota {
    limit: NonZeroU32,
    window: Duration,
}

impl Quota {
    /// `limit` per `window`. The window is one of second, minute, hour and day when parsed; in code
    /// any whole number of milliseconds from 1 ms to 24 h, anything else is clamped into that.
    pub fn new(limit: NonZeroU32, window: Duration) -> Self {
        let window = window.clamp(Duration::from_millis(1), Duration::from_hours(24));
        let whole = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        Self { limit, window: Duration::from_millis(whole) }
    }

    /// The part of it that each of `nodes` may grant while they cannot count together. At least one, so with more nodes
    /// than units they grant one each.
    #[must_use]
    pub fn shared_among(self, nodes: NonZeroU32) -> Self {
        let limit = NonZeroU32::new(self.limit.get() / nodes).unwrap_or(NonZeroU32::MIN);
        Self { limit, ..self }
    }

    /// How many per window.
    pub fn limit(self) -> u32 {
        self.limit.get()
    }

    /// The length of the window.
    pub fn window(self) -> Duration {
        self.window
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.window.as_millis() {
            1000 => write!(f, "{}/s", self.limit),
            60_000 => write!(f, "{}/min", self.limit),
            3_600_000 => write!(f, "{}/h", self.limit),
            86_400_000 => write!(f, "{}/day", self.limit),
            millis => write!(f, "{}/{millis}ms", self.limit),
        }
    }
}

/// Why a quota could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a quota like 100/min (per s, min, h or day), or unlimited")]
pub struct ParseQuotaError;

impl FromStr for Quota {
    type Err = ParseQuotaError;

    fn from_str(text: &str) -> Result<Self, ParseQuotaError> {
        let (limit, unit) = text.split_once('/').ok_or(ParseQuotaError)?;
        let limit = limit.trim().parse().map_err(|_| ParseQuotaError)?;
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3600,
            "d" | "day" => 86_400,
            _ => return Err(ParseQuotaError),
        };
        Ok(Self::new(limit, Duration::from_secs(seconds)))
    }
}

/// A quota, or none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Allowance {
    /// At most this often.
    Limited(Quota),
    /// As often as wanted.
    Unlimited,
}

impl FromStr for Allowance {
    type Err = ParseQuotaError;

    fn from_str(text: &str) -> Result<Self, ParseQuotaError> {
        if text.trim() == "unlimited" {
            Ok(Self::Unlimited)
        } else {
            text.parse().map(Self::Limited)
        }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limited(quota) => quota.fmt(f),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_as_operators_write_them() {
        for (text, limit, seconds) in
            [("100/min", 100, 60), ("5/h", 5, 3600), ("50/s", 50, 1), ("7 / day", 7, 86_400)]
        {
            let quota: Quota = text.parse().expect(text);
            assert_eq!((quota.limit(), quota.window()), (limit, Duration::from_secs(seconds)));
        }
        assert_eq!("unlimited".parse(), Ok(Allowance::Unlimited));
    }

    #[test]
    fn nodes_that_cannot_count_together_grant_a_part_each_and_at_least_one() {
        let quota: Quota = "100/min".parse().expect("a quota");
        for (nodes, part) in [(1, "100/min"), (3, "33/min"), (100, "1/min"), (101, "1/min")] {
            let nodes = NonZeroU32::new(nodes).expect("a node");
            assert_eq!(quota.shared_among(nodes).to_string(), part, "{nodes}");
        }
    }

    #[test]
    fn what_is_not_a_quota_is_refused() {
        for text in ["", "100", "0/min", "-1/min", "100/fortnight", "a/min", "4294967296/s", "/s"] {
            assert_eq!(text.parse::<Quota>(), Err(ParseQuotaError), "{text}");
        }
    }
}
