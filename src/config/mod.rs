//! From `config.yaml` to values that cannot be wrong.
//!
//! The way of a file: `yaml` reads it into a tree that knows lines and columns; `secret_source` fills in `${NAME}`; `shape`
//! holds the tree against the schema of `document` (the file as written), finds every unknown key and wrong kind, and puts
//! stand-ins there; `compile` turns the document into [`Config`], with every reference resolved. All problems are reported
//! at once, and none tells what a variable held. `reload` watches the files.

mod compile;
mod document;
mod problem;
mod reference;
mod reload;
mod secret_source;
mod settings;
mod shape;
mod yaml;

use std::path::{Path, PathBuf};

pub use compile::parse_size;
pub use problem::{Problem, Problems};
pub use reference::reference;
pub use reload::watch;
use secret_source::FilledIn;
pub use secret_source::{Environment, system_environment};
pub use settings::*;

/// The demonstration: what is used when there is no file.
pub const EMBEDDED: &str = include_str!("../../config.yaml");

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file holds problems: all of them.
    #[error("{0}")]
    Problems(Problems),
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Reads the configuration at `path`.
///
/// # Errors
///
/// [`LoadError`] with every problem in the file.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, LoadError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
    let base = path.parent().filter(|base| !base.as_os_str().is_empty());
    let base = base.unwrap_or(Path::new("."));
    let mut config = parse(&text, &path.display().to_string(), base, environment)
        .map_err(LoadError::Problems)?;
    config.files.push(path.to_owned());
    Ok(config)
}

/// Reads the configuration at `path`, or the built-in demonstration when there is no such file.
///
/// # Errors
///
/// As for [`load`].
pub fn load_or_embedded(path: &Path, environment: &Environment) -> Result<Config, LoadError> {
    if path.exists() {
        return load(path, environment);
    }
    parse(EMBEDDED, "the built-in config.yaml", Path::new("."), environment)
        .map_err(LoadError::Problems)
}

/// Reads a configuration from text. `name` is what problems call it; relative paths in it are relative to `base`.
///
/// # Errors
///
/// Every problem in the text.
pub fn parse(
    text: &str,
    name: &str,
    base: &Path,
    environment: &Environment,
) -> Result<Config, Problems> {
    let mut problems = Problems::new(name);
    let mut tree = match yaml::read(text) {
        Ok(tree) => tree,
        Err(problem) => {
            problems.push(problem);
            return Err(problems);
        }
    };
    let filled_in = FilledIn::fill_in(&mut tree, environment, &mut problems);
    shape::check(&mut tree, &document::schema(), &mut problems);
    // What does not fit was reported and has stand-ins, so the document can be read, and the rest of it checked.
    match serde_json::from_value::<document::Document>(tree.to_json()) {
        Ok(document) => {
            if let Some(mut config) = compile::compile(&document, base, &tree, &mut problems) {
                for warning in &mut config.warnings {
                    filled_in.conceal(&mut warning.message);
                }
                return Ok(config);
            }
        }
        Err(error) => problems.push(Problem::new("", error.to_string())),
    }
    problems.finish(&tree, &filled_in);
    Err(problems)
}

/// The JSON Schema of the configuration, with what every key means.
pub fn schema() -> serde_json::Value {
    document::schema()
}
