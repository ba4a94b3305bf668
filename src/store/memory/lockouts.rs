//! Failures to sign in, counted in this process.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::identity::StoreError;
use crate::identity::lockout::{self, Account, Attempt, Bucket, Failures, LockoutRule};
use crate::throttle::ClientNetwork;

/// Failures in memory: bounded, and gone with the process. Accounts and networks do not push each other out.
#[derive(Debug, Default)]
pub struct Lockouts {
    accounts: Buckets<Account>,
    networks: Buckets<ClientNetwork>,
}

impl Lockouts {
    /// Counts without waiting: this is all there is to it in memory.
    ///
    /// # Errors
    ///
    /// How long the bucket is still locked.
    pub fn attempt_now(&self, bucket: Bucket, rule: LockoutRule, now: Timestamp) -> Attempt {
        match bucket {
            Bucket::Account(account) => self.accounts.attempt(account, rule, now),
            Bucket::Network(network) => self.networks.attempt(network, rule, now),
        }
    }

    /// Takes one attempt back.
    pub fn take_back_now(&self, bucket: Bucket) {
        match bucket {
            Bucket::Account(account) => self.accounts.take_back(&account),
            Bucket::Network(network) => self.networks.take_back(&network),
        }
    }

    /// The bucket starts afresh.
    pub fn forget_now(&self, bucket: Bucket) {
        match bucket {
            Bucket::Account(account) => self.accounts.forget(&account),
            Bucket::Network(network) => self.networks.forget(&network),
        }
    }

    /// What was counted in each.
    pub fn look_now(&self, buckets: &[Bucket]) -> Vec<Option<Failures>> {
        let look = |bucket: &Bucket| match bucket {
            Bucket::Account(account) => self.accounts.look(account),
            Bucket::Network(network) => self.networks.look(network),
        };
        buckets.iter().map(look).collect()
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
        Ok(self.attempt_now(bucket, rule, now))
    }

    async fn take_back(&self, bucket: Bucket) -> Result<(), StoreError> {
        self.take_back_now(bucket);
        Ok(())
    }

    async fn forget(&self, bucket: Bucket) -> Result<(), StoreError> {
        self.forget_now(bucket);
        Ok(())
    }

    async fn look(&self, buckets: &[Bucket]) -> Result<Vec<Option<Failures>>, StoreError> {
        Ok(self.look_now(buckets))
    }
}

#[derive(Debug)]
struct Buckets<K>(Mutex<HashMap<K, Failures>>);

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    /// Most buckets at a time: about 6 MiB.
    const MAX: usize = 1 << 17;

    fn attempt(&self, key: K, rule: LockoutRule, now: Timestamp) -> Attempt {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= Self::MAX && !buckets.contains_key(&key) {
            make_room(&mut buckets, rule, now);
        }
        buckets.entry(key).or_default().attempt(rule, now)
    }

    fn look(&self, key: &K) -> Option<Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn take_back(&self, key: &K) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failures) = buckets.get_mut(key) {
            failures.take_back();
        }
    }

    fn forget(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Drops what is forgotten; if that is little, then also what is not locked; if that is little too, any half.
fn make_room<K: Copy + Eq + Hash>(
    buckets: &mut HashMap<K, Failures>,
    rule: LockoutRule,
    now: Timestamp,
) {
    let enough = buckets.len() / 2;
    buckets.retain(|_, failures| !failures.is_forgotten(rule, now));
    if buckets.len() > enough {
        buckets.retain(|_, failures| now < failures.locked_until);
    }
    let mut excess = buckets.len().saturating_sub(enough);
    buckets.retain(|_, _| {
        let drop = excess > 0;
        excess = excess.saturating_sub(1);
        !drop
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_buckets_make_room() {
        let rule = LockoutRule::DEFAULT;
        let secs = Timestamp::from_secs;
        let locked = Failures { count: 9, last: secs(0), locked_until: secs(900) };
        let mut buckets: HashMap<u32, Failures> = (0..1000).map(|key| (key, locked)).collect();
        make_room(&mut buckets, rule, secs(1));
        assert_eq!(buckets.len(), 500);
        make_room(&mut buckets, rule, secs(900 + 1800));
        assert_eq!(buckets.len(), 0);
    }
}
