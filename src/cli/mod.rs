//! The command line: one file per command.
//!
//! Exit codes, after sysexits.h: 0 fine, 1 failed, 64 wrong usage, 65 what was asked does not fit what is there, 69 the
//! store cannot be used, 78 problems in the configuration.

mod admin;
mod audit;
mod check;
mod confirm;
mod db;
mod device;
mod doctor;
mod exit;
mod explain;
mod hash_password;
mod health;
mod init;
mod invite;
mod key;
mod mail;
mod nextcloud;
mod print;
mod print_occ;
mod provisioning;
mod roles;
mod run;
mod schema;
mod session;
mod setup;
mod user;
mod who;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::assembly::RecordRooms;
use crate::config::Config;
use crate::identity::Identity;
use crate::{assembly, config};

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
#[command(next_help_heading = "Where things are")]
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
    /// Show, add and change users
    #[command(subcommand)]
    User(user::User),
    /// Show and end sessions
    #[command(subcommand)]
    Session(session::Session),
    /// Show, make and remove device passwords and API tokens
    #[command(subcommand)]
    Device(device::Device),
    /// Invite people
    #[command(subcommand)]
    Invite(invite::Invite),
    /// Let a locked-out administrator back in
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Show what happened to accounts
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Show and change the keys that tokens are signed with
    #[command(subcommand)]
    Key(key::Key),
    /// See whether mail works
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Move all records to another store
    #[command(subcommand)]
    Db(db::Db),
    /// Set up what is behind the gateway: Nextcloud
    #[command(subcommand)]
    Nextcloud(nextcloud::Nextcloud),
    /// Look whether a set-up is right, and say what mends it
    #[command(subcommand)]
    Doctor(doctor::Doctor),
    /// Make a new one-time code for the first administrator
    Setup,
    /// Read a password from standard input and print its hash
    HashPassword(hash_password::HashPassword),
    /// Ask a running gateway whether it is ready (for container health checks)
    Health(health::Health),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let CommandLine { place, command } = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(help_or_error) => {
            // To a closed pipe nobody listens.
            let _ = help_or_error.print();
            return ExitCode::from(if help_or_error.use_stderr() { exit::USAGE } else { 0 });
        }
    };
    // First thing: everything after it may use TLS.
    crate::edge::install_crypto();
    let done = match command {
        Command::Run(_) => run::Run::execute(&place),
        Command::Check(check) => return check.execute(&place),
        Command::Explain(explain) => explain.execute(&place),
        Command::Init(init) => init.execute(&place),
        Command::Schema => schema::execute(),
        Command::User(user) => user.execute(&place),
        Command::Session(session) => session.execute(&place),
        Command::Device(device) => device.execute(&place),
        Command::Invite(invite) => invite.execute(&place),
        Command::Admin(admin) => admin.execute(&place),
        Command::Audit(audit) => audit.execute(&place),
        Command::Key(key) => key.execute(&place),
        Command::Mail(mail) => mail.execute(&place),
        Command::Db(db) => db.execute(&place),
        Command::Nextcloud(nextcloud) => nextcloud.execute(&place),
        Command::Doctor(doctor) => doctor.execute(&place),
        Command::Setup => setup::execute(&place),
        Command::HashPassword(_) => hash_password::HashPassword::execute(&place),
        Command::Health(health) => health.execute(&place),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

impl Place {
    /// Reads the configuration, or the embedded demonstration when there is no file.
    fn load(&self) -> anyhow::Result<Config> {
        Ok(config::load_or_embedded(&self.config, &config::system_environment)?)
    }

    /// Does `work` with the accounts of a store that is there: a mistyped folder must not look like one without users.
    fn with_accounts(
        &self,
        work: impl AsyncFnOnce(&Identity) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let config = self.load()?;
        self.expect_store(&config)?;
        self.with_accounts_by(&config, work)
    }

    /// Does `work` with all records of a store that is there, and the configuration that names it.
    fn with_records(
        &self,
        work: impl AsyncFnOnce(&Config, &RecordRooms) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let config = self.load()?;
        self.expect_store(&config)?;
        block_on(async {
            let rooms = assembly::open_records(&config, &self.data).await?;
            work(&config, &rooms).await
        })
    }

    fn expect_store(&self, config: &Config) -> Result<(), exit::NoStore> {
        let config::Store::Sqlite { path } = &config.store else { return Ok(()) };
        let file = self.data.join(path);
        if file.exists() {
            return Ok(());
        }
        let hint = "say --data, or start the gateway once";
        Err(exit::NoStore(format!("there is no store {}; {hint}", file.display())))
    }

    /// The same, but makes the store when there is none: for commands that add the first users.
    fn with_new_accounts(
        &self,
        work: impl AsyncFnOnce(&Identity) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.with_accounts_by(&self.load()?, work)
    }

    fn with_accounts_by(
        &self,
        config: &Config,
        work: impl AsyncFnOnce(&Identity) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        block_on(async {
            let rooms = assembly::open_records(config, &self.data).await?;
            work(&rooms.identity).await
        })
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn whoever_is_meant_is_called_so_everywhere() {
        for line in ["user show ada", "session list ada", "device list ada", "admin recover ada"] {
            let words = ["stormdoor"].into_iter().chain(line.split(' '));
            CommandLine::try_parse_from(words).expect(line);
        }
    }
}
