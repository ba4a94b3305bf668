//! What was spent, counted in Redis; and by this node alone while Redis is away.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use redis::Script;

use super::call::Call;
use super::link::Link;
use super::outage::Outage;
use super::slices::Slices;
use super::{digest_of, millis, window_script};
use crate::clock::Timestamp;
use crate::config::{LimitsMode, LimitsOnOutage, RedisSettings};
use crate::store::memory;
use crate::throttle::{self, CountersUnavailable, Key, Quota, Spend, Who};

pub(super) static SPEND: LazyLock<Script> = window_script!("spend.lua");

/// Counters in Redis.
pub(in crate::store) struct Counters {
    link: Arc<Link>,
    /// None: each request asks.
    slices: Option<Slices>,
    /// What counts while Redis is away, when anything does.
    alone: Option<memory::Counters>,
}

impl Counters {
    pub(super) fn new(link: Arc<Link>, settings: &RedisSettings) -> Self {
        let slices = match settings.limits {
            LimitsMode::Exact => None,
            LimitsMode::LocalShare => Some(Slices::new(Arc::clone(&link))),
        };
        let alone =
            (settings.limits_on_outage == LimitsOnOutage::Local).then(memory::Counters::default);
        Self { link, slices, alone }
    }

    /// Gives back what nobody spends.
    pub(super) async fn settle(&self, now: Timestamp) {
        if let Some(slices) = &self.slices {
            slices.settle(now).await;
        }
        if let Some(alone) = &self.alone {
            alone.tidy(now);
        }
    }

    /// Gives everything back.
    pub(super) async fn give_back_all(&self, now: Timestamp) {
        if let Some(slices) = &self.slices {
            slices.settle(now + Duration::from_hours(24)).await;
        }
    }

    async fn ask(
        &self,
        key: &Key,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> Result<Spend, Outage> {
        let call = Call::script(&SPEND, &budget(&self.link, key))
            .arg(quota.limit())
            .arg(millis(quota.window()))
            .arg(cost)
            .arg(Link::kept_for(quota.window() * 2))
            .arg(self.link.now(now));
        let read = |answer: Vec<i64>| match *answer.as_slice() {
            [1, left, reset] => {
                let remaining = u32::try_from(left).ok().filter(|left| *left <= quota.limit())?;
                Some(Spend::Granted { remaining, reset_after: time(reset)? })
            }
            [0, wait, reset] => {
                Some(Spend::Exhausted { retry_after: time(wait)?, reset_after: time(reset)? })
            }
            _ => None,
        };
        self.link.quick(&call, read).await
    }
}

#[async_trait]
impl throttle::Counters for Counters {
    async fn spend(
        &self,
        key: &Key,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> Result<Spend, CountersUnavailable> {
        let answer = match &self.slices {
            Some(slices) => slices.spend(key, quota, cost, now).await,
            None => self.ask(key, quota, cost, now).await,
        };
        answer.or_else(|outage| {
            self.link.degraded("limits");
            let Some(alone) = &self.alone else {
                return Err(CountersUnavailable(outage.into()));
            };
            Ok(alone.spend_now(key, quota.shared_among(self.link.nodes()), cost, now))
        })
    }
}

/// The key of a budget.
pub(super) fn budget(link: &Link, key: &Key) -> String {
    let policy = key.policy.as_bytes();
    let digest = match &key.who {
        Who::Client(network) => digest_of(&[policy, b"client", network.to_string().as_bytes()]),
        Who::Subject(subject) => digest_of(&[policy, b"subject", subject.as_bytes()]),
    };
    link.key("limit", &digest)
}

/// A time that an answer holds: never zero, never more than two windows of the longest kind.
pub(super) fn time(ms: i64) -> Option<Duration> {
    let most = millis(Duration::from_hours(48));
    (1..=most).contains(&ms).then(|| Duration::from_millis(ms.unsigned_abs()))
}
