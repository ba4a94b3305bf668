//! The worker: takes entries of the journal one by one, reads what Nextcloud has, and does what is missing.
//!
//! Whatever comes of a call, what counts is what is read afterwards: a step that was half done, done twice or cut off is
//! found as it is and finished. So the worker may end anywhere, and another one, or two at once, come to the same state.
//! Nextcloud being away holds up everybody and costs nobody an attempt; only a refusal of one user does, and it holds up
//! nobody else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::backend::{self, Backend};
use super::budget::Budget;
use super::client::{Call, Client, ClientError, Trouble};
use super::ocs;
use super::probe::Probe;
use crate::clock::{Clock, Timestamp};
use crate::config::{NextcloudService, ProvisioningSettings};
use crate::identity::provisioning::{
    Claim, Existing, Found, Journal, REFUSALS, Rules, Settled, Stage, Step, Taken, Wanted,
    next_try, plan,
};
use crate::identity::{CloudId, Event, EventKind, Events, StoreError, User, Users};
use crate::observe::{Health, Metrics, Status};

/// Between two looks, when nothing was written meanwhile.
const LOOK: Duration = Duration::from_secs(15);

/// How often somebody is compared in one look, before it counts as refused.
const ROUNDS: usize = 4;

/// The shortest pause after Nextcloud wanted fewer calls.
const TOO_MANY: Duration = Duration::from_mins(1);

/// How long nothing is tried with a service account that cannot do it.
const UNFIT: Duration = Duration::from_mins(10);

/// A Nextcloud to keep people in.
pub struct Nextcloud {
    pub(super) client: Client,
    pub(super) settings: ProvisioningSettings,
    service: NextcloudService,
    budget: Budget,
    at_work: Mutex<AtWork>,
}

/// What is known of it at present.
#[derive(Debug, Default)]
struct AtWork {
    /// How to work, once it was probed.
    backend: Option<Backend>,
    /// Outages in a row.
    outages: u32,
    /// Nothing is called before.
    pause_until: Option<Timestamp>,
    /// Since when nothing is called, for whatever reason: a retry after that ends it.
    held_since: Option<Timestamp>,
}

impl Nextcloud {
    /// The one that `service` is on.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the private CA or the host cannot be used.
    pub fn new(
        service: &NextcloudService,
        settings: &ProvisioningSettings,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ClientError> {
        let client = Client::new(service, metrics)?;
        let budget = Budget::new(settings.edits);
        let (settings, service) = (settings.clone(), service.clone());
        Ok(Self { client, settings, service, budget, at_work: Mutex::default() })
    }

    /// Whether this is the same server with the same account and password, so that what was refused there is refused here.
    fn is_same_service(&self, other: &NextcloudService) -> bool {
        let NextcloudService { url, host, ca_file, user, password, timeout: _ } = &self.service;
        (url, host, ca_file, user) == (&other.url, &other.host, &other.ca_file, &other.user)
            && password.expose() == other.password.expose()
    }

    /// Is followed by `next`, after the configuration was read again. What was refused stays refused, if nothing about the
    /// account changed.
    pub fn hand_over_to(&self, next: &Self) {
        let stopped = self.is_same_service(&next.service) && self.client.is_stopped();
        next.client.set_stopped(stopped);
        next.budget.go_on_from(&self.budget);
        if stopped {
            let held_since = self.at_work().held_since;
            next.at_work().held_since = held_since;
        }
    }

    /// What this server is and what the service account may do there.
    ///
    /// # Errors
    ///
    /// [`Trouble`].
    pub async fn probe(&self) -> Result<Probe, Trouble> {
        Probe::ask(&self.client).await
    }

    /// How somebody is there.
    pub(super) async fn find(&self, id: &CloudId) -> Result<Option<Found>, Trouble> {
        let answer = self.client.call(&backend::read(id)).await?;
        if answer.is_not_found() {
            return Ok(None);
        }
        let found = ocs::found(&answer.data).filter(|_| answer.is_ok());
        found.map(Some).ok_or(Trouble::Unwell(answer.http))
    }

    fn at_work(&self) -> MutexGuard<'_, AtWork> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps people in Nextcloud until it is told to end.
pub struct Worker {
    /// Who must be looked at.
    pub journal: Arc<dyn Journal>,
    /// What they are here.
    pub users: Arc<dyn Users>,
    /// What happened to nobody in particular.
    pub events: Arc<dyn Events>,
    /// Where they are kept; replaced when the configuration is. While there is none, entries stay where they are.
    pub nextcloud: Arc<ArcSwapOption<Nextcloud>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where it is told that Nextcloud is away.
    pub health: Arc<Health>,
}

/// What one round came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Round {
    /// Somebody was looked at.
    Looked,
    /// Nobody is due.
    Nothing,
    /// Nothing is called at present; until then, if an end is known.
    Paused(Option<Timestamp>),
}

/// Why a look ended before it came to something.
enum End {
    /// Somebody else has the lease, or the user is gone.
    Lost,
    /// It came to this already.
    Settled(Settled),
    Store(StoreError),
    Trouble(Trouble),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Worker {
    /// Runs until `ended` says so. Who is in hand is finished first.
    pub async fn run(self, mut ended: watch::Receiver<bool>) {
        loop {
            while !*ended.borrow() && matches!(self.round().await, Round::Looked) {}
            self.measure().await;
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.journal.written() => {}
                _ = ended.wait_for(|ended| *ended) => return,
            }
        }
    }

    /// Looks at whoever waits longest.
    pub async fn round(&self) -> Round {
        let Some(nextcloud) = self.nextcloud.load_full() else {
            self.health.forget(COMPONENT);
            return Round::Nothing;
        };
        if let Some(pause) = self.pause(&nextcloud).await {
            return pause;
        }
        // Bound first: the guard must not live across the probe.
        let known = nextcloud.at_work().backend;
        let backend = match known {
            Some(backend) => backend,
            None => match self.probe(&nextcloud).await {
                Ok(backend) => backend,
                Err(pause) => return pause,
            },
        };
        let calls = u32::try_from(ROUNDS * 4).unwrap_or(u32::MAX);
        let lease = nextcloud.service.timeout * calls + Duration::from_mins(1);
        let taken = match self.journal.take_due(self.clock.now(), lease, 1).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(%error, "the provisioning journal cannot be read");
                return Round::Nothing;
            }
        };
        let Some(taken) = taken.first() else { return Round::Nothing };
        let look =
            Look { worker: self, nextcloud: &nextcloud, backend, taken, stage: taken.entry.stage };
        let settled = match look.run().await {
            Ok(settled) | Err(End::Settled(settled)) => {
                nextcloud.at_work().outages = 0;
                self.health.set(COMPONENT, Status::Ok, "");
                settled
            }
            Err(End::Trouble(trouble)) => {
                self.hold(&nextcloud, trouble).await;
                Settled::Later { at: self.clock.now(), why: None }
            }
            Err(End::Lost) => return Round::Looked,
            Err(End::Store(error)) => {
                // The lease runs out, and then it is looked at again.
                tracing::warn!(%error, user = %taken.entry.user, "a look at Nextcloud was not finished");
                return Round::Nothing;
            }
        };
        self.settle(taken, &settled).await;
        Round::Looked
    }

    /// Whether nothing may be called now.
    async fn pause(&self, nextcloud: &Nextcloud) -> Option<Round> {
        let (held_since, until) = {
            let at_work = nextcloud.at_work();
            (at_work.held_since?, at_work.pause_until)
        };
        let stopped = nextcloud.client.is_stopped();
        if !stopped && until.is_none_or(|until| until <= self.clock.now()) {
            nextcloud.at_work().held_since = None;
            return None;
        }
        match self.journal.last_retry().await {
            Ok(Some(asked)) if asked > held_since => {
                *nextcloud.at_work() = AtWork::default();
                nextcloud.client.set_stopped(false);
                None
            }
            _ => Some(Round::Paused(until.filter(|_| !stopped))),
        }
    }

    async fn probe(&self, nextcloud: &Nextcloud) -> Result<Backend, Round> {
        let probe = match nextcloud.probe().await {
            Ok(probe) => probe,
            Err(trouble) => {
                self.hold(nextcloud, trouble).await;
                let until = nextcloud.at_work().pause_until;
                return Err(Round::Paused(until.filter(|_| !nextcloud.client.is_stopped())));
            }
        };
        match probe.choose(nextcloud.settings.backend) {
            Ok(backend) => {
                tracing::info!(version = probe.version, ?backend, "Nextcloud is there");
                self.health.set(COMPONENT, Status::Ok, "");
                let mut at_work = nextcloud.at_work();
                (at_work.backend, at_work.outages) = (Some(backend), 0);
                Ok(backend)
            }
            Err(unfit) => {
                tracing::error!(error = %unfit, "nobody is provisioned in Nextcloud");
                self.health.set(COMPONENT, Status::Warn, &unfit.to_string());
                let now = self.clock.now();
                let mut at_work = nextcloud.at_work();
                at_work.held_since = Some(now);
                at_work.pause_until = Some(now + UNFIT);
                Err(Round::Paused(at_work.pause_until))
            }
        }
    }

    /// Calls nothing for a while; after a refused password, until somebody does something about it.
    async fn hold(&self, nextcloud: &Nextcloud, trouble: Trouble) {
        let now = self.clock.now();
        self.health.set(COMPONENT, Status::Warn, &trouble.to_string());
        let known = {
            let mut at_work = nextcloud.at_work();
            let known = at_work.held_since.replace(now).is_some();
            at_work.outages = at_work.outages.saturating_add(1);
            let pause = next_try(at_work.outages);
            let pause = if trouble == Trouble::TooMany { pause.max(TOO_MANY) } else { pause };
            at_work.pause_until = Some(now + pause);
            // It may come back as another version.
            at_work.backend = None;
            known
        };
        if let Trouble::Unauthorized(code) = trouble {
            tracing::error!(error = %trouble, "Nextcloud is not called until its service account is mended");
            let kind = EventKind::ProvisioningStopped { code };
            if let Err(error) = self.events.record(&self.event(kind, None)).await {
                tracing::warn!(%error, "that Nextcloud refused the service account was not recorded");
            }
        } else if !known {
            tracing::warn!(error = %trouble, "Nextcloud is not called for a while");
        }
    }

    async fn settle(&self, taken: &Taken, settled: &Settled) {
        let user = taken.entry.user;
        let event = match settled {
            Settled::Failed { why } => {
                tracing::error!(%user, why, "somebody cannot be provisioned in Nextcloud");
                let kind = EventKind::ProvisioningFailed { why: why.clone() };
                Some(self.event(kind, Some(taken)))
            }
            Settled::Later { why: Some(why), .. } => {
                tracing::warn!(%user, why, "somebody was not provisioned in Nextcloud yet");
                None
            }
            _ => None,
        };
        if let Err(error) = self.journal.settle(taken, settled, event.as_ref()).await {
            tracing::warn!(%error, %user, "what came of a look at Nextcloud was not recorded");
        }
    }

    async fn measure(&self) {
        if self.nextcloud.load().is_none() {
            return;
        }
        match self.journal.backlog().await {
            Ok(backlog) => {
                let now = self.clock.now();
                let age = backlog.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
                self.metrics.provisioning_backlog(backlog.waiting, age, backlog.failed);
            }
            Err(error) => tracing::warn!(%error, "the provisioning journal cannot be counted"),
        }
    }

    fn event(&self, kind: EventKind, about: Option<&Taken>) -> Event {
        let subject = about.map(|taken| taken.entry.user);
        Event { at: self.clock.now(), kind, subject, session: None, actor: None, client: None }
    }
}

/// The name of Nextcloud in `/readyz`.
const COMPONENT: &str = "nextcloud";

/// One look at one user.
struct Look<'a> {
    worker: &'a Worker,
    nextcloud: &'a Nextcloud,
    backend: Backend,
    taken: &'a Taken,
    stage: Stage,
}

/// What an answer that is not a success means for the step.
enum Verdict {
    /// It may be done or not, or be done by somebody else: read again.
    Unclear,
    /// A group is missing.
    NoGroup,
    /// It will not be done.
    Refused,
}

impl Look<'_> {
    async fn run(mut self) -> Result<Settled, End> {
        let mut trouble = None;
        let mut why = String::from("undone");
        'rounds: for _ in 0..ROUNDS {
            let user = self.worker.users.find(self.taken.entry.user).await?;
            let wanted = self.rules().want(user.as_ref());
            let id = self.name(user.as_ref(), &wanted).await?;
            let found = self.nextcloud.find(&id).await?;
            self.make_ours(found.as_ref()).await?;
            let steps = plan(&wanted, found.as_ref(), &self.rules().managed());
            if steps.is_empty() {
                return Ok(self.done(&wanted, found.as_ref()));
            }
            for step in &steps {
                if let Step::Create(_) = step {
                    // From here on what is found is ours, whoever finishes it.
                    self.reached(Stage::Creating, None).await?;
                }
                for call in self.backend.calls(step, &id) {
                    self.spend(&call)?;
                    match self.nextcloud.client.call(&call).await {
                        Ok(answer) if answer.is_ok() => {
                            let code = answer.decisive();
                            self.reached(self.after(step), Some((step.name(), code))).await?;
                        }
                        Ok(answer) => {
                            let code = answer.decisive();
                            why = format!("{}:{code}", step.name());
                            match verdict(step, code) {
                                Verdict::Unclear => {}
                                Verdict::NoGroup => self.make_groups(step).await?,
                                Verdict::Refused => return Ok(self.refused(why)),
                            }
                            continue 'rounds;
                        }
                        Err(cut @ (Trouble::Unreachable(_) | Trouble::Unwell(_))) => {
                            trouble = Some(cut);
                            continue 'rounds;
                        }
                        Err(other) => return Err(other.into()),
                    }
                }
            }
        }
        match trouble {
            Some(trouble) => Err(trouble.into()),
            None => Ok(self.refused(why)),
        }
    }

    fn rules(&self) -> &Rules {
        &self.nextcloud.settings.rules
    }

    /// What the user is called there, settled at the first look at which they are wanted. Who was never there and is not
    /// wanted needs no call.
    async fn name(&self, user: Option<&User>, wanted: &Wanted) -> Result<CloudId, End> {
        let settled = |settled| Err(End::Settled(settled));
        match (wanted, user) {
            (Wanted::Off, _) if self.stage == Stage::Absent => {
                settled(Settled::Done(Stage::Absent))
            }
            (Wanted::Gone(_), _) if self.stage == Stage::Absent => settled(Settled::Gone),
            (Wanted::Here { .. }, Some(user)) => {
                if let Some(id) = &self.taken.entry.cloud {
                    return Ok(id.clone());
                }
                let Ok(id) = self.rules().id_of(user) else { return settled(failed("no_user_id")) };
                match self.worker.journal.claim(self.taken, &id).await? {
                    Claim::Held => Ok(id),
                    Claim::TakenByAnother => settled(failed("user_id_taken")),
                    Claim::Lost => Err(End::Lost),
                }
            }
            _ => self.taken.entry.cloud.clone().ok_or(End::Settled(Settled::Gone)),
        }
    }

    /// Makes sure that what was found is ours to change: we made it, or may take it over.
    async fn make_ours(&mut self, found: Option<&Found>) -> Result<(), End> {
        let Some(found) = found.filter(|_| self.stage == Stage::Absent) else { return Ok(()) };
        match self.rules().existing {
            Existing::Refuse => Err(End::Settled(failed("exists_already"))),
            Existing::Adopt if found.is_admin() => Err(End::Settled(failed("exists_as_admin"))),
            Existing::Adopt => self.reached(stage_of(found), Some(("adopt", 200))).await,
        }
    }

    /// Takes an edit from the budget, or waits until there is one.
    fn spend(&self, call: &Call) -> Result<(), End> {
        if !call.is_edit {
            return Ok(());
        }
        let taken = self.nextcloud.budget.take(self.worker.clock.now());
        taken.map_err(|at| End::Settled(Settled::Later { at, why: None }))
    }

    /// Writes down how far it is, and what was done; ends when the lease is lost.
    async fn reached(
        &mut self,
        stage: Stage,
        done: Option<(&'static str, u16)>,
    ) -> Result<(), End> {
        let event = done.map(|(step, code)| {
            self.worker.event(EventKind::Provisioned { step, code }, Some(self.taken))
        });
        let held = self.worker.journal.reached(self.taken, stage, event.as_ref()).await?;
        self.stage = stage;
        if held { Ok(()) } else { Err(End::Lost) }
    }

    fn after(&self, step: &Step) -> Stage {
        match step {
            Step::Create(_) | Step::Enable => Stage::Enabled,
            Step::Disable => Stage::Disabled,
            Step::Delete => Stage::Absent,
            Step::Edit(_) | Step::Join(_) | Step::Leave(_) => self.stage,
        }
    }

    async fn make_groups(&self, step: &Step) -> Result<(), End> {
        let groups: Vec<&str> = match step {
            Step::Create(profile) => profile.groups.iter().map(|group| &**group).collect(),
            Step::Join(group) => vec![group],
            _ => Vec::new(),
        };
        for group in groups {
            // Refused when it is there; else the next round tells.
            let answer = self.nextcloud.client.call(&backend::make_group(group)).await?;
            if answer.is_ok() {
                let kind = EventKind::Provisioned { step: "make_group", code: answer.decisive() };
                self.worker.events.record(&self.worker.event(kind, Some(self.taken))).await?;
            }
        }
        Ok(())
    }

    fn done(&self, wanted: &Wanted, found: Option<&Found>) -> Settled {
        match (wanted, found) {
            (Wanted::Gone(_), None) => Settled::Gone,
            // A creation that nobody saw finish may still come to its end.
            (_, None) if self.stage == Stage::Creating => Settled::Done(Stage::Creating),
            (_, None) => Settled::Done(Stage::Absent),
            (_, Some(found)) => Settled::Done(stage_of(found)),
        }
    }

    fn refused(&self, why: String) -> Settled {
        // Perhaps the account lost its rights: that is asked before anything else is.
        self.nextcloud.at_work().backend = None;
        let attempt = self.taken.entry.attempts + 1;
        if attempt >= REFUSALS {
            return Settled::Failed { why };
        }
        Settled::Later { at: self.worker.clock.now() + next_try(attempt), why: Some(why) }
    }
}

/// Only codes decide, and only where they mean one thing: 101 may be a bad value, a race or a stumbling database, and 102 a
/// bad value on older servers.
fn verdict(step: &Step, code: u16) -> Verdict {
    match (step, code) {
        (Step::Create(_), 104) | (Step::Join(_), 102) => Verdict::NoGroup,
        (_, 101 | 102 | 404 | 500 | 996 | 998) | (Step::Join(_) | Step::Leave(_), 103) => {
            Verdict::Unclear
        }
        _ => Verdict::Refused,
    }
}

fn stage_of(found: &Found) -> Stage {
    if found.enabled { Stage::Enabled } else { Stage::Disabled }
}

fn failed(why: &str) -> Settled {
    Settled::Failed { why: why.to_owned() }
}
