//! `stormdoor user`: accounts from the command line, on the host only.

use clap::{Args, Subcommand};

use super::Place;
use super::hash_password::password_from_stdin;
use crate::assembly;
use crate::identity::password::Password;
use crate::identity::service::NewUser;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user and print its id
    Add(Add),
}

#[derive(Args, Debug)]
pub(super) struct Add {
    /// The e-mail address
    email: String,

    /// The sign-in name. Default: the part before @
    #[arg(long)]
    username: Option<String>,

    /// A role; may be given several times. Default: `accounts.default_roles`
    #[arg(long = "role")]
    roles: Vec<String>,

    /// Read the password from standard input
    #[arg(long, required = true)]
    password_stdin: bool,
}

impl User {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.execute(place),
        }
    }
}

impl Add {
    fn execute(self, place: &Place) -> anyhow::Result<()> {
        let config = place.load()?;
        let password = password_from_stdin()?;
        super::block_on(async {
            let rooms = assembly::open_records(&config, &place.data).await?;
            let roles = if self.roles.is_empty() {
                config.accounts.default_roles.clone()
            } else {
                self.roles.iter().map(|role| role.as_str().into()).collect()
            };
            let new = NewUser {
                email: self.email,
                username: self.username,
                full_name: None,
                password: Password::new(password.expose().clone())?,
            };
            println!(
                "{}",
                rooms
                    .identity
                    .add_user(new, roles, &crate::identity::admin::By::Operator)
                    .await?
                    .id
            );
            Ok(())
        })
    }
}
