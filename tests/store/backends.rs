//! An empty backend for each test.

use std::ops::Deref;
use std::path::PathBuf;

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

pub async fn memory() -> store::memory::Counters {
    store::memory::Counters::default()
}
