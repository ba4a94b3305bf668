//! Where in the world an address is, roughly: so that people recognise their own sessions, and strangers' ones.
//!
//! A guess by somebody else's list. Nothing is decided by it.

use std::fmt;
use std::net::IpAddr;

/// A city and its country, as far as they are known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// Its English name.
    pub city: Option<String>,
    /// Its English name.
    pub country: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.city, &self.country) {
            (Some(city), Some(country)) => write!(f, "{city}, {country}"),
            (Some(place), None) | (None, Some(place)) => f.write_str(place),
            (None, None) => Ok(()),
        }
    }
}

/// The need for such a list.
pub trait Places: Send + Sync {
    /// Where `address` is; `None` when the list does not say.
    fn find(&self, address: IpAddr) -> Option<Place>;
}

/// No list.
impl Places for () {
    fn find(&self, _address: IpAddr) -> Option<Place> {
        None
    }
}
