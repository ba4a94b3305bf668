//! `stormdoor user add`

use clap::Args;

use crate::cli::hash_password::password_from_stdin;
use crate::cli::{Place, print, roles};
use crate::identity::admin::By;
use crate::identity::password::Password;
use crate::identity::service::NewUser;

/// Add a user and print its id
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    printf 'a long sentence of hers' | stormdoor user add ada@example.org --role admin --password-stdin")]
pub(in crate::cli) struct Add {
    /// The e-mail address
    email: String,

    /// The sign-in name. Default: the part before @
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// A role; may be given several times. Default: `accounts.default_roles`
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,

    /// Read the password from standard input
    #[arg(long, required = true)]
    password_stdin: bool,
}

impl Add {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        let password = password_from_stdin()?;
        place.with_new_accounts(async |identity| {
            let roles = roles::chosen(identity, &self.roles)?;
            let new = NewUser {
                email: self.email,
                username: self.username,
                full_name: None,
                password: Password::new(password.expose().clone())?,
            };
            let user = identity.add_user(new, roles, &By::Operator).await?;
            print::line(&user.id.to_string())
        })
    }
}
