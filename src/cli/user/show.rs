//! `stormdoor user show`

use clap::Args;
use serde_json::json;

use crate::cli::Place;
use crate::cli::print::{self, Format, listed, or_dash};
use crate::cli::who::Who;
use crate::clock::{Clock, SystemClock};
use crate::identity::second_factor::Method;
use crate::identity::user::Grant;
use crate::identity::{Identity, User};
use crate::portal::as_json;

/// Show everything about one user
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stormdoor user show ada\n  stormdoor user show ada@example.org --format json"
)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    who: Who,

    /// For people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Show {
    pub(super) fn execute(&self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = self.who.find(identity).await?;
            match self.format {
                Format::Text => print::line(&text(identity, &user).await?),
                Format::Json => {
                    let mut shown = as_json::user(&user, identity);
                    let factors = identity.factors(user.id).await?.methods();
                    let factors: Vec<_> = factors.into_iter().map(Method::name).collect();
                    if let Some(shown) = shown.as_object_mut() {
                        shown.insert("second_factors".into(), json!(factors));
                    }
                    print::json(&shown)
                }
            }
        })
    }
}

async fn text(identity: &Identity, user: &User) -> anyhow::Result<String> {
    let now = SystemClock.now();
    let verified = if user.email_verified_at.is_some() { "" } else { "  (not verified)" };
    let permissions = identity.permissions_of(user, now);
    let factors = identity.factors(user.id).await?.methods();
    let (sessions, devices) = (identity.sessions(user.id).await?, identity.devices(user.id).await?);
    let rows = [
        ("id", user.id.to_string()),
        ("username", user.username.to_string()),
        ("email", format!("{}{verified}", user.email)),
        ("full name", or_dash(user.full_name.as_deref())),
        ("standing", user.standing.name().to_owned()),
        ("roles", listed(&user.roles)),
        ("grants", listed(user.grants.iter().map(grant))),
        ("permissions", listed(permissions.iter())),
        ("tier", identity.tier(user).to_string()),
        ("second factors", listed(factors.into_iter().map(Method::name))),
        ("sessions", sessions.len().to_string()),
        ("devices", devices.len().to_string()),
        ("added", user.created_at.to_string()),
        ("changed", user.updated_at.to_string()),
        ("last sign-in", or_dash(user.last_login_at)),
    ];
    let lines = rows.map(|(name, value)| format!("{name:16}{value}"));
    Ok(lines.join("\n"))
}

fn grant(grant: &Grant) -> String {
    match grant.until {
        None => grant.permission.to_string(),
        Some(until) => format!("{} (until {until})", grant.permission),
    }
}
