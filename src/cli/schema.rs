//! `stormdoor schema`: the JSON Schema of the configuration.

use std::io::Write;

use crate::config;

pub(super) fn execute() -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&config::schema())?;
    // A reader that closed its end has seen enough.
    let _enough = writeln!(std::io::stdout(), "{text}");
    Ok(())
}
