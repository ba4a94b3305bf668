//! `stormdoor nextcloud`: what Nextcloud needs beside the gateway, and what the gateway does there.

use clap::Subcommand;

use super::Place;
use super::print_occ::PrintOcc;
use super::provisioning::Provisioning;

#[derive(Debug, Subcommand)]
pub(super) enum Nextcloud {
    PrintOcc(PrintOcc),
    #[command(flatten)]
    Provisioning(Provisioning),
}

impl Nextcloud {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::PrintOcc(print_occ) => print_occ.execute(place),
            Self::Provisioning(provisioning) => provisioning.execute(place),
        }
    }
}
