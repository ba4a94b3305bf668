//! How much somebody may keep in Nextcloud.

use std::fmt;
use std::str::FromStr;

/// A quota. The largest wins, and none at all is the largest.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Quota {
    /// So many bytes.
    Bytes(u64),
    /// As much as there is.
    Unlimited,
}

const UNITS: [&str; 6] = ["B", "KB", "MB", "GB", "TB", "PB"];

impl Quota {
    /// Whether Nextcloud, told the one, keeps the other: it rounds to one decimal of the largest unit.
    pub fn is_kept_as(self, other: Self) -> bool {
        self.to_string() == other.to_string()
    }
}

/// As Nextcloud writes it: `5 GB` of 1024³ bytes, with one decimal at most, or `none`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Bytes(bytes) = self else { return f.write_str("none") };
        let (mut tenths, mut unit) = (u128::from(*bytes) * 10, 0);
        while tenths >= 10 * 1024 && unit + 1 < UNITS.len() {
            tenths = (tenths + 512) / 1024;
            unit += 1;
        }
        let unit = UNITS.get(unit).copied().unwrap_or("B");
        match tenths % 10 {
            0 => write!(f, "{} {unit}", tenths / 10),
            tenth => write!(f, "{}.{tenth} {unit}", tenths / 10),
        }
    }
}

/// The text is no quota.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a quota like 5 GB, 500 MB or none")]
pub struct ParseQuotaError;

/// `5 GB`, `500 MB`, a number of bytes, or `none`. As Nextcloud does, 1 KB is read as 1024 bytes.
impl FromStr for Quota {
    type Err = ParseQuotaError;

    fn from_str(text: &str) -> Result<Self, ParseQuotaError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self::Unlimited);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim() {
            "" => 0,
            unit => UNITS
                .iter()
                .position(|known| known.eq_ignore_ascii_case(unit))
                .ok_or(ParseQuotaError)?,
        };
        let factor = u32::try_from(unit).ok().and_then(|power| 1024_u64.checked_pow(power));
        let number: u64 = number.parse().map_err(|_| ParseQuotaError)?;
        factor.and_then(|factor| number.checked_mul(factor)).map(Self::Bytes).ok_or(ParseQuotaError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_and_written_as_nextcloud_does() {
        for (text, bytes, written) in [
            ("5 GB", 5 << 30, "5 GB"),
            ("5GB", 5 << 30, "5 GB"),
            ("500 mb", 500 << 20, "500 MB"),
            ("0", 0, "0 B"),
            ("1536 MB", 1536 << 20, "1.5 GB"),
            ("5368709120", 5 << 30, "5 GB"),
            ("2 TB", 2 << 40, "2 TB"),
        ] {
            let quota: Quota = text.parse().expect(text);
            assert_eq!(quota, Quota::Bytes(bytes), "{text}");
            assert_eq!(quota.to_string(), written);
        }
        assert_eq!("None".parse(), Ok(Quota::Unlimited));
        for text in ["", "GB", "-5 GB", "5.5 GB", "5 apples", "99999999 PB"] {
            assert_eq!(text.parse::<Quota>(), Err(ParseQuotaError), "{text:?}");
        }
    }

    #[test]
    fn what_nextcloud_rounds_is_the_same_quota() {
        let of = |text: &str| text.parse::<Quota>().expect(text);
        assert!(of("1234 MB").is_kept_as(of("1229 MB")), "1.2 GB both");
        assert!(!of("1234 MB").is_kept_as(of("1331 MB")));
        assert!(!of("5 GB").is_kept_as(Quota::Unlimited));
        assert!(Quota::Unlimited > of("9 PB"));
    }
}
