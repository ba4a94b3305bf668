//! `stormdoor nextcloud`: what the gateway does for Nextcloud.

use clap::Subcommand;

use super::Place;
use super::provisioning::Provisioning;

#[derive(Debug, Subcommand)]
pub(super) enum Nextcloud {
    #[command(flatten)]
    Provisioning(Provisioning),
}

impl Nextcloud {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Provisioning(provisioning) => provisioning.execute(place),
        }
    }
}
