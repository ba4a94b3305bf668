//! Lockout: after some failures in a row, refusing for a while that doubles with each further one.
//!
//! One bucket per user id, whatever spelling or door was used; one per client network; and names that nobody has
//! share a fixed number of buckets, so that they are locked just like known ones. A lock refuses attempts to sign
//! in; whoever is signed in already notices nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ring::digest;

use super::UserId;
use crate::clock::Timestamp;
use crate::throttle::ClientNetwork;

/// When a bucket locks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LockoutRule {
    /// The failure that locks.
    pub after: u32,
    /// How long the first lock lasts; each further failure doubles it.
    pub first: Duration,
    /// How long a lock lasts at most; also how long after its end failures are forgotten.
    pub max: Duration,
}

impl LockoutRule {
    /// Of one account.
    pub const DEFAULT: Self =
        Self { after: 5, first: Duration::from_secs(30), max: Duration::from_mins(30) };

    /// Of one client network. Later than an account's: many people may stand behind one address.
    fn of_network(self) -> Self {
        Self { after: self.after.saturating_mul(4), ..self }
    }

    /// How long the failure number `failures` locks.
    fn lock(self, failures: u32) -> Duration {
        match failures.checked_sub(self.after) {
            None => Duration::ZERO,
            Some(doublings) => {
                let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
                self.first.saturating_mul(factor).min(self.max)
            }
        }
    }
}

/// The failures of one bucket.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Failures {
    count: u32,
    last: Timestamp,
    locked_until: Timestamp,
}

impl Failures {
    /// Counts an attempt as failed before it is tried, so that attempts at the same moment are all counted; or
    /// says how long the bucket is still locked.
    fn attempt(&mut self, rule: LockoutRule, now: Timestamp) -> Result<(), Duration> {
        if now < self.locked_until {
            return Err(self.locked_until.since(now));
        }
        if self.is_forgotten(rule, now) {
            *self = Self::default();
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
        self.locked_until = now + rule.lock(self.count);
        Ok(())
    }

    /// Takes one attempt back, and the lock that it caused.
    fn take_back(&mut self, rule: LockoutRule) {
        self.count = self.count.saturating_sub(1);
        self.locked_until = self.last + rule.lock(self.count);
    }

    fn is_forgotten(&self, rule: LockoutRule, now: Timestamp) -> bool {
        now >= self.locked_until.max(self.last) + rule.max
    }
}

/// Whose attempts are counted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Account {
    /// A user's.
    Known(UserId),
    /// Those on a name that nobody has, or on one of those that share its bucket.
    Unknown(u16),
}

impl Account {
    /// The bucket of a `name` that nobody has, in its canonical spelling.
    pub(super) fn unknown(name: &str) -> Self {
        match *digest::digest(&digest::SHA256, name.as_bytes()).as_ref() {
            [first, second, ..] => Self::Unknown(u16::from_be_bytes([first, second])),
            _ => Self::Unknown(0),
        }
    }
}

/// All buckets of this node. Bounded in memory.
#[derive(Debug, Default)]
pub(super) struct Lockouts {
    accounts: Buckets<Account>,
    networks: Buckets<ClientNetwork>,
}

impl Lockouts {
    /// Charges an attempt to `network` before it is known for which account.
    ///
    /// # Errors
    ///
    /// How long the network is still locked.
    pub(super) fn attempt_from(
        &self,
        network: ClientNetwork,
        rule: LockoutRule,
        now: Timestamp,
    ) -> Result<(), Duration> {
        self.networks.attempt(network, rule.of_network(), now)
    }

    /// Charges an attempt to `account`.
    ///
    /// # Errors
    ///
    /// How long the account is still locked.
    pub(super) fn attempt_on(
        &self,
        account: Account,
        rule: LockoutRule,
        now: Timestamp,
    ) -> Result<(), Duration> {
        self.accounts.attempt(account, rule, now)
    }

    /// The attempt succeeded: the account starts afresh. The network only gets this one attempt back, so that
    /// nobody washes off guesses at others by signing in as themselves.
    pub(super) fn succeeded(&self, account: Account, network: ClientNetwork, rule: LockoutRule) {
        self.accounts.forget(&account);
        self.networks.take_back(&network, rule.of_network());
    }

    /// The attempt was right but is not all that is needed, or was not judged, for a reason of ours: as if it had not
    /// been made.
    pub(super) fn right_so_far(&self, account: Account, network: ClientNetwork, rule: LockoutRule) {
        self.accounts.take_back(&account, rule);
        self.networks.take_back(&network, rule.of_network());
    }

    /// Gives an attempt back to `network`: it was right, and on no account.
    pub(super) fn take_back_from(&self, network: ClientNetwork, rule: LockoutRule) {
        self.networks.take_back(&network, rule.of_network());
    }

    /// Charges an attempt to both.
    ///
    /// # Errors
    ///
    /// How long either is still locked.
    pub(super) fn attempt(
        &self,
        account: Account,
        network: ClientNetwork,
        rule: LockoutRule,
        now: Timestamp,
    ) -> Result<(), Duration> {
        self.attempt_from(network, rule, now)?;
        self.attempt_on(account, rule, now)
    }

    /// Until when the account is locked, if the last attempt on it was the one that locked it first.
    pub(super) fn lock_begun(&self, account: Account, rule: LockoutRule) -> Option<Timestamp> {
        let failures = self.accounts.look(&account)?;
        (failures.count == rule.after).then_some(failures.locked_until)
    }

    /// Until when the account of `user` is locked.
    pub(super) fn locked_until(&self, user: UserId, now: Timestamp) -> Option<Timestamp> {
        let failures = self.accounts.look(&Account::Known(user))?;
        Some(failures.locked_until).filter(|until| *until > now)
    }

    /// The account starts afresh: its user signed in, or an operator says so.
    pub(super) fn forget(&self, user: UserId) {
        self.accounts.forget(&Account::Known(user));
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

    fn attempt(&self, key: K, rule: LockoutRule, now: Timestamp) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= Self::MAX && !buckets.contains_key(&key) {
            make_room(&mut buckets, rule, now);
        }
        buckets.entry(key).or_default().attempt(rule, now)
    }

    fn look(&self, key: &K) -> Option<Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn take_back(&self, key: &K, rule: LockoutRule) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failures) = buckets.get_mut(key) {
            failures.take_back(rule);
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
    use std::net::IpAddr;

    use super::*;

    const RULE: LockoutRule = LockoutRule::DEFAULT;

    fn secs(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn locks_double_up_to_half_an_hour() {
        for (failures, seconds) in
            [(1, 0), (4, 0), (5, 30), (6, 60), (7, 120), (10, 960), (11, 1800), (99, 1800)]
        {
            let lock = LockoutRule::DEFAULT.lock(failures);
            assert_eq!(lock, Duration::from_secs(seconds), "{failures}");
        }
    }

    #[test]
    fn an_account_is_locked_after_five_failures_and_opens_by_itself() {
        let lockouts = Lockouts::default();
        let account = Account::unknown("ada");
        for _ in 0..5 {
            assert_eq!(lockouts.attempt_on(account, RULE, secs(0)), Ok(()));
        }
        assert_eq!(lockouts.attempt_on(account, RULE, secs(10)), Err(Duration::from_secs(20)));
        assert_eq!(lockouts.attempt_on(Account::unknown("bob"), RULE, secs(10)), Ok(()));
        assert_eq!(lockouts.attempt_on(account, RULE, secs(30)), Ok(()));
        assert_eq!(lockouts.attempt_on(account, RULE, secs(31)), Err(Duration::from_secs(59)));
    }

    #[test]
    fn failures_are_forgotten_after_half_an_hour_of_quiet() {
        let lockouts = Lockouts::default();
        let account = Account::unknown("ada");
        for _ in 0..4 {
            assert_eq!(lockouts.attempt_on(account, RULE, secs(0)), Ok(()));
        }
        for _ in 0..4 {
            assert_eq!(lockouts.attempt_on(account, RULE, secs(1800)), Ok(()));
        }
    }

    #[test]
    fn success_clears_the_account_but_gives_the_network_one_attempt_back() {
        let lockouts = Lockouts::default();
        let network = ClientNetwork::from(IpAddr::from([192, 0, 2, 1]));
        let own = Account::unknown("mallory");
        for guess in 0..19 {
            lockouts.attempt_from(network, RULE, secs(0)).expect("not locked yet");
            lockouts
                .attempt_on(Account::unknown(&guess.to_string()), RULE, secs(0))
                .expect("not locked");
        }
        for _ in 0..3 {
            lockouts.attempt_from(network, RULE, secs(0)).expect("not locked yet");
            lockouts.attempt_on(own, RULE, secs(0)).expect("not locked");
            lockouts.succeeded(own, network, RULE);
        }
        lockouts.attempt_from(network, RULE, secs(0)).expect("the twentieth");
        assert_eq!(lockouts.attempt_from(network, RULE, secs(0)), Err(Duration::from_secs(30)));
    }

    #[test]
    fn what_was_right_so_far_does_not_count() {
        let lockouts = Lockouts::default();
        let network = ClientNetwork::from(IpAddr::from([192, 0, 2, 1]));
        let account = Account::unknown("ada");
        for _ in 0..100 {
            lockouts.attempt_from(network, RULE, secs(0)).expect("not locked");
            lockouts.attempt_on(account, RULE, secs(0)).expect("not locked");
            lockouts.right_so_far(account, network, RULE);
        }
    }

    #[test]
    fn full_buckets_make_room() {
        let rule = LockoutRule::DEFAULT;
        let locked = Failures { count: 9, last: secs(0), locked_until: secs(900) };
        let mut buckets: HashMap<u32, Failures> = (0..1000).map(|key| (key, locked)).collect();
        make_room(&mut buckets, rule, secs(1));
        assert_eq!(buckets.len(), 500);
        make_room(&mut buckets, rule, secs(900 + 1800));
        assert_eq!(buckets.len(), 0);
    }
}
