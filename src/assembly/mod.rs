//! The only wiring: a [`Config`] in, a running gateway out.
//!
//! [`start`] opens the records, binds the sockets, compiles a [`Snapshot`](crate::proxy::Snapshot) and begins to accept;
//! [`Running`] is the handle of that. [`run`] adds what a process needs around it: logs, signals, the file watch. The
//! command line uses the smaller pieces: [`open_records`], [`probe()`], [`explain()`].

mod connectors;
mod explain;
mod following;
mod handover;
mod leading;
mod places;
mod probe;
mod records;
mod running;
mod signing;
mod snapshot;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

pub use explain::explain;
pub use handover::Inherited;
pub use probe::probe;
pub use records::{RecordRooms, nextcloud, open_records};
pub use running::{Running, Setup, start, start_with};

use crate::clock::SystemClock;
use crate::config;
use crate::config::Config;
use crate::identity::setup::SetupCode;
use crate::observe::log;

/// What `stormdoor run` was told.
#[derive(Debug)]
pub struct Options {
    /// The configuration as read at start.
    pub config: Config,
    /// Where it was read from, to read it again; `None` for the built-in demonstration.
    pub config_path: Option<PathBuf>,
    /// The data folder.
    pub data: PathBuf,
}

/// Runs the gateway until a signal ends it.
///
/// # Errors
///
/// When it cannot start: a socket is taken, the store does not open, a certificate is unusable.
pub fn run(options: Options) -> anyhow::Result<()> {
    // Before anything opens files: descriptors that were passed on have fixed numbers.
    let inherited = Inherited::take();
    log::init(&options.config.observe.level, options.config.observe.json)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.config.listeners.threads)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(serve(options, inherited));
    // Requests that outlast the drain end here.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

async fn serve(options: Options, inherited: Inherited) -> anyhow::Result<()> {
    let Options { config, config_path, data } = options;
    let drain = config.listeners.drain;
    let files = config.files.clone();
    for warning in &config.warnings {
        tracing::warn!(%warning, "configuration");
    }
    let setup = Setup { config: config.clone(), data: data.clone(), clock: Arc::new(SystemClock) };
    let running = Arc::new(start_with(setup, inherited).await?);
    announce(&config, &data, &running);
    handover::announce_ready();

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut changes = match config::watch(&files) {
        Ok(changes) => Some(changes),
        Err(error) => {
            tracing::warn!(%error, "files are not watched; send SIGHUP after a change");
            None
        }
    };
    loop {
        let changed = async {
            match &mut changes {
                Some(changes) => changes.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => reload(&running, config_path.as_ref()).await,
            changed = changed => match changed {
                Some(()) => reload(&running, config_path.as_ref()).await,
                None => changes = None,
            },
            _ = quit.recv() => {
                let (sockets, folder) = (running.sockets()?, data.clone());
                let handed =
                    tokio::task::spawn_blocking(move || handover::hand_over(&sockets, &folder)).await?;
                match handed {
                    Ok(()) => break,
                    Err(error) => tracing::error!(error = %format!("{error:#}"), "no hand-over; going on"),
                }
            }
        }
    }
    tracing::info!("draining");
    if !running.stop(drain).await {
        tracing::warn!("requests in flight were cut off at the deadline");
    }
    Ok(())
}

/// Compiles first, swaps then. A bad file changes nothing and says so.
async fn reload(running: &Running, path: Option<&PathBuf>) {
    let Some(path) = path else {
        tracing::info!("the built-in configuration does not change");
        return;
    };
    let outcome = match config::load(path, &config::system_environment) {
        Ok(config) => {
            let level = config.observe.level.clone();
            running.reload(config).await.and_then(|()| Ok(log::set_level(&level)?))
        }
        Err(error) => Err(error.into()),
    };
    running.reloaded(outcome.is_ok());
    match outcome {
        Ok(()) => tracing::info!("the configuration was read again"),
        Err(error) => {
            tracing::error!(error = %format!("{error:#}"), "the configuration stays as it was");
        }
    }
}

/// For whoever started it in a terminal; the log says the same for machines.
fn announce(config: &Config, data: &Path, running: &Running) {
    let mut text = format!(
        "stormdoor {} is ready. Sign-in lives at {}\n",
        env!("CARGO_PKG_VERSION"),
        config.public_url.origin
    );
    let listeners = [
        ("https", running.https(), "https"),
        ("http", running.http(), "http"),
        ("operations", running.operations(), "http"),
    ];
    for (what, address, scheme) in listeners {
        if let Some(address) = address {
            let _infallible = writeln!(text, "  {what:<11} {scheme}://{address}");
        }
    }
    if let Some(code) = running.setup_code() {
        let _infallible = writeln!(text, "\n{}", setup_hint(config, data, code));
    }
    // Standard error may be a file on a full disk, which is no reason not to run.
    let _lost = std::io::stderr().write_all(text.as_bytes());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
}

/// How the first administrator is made, with the code to do it.
pub fn setup_hint(config: &Config, data: &Path, code: &SetupCode) -> String {
    let code = code.expose_for_terminal();
    let code = code.expose();
    format!(
        "There is no administrator yet. Make one with this code; it works once:\n\n  {code}\n\n  \
         curl --cacert {} {}/auth/setup --json '{{\"code\": \"{code}\", \"email\": \
         \"you@example.org\", \"password\": \"a long sentence of yours\"}}'\n",
        data.join("tls/self-made.pem").display(),
        config.public_url.origin
    )
}
