//! Where addresses are: a list that is nice to have. One that is gone, damaged or slow to read holds up nothing.

use std::sync::Arc;

use crate::config::Config;
use crate::geoip;
use crate::identity::Identity;
use crate::observe::{Health, Status};

/// The name of the list in `/readyz`.
const COMPONENT: &str = "geoip";

/// Puts the list that `config` names in force. When it cannot be used the one before goes on, which at a start knows no place;
/// the log and `/readyz` say so.
pub(super) async fn look_up(config: &Config, identity: &Identity, health: &Health) {
    let Some(file) = &config.geoip_file else {
        health.forget(COMPONENT);
        return identity.look_up_in(Arc::new(()));
    };
    match geoip::open(file).await {
        Ok(places) => {
            health.set(COMPONENT, Status::Ok, "");
            identity.look_up_in(places);
        }
        Err(error) => {
            tracing::warn!(%error, "where addresses are is not known, or as it was");
            health.set(COMPONENT, Status::Warn, &error.to_string());
        }
    }
}
