//! `stormdoor nextcloud plan`, `sync` and `drift`: people here and there.

use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwapOption;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::Place;
use super::exit::Refused;
use super::print;
use crate::assembly::{self, RecordRooms};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::identity::UserId;
use crate::identity::provisioning::Step;
use crate::nextcloud::{self, Difference, Kind, Round, Worker, survey};
use crate::observe::{Health, Metrics};

#[derive(Debug, Subcommand)]
pub(super) enum Provisioning {
    Plan(Plan),
    Sync(Sync),
    Drift(Drift),
}

/// Say what would be done in Nextcloud, and do nothing
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stormdoor nextcloud plan\n  stormdoor nextcloud plan --json | jq '.[].steps'"
)]
pub(super) struct Plan {
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Do now what is due in Nextcloud, beside the running gateway or without one
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  stormdoor nextcloud sync\n  stormdoor nextcloud sync --all")]
pub(super) struct Sync {
    /// Look at everybody, not only at those who changed or failed
    #[arg(long)]
    all: bool,
}

/// Say who differs in Nextcloud: missing, different, extra, in conflict. The exit code is 65 when somebody does
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stormdoor nextcloud drift\n  stormdoor nextcloud drift --json"
)]
pub(super) struct Drift {
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

impl Provisioning {
    pub(super) fn execute(self, place: &Place) -> anyhow::Result<()> {
        place.with_records(async |config, rooms| match self {
            Self::Plan(plan) => plan.execute(config, rooms).await,
            Self::Sync(sync) => sync.execute(config, rooms).await,
            Self::Drift(drift) => drift.execute(config, rooms).await,
        })
    }
}

impl Plan {
    async fn execute(self, config: &Config, rooms: &RecordRooms) -> anyhow::Result<()> {
        let mut found = compare(config, rooms).await?;
        found.retain(|difference| !difference.steps.is_empty());
        if self.json {
            return print::json(&found.iter().map(as_json).collect());
        }
        let rows = rows(rooms, &found).await?;
        print::table(["who", "in Nextcloud", "because", "steps"], &rows, "nothing would be done")
    }
}

impl Drift {
    async fn execute(self, config: &Config, rooms: &RecordRooms) -> anyhow::Result<()> {
        let found = compare(config, rooms).await?;
        if self.json {
            print::json(&found.iter().map(as_json).collect())?;
        } else {
            let rows = rows(rooms, &found).await?;
            let titles = ["who", "in Nextcloud", "difference", "steps"];
            print::table(titles, &rows, "everybody is in Nextcloud as they should be")?;
        }
        if found.is_empty() {
            return Ok(());
        }
        let count = |kind| found.iter().filter(|difference| difference.kind == kind).count();
        Err(Refused(format!(
            "{} missing, {} different, {} extra, {} in conflict",
            count(Kind::Missing),
            count(Kind::Different),
            count(Kind::Extra),
            count(Kind::Conflict)
        ))
        .into())
    }
}

impl Sync {
    async fn execute(self, config: &Config, rooms: &RecordRooms) -> anyhow::Result<()> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let metrics = Metrics::new();
        let nextcloud = open(config, &metrics)?;
        let probe = nextcloud.probe().await?;
        let stores = &rooms.stores;
        if self.all {
            stores.provisioning.mark_all("sync", clock.now()).await?;
        }
        let worker = Worker {
            journal: Arc::clone(&stores.provisioning),
            users: Arc::clone(&stores.users),
            events: Arc::clone(&stores.events),
            nextcloud: Arc::new(ArcSwapOption::new(Some(Arc::new(nextcloud)))),
            clock: Arc::clone(&clock),
            metrics,
            health: Health::new(clock),
        };
        let bar = bar(stores.provisioning.backlog().await?.waiting)?;
        let mut looked = 0_u64;
        let paused = loop {
            match worker.round().await {
                Round::Looked => {
                    looked += 1;
                    bar.inc(1);
                }
                Round::Nothing => break false,
                Round::Paused(_) => break true,
            }
        };
        bar.finish_and_clear();
        let backlog = stores.provisioning.backlog().await?;
        let (waiting, failed) = (backlog.waiting, backlog.failed);
        eprintln!(
            "Nextcloud {}: {looked} looked at, {waiting} wait for later, {failed} failed",
            probe.version
        );
        if paused {
            let (_, health) = worker.health.report();
            let detail = health.pointer("/checks/nextcloud/detail").and_then(Value::as_str);
            return Err(Refused(detail.unwrap_or("Nextcloud does not answer").to_owned()).into());
        }
        if failed > 0 {
            let hint = "GET /auth/admin/provisioning tells who and why";
            return Err(Refused(format!("not everybody could be provisioned; {hint}")).into());
        }
        Ok(())
    }
}

fn open(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<nextcloud::Nextcloud> {
    let hint = "accounts are not provisioned: set nextcloud.provisioning.mode to on";
    assembly::nextcloud(config, metrics)?.context(hint)
}

async fn compare(config: &Config, rooms: &RecordRooms) -> anyhow::Result<Vec<Difference>> {
    let nextcloud = open(config, &Metrics::new())?;
    // Who may not read sees nobody, and would call everybody missing.
    anyhow::ensure!(nextcloud.probe().await?.admin, nextcloud::Unfit::NotAdmin);
    let bar = bar(0)?;
    let (users, journal) = (&*rooms.stores.users, &*rooms.stores.provisioning);
    let found = survey(&nextcloud, users, journal, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    let found = found.await;
    bar.finish_and_clear();
    Ok(found?)
}

async fn rows(rooms: &RecordRooms, found: &[Difference]) -> anyhow::Result<Vec<[String; 4]>> {
    let mut rows = Vec::with_capacity(found.len());
    for difference in found {
        let who = match difference.user {
            Some(id) => Some(called(rooms, id).await?),
            None => None,
        };
        rows.push([
            print::or_dash(who),
            print::or_dash(difference.cloud.as_deref()),
            difference.kind.name().to_owned(),
            print::listed(difference.steps.iter().map(told)),
        ]);
    }
    Ok(rows)
}

/// The sign-in name, or the id of somebody who is gone.
async fn called(rooms: &RecordRooms, id: UserId) -> anyhow::Result<String> {
    let user = rooms.identity.user(id).await?;
    Ok(user.map_or_else(|| id.to_string(), |user| user.username.to_string()))
}

fn as_json(difference: &Difference) -> Value {
    json!({
        "user": difference.user.map(|user| user.to_string()),
        "user_id": difference.cloud,
        "difference": difference.kind.name(),
        "steps": difference.steps.iter().map(told).collect::<Vec<_>>(),
    })
}

/// A step in a few words.
fn told(step: &Step) -> String {
    match step {
        Step::Join(group) | Step::Leave(group) => format!("{} {group}", step.name()),
        Step::Edit(edit) => {
            let edited = [
                ("display_name", edit.display_name.is_some()),
                ("email", edit.email.is_some()),
                ("quota", edit.quota.is_some()),
            ];
            let edited = edited.into_iter().filter(|(_, edited)| *edited).map(|(name, _)| name);
            format!("edit {}", edited.collect::<Vec<_>>().join("+"))
        }
        step => step.name().to_owned(),
    }
}

/// Drawn on a terminal only.
fn bar(length: u64) -> anyhow::Result<ProgressBar> {
    let style = "{bar:40} {pos} of {len}  {elapsed} of about {duration}";
    Ok(ProgressBar::new(length).with_style(ProgressStyle::with_template(style)?))
}
