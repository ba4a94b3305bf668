//! Asking before what cannot be undone.

use std::io::{self, BufRead, IsTerminal, Write};

use super::exit::{Misused, Refused};

/// Goes on if `yes` was said on the command line, or is said on the terminal now.
pub(super) fn confirm(yes: bool, question: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Misused(format!("{question} Say --yes if you mean it.")).into());
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Refused("nothing was done".to_owned()).into())
}
