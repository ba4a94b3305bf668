//! A gateway with a Nextcloud beside it, and people.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use stormdoor::assembly;
use stormdoor::clock::{Clock, ManualClock, SystemClock};
use stormdoor::identity::admin::By;
use stormdoor::identity::provisioning::{Entry, State};
use stormdoor::identity::{Standing, UserId};
use stormdoor::nextcloud::{Nextcloud, Round, Worker};
use stormdoor::observe::{Health, Metrics};

use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::{Generation, Settings};
use crate::world::World;

/// A real password that Nextcloud's service account has.
pub(super) const SERVICE_PASSWORD: &str = "correct horse battery";

/// Longer than any lease.
pub(super) const LEASE: Duration = Duration::from_mins(30);

pub(super) struct Cloud {
    pub(super) world: World,
    pub(super) nextcloud: NextcloudStandIn,
    pub(super) clock: ManualClock,
    provisioning: String,
}

/// Everything that a gateway needs to know of the Nextcloud at `url`.
pub(super) fn section(url: &str, password: &str, provisioning: &str) -> String {
    format!(
        r#"
rate_limits: {{ default: unlimited, tiers: {{ free: unlimited, premium: unlimited, admin: unlimited }}, auth: {{ login: unlimited, register: unlimited, refresh: unlimited }} }}
apps:
  cloud: {{ host: cloud.localhost, upstream: "{url}", routes: [ {{ path: /**, access: signed_in }} ] }}
nextcloud:
  app: cloud
  admin_user: admin
  admin_password: {password}
  provisioning: {{ {provisioning} }}
"#
    )
}

/// Two roles with groups and quotas.
pub(super) const RULES: &str = r#"groups: { viewer: [staff], developer: [staff, "dev ops"] }, quota: { viewer: 5 GB, developer: 50 GB }"#;

/// The gateway asks for the host that browsers do.
pub(super) fn trusting() -> Settings {
    Settings { trusted_domains: vec!["cloud.localhost".to_owned()], ..Settings::default() }
}

impl Cloud {
    /// A gateway whose own worker stands still, so that the test's workers do everything.
    pub(super) async fn with(generation: Generation, provisioning: &str) -> Self {
        Self::with_settings(generation, trusting(), provisioning).await
    }

    pub(super) async fn with_settings(
        generation: Generation,
        settings: Settings,
        provisioning: &str,
    ) -> Self {
        let nextcloud = NextcloudStandIn::start(generation, settings).await.unwrap();
        let clock = ManualClock::at(SystemClock.now());
        let off = section(&nextcloud.url(), SERVICE_PASSWORD, "mode: off");
        let world = World::with_clock(&off, clock.clone()).await;
        Self { world, nextcloud, clock, provisioning: format!("mode: on, {provisioning}") }
    }

    /// A worker as the gateway has one, which moves only when it is told to.
    pub(super) fn worker(&self) -> Worker {
        self.worker_with(SERVICE_PASSWORD)
    }

    pub(super) fn worker_with(&self, password: &str) -> Worker {
        let metrics = Metrics::new();
        let yaml = section(&self.nextcloud.url(), password, &self.provisioning);
        let nextcloud = self.nextcloud_by(&yaml, &metrics);
        let slot = Arc::new(ArcSwapOption::new(Some(Arc::new(nextcloud))));
        let health = Health::new(Arc::new(self.clock.clone()));
        Worker { nextcloud: slot, metrics, health, ..self.world.gateway.provisioner() }
    }

    pub(super) fn nextcloud_by(&self, yaml: &str, metrics: &Arc<Metrics>) -> Nextcloud {
        let config = self.world.configuration(yaml);
        assembly::nextcloud(&config, metrics).unwrap().expect("provisioning is on")
    }

    pub(super) async fn add(&self, name: &str, role: &str) -> UserId {
        self.world.add_user(&format!("{name}@example.org"), &[role]).await;
        self.world.gateway.identity().look_up(name).await.unwrap().unwrap().id
    }

    pub(super) async fn give(&self, user: UserId, role: &str) {
        let identity = self.world.gateway.identity();
        identity.set_roles(user, vec![role.into()], &By::Operator).await.unwrap();
    }

    pub(super) async fn set(&self, user: UserId, standing: Standing) {
        let identity = self.world.gateway.identity();
        identity.set_standing(user, standing, &By::Operator).await.unwrap();
    }

    pub(super) async fn erase(&self, user: UserId) {
        self.set(user, Standing::Deleted).await;
        self.world.gateway.identity().erase_user(user, &By::Operator).await.unwrap();
    }

    pub(super) async fn entry(&self, user: UserId) -> Option<Entry> {
        self.world.gateway.identity().provisioning_of(user).await.unwrap()
    }

    pub(super) async fn state(&self, user: UserId) -> State {
        self.entry(user).await.expect("an entry").state
    }

    /// How an account looks there, in a line; what differs from run to run left out.
    pub(super) fn account(&self, id: &str) -> String {
        let Some(account) = self.nextcloud.user(id) else { return "none".to_owned() };
        let email = account.email.unwrap_or_default();
        format!(
            "{} <{email}> {} {} {:?}",
            account.display_name,
            account.quota,
            if account.enabled { "enabled" } else { "disabled" },
            self.nextcloud.groups_of(id)
        )
    }

    /// How often something was asked for.
    pub(super) fn count(&self, method: &str, part: &str) -> usize {
        let seen = self.nextcloud.seen();
        seen.iter().filter(|seen| seen.method == method && seen.target.contains(part)).count()
    }
}

/// Rounds until nobody is due or nothing may be called.
pub(super) async fn drain(worker: &Worker) -> Round {
    for _ in 0..1000 {
        match worker.round().await {
            Round::Looked => {}
            end => return end,
        }
    }
    panic!("it never ends");
}

/// Looks until `there` is true: the gateway's own worker takes its time.
pub(super) async fn until(what: &str, mut there: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if there().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not happen");
}
