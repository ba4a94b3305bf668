//! `stormdoor nextcloud`: what Nextcloud needs beside the gateway.

use clap::Subcommand;

use super::Place;
use super::print_occ::PrintOcc;

#[derive(Debug, Subcommand)]
pub(super) enum Nextcloud {
    PrintOcc(PrintOcc),
}

impl Nextcloud {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::PrintOcc(print_occ) => print_occ.execute(place),
        }
    }
}
