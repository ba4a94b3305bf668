//! An empty backend for each test.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use stormdoor::clock::SystemClock;
use stormdoor::config::{HostAndPort, LimitsMode, LimitsOnOutage, LockoutOnOutage, RedisSettings};
use stormdoor::observe::Metrics;
use stormdoor::store::{self, SharedState, Stores, Time};
use tempfile::TempDir;
use uuid::Uuid;

use crate::redis_server::RedisServer;

/// A SQLite file of its own, gone with the test.
pub struct SqliteBackend {
    pub stores: Stores,
    _folder: TempDir,
}

impl Deref for SqliteBackend {
    type Target = Stores;

    fn deref(&self) -> &Stores {
        &self.stores
    }
}

pub async fn sqlite() -> SqliteBackend {
    let folder = tempfile::tempdir().unwrap();
    let config = stormdoor::config::Store::Sqlite { path: PathBuf::from("stormdoor.db") };
    let stores = store::open(&config, folder.path()).await.unwrap();
    SqliteBackend { stores, _folder: folder }
}

pub async fn memory() -> SharedState {
    SharedState::in_memory()
}

/// Keys of its own in a Redis that the tests of this process share, with the caller's clock.
pub async fn redis() -> SharedState {
    a_node(&redis_settings(LimitsMode::Exact)).await
}

/// The same, with slices.
pub async fn redis_slices() -> SharedState {
    a_node(&redis_settings(LimitsMode::LocalShare)).await
}

pub fn redis_settings(limits: LimitsMode) -> RedisSettings {
    static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);
    let (host, port) = ("127.0.0.1".to_owned(), SERVER.port());
    RedisSettings {
        server: stormdoor::config::RedisServer::Single(HostAndPort { host, port }),
        tls: false,
        ca_file: None,
        user: None,
        password: None,
        database: 0,
        prefix: format!("{}:", Uuid::new_v4()),
        limits,
        timeout: Duration::from_secs(1),
        // What is asked of Redis must not be answered by memory.
        limits_on_outage: LimitsOnOutage::Refuse,
        lockout_on_outage: LockoutOnOutage::Refuse,
    }
}

/// One of those that share the state.
pub async fn a_node(settings: &RedisSettings) -> SharedState {
    let config = stormdoor::config::SharedState::Redis(Box::new(settings.clone()));
    let clock = Arc::new(SystemClock);
    SharedState::open(&config, Time::OfCaller, clock, Metrics::new()).await.unwrap()
}
