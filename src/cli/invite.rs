//! `stormdoor invite`: who may sign up by a link.

use clap::{Args, Subcommand};
use serde_json::json;

use super::exit::Refused;
use super::print::{self, Format};
use super::{Place, roles};
use crate::identity::Email;
use crate::identity::admin::By;
use crate::portal::as_json;

#[derive(Debug, Subcommand)]
pub(super) enum Invite {
    /// Invite somebody and print the link; it is mailed, too, where mail is configured
    Add(Add),
    /// List invitations that were not used yet
    List(List),
    /// Call an invitation off
    Revoke(Revoke),
}

/// Invite somebody and print the link; it is mailed, too, where mail is configured
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  stormdoor invite add ada@example.org --role premium")]
pub(super) struct Add {
    /// Whom
    email: Email,

    /// A role; may be given several times. Default: `accounts.default_roles`
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
}

/// List invitations that were not used yet
#[derive(Args, Debug)]
pub(super) struct List {
    /// For people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Call an invitation off
#[derive(Args, Debug)]
pub(super) struct Revoke {
    /// Whose
    email: Email,
}

impl Invite {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.execute(place),
            Self::List(list) => list.execute(place),
            Self::Revoke(revoke) => revoke.execute(place),
        }
    }
}

impl Add {
    fn execute(self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let roles = roles::chosen(identity, &self.roles)?;
            let (invitation, link) = identity.invite(self.email, roles, &By::Operator).await?;
            let until = invitation.expires_at;
            if identity.settings().mail {
                eprintln!("mailed to {}; good until {until}:", invitation.email);
            } else {
                eprintln!("no mail is configured: pass the link on; good until {until}:");
            }
            print::line(link.expose())
        })
    }
}

impl List {
    fn execute(&self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let invitations = identity.invitations().await?;
            if let Format::Json = self.format {
                let items: Vec<_> = invitations.iter().map(as_json::invitation).collect();
                return print::json(&json!({ "items": items }));
            }
            let rows: Vec<_> = invitations
                .iter()
                .map(|invitation| {
                    let roles = print::listed(&invitation.roles);
                    let until = invitation.expires_at.to_string();
                    [invitation.email.to_string(), roles, invitation.invited_by.clone(), until]
                })
                .collect();
            print::table(["email", "roles", "by", "good until"], &rows, "no open invitations")
        })
    }
}

impl Revoke {
    fn execute(&self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            if identity.revoke_invitation(&self.email, &By::Operator).await? {
                return print::line(&format!("the invitation of {} is called off", self.email));
            }
            let hint = "`stormdoor invite list` shows them";
            Err(Refused(format!("{} has no open invitation; {hint}", self.email)).into())
        })
    }
}
