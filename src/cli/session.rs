//! `stormdoor session`: who is signed in.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use serde_json::json;

use super::exit::Refused;
use super::print::{self, Format};
use super::{Place, who};
use crate::identity::admin::By;
use crate::identity::{Identity, Session as SignIn, SessionId, UserId};
use crate::portal::as_json;

#[derive(Debug, Subcommand)]
pub(super) enum Session {
    /// List live sessions, the one used last first
    List(List),
    /// End one: its cookies and tokens are dead
    End(End),
}

/// List live sessions, the one used last first
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  stormdoor session list\n  stormdoor session list ada")]
pub(super) struct List {
    /// Only those of this user: an id, a sign-in name or an e-mail address
    who: Option<String>,

    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,

    /// For people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// End one: its cookies and tokens are dead
#[derive(Args, Debug)]
pub(super) struct End {
    /// As `session list` shows it
    id: SessionId,
}

impl Session {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.execute(place),
            Self::End(end) => end.execute(place),
        }
    }
}

impl List {
    fn execute(self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let (sessions, total) = match &self.who {
                None => identity.all_sessions(0, self.limit).await?,
                Some(name) => {
                    let user = who::find(identity, name).await?;
                    let mut sessions = identity.sessions(user.id).await?;
                    let total = u64::try_from(sessions.len())?;
                    sessions.truncate(usize::try_from(self.limit)?);
                    (sessions, total)
                }
            };
            if let Format::Json = self.format {
                let items: Vec<_> =
                    sessions.iter().map(|found| as_json::session(found, identity)).collect();
                return print::json(&json!({ "items": items, "total": total }));
            }
            let rows = rows(identity, &sessions).await?;
            let titles = ["id", "user", "kind", "signed in", "last used", "from", "with"];
            print::table(titles, &rows, "no live sessions")?;
            if total > u64::from(self.limit) {
                eprintln!("{} of {total}; say --limit {total} for all", sessions.len());
            }
            Ok(())
        })
    }
}

async fn rows(identity: &Identity, sessions: &[SignIn]) -> anyhow::Result<Vec<[String; 7]>> {
    let mut names: HashMap<UserId, String> = HashMap::new();
    let mut rows = Vec::with_capacity(sessions.len());
    for session in sessions {
        let name = match names.get(&session.user) {
            Some(name) => name.clone(),
            None => print::or_dash(identity.user(session.user).await?.map(|user| user.username)),
        };
        names.insert(session.user, name.clone());
        rows.push([
            session.id.to_string(),
            name,
            session.kind.name().to_owned(),
            session.created_at.to_string(),
            session.last_seen_at.to_string(),
            print::or_dash(from(identity, session).as_deref()),
            print::or_dash(session.user_agent.as_deref()),
        ]);
    }
    Ok(rows)
}

impl End {
    fn execute(&self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            if identity.end_session(self.id, &By::Operator).await? {
                return print::line("the session ended");
            }
            let hint = "`stormdoor session list` shows them";
            Err(Refused(format!("there is no live session {}; {hint}", self.id)).into())
        })
    }
}

/// The address, with where it is if that is known.
fn from(identity: &Identity, session: &SignIn) -> Option<String> {
    let address = session.client_address.as_deref()?;
    Some(match identity.place_of(address) {
        Some(place) => format!("{address} ({place})"),
        None => address.to_owned(),
    })
}
