//! Where addresses are, from a `MaxMind` DB (`GeoLite2`, `GeoIP2` or DB-IP; of cities or of countries), read once into memory.
//!
//! The file is another's and may be gone, damaged, or on a disk that takes its time; then there is no list, or no new one,
//! and nothing else depends on it. A damaged record is a place that is not known.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use maxminddb::{Reader, geoip2};

use crate::identity::place::{Place, Places};

/// How long anybody waits for the file. Tens of megabytes take less than a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoIpError {
    /// It is something else, or only a part.
    #[error("{}: not a MaxMind DB, or not a whole one", .0.display())]
    Damaged(PathBuf),
    /// It is not read within 5 s. Reading goes on in vain.
    #[error("{}: not read within 5 s", .0.display())]
    Slow(PathBuf),
    /// It is not there, or not ours to read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The list in the file `path`, after 5 s at most.
///
/// # Errors
///
/// [`GeoIpError`] when the file cannot be read, or is no such list.
pub async fn open(path: &Path) -> Result<Arc<dyn Places>, GeoIpError> {
    let (sender, read) = tokio::sync::oneshot::channel();
    let file = path.to_owned();
    // A thread of its own: one of the runtime's that hangs in a read would hang its end, too.
    let reading = std::thread::Builder::new().name("geoip".to_owned()).spawn(move || {
        let _nobody_waits = sender.send(std::fs::read(file));
    });
    let unreadable = |source| GeoIpError::Unreadable { path: path.to_owned(), source };
    reading.map_err(unreadable)?;
    let Ok(Ok(read)) = tokio::time::timeout(PATIENCE, read).await else {
        return Err(GeoIpError::Slow(path.to_owned()));
    };
    let reader = Reader::from_source(read.map_err(unreadable)?);
    let reader = reader.map_err(|_| GeoIpError::Damaged(path.to_owned()))?;
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
