//! Failures to sign in, counted in Redis; and by this node alone while Redis is away.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use futures::future;
use redis::Script;

use super::call::Call;
use super::counters::time;
use super::link::Link;
use super::outage::Outage;
use super::{digest_of, millis, script};
use crate::clock::Timestamp;
use crate::config::LockoutOnOutage;
use crate::identity::StoreError;
use crate::identity::lockout::{self, Account, Attempt, Bucket, Failures, LockoutRule};
use crate::store::memory;

pub(super) static LOCKOUT: LazyLock<Script> = script!("lockout.lua");

/// Failures in Redis.
pub(in crate::store) struct Lockouts {
    link: Arc<Link>,
    /// What counts while Redis is away, when sign-ins go on.
    alone: Option<memory::Lockouts>,
}

impl Lockouts {
    pub(super) fn new(link: Arc<Link>, on_outage: LockoutOnOutage) -> Self {
        let alone = match on_outage {
            LockoutOnOutage::Local => Some(memory::Lockouts::default()),
            LockoutOnOutage::Refuse => None,
        };
        Self { link, alone }
    }

    fn key(&self, bucket: Bucket) -> String {
        let digest = match bucket {
            Bucket::Account(Account::Known(user)) => {
                digest_of(&[b"user", user.to_string().as_bytes()])
            }
            Bucket::Account(Account::Unknown(number)) => {
                digest_of(&[b"name", &number.to_be_bytes()])
            }
            Bucket::Network(network) => digest_of(&[b"network", network.to_string().as_bytes()]),
        };
        self.link.key("lockout", &digest)
    }

    fn attempt_by(&self, rule: LockoutRule, bucket: Bucket, now: &str) -> Call {
        Call::script(&LOCKOUT, &self.key(bucket))
            .arg("attempt")
            .arg(now)
            .arg(rule.after)
            .arg(millis(rule.first))
            .arg(millis(rule.max))
            .arg(rule.fades.map_or(0, millis))
    }

    /// The answer, or what this node alone says.
    fn or_alone<T>(
        &self,
        answer: Result<T, Outage>,
        alone: impl FnOnce(&memory::Lockouts) -> T,
    ) -> Result<T, StoreError> {
        answer.or_else(|outage| {
            self.link.degraded("lockout");
            let counted = self.alone.as_ref().map(alone);
            counted.ok_or_else(|| StoreError::Unavailable(outage.into()))
        })
    }
}

#[async_trait]
impl lockout::Lockouts for Lockouts {
    async fn attempt(
        &self,
        bucket: Bucket,
        rule: LockoutRule,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        let call = self.attempt_by(rule, bucket, &self.link.now(now));
        let read = |locked_for: i64| match locked_for {
            0 => Some(Ok(())),
            ms => time(ms).map(Err),
        };
        let answer = self.link.patient(&call, read).await;
        self.or_alone(answer, |alone| alone.attempt_now(bucket, rule, now))
    }

    async fn take_back(&self, bucket: Bucket) -> Result<(), StoreError> {
        let call = Call::script(&LOCKOUT, &self.key(bucket)).arg("take_back");
        let read = |answer: u64| (answer == 0).then_some(());
        let answer = self.link.patient(&call, read).await;
        self.or_alone(answer, |alone| alone.take_back_now(bucket))
    }

    async fn forget(&self, bucket: Bucket) -> Result<(), StoreError> {
        let forget = Call::command("DEL", &self.key(bucket));
        let read = |answer: u64| (answer <= 1).then_some(());
        let answer = self.link.patient(&forget, read).await;
        self.or_alone(answer, |alone| alone.forget_now(bucket))
    }

    async fn look(&self, buckets: &[Bucket]) -> Result<Vec<Option<Failures>>, StoreError> {
        // One that cannot be read spoils the answer; one that is not there does not.
        let read = |kept: Option<String>| match kept.as_deref().map(parse) {
            None => Some(None),
            Some(failures) => failures.map(Some),
        };
        // In a cluster not all of them are at one server; to one, these go in one breath.
        let looks = buckets.iter().map(async |bucket| {
            self.link.patient(&Call::command("GET", &self.key(*bucket)), read).await
        });
        let answer = future::try_join_all(looks).await;
        self.or_alone(answer, |alone| alone.look_now(buckets))
    }
}

/// `count:last:locked until`, as the script keeps it. `None`: it is not that.
fn parse(kept: &str) -> Option<Failures> {
    let mut parts = kept.split(':');
    let failures = Failures {
        count: parts.next()?.parse().ok()?,
        last: Timestamp::from_millis(parts.next()?.parse().ok()?),
        locked_until: Timestamp::from_millis(parts.next()?.parse().ok()?),
    };
    parts.next().is_none().then_some(failures)
}
