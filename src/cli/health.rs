//! `stormdoor health`: for container health checks, without curl in the image.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::Place;

/// Exit code 0 when ready.
#[derive(Args, Debug)]
pub(super) struct Health {
    /// The operations listener. Default: as configured
    #[arg(long)]
    address: Option<SocketAddr>,
}

impl Health {
    pub(super) fn execute(&self, place: &Place) -> anyhow::Result<()> {
        let address = match self.address {
            Some(address) => address,
            None => place
                .load()?
                .listeners
                .operations
                .context("listeners.operations is switched off; say --address")?,
        };
        let timeout = Duration::from_secs(3);
        let mut stream = TcpStream::connect_timeout(&address, timeout)
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_read_timeout(Some(timeout))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(64 * 1024).read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).unwrap_or("no answer");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        println!("{body}");
        anyhow::ensure!(status == "200", "not ready: {status}");
        Ok(())
    }
}
