//! Keys from a file: a JWKS or a PEM public key, read again when it changes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;

use crate::identity::token::{IssuerKeys, KeySet};

/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// A key file. What was last readable stays in force while the file is not.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    changed_at: Option<SystemTime>,
    keys: Option<Arc<KeySet>>,
}

impl KeyFile {
    /// The keys in `path`.
    pub fn new(path: PathBuf) -> Self {
        let file = Self { path, known: Mutex::default() };
        file.read_if_changed();
        file
    }

    fn read_if_changed(&self) {
        let Ok(metadata) = std::fs::metadata(&self.path) else { return };
        let changed_at = metadata.modified().ok();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.keys.is_some() && known.changed_at == changed_at {
            return;
        }
        if metadata.len() > MAX_BYTES {
            tracing::warn!(file = %self.path.display(), "the key file is too large");
            return;
        }
        let Ok(text) = std::fs::read(&self.path) else { return };
        match KeySet::parse(&text) {
            Ok(keys) => *known = Known { changed_at, keys: Some(Arc::new(keys)) },
            Err(error) => {
                tracing::warn!(file = %self.path.display(), %error, "the key file is not usable");
            }
        }
    }
}

#[async_trait]
impl IssuerKeys for KeyFile {
    fn current(&self) -> Option<Arc<KeySet>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    async fn refresh(&self, _kid: &str) -> Option<Arc<KeySet>> {
        self.read_if_changed();
        self.current()
    }
}
