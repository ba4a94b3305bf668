//! `stormdoor admin`: the way back in.

use clap::{Args, Subcommand};

use super::confirm::confirm;
use super::who::Who;
use super::{Place, print};
use crate::identity::setup::FIRST_ADMIN_ROLE;

#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Let a locked-out administrator back in, and print a link to a new password
    ///
    /// Whoever it is may sign in again, without locks and without second factors, and every session ends. If nobody else could
    /// administer, they get the role superadmin. The link works once, for half an hour; the old password works until then.
    Recover(Recover),
}

/// What `recover` is told.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  stormdoor admin recover ada@example.org")]
pub(super) struct Recover {
    #[command(flatten)]
    who: Who,

    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Admin {
    pub(super) fn execute(&self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Recover(recover) => recover.execute(place),
        }
    }
}

impl Recover {
    fn execute(&self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            let name = &user.username;
            let question = format!(
                "This lets {name} ({}, {}) in without a second factor, and ends every session.",
                user.email,
                user.standing.name()
            );
            confirm(self.yes, &question)?;
            let recovery = identity.recover(user.id).await?;
            let mut done = vec![format!("{name} may sign in, without locks")];
            if recovery.factors_removed {
                done.push("second factors removed".to_owned());
            }
            if recovery.made_admin {
                done.push(format!("role {FIRST_ADMIN_ROLE} given: nobody else could administer"));
            } else if !recovery.user.is_admin() {
                let hint = "there are administrators; see `stormdoor user role`";
                done.push(format!("roles not changed: {hint}"));
            }
            eprintln!("{}.", done.join("; "));
            let minutes = recovery.valid_for.as_secs() / 60;
            eprintln!("A new password is set at this link. It works once, for {minutes} minutes:");
            print::line(recovery.link.expose())
        })
    }
}
