//! An empty backend for each test.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use stormdoor::clock::SystemClock;
use stormdoor::config::{HostAndPort, LimitsMode, LimitsOnOutage, LockoutOnOutage, RedisSettings};
use stormdoor::observe::Metrics;
use stormdoor::store::{self, SharedState, Stores, Time};
use tempfile::TempDir;
use uuid::Uuid;

use crate::redis_cluster::RedisCluster;
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

/// A PostgreSQL schema of its own for each test, so that tests run in parallel.
pub async fn postgres() -> Stores {
    let (url, schema) = crate::server::place();
    store::open(&postgres_at(&url, &schema), Path::new("")).await.unwrap()
}

/// As a configuration names it.
pub fn postgres_at(url: &str, schema: &str) -> stormdoor::config::Store {
    let yaml = format!("public_url: https://localhost\n{}", crate::server::section(url, schema));
    let config = stormdoor::config::parse(&yaml, "test.yaml", Path::new(""), &|_| None);
    config.unwrap_or_else(|problems| panic!("{problems}")).store
}

/// A connection to that schema which is no store's.
pub async fn beside(config: &stormdoor::config::Store) -> PgConnection {
    let stormdoor::config::Store::Postgres(settings) = config else { panic!("{config:?}") };
    let mut options = PgConnectOptions::new_without_pgpass()
        .port(settings.port)
        .username(&settings.user)
        .database(&settings.database)
        .options([("search_path", &settings.schema)]);
    options = match settings.host.as_str() {
        folder if folder.starts_with('/') => options.socket(folder),
        host => options.host(host),
    };
    if let Some(password) = &settings.password {
        options = options.password(password.expose());
    }
    PgConnection::connect_with(&options).await.unwrap()
}

pub async fn memory() -> SharedState {
    SharedState::in_memory()
}

/// Keys of its own in a Redis that the tests of this process share, with the caller's clock.
pub async fn redis() -> SharedState {
    a_node(&redis_settings(LimitsMode::Exact)).await
}

/// Keys of its own in a Redis Cluster that the tests of this process share.
pub async fn cluster() -> SharedState {
    static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(|| RedisCluster::start(3));
    a_node(&in_cluster(&CLUSTER)).await
}

/// Settings that name two servers of `cluster`, whatever their number.
pub fn in_cluster(cluster: &RedisCluster) -> RedisSettings {
    let at = |port| HostAndPort { host: "127.0.0.1".to_owned(), port };
    let some = cluster.ports().into_iter().take(2).map(at).collect();
    RedisSettings {
        server: stormdoor::config::RedisServer::Cluster(some),
        ..redis_settings(LimitsMode::Exact)
    }
}

/// In one Redis, with slices.
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
