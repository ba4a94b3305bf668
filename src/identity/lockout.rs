//! Lockout: after some failures in a row, refusing for a while that doubles with each further one.
//!
//! The failures of an account are forgotten when its owner signs in. Those of a network must not be, or whoever has an account
//! could wash off guesses at others; nor may they pile up for ever where many people mistype now and then. So of a
//! network's one is forgotten after another.
//!
//! One bucket per user id, whatever spelling or door was used; one per client network; and names that nobody has
//! share a fixed number of buckets, so that they are locked just like known ones. A lock refuses attempts to sign
//! in; whoever is signed in already notices nothing.
//!
//! [`LockoutRule`] and [`Failures`] are the rule; [`Lockouts`] is the need for a place that every node reaches;
//! `Guard` is what use cases ask.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ring::digest;

use super::{StoreError, UserId};
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
    /// After how long one failure is forgotten, whatever else happens; at least 1 ms. `None`: only all of them together.
    pub fades: Option<Duration>,
}

impl LockoutRule {
    /// Of one account.
    pub const DEFAULT: Self = Self {
        after: 5,
        first: Duration::from_secs(30),
        max: Duration::from_mins(30),
        fades: None,
    };

    /// Of one client network. Later than an account's: many people may stand behind one address. As many as lock it are
    /// forgotten within [`max`](Self::max).
    fn of_network(self) -> Self {
        let after = self.after.saturating_mul(4);
        let fades = (self.max / after.max(1)).max(Duration::from_millis(1));
        Self { after, fades: Some(fades), ..self }
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
pub struct Failures {
    /// How many in a row.
    pub count: u32,
    /// When the last one was; where they fade, since when the next one does.
    pub last: Timestamp,
    /// Until when further attempts are refused.
    pub locked_until: Timestamp,
}

/// An attempt that was counted, or how long the bucket is still locked.
pub type Attempt = Result<(), Duration>;

impl Failures {
    /// Counts an attempt as failed before it is tried, so that attempts at the same moment are all counted; or
    /// says how long the bucket is still locked.
    ///
    /// # Errors
    ///
    /// How long.
    pub fn attempt(&mut self, rule: LockoutRule, now: Timestamp) -> Attempt {
        if now < self.locked_until {
            return Err(self.locked_until.since(now));
        }
        if self.is_forgotten(rule, now) {
            *self = Self::default();
        }
        self.fade(rule, now);
        if self.count == 0 || rule.fades.is_none() {
            self.last = now;
        }
        self.count = self.count.saturating_add(1);
        self.locked_until = now + rule.lock(self.count);
        Ok(())
    }

    fn fade(&mut self, rule: LockoutRule, now: Timestamp) {
        let Some(every) = rule.fades.map(|every| every.max(Duration::from_millis(1))) else {
            return;
        };
        let faded = now.since(self.last).as_millis() / every.as_millis();
        let faded = u32::try_from(faded).unwrap_or(u32::MAX).min(self.count);
        self.count -= faded;
        self.last = self.last + every.saturating_mul(faded);
    }

    /// Takes one attempt back, and the lock that it caused. Nothing else can have locked meanwhile: where so many failed that
    /// each further one locks, only one is tried at a time.
    pub fn take_back(&mut self) {
        self.count = self.count.saturating_sub(1);
        self.locked_until = Timestamp::default();
    }

    /// Whether it is as if there had been none.
    pub fn is_forgotten(&self, rule: LockoutRule, now: Timestamp) -> bool {
        now >= self.locked_until.max(self.last) + rule.max
    }
}

/// Whose attempts are counted together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Bucket {
    /// Those on one account.
    Account(Account),
    /// Those of one client network.
    Network(ClientNetwork),
}

/// An account on which attempts are made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Account {
    /// A user's.
    Known(UserId),
    /// Those on a name that nobody has, or on one of those that share its bucket.
    Unknown(u16),
}

impl Account {
    /// The bucket of a `name` that nobody has, in its canonical spelling.
    pub fn unknown(name: &str) -> Self {
        match *digest::digest(&digest::SHA256, name.as_bytes()).as_ref() {
            [first, second, ..] => Self::Unknown(u16::from_be_bytes([first, second])),
            _ => Self::Unknown(0),
        }
    }
}

/// The need for a place where every node counts failures. Each step is atomic, and what it does is [`Failures`]'.
#[async_trait]
pub trait Lockouts: Send + Sync {
    /// Counts an attempt as failed, or says how long `bucket` is still locked.
    async fn attempt(
        &self,
        bucket: Bucket,
        rule: LockoutRule,
        now: Timestamp,
    ) -> Result<Attempt, StoreError>;

    /// Takes one attempt back, and the lock that it caused.
    async fn take_back(&self, bucket: Bucket) -> Result<(), StoreError>;

    /// The bucket starts afresh.
    async fn forget(&self, bucket: Bucket) -> Result<(), StoreError>;

    /// What was counted in each of `buckets`, in their order. It may be forgotten by the rule.
    async fn look(&self, buckets: &[Bucket]) -> Result<Vec<Option<Failures>>, StoreError>;
}

/// What use cases ask before they look at a credential, and tell afterwards.
#[derive(Clone)]
pub(super) struct Guard(Arc<dyn Lockouts>);

impl Guard {
    pub(super) fn new(lockouts: Arc<dyn Lockouts>) -> Self {
        Self(lockouts)
    }

    /// Charges an attempt to `network` before it is known for which account.
    ///
    /// # Errors
    ///
    /// When the failures could not be counted; then nothing may be tried.
    pub(super) async fn attempt_from(
        &self,
        network: ClientNetwork,
        rule: LockoutRule,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        self.0.attempt(Bucket::Network(network), rule.of_network(), now).await
    }

    /// Charges an attempt to `account`.
    ///
    /// # Errors
    ///
    /// As [`Self::attempt_from`].
    pub(super) async fn attempt_on(
        &self,
        account: Account,
        rule: LockoutRule,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        self.0.attempt(Bucket::Account(account), rule, now).await
    }

    /// Gives an attempt back to `network`: it was right, and on no account.
    pub(super) async fn take_back_from(&self, network: ClientNetwork) {
        self.give_back(Bucket::Network(network)).await;
    }

    /// How long either is still locked, without charging anything: what passes here must still be charged.
    ///
    /// # Errors
    ///
    /// When the failures could not be read.
    pub(super) async fn look(
        &self,
        account: Account,
        network: ClientNetwork,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        let found = self.0.look(&[Bucket::Account(account), Bucket::Network(network)]).await?;
        let until = found.into_iter().flatten().map(|failures| failures.locked_until).max();
        Ok(until.filter(|until| *until > now).map_or(Ok(()), |until| Err(until.since(now))))
    }

    /// Charges an attempt to both.
    ///
    /// # Errors
    ///
    /// As [`Self::attempt_from`].
    pub(super) async fn attempt(
        &self,
        account: Account,
        network: ClientNetwork,
        rule: LockoutRule,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        match self.attempt_from(network, rule, now).await? {
            Ok(()) => self.attempt_on(account, rule, now).await,
            locked => Ok(locked),
        }
    }

    /// The attempt succeeded: the account starts afresh. The network only gets this one attempt back, so that
    /// nobody washes off guesses at others by signing in as themselves.
    pub(super) async fn succeeded(&self, account: Account, network: ClientNetwork) {
        self.start_afresh(account).await;
        self.give_back(Bucket::Network(network)).await;
    }

    /// The attempt was right but is not all that is needed: as if it had not been made.
    pub(super) async fn right_so_far(&self, account: Account, network: ClientNetwork) {
        self.give_back(Bucket::Account(account)).await;
        self.give_back(Bucket::Network(network)).await;
    }

    /// Until when the account is locked, if the last attempt on it was the one that locked it first.
    pub(super) async fn lock_begun(
        &self,
        account: Account,
        rule: LockoutRule,
    ) -> Option<Timestamp> {
        // Without an answer nobody is told; the attempt itself was counted.
        let found = self.0.look(&[Bucket::Account(account)]).await.ok()?;
        let failures = found.into_iter().next().flatten()?;
        (failures.count == rule.after).then_some(failures.locked_until)
    }

    /// Until when the accounts of `users` are locked, in their order.
    ///
    /// # Errors
    ///
    /// When the failures could not be read.
    pub(super) async fn locked_until(
        &self,
        users: &[UserId],
        now: Timestamp,
    ) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let buckets: Vec<_> =
            users.iter().map(|user| Bucket::Account(Account::Known(*user))).collect();
        let found = self.0.look(&buckets).await?;
        let until = |failures: Failures| Some(failures.locked_until).filter(|until| *until > now);
        Ok(found.into_iter().map(|failures| failures.and_then(until)).collect())
    }

    /// The account starts afresh, because an operator says so.
    ///
    /// # Errors
    ///
    /// When it was not forgotten.
    pub(super) async fn forget(&self, user: UserId) -> Result<(), StoreError> {
        self.0.forget(Bucket::Account(Account::Known(user))).await
    }

    /// The account starts afresh, because its user proved to be themselves.
    pub(super) async fn start_afresh(&self, account: Account) {
        self.tolerate(self.0.forget(Bucket::Account(account)).await);
    }

    async fn give_back(&self, bucket: Bucket) {
        self.tolerate(self.0.take_back(bucket).await);
    }

    /// Nobody who was right is refused because a counter could not be taken back: at worst one attempt too many stays
    /// counted, and is forgotten with time.
    #[expect(clippy::unused_self, reason = "reads as what is done with an answer")]
    fn tolerate(&self, answer: Result<(), StoreError>) {
        if let Err(error) = answer {
            tracing::debug!(%error, "an attempt that was right stays counted");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::store::memory;

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

    fn guard() -> Guard {
        Guard::new(Arc::new(memory::Lockouts::default()))
    }

    #[tokio::test]
    async fn an_account_is_locked_after_five_failures_and_opens_by_itself() {
        let lockouts = guard();
        let account = Account::unknown("ada");
        for _ in 0..5 {
            assert_eq!(
                lockouts.attempt_on(account, RULE, secs(0)).await.expect("an answer"),
                Ok(())
            );
        }
        assert_eq!(
            lockouts.attempt_on(account, RULE, secs(10)).await.expect("an answer"),
            Err(Duration::from_secs(20))
        );
        assert_eq!(
            lockouts.attempt_on(Account::unknown("bob"), RULE, secs(10)).await.expect("an answer"),
            Ok(())
        );
        assert_eq!(lockouts.attempt_on(account, RULE, secs(30)).await.expect("an answer"), Ok(()));
        assert_eq!(
            lockouts.attempt_on(account, RULE, secs(31)).await.expect("an answer"),
            Err(Duration::from_secs(59))
        );
    }

    #[tokio::test]
    async fn failures_are_forgotten_after_half_an_hour_of_quiet() {
        let lockouts = guard();
        let account = Account::unknown("ada");
        for _ in 0..4 {
            assert_eq!(
                lockouts.attempt_on(account, RULE, secs(0)).await.expect("an answer"),
                Ok(())
            );
        }
        for _ in 0..4 {
            assert_eq!(
                lockouts.attempt_on(account, RULE, secs(1800)).await.expect("an answer"),
                Ok(())
            );
        }
    }

    #[tokio::test]
    async fn success_clears_the_account_but_gives_the_network_one_attempt_back() {
        let lockouts = guard();
        let network = ClientNetwork::from(IpAddr::from([192, 0, 2, 1]));
        let own = Account::unknown("mallory");
        for guess in 0..19 {
            lockouts
                .attempt_from(network, RULE, secs(0))
                .await
                .expect("an answer")
                .expect("not locked yet");
            lockouts
                .attempt_on(Account::unknown(&guess.to_string()), RULE, secs(0))
                .await
                .expect("an answer")
                .expect("not locked");
        }
        for _ in 0..3 {
            lockouts
                .attempt_from(network, RULE, secs(0))
                .await
                .expect("an answer")
                .expect("not locked yet");
            lockouts.attempt_on(own, RULE, secs(0)).await.expect("an answer").expect("not locked");
            lockouts.succeeded(own, network).await;
        }
        lockouts
            .attempt_from(network, RULE, secs(0))
            .await
            .expect("an answer")
            .expect("the twentieth");
        assert_eq!(
            lockouts.attempt_from(network, RULE, secs(0)).await.expect("an answer"),
            Err(Duration::from_secs(30))
        );
    }

    #[test]
    fn whoever_was_right_is_not_locked_for_what_went_before() {
        let mut failures = Failures::default();
        for _ in 0..5 {
            assert_eq!(failures.attempt(RULE, secs(0)), Ok(()));
        }
        assert_eq!(failures.attempt(RULE, secs(29)), Err(Duration::from_secs(1)));
        // The lock is over, the password right, and the second factor comes at once.
        assert_eq!(failures.attempt(RULE, secs(30)), Ok(()));
        failures.take_back();
        assert_eq!(failures.attempt(RULE, secs(31)), Ok(()));
        assert_eq!(failures.attempt(RULE, secs(31)), Err(Duration::from_mins(1)));
    }

    #[test]
    fn a_busy_network_forgets_one_failure_after_another() {
        let rule = RULE.of_network();
        let mut office = Failures::default();
        // Somebody mistypes every 100 s all day, and somebody is right every 5 s.
        for second in (0..8 * 3600).step_by(5) {
            assert_eq!(office.attempt(rule, secs(second)), Ok(()), "after {second} s");
            if second % 100 != 0 {
                office.take_back();
            }
        }
        // Whoever guesses twice as often is locked out, though others are right.
        let mut second = 8 * 3600;
        while office.attempt(rule, secs(second)).is_ok() {
            second += 45;
            assert!(second < 10 * 3600, "nothing stops it");
        }
    }

    #[tokio::test]
    async fn what_was_right_so_far_does_not_count() {
        let lockouts = guard();
        let network = ClientNetwork::from(IpAddr::from([192, 0, 2, 1]));
        let account = Account::unknown("ada");
        for _ in 0..100 {
            lockouts
                .attempt_from(network, RULE, secs(0))
                .await
                .expect("an answer")
                .expect("not locked");
            lockouts
                .attempt_on(account, RULE, secs(0))
                .await
                .expect("an answer")
                .expect("not locked");
            lockouts.right_so_far(account, network).await;
        }
    }
}
