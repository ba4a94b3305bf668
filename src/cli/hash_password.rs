//! `stormdoor hash-password`: Argon2id in PHC notation, with the configured parameters.

use std::io::Read;
use std::sync::Arc;

use clap::Args;

use super::Place;
use crate::identity::password::{Hasher, Password};
use crate::observe::Metrics;
use crate::portal;
use crate::secret::Secret;

/// Reads one line from standard input, so that the password is in no process list and no shell history.
#[derive(Args, Debug)]
pub(super) struct HashPassword {}

impl HashPassword {
    pub(super) fn execute(place: &Place) -> anyhow::Result<()> {
        let rules = portal::settings(&place.load()?).passwords;
        let password = Password::new(password_from_stdin()?.expose().clone())?;
        super::block_on(async {
            let watch = Arc::new(portal::MetricsWatch(Metrics::new()));
            let hash = Hasher::new(rules, watch)?.hash(password).await?;
            println!("{}", hash.expose_for_store());
            Ok(())
        })
    }
}

/// The first line of standard input, without its line end.
pub(super) fn password_from_stdin() -> anyhow::Result<Secret<String>> {
    let mut text = String::new();
    std::io::stdin().take(4096).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    anyhow::ensure!(!line.is_empty(), "no password on standard input");
    Ok(Secret::new(line))
}
