//! `stormdoor user list`

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use crate::cli::Place;
use crate::cli::print::{self, Format};
use crate::identity::user::UserQuery;
use crate::identity::{Standing, User};
use crate::portal::as_json;

/// List users
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    stormdoor user list --standing awaiting_approval\n  \
    stormdoor user list --role admin --format json | jq -r '.items[].email'")]
pub(in crate::cli) struct List {
    /// A part of the e-mail address, the sign-in name or the full name
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    /// Only those in this standing
    #[arg(long, value_parser = standing())]
    standing: Option<Standing>,

    /// Only those with this role
    #[arg(long)]
    role: Option<String>,

    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,

    /// For people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn standing() -> impl TypedValueParser<Value = Standing> {
    PossibleValuesParser::new(Standing::ALL.map(Standing::name))
        .try_map(|name| Standing::from_name(&name).ok_or("unknown"))
}

impl List {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        let query = UserQuery {
            search: self.search,
            standing: self.standing,
            role: self.role.map(Into::into),
            skip: 0,
            limit: self.limit,
        };
        place.with_accounts(async |identity| {
            let (users, total) = identity.list_users(&query).await?;
            if let Format::Json = self.format {
                let items: Vec<_> =
                    users.iter().map(|user| as_json::user(user, identity)).collect();
                return print::json(&json!({ "items": items, "total": total }));
            }
            let rows: Vec<_> = users.iter().map(row).collect();
            let titles = ["username", "email", "standing", "roles", "last sign-in", "id"];
            print::table(titles, &rows, "no such users")?;
            if total > u64::from(self.limit) {
                eprintln!("{} of {total}; say --limit {total} for all", users.len());
            }
            Ok(())
        })
    }
}

fn row(user: &User) -> [String; 6] {
    [
        user.username.to_string(),
        user.email.to_string(),
        user.standing.name().to_owned(),
        print::listed(&user.roles),
        print::or_dash(user.last_login_at),
        user.id.to_string(),
    ]
}
