//! `stormdoor user rename`, `email` and `password`: what belongs to the person.

use clap::Args;

use crate::cli::hash_password::password_from_stdin;
use crate::cli::who::Who;
use crate::cli::{Place, print};
use crate::identity::Email;
use crate::identity::admin::By;
use crate::identity::password::Password;

/// Change the full name
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stormdoor user rename ada 'Ada Lovelace'\n  stormdoor user rename ada ''"
)]
pub(in crate::cli) struct Rename {
    #[command(flatten)]
    who: Who,

    /// The full name; empty removes it
    #[arg(value_name = "NAME")]
    full_name: String,
}

impl Rename {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            let full_name = Some(self.full_name).filter(|name| !name.trim().is_empty());
            let user = identity.rename_user(user.id, full_name, &By::Operator).await?;
            let name = print::or_dash(user.full_name);
            print::line(&format!("the full name of {} is {name}", user.username))
        })
    }
}

/// Change the e-mail address; you vouch for the new one
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  stormdoor user email ada ada@new.example.org")]
pub(in crate::cli) struct ChangeEmail {
    #[command(flatten)]
    who: Who,

    /// The new address
    address: Email,
}

impl ChangeEmail {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            let user = identity.set_email(user.id, self.address, &By::Operator).await?;
            print::line(&format!("the address of {} is {}", user.username, user.email))
        })
    }
}

/// Set a new password; every session ends
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  printf 'a long sentence' | stormdoor user password ada --password-stdin"
)]
pub(in crate::cli) struct SetPassword {
    #[command(flatten)]
    who: Who,

    /// Read the password from standard input
    #[arg(long, required = true)]
    password_stdin: bool,
}

impl SetPassword {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        let password = Password::new(password_from_stdin()?.expose().clone())?;
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            identity.set_password(user.id, password).await?;
            print::line(&format!(
                "{} has a new password, and is signed out everywhere",
                user.username
            ))
        })
    }
}
