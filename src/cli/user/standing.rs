//! `stormdoor user lock`, `unlock`, `approve`, `delete`, `restore` and `erase`: whether somebody may sign in.

use clap::Args;

use crate::cli::confirm::confirm;
use crate::cli::exit::Refused;
use crate::cli::who::Who;
use crate::cli::{Place, print};
use crate::identity::admin::By;
use crate::identity::{Identity, Standing, User};

pub(super) fn lock(place: &Place, who: &Who) -> anyhow::Result<()> {
    place.with_accounts(async |identity| {
        let user = who.find(identity).await?;
        let name = &user.username;
        match user.standing {
            Standing::Disabled => print::line(&format!("{name} was locked already")),
            Standing::Deleted => Err(not_so(&user, "is removed already, and cannot sign in")),
            Standing::Active | Standing::AwaitingApproval | Standing::Unverified => {
                become_so(identity, &user, Standing::Disabled).await?;
                print::line(&format!("{name} is locked, and signed out everywhere"))
            }
        }
    })
}

pub(super) fn unlock(place: &Place, who: &Who) -> anyhow::Result<()> {
    place.with_accounts(async |identity| {
        let user = who.find(identity).await?;
        match user.standing {
            Standing::Disabled => become_so(identity, &user, Standing::Active).await?,
            Standing::Active => {}
            Standing::Deleted => {
                return Err(not_so(&user, "is removed; see `stormdoor user restore`"));
            }
            Standing::AwaitingApproval | Standing::Unverified => {
                return Err(not_so(&user, "was never let in; see `stormdoor user approve`"));
            }
        }
        identity.lift_lock(user.id, &By::Operator).await?;
        print::line(&format!(
            "{} may sign in, and starts afresh with wrong passwords",
            user.username
        ))
    })
}

pub(super) fn approve(place: &Place, who: &Who) -> anyhow::Result<()> {
    place.with_accounts(async |identity| {
        let user = who.find(identity).await?;
        match user.standing {
            Standing::AwaitingApproval | Standing::Unverified => {
                become_so(identity, &user, Standing::Active).await?;
                print::line(&format!("{} may sign in", user.username))
            }
            Standing::Active => print::line(&format!("{} may sign in already", user.username)),
            Standing::Disabled => Err(not_so(&user, "is locked; see `stormdoor user unlock`")),
            Standing::Deleted => Err(not_so(&user, "is removed; see `stormdoor user restore`")),
        }
    })
}

pub(super) fn delete(place: &Place, who: &Who) -> anyhow::Result<()> {
    place.with_accounts(async |identity| {
        let user = who.find(identity).await?;
        let name = &user.username;
        if user.standing == Standing::Deleted {
            return print::line(&format!("{name} was removed already"));
        }
        become_so(identity, &user, Standing::Deleted).await?;
        print::line(&format!("{name} is removed; `stormdoor user restore {name}` undoes it"))
    })
}

pub(super) fn restore(place: &Place, who: &Who) -> anyhow::Result<()> {
    place.with_accounts(async |identity| {
        let user = who.find(identity).await?;
        if user.standing != Standing::Deleted {
            return Err(not_so(&user, &format!("is not removed, but {}", user.standing.name())));
        }
        become_so(identity, &user, Standing::Active).await?;
        print::line(&format!("{} may sign in", user.username))
    })
}

/// Erase somebody who was removed, with everything that belongs to them
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  stormdoor user delete ada && stormdoor user erase ada --yes")]
pub(in crate::cli) struct Erase {
    #[command(flatten)]
    who: Who,

    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Erase {
    pub(super) fn execute(&self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            let name = &user.username;
            if user.standing != Standing::Deleted {
                return Err(not_so(
                    &user,
                    &format!("is not removed; first `stormdoor user delete {name}`"),
                ));
            }
            confirm(self.yes, &format!("{name} ({}) will be gone for good.", user.email))?;
            identity.erase_user(user.id, &By::Operator).await?;
            print::line(&format!("{name} is erased; the audit log keeps the id {}", user.id))
        })
    }
}

async fn become_so(identity: &Identity, user: &User, standing: Standing) -> anyhow::Result<()> {
    identity.set_standing(user.id, standing, &By::Operator).await?;
    Ok(())
}

fn not_so(user: &User, what: &str) -> anyhow::Error {
    Refused(format!("{} {what}", user.username)).into()
}
