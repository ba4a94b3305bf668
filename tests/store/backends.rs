//! An empty backend for each test.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use stormdoor::store::{self, Stores};
use tempfile::TempDir;

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

pub async fn memory() -> store::memory::Counters {
    store::memory::Counters::default()
}
