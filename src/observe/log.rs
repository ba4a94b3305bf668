//! The application log: what an operator would tell a colleague. One JSON object per line, on standard error.
//!
//! Libraries never log below `warn` here, whatever the level: hyper, h2, reqwest and Pingora write request heads,
//! credentials included, once they are allowed to talk.

use std::panic::PanicHookInfo;
use std::str::FromStr;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload;

/// Starts logging. `level` is `off`, `error`, `warn`, `info`, `debug` or `trace`, and may be followed by modules of
/// ours with a level of their own: `info,stormdoor::gate=debug`. Called again, it only changes the level.
pub fn init(level: &str, json: bool) -> Result<(), LogError> {
    let filter: Filter = level.parse()?;
    if FILTER.get().is_some() {
        return set_level(level);
    }
    let (filter, handle) = reload::Layer::new(filter.0);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // A line that cannot be written would be told of on standard error, by a macro that panics when it cannot be
        // written to: with a full disk behind it, every line would end what it is about.
        .log_internal_errors(false);
    let lines = if json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    } else {
        lines.boxed()
    };
    let subscriber = Registry::default().with(filter).with(lines);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Taken)?;
    // Only libraries use the `log` crate. With its own maximum at `warn`, their finer lines cost one load each.
    tracing_log::LogTracer::builder()
        .with_max_level(log::LevelFilter::Warn)
        .init()
        .map_err(|_| LogError::Taken)?;
    FILTER.set(handle).map_err(|_| LogError::Taken)?;
    std::panic::set_hook(Box::new(report_panic));
    Ok(())
}

/// Changes the level, at once and for all threads. Takes what [`init`] takes.
pub fn set_level(level: &str) -> Result<(), LogError> {
    let filter: Filter = level.parse()?;
    let handle = FILTER.get().ok_or(LogError::NotStarted)?;
    handle.reload(filter.0).map_err(|_| LogError::NotStarted)
}

/// Whether [`init`] would take this level; for checking a configuration.
pub fn check_level(level: &str) -> Result<(), LogError> {
    level.parse::<Filter>().map(drop)
}

/// Why logging could not be started or changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LogError {
    /// Not a level.
    #[error("{0:?} is not a level; expected off, error, warn, info, debug or trace")]
    Level(String),
    /// Not ours, so its level is not for the configuration to lower.
    #[error("{0:?} is not a module of stormdoor; libraries always log at warn")]
    Module(String),
    /// The level was changed before logging began.
    #[error("logging has not started")]
    NotStarted,
    /// Something else in this process took the log first.
    #[error("another logger is already installed")]
    Taken,
}

static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

#[derive(Debug)]
struct Filter(Targets);

impl FromStr for Filter {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let mut parts = text.split(',').map(str::trim);
        let ours = level(parts.next().unwrap_or_default())?;
        let mut targets = Targets::new()
            .with_default(ours.min(LevelFilter::WARN))
            .with_targets(LIBRARIES.map(|(target, most)| (target, ours.min(most))))
            .with_target(OURS, ours);
        for part in parts {
            let (module, text) =
                part.split_once('=').ok_or_else(|| LogError::Module(part.to_owned()))?;
            if module != OURS && !module.starts_with("stormdoor::") {
                return Err(LogError::Module(module.to_owned()));
            }
            targets = targets.with_target(module, level(text)?);
        }
        Ok(Self(targets))
    }
}

const OURS: &str = "stormdoor";

/// Libraries that get less than `warn`.
///
/// Pingora's proxy and HTTP parsers put request targets with their query, heads of upstream responses with their
/// cookies, and pieces of bodies into error texts, one per failed connection. `proxy` says in one line of ours what
/// failed, so these stay silent.
const LIBRARIES: [(&str, LevelFilter); 4] = [
    ("pingora_core::apps", LevelFilter::OFF),
    ("pingora_core::protocols::http", LevelFilter::OFF),
    ("pingora_core::services::listening", LevelFilter::OFF),
    ("pingora_proxy", LevelFilter::OFF),
];

fn level(text: &str) -> Result<LevelFilter, LogError> {
    // `LevelFilter` would take numbers and an empty text, too.
    match text.to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(LogError::Level(text.to_owned())),
    }
}

/// A panic ends one task; its line must be JSON like all others.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let at = panic.location().map(tracing::field::display);
    tracing::error!(at, thread, "panic: {message}");
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn passes(level: &str, target: &str, at: Level) -> bool {
        level.parse::<Filter>().unwrap().0.would_enable(target, &at)
    }

    #[test]
    fn a_level_is_for_our_own_modules() {
        assert!(passes("debug", "stormdoor::gate", Level::DEBUG));
        assert!(!passes("info", "stormdoor::gate", Level::DEBUG));
        assert!(!passes("off", "stormdoor::gate", Level::ERROR));
    }

    #[test]
    fn a_library_never_talks_below_warn() {
        let libraries = [
            "h2::codec",
            "hyper::proto",
            "pingora_core::upstreams",
            "pingora_load_balancing",
            "reqwest::connect",
            "rustls::server",
            "sqlx::query",
            "something_new",
        ];
        for library in libraries {
            assert!(passes("trace", library, Level::WARN), "{library}");
            assert!(!passes("trace", library, Level::INFO), "{library}");
        }
    }

    #[test]
    fn a_level_above_warn_holds_for_libraries_too() {
        assert!(!passes("error", "sqlx::query", Level::WARN));
        assert!(!passes("off", "sqlx::query", Level::ERROR));
    }

    #[test]
    fn pingora_does_not_print_targets_and_heads() {
        for target in ["pingora_proxy", "pingora_core::protocols::http::v1::client"] {
            assert!(!passes("trace", target, Level::ERROR), "{target}");
        }
    }

    #[test]
    fn a_module_may_have_a_level_of_its_own() {
        let level = "info, stormdoor::gate=trace";
        assert!(passes(level, "stormdoor::gate::network", Level::TRACE));
        assert!(!passes(level, "stormdoor::edge", Level::DEBUG));
    }

    #[test]
    fn a_level_that_is_none_is_named() {
        for (text, expected) in [
            ("", LogError::Level(String::new())),
            ("loud", LogError::Level("loud".to_owned())),
            ("3", LogError::Level("3".to_owned())),
            ("info,hyper=trace", LogError::Module("hyper".to_owned())),
            ("info,stormdoor_x=trace", LogError::Module("stormdoor_x".to_owned())),
            ("info,", LogError::Module(String::new())),
        ] {
            assert_eq!(check_level(text), Err(expected), "{text}");
        }
    }
}
