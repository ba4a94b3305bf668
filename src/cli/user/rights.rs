//! `stormdoor user role`, `grant` and `revoke-grant`: what somebody may do.

use std::time::Duration;

use clap::Args;

use crate::cli::exit::Refused;
use crate::cli::who::Who;
use crate::cli::{Place, print, roles};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::identity::Permission;
use crate::identity::admin::By;
use crate::identity::user::Grant as Given;

/// Change roles
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    stormdoor user role ada --add admin\n  \
    stormdoor user role ada --set premium,editor   # the first one names the tier of rate limits")]
#[group(id = "change", required = true, multiple = false, args = ["set", "add", "remove"])]
pub(in crate::cli) struct Role {
    #[command(flatten)]
    who: Who,

    /// Exactly these roles, with commas between them
    #[arg(long, value_name = "ROLE,...", value_delimiter = ',')]
    set: Vec<String>,

    /// One more role
    #[arg(long, value_name = "ROLE")]
    add: Option<String>,

    /// One role less
    #[arg(long, value_name = "ROLE")]
    remove: Option<String>,
}

impl Role {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            let mut roles = user.roles.clone();
            match (&self.add, &self.remove) {
                (Some(role), _) => {
                    let one_more = roles::chosen(identity, std::slice::from_ref(role))?;
                    roles.extend(one_more.into_iter().filter(|role| !user.roles.contains(role)));
                }
                (None, Some(role)) => {
                    roles.retain(|held| **held != **role);
                    if roles.len() == user.roles.len() {
                        let held = print::listed(&user.roles);
                        let what = format!("{} has no role {role:?}, but {held}", user.username);
                        return Err(Refused(what).into());
                    }
                }
                (None, None) => roles = roles::chosen(identity, &self.set)?,
            }
            let user = identity.set_roles(user.id, roles, &By::Operator).await?;
            print::line(&format!(
                "the roles of {} are {}",
                user.username,
                print::listed(&user.roles)
            ))
        })
    }
}

/// Give a permission beside those of the roles
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    stormdoor user grant ada files:write --for 8h\n  \
    stormdoor user grant ada wiki:admin --until 2026-12-31T18:00:00Z\n  \
    stormdoor user grant ada 'reports:*'")]
pub(in crate::cli) struct Grant {
    #[command(flatten)]
    who: Who,

    /// As resource:action; either of them may be *
    permission: Permission,

    /// Until when, as in RFC 3339. Default: for ever
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    until: Option<Timestamp>,

    /// For how long, as in 8h or 30days
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until", value_parser = humantime::parse_duration)]
    lasting: Option<Duration>,
}

fn instant(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("expected a time as in RFC 3339: 2026-01-31T12:00:00Z")
}

impl Grant {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        let now = SystemClock.now();
        let until = self.until.or(self.lasting.map(|lasting| now + lasting));
        if until.is_some_and(|until| until <= now) {
            return Err(Refused("that time has passed already".to_owned()).into());
        }
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            let mut grants = user.grants;
            // What no longer holds need not be kept.
            grants.retain(|given| given.permission != self.permission && given.holds(now));
            let permission = self.permission.clone();
            grants.push(Given { permission, until });
            identity.set_grants(user.id, grants, &By::Operator).await?;
            let end = until.map_or_else(|| "for ever".to_owned(), |until| format!("until {until}"));
            print::line(&format!("{} has {} {end}", user.username, self.permission))
        })
    }
}

/// Take such a permission back
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  stormdoor user revoke-grant ada files:write")]
pub(in crate::cli) struct RevokeGrant {
    #[command(flatten)]
    who: Who,

    /// As it was given
    permission: Permission,
}

impl RevokeGrant {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            let mut grants = user.grants.clone();
            grants.retain(|given| given.permission != self.permission);
            if grants.len() == user.grants.len() {
                let held = print::listed(user.grants.iter().map(|given| &given.permission));
                let what =
                    format!("{} has no grant {}, but {held}", user.username, self.permission);
                return Err(Refused(what).into());
            }
            let user = identity.set_grants(user.id, grants, &By::Operator).await?;
            let still = identity.permissions_of(&user, SystemClock.now()).allow(&self.permission);
            let roles = if still { "; the roles or another grant still allow it" } else { "" };
            print::line(&format!("{} lost {}{roles}", user.username, self.permission))
        })
    }
}
