//! Where addresses are, from a `MaxMind` DB (`GeoLite2`, `GeoIP2` or DB-IP; of cities or of countries), read once into memory.
//!
//! The file is another's and may be gone or damaged: the gateway does not start with such a file, and a reload with one changes
//! nothing. A damaged record is a place that is not known.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxminddb::{Reader, geoip2};

use crate::identity::place::{Place, Places};

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: not a MaxMind DB that can be read", path.display())]
pub struct GeoIpError {
    path: PathBuf,
    #[source]
    source: maxminddb::MaxMindDbError,
}

/// The list in the file `path`; an empty one without a file.
///
/// # Errors
///
/// [`GeoIpError`] when the file cannot be read, or is no such list.
pub fn open(path: Option<&Path>) -> Result<Arc<dyn Places>, GeoIpError> {
    let Some(path) = path else { return Ok(Arc::new(())) };
    let reader = Reader::open_readfile(path);
    let reader = reader.map_err(|source| GeoIpError { path: path.to_owned(), source })?;
    Ok(Arc::new(GeoIp(reader)))
}

struct GeoIp(Reader<Vec<u8>>);

impl Places for GeoIp {
    fn find(&self, address: IpAddr) -> Option<Place> {
        let found = self.0.lookup(address).ok()?;
        // The record of a country has the same fields, without a city.
        let record: geoip2::City<'_> = found.decode().ok()??;
        let owned = |name: Option<&str>| name.map(ToOwned::to_owned);
        let place = Place {
            city: owned(record.city.names.english),
            country: owned(record.country.names.english),
        };
        (place != Place::default()).then_some(place)
    }
}
