//! `stormdoor schema`: the JSON Schema of the configuration.

use crate::config;

pub(super) fn execute() -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(&config::schema())?);
    Ok(())
}
