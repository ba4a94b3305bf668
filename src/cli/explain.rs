//! `stormdoor explain`: what would happen to a request, and why.

use std::net::IpAddr;

use anyhow::Context;
use clap::Args;

use super::Place;
use crate::assembly;

/// Decides on a request that nobody sends, with the configuration as it is.
#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The URL, as a client would ask for it
    #[arg(long)]
    url: String,

    /// The method
    #[arg(long, default_value = "GET")]
    method: String,

    /// Who asks: `anonymous`, or roles separated by commas. Default: anonymous
    #[arg(long = "as", default_value = "anonymous")]
    who: String,

    /// From where
    #[arg(long, default_value = "127.0.0.1")]
    ip: IpAddr,
}

impl Explain {
    pub(super) fn execute(&self, place: &Place) -> anyhow::Result<()> {
        let config = place.load()?;
        let rest = self
            .url
            .strip_prefix("https://")
            .or_else(|| self.url.strip_prefix("http://"))
            .context("--url must begin with https:// or http://")?;
        let (host, target) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let roles = match self.who.as_str() {
            "anonymous" => None,
            roles => Some(roles.split(',').map(str::trim).map(str::to_owned).collect()),
        };
        let method = self.method.parse().context("--method is not a method")?;
        print!("{}", assembly::explain(&config, host, target, &method, self.ip, roles)?);
        Ok(())
    }
}
