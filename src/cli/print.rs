//! What commands print: tables for people, JSON for programs.

use std::io::{ErrorKind, Write};

use clap::ValueEnum;
use serde_json::Value;

/// For whom it is printed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Format {
    /// A table
    #[default]
    Text,
    /// JSON, with the names of the API
    Json,
}

/// Prints `text` and a line end. A reader that has seen enough (`| head`) is no failure.
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// Prints `value` as indented JSON.
pub(super) fn json(value: &Value) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Prints rows below their titles, each column as wide as it must be. Without rows, says `nothing` where people look and
/// programs do not.
pub(super) fn table<const N: usize>(
    titles: [&str; N],
    rows: &[[String; N]],
    nothing: &str,
) -> anyhow::Result<()> {
    if rows.is_empty() {
        eprintln!("{nothing}");
        return Ok(());
    }
    line(&aligned(titles, rows))
}

fn aligned<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let titles = titles.map(str::to_uppercase);
    let all = || std::iter::once(&titles).chain(rows);
    let mut widths = [0; N];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lines = all().map(|row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A dash where there is nothing, so that columns can be counted.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    let text = value.map(|value| value.to_string()).filter(|text| !text.is_empty());
    text.unwrap_or_else(|| "-".to_owned())
}

/// Names with commas between them, or a dash.
pub(super) fn listed<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    or_dash(Some(names.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ada".into(), "x".into()], ["Ünal".into(), or_dash(None::<String>)]];
        assert_eq!(aligned(["who", "what"], &rows), "WHO   WHAT\nada   x\nÜnal  -");
        assert_eq!(listed(["a", "b"]), "a,b");
        assert_eq!(listed(Vec::<String>::new()), "-");
    }
}
