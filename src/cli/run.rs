//! `stormdoor run`: the gateway until it is told to stop.

use clap::Args;

use super::Place;
use crate::assembly;

/// Signals: SIGTERM and SIGINT drain and stop, SIGHUP reloads, SIGQUIT hands the sockets to a new process.
#[derive(Args, Debug)]
pub(super) struct Run {}

impl Run {
    pub(super) fn execute(place: &Place) -> anyhow::Result<()> {
        let config = place.load()?;
        let options = assembly::Options {
            config,
            config_path: place.config.exists().then(|| place.config.clone()),
            data: place.data.clone(),
        };
        assembly::run(options)
    }
}
