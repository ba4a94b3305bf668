//! `stormdoor audit`: what happened to accounts.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use serde_json::json;

use super::print::{self, Format};
use super::{Place, who};
use crate::identity::event::{EventQuery, Recorded};
use crate::identity::{Identity, UserId};
use crate::portal::as_json;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// List what was recorded, newest first
    List(List),
}

/// List what was recorded, newest first
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  stormdoor audit list --user ada --limit 20\n  \
    stormdoor audit list --kind sign_in_failed --format json")]
pub(super) struct List {
    /// About or by this user: an id (also of somebody erased), a sign-in name or an e-mail address
    #[arg(long, value_name = "WHO")]
    user: Option<String>,

    /// Of this kind only, as `signed_in` or `roles_changed`
    #[arg(long)]
    kind: Option<String>,

    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,

    /// For people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Audit {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.execute(place),
        }
    }
}

impl List {
    fn execute(self, place: &Place) -> anyhow::Result<()> {
        place.with_accounts(async |identity| {
            let user = match &self.user {
                None => None,
                // The log remembers who is erased by id.
                Some(name) => match name.parse::<UserId>() {
                    Ok(id) => Some(id),
                    Err(_) => Some(who::find(identity, name).await?.id),
                },
            };
            let query = EventQuery { user, kind: self.kind, before: None, limit: self.limit };
            let events = identity.recorded(&query).await?;
            if let Format::Json = self.format {
                let items: Vec<_> = events.into_iter().map(as_json::event).collect();
                return print::json(&json!({ "items": items }));
            }
            let mut names = Names { identity, known: HashMap::new() };
            let mut rows = Vec::with_capacity(events.len());
            for event in &events {
                rows.push(names.row(event).await?);
            }
            let titles = ["number", "at", "kind", "about", "by", "from", "details"];
            print::table(titles, &rows, "nothing of the kind is recorded")
        })
    }
}

/// Sign-in names, each looked up once.
struct Names<'a> {
    identity: &'a Identity,
    known: HashMap<UserId, String>,
}

impl Names<'_> {
    async fn row(&mut self, event: &Recorded) -> anyhow::Result<[String; 7]> {
        let about = match event.subject {
            None => "-".to_owned(),
            Some(subject) => self.of(subject).await?,
        };
        let by = match event.actor {
            Some(actor) => self.of(actor).await?,
            None if event.by_operator() => "operator".to_owned(),
            None => "-".to_owned(),
        };
        let bare = event.details.as_object().is_none_or(serde_json::Map::is_empty);
        Ok([
            event.number.to_string(),
            event.at.to_string(),
            event.kind.clone(),
            about,
            by,
            print::or_dash(event.client.as_deref()),
            if bare { "-".to_owned() } else { event.details.to_string() },
        ])
    }

    /// The sign-in name, or the id of somebody who is gone.
    async fn of(&mut self, id: UserId) -> anyhow::Result<String> {
        if let Some(name) = self.known.get(&id) {
            return Ok(name.clone());
        }
        let user = self.identity.user(id).await?;
        let name = user.map_or_else(|| id.to_string(), |user| user.username.to_string());
        self.known.insert(id, name.clone());
        Ok(name)
    }
}
