//! The stand-in's time: the machine's, plus what a test has added by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Milliseconds added by [`Clock::advance`].
    ahead: AtomicI64,
}

impl Clock {
    /// Lets `duration` pass at once: rate windows, caches and tokens grow older.
    pub(crate) fn advance(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.now_millis() / 1000
    }

    #[expect(clippy::disallowed_methods, reason = "this is the stand-in's clock")]
    fn now_millis(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or_default() + self.ahead.load(Ordering::SeqCst)
    }
}

/// Seconds since 1970 as `Date` and `Last-Modified` write them.
pub(crate) fn http_date(seconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let day = at.weekday().to_string();
    let month = at.month().to_string();
    format!(
        "{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
        day.get(..3).unwrap_or_default(),
        at.day(),
        month.get(..3).unwrap_or_default(),
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    )
}
