//! Shared state of several nodes, in Redis or a server that speaks like it.
//!
//! | file | |
//! |---|---|
//! | `connect` | a connection: TLS, Sentinel, signing in |
//! | `call` | what is asked: one command about one key |
//! | `wire` | the one connection to one server, and what becomes of a call that fails |
//! | `outage` | why there was no answer |
//! | `slot`, `map` | which server of a cluster has which keys |
//! | `link` | the way to all of them: whom to ask, the watch over connections, which nodes there are |
//! | `counters` | limits, each request asking; what happens in an outage |
//! | `slices` | limits, each node spending slices of a quota |
//! | `handshakes` | one-time values |
//! | `lockouts` | failures to sign in |
//! | `scripts/` | what must happen in one step, inside Redis |
//!
//! Each call is about one key, so that in a cluster one server answers it, and no key needs a hash tag: keys spread over
//! all of them. Keys begin with the configured prefix. Names, addresses and secrets appear in them as digests only.

mod call;
mod connect;
mod counters;
mod handshakes;
mod link;
mod lockouts;
mod map;
mod outage;
mod slices;
mod slot;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use ::redis::Script;
use ring::digest;
use tokio::sync::watch;

use self::counters::Counters;
use self::handshakes::Handshakes;
use self::link::Link;
use self::lockouts::Lockouts;
use crate::clock::{Clock, Timestamp};
use crate::config::RedisSettings;
use crate::observe::{Check, Metrics};

pub use connect::ConnectError;

/// Whose clock counts in scripts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Time {
    /// The caller's, so that tests can move it.
    OfCaller,
    /// Redis's, so that nodes need no common clock.
    #[default]
    OfServer,
}

/// Between two looks at slices that nobody spends from.
const SETTLE: Duration = Duration::from_secs(1);

/// The shared state in Redis.
pub(super) struct Redis {
    link: Arc<Link>,
    pub(super) counters: Arc<Counters>,
    pub(super) handshakes: Arc<Handshakes>,
    pub(super) lockouts: Arc<Lockouts>,
    clock: Arc<dyn Clock>,
}

impl Redis {
    /// Tries to connect once; when that fails the state begins as in an outage.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the settings can never work.
    pub(super) async fn open(
        settings: &RedisSettings,
        time: Time,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ConnectError> {
        let link = Arc::new(Link::new(settings, time, metrics)?);
        link.tend().await;
        Ok(Self {
            counters: Arc::new(Counters::new(Arc::clone(&link), settings)),
            handshakes: Arc::new(Handshakes::new(Arc::clone(&link))),
            lockouts: Arc::new(Lockouts::new(Arc::clone(&link), settings.lockout_on_outage)),
            link,
            clock,
        })
    }

    pub(super) fn check(&self) -> Arc<dyn Check> {
        Arc::<Link>::clone(&self.link)
    }

    /// Keeps the connection, says that this node is there, and gives slices back, until `ended`.
    pub(super) async fn keep(self, mut ended: watch::Receiver<bool>) {
        tokio::select! {
            () = self.link.keep() => {}
            () = self.settle() => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
        self.counters.give_back_all(self.clock.now()).await;
        self.link.leave().await;
    }

    async fn settle(&self) {
        loop {
            tokio::time::sleep(SETTLE).await;
            self.settle_at(self.clock.now()).await;
        }
    }

    pub(super) async fn settle_at(&self, now: Timestamp) {
        self.counters.settle(now).await;
    }

    pub(super) async fn tend(&self) {
        self.link.tend().await;
    }
}

/// The arithmetic of the window, and what is done with it.
macro_rules! window_script {
    ($file:literal) => {
        std::sync::LazyLock::new(|| {
            ::redis::Script::new(concat!(
                include_str!("scripts/window.lua"),
                include_str!(concat!("scripts/", $file))
            ))
        })
    };
}

macro_rules! script {
    ($file:literal) => {
        std::sync::LazyLock::new(|| ::redis::Script::new(include_str!(concat!("scripts/", $file))))
    };
}

use {script, window_script};

/// All of them, to be loaded before the first call.
fn scripts() -> [&'static Script; 5] {
    [&counters::SPEND, &handshakes::CLAIM, &link::BEAT, &lockouts::LOCKOUT, &slices::LEASE]
}

/// What names a key without telling whose it is: 18 bytes of a digest, in hexadecimal.
fn digest_of(parts: &[&[u8]]) -> String {
    use std::fmt::Write;

    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut text = String::with_capacity(36);
    for byte in context.finish().as_ref().iter().take(18) {
        // Writing to a string succeeds.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
