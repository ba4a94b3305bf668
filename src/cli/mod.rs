//! The command line: one file per command.
//!
//! Exit codes: 0 fine, 1 failed, 2 wrong usage (clap's), 78 problems in the configuration (`EX_CONFIG`).

mod check;
mod explain;
mod hash_password;
mod health;
mod init;
mod key;
mod mail;
mod run;
mod schema;
mod setup;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config;
use crate::config::Config;

/// `EX_CONFIG` of sysexits.h.
const PROBLEMS: u8 = 78;

/// The one door in front of Nextcloud and the apps beside it.
#[derive(Debug, Parser)]
#[command(name = "stormdoor", version, about, max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    place: Place,

    #[command(subcommand)]
    command: Command,
}

/// Where things are.
#[derive(Args, Debug)]
struct Place {
    /// The configuration. Without the file, the built-in demonstration is used.
    #[arg(short, long, global = true, env = "STORMDOOR_CONFIG", default_value = "config.yaml")]
    config: PathBuf,

    /// The folder for the store, keys and the self-made certificate. Made with mode 0700.
    #[arg(short, long, global = true, env = "STORMDOOR_DATA", default_value = "./data")]
    data: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until it is told to stop
    Run(run::Run),
    /// Read the configuration and print every problem in it
    Check(check::Check),
    /// Say what would happen to a request, and why
    Explain(explain::Explain),
    /// Write a first configuration
    Init(init::Init),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Add users
    #[command(subcommand)]
    User(user::User),
    /// Show and change the keys that tokens are signed with
    #[command(subcommand)]
    Key(key::Key),
    /// See whether mail works
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Make a new one-time code for the first administrator
    Setup,
    /// Read a password from standard input and print its hash
    HashPassword(hash_password::HashPassword),
    /// Ask a running gateway whether it is ready (for container health checks)
    Health(health::Health),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let CommandLine { place, command } = CommandLine::parse();
    // First thing: everything after it may use TLS.
    crate::edge::install_crypto();
    let done = match command {
        Command::Run(_) => run::Run::execute(&place),
        Command::Check(check) => return check.execute(&place),
        Command::Explain(explain) => explain.execute(&place),
        Command::Init(init) => init.execute(&place),
        Command::Schema => schema::execute(),
        Command::User(user) => user.execute(&place),
        Command::Key(key) => key.execute(&place),
        Command::Mail(mail) => mail.execute(&place),
        Command::Setup => setup::execute(&place),
        Command::HashPassword(_) => hash_password::HashPassword::execute(&place),
        Command::Health(health) => health.execute(&place),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(load) = error.downcast_ref::<config::LoadError>() {
        eprintln!("{load}");
        return ExitCode::from(PROBLEMS);
    }
    eprintln!("stormdoor: {error:#}");
    ExitCode::FAILURE
}

impl Place {
    /// Reads the configuration, or the embedded demonstration when there is no file.
    fn load(&self) -> anyhow::Result<Config> {
        Ok(config::load_or_embedded(&self.config, &config::system_environment)?)
    }
}

/// A runtime for commands that talk to the store.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(work)
}
