//! `stormdoor hash-password`: Argon2id in PHC notation, with the configured parameters.

use std::io::Read;

use clap::Args;

use super::Place;
use crate::identity::password::Hasher;
use crate::secret::Secret;

/// Reads one line from standard input, so that the password is in no process list and no shell history.
#[derive(Args, Debug)]
pub(super) struct HashPassword {}

impl HashPassword {
    pub(super) fn execute(&self, place: &Place) -> anyhow::Result<()> {
        let rules = place.load()?.accounts.password;
        let password = password_from_stdin()?;
        println!("{}", Hasher::hash_now(&rules, &password)?);
        Ok(())
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
