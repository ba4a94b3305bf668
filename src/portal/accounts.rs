//! From the configuration and the metrics to what accounts take.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::identity::Settings;
use crate::identity::password::{HashWatch, Rules};
use crate::observe::Metrics;

/// What `config` says about accounts.
pub fn settings(config: &Config) -> Settings {
    let password = &config.accounts.password;
    Settings {
        registration: config.accounts.registration.clone(),
        default_roles: config.accounts.default_roles.clone(),
        roles: config.roles.clone(),
        passwords: Rules {
            min_length: password.min_length,
            min_score: password.min_score,
            argon2_memory_kib: password.argon2_memory_kib,
            argon2_passes: password.argon2_passes,
            argon2_lanes: password.argon2_lanes,
            argon2_parallel: password.argon2_parallel,
        },
        access_life: config.tokens.access,
        refresh_life: config.tokens.refresh,
        public_url: config.public_url.origin.as_str().into(),
        mail: config.mail.is_some(),
        lockout: config.accounts.lockout,
        devices_unused: config.accounts.devices_unused,
        provisioning: config
            .nextcloud
            .as_ref()
            .and_then(|nextcloud| nextcloud.provisioning.as_ref())
            .map(|provisioning| Arc::clone(&provisioning.rules)),
        proof_of_work: config.accounts.proof_of_work,
        patience: config.store.timeout(),
    }
}

/// Counts password hashes in the metrics.
#[derive(Clone, Debug)]
pub struct MetricsWatch(pub Arc<Metrics>);

impl HashWatch for MetricsWatch {
    fn waiting(&self, by: i64) {
        self.0.password_hash_waiting(by);
    }

    fn hashed(&self, took: Duration) {
        self.0.password_hashed(took);
    }
}
