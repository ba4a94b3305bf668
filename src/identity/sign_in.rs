//! Signing in: a password, then a second factor where one is enrolled or demanded, then a session.
//!
//! | proven | enrolled | demanded | next |
//! |---|---|---|---|
//! | password | no | no | the session |
//! | password | yes | | the second factor |
//! | password | no | yes | enrolling one |
//! | passkey that verified its user | | | the session: it is two factors in one |
//!
//! Between the steps the client holds a pending token: 256 random bits, good for ten minutes, for one session. Whatever
//! is wrong before the second factor, a client learns one thing: the name or the password is wrong. It takes one hash in
//! every case.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::even::refuse_evenly;
use super::event::{Client, Event, EventKind, SignInFailure};
use super::letter::LetterKind;
use super::lockout::Account;
use super::password::{Busy, Password, Verification};
use super::second_factor::recovery::RecoveryCode;
use super::second_factor::{
    EnrolError, FactorError, GivenFactor, Method, PasskeyAnswer, TotpOffer,
};
use super::service::TokenPair;
use super::session::{Begun, KeptBy, NewCookie, NewSession, SessionKind, Timeouts};
use super::{
    Identity, NewRefreshToken, Purpose, RefreshTokenText, SecretDigest, SecretText, Session,
    SignInName, StoreError, User, UserId,
};
use crate::clock::Timestamp;
use crate::throttle::ClientNetwork;

/// How long a sign-in may take from its first step to its last.
pub const PENDING: Duration = Duration::from_mins(10);

/// What somebody signs in with.
#[derive(Debug)]
pub struct SignIn {
    /// The sign-in name or the e-mail address, as typed.
    pub name: String,
    /// The password.
    pub password: Password,
    /// What the client wants to hold in the end.
    pub into: Into,
}

/// What a client wants to hold when it is signed in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Into {
    /// Tokens: a program.
    Tokens,
    /// A cookie for this host: a browser.
    Cookie(Arc<str>),
}

/// What came of a step.
#[derive(Debug)]
pub enum Step {
    /// Signed in.
    Done(Box<SignedIn>),
    /// More is needed.
    Pending(Pending),
}

/// A sign-in that is not finished.
#[derive(Debug)]
pub struct Pending {
    /// What the client shows with its next step.
    pub token: SecretText,
    /// What it needs.
    pub needs: Needs,
    /// How long the client has.
    pub expires_in: Duration,
}

/// What a sign-in needs next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Needs {
    /// A second factor, one of these.
    SecondFactor(Vec<Method>),
    /// A second factor is demanded, and there is none yet.
    Enrolment,
}

/// Somebody who is signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Who it is.
    pub user: User,
    /// The new session.
    pub session: Session,
    /// What the client holds.
    pub held: HeldBy,
}

/// What a signed-in client holds.
#[derive(Debug)]
pub enum HeldBy {
    /// A cookie's value.
    Cookie(SecretText),
    /// Tokens.
    Tokens(TokenPair),
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Too many hashes are waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Too many failures lately, on this account or from this network.
    #[error("locked after too many failures")]
    Locked {
        /// Until the next attempt is judged.
        retry_after: Duration,
    },
    /// The pending token is not good: too late, used, or for something else.
    #[error("the sign-in is over; begin again")]
    NotPending,
    /// The second factor cannot be enrolled so.
    #[error(transparent)]
    Enrol(EnrolError),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody has this name, or the password is another one, or the account may not sign in. The reason is for
    /// us; the client must not learn it.
    #[error("wrong name or password ({})", reason.name())]
    WrongNameOrPassword {
        /// Which of these.
        reason: SignInFailure,
    },
    /// The second factor is wrong.
    #[error("the second factor is wrong")]
    WrongFactor,
}

impl From<FactorError> for SignInError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Wrong => Self::WrongFactor,
            FactorError::Locked { retry_after } => Self::Locked { retry_after },
            FactorError::Sealed(error) => Self::Store(StoreError::Corrupt {
                record: "second factor",
                id: String::new(),
                source: error.into(),
            }),
            FactorError::Store(error) => Self::Store(error),
        }
    }
}

impl From<EnrolError> for SignInError {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::Store(error) => Self::Store(error),
            EnrolError::Wrong => Self::WrongFactor,
            other => Self::Enrol(other),
        }
    }
}

/// What follows the password. Pure.
pub fn after_password(methods: Vec<Method>, demanded: bool) -> Option<Needs> {
    if !methods.is_empty() {
        return Some(Needs::SecondFactor(methods));
    }
    demanded.then_some(Needs::Enrolment)
}

/// What is kept under a pending token.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Waiting {
    user: String,
    epoch: i64,
    into: Into,
    /// Whether it waits for enrolling a factor instead of giving one.
    enrolment: bool,
}

impl Identity {
    /// Signs somebody in, or tells what is needed yet.
    ///
    /// # Errors
    ///
    /// [`SignInError`]. Failures are recorded, and counted against the account and the client's network.
    pub async fn sign_in(&self, sign_in: SignIn, client: &Client) -> Result<Step, SignInError> {
        let user = self.check_password_of(&sign_in.name, sign_in.password, client).await?;
        let methods = self.factors(user.id).await?.methods();
        match after_password(methods, self.demands_second_factor(&user)) {
            None => {
                self.lockouts.start_afresh(Account::Known(user.id)).await;
                self.begin(user, None, &sign_in.into, client).await.map(Step::done)
            }
            Some(needs) => self.wait(&user, needs, sign_in.into).await.map(Step::Pending),
        }
    }

    /// Gives the second factor of a sign-in in progress.
    ///
    /// # Errors
    ///
    /// [`SignInError`]. After a wrong factor the sign-in still waits, until the account is locked or the time is over.
    pub async fn give_factor(
        &self,
        token: &str,
        given: GivenFactor,
        client: &Client,
    ) -> Result<SignedIn, SignInError> {
        let key = SecretDigest::of(token, Purpose::Handshake);
        let (waiting, user) = self.waiting(&key).await?;
        if waiting.enrolment {
            return Err(SignInError::NotPending);
        }
        self.check_factor(&user, given, client).await?;
        self.finish(&key, user, &waiting.into, client).await
    }

    /// Begins to enrol an authenticator app in a sign-in that waits for one.
    ///
    /// # Errors
    ///
    /// [`SignInError`].
    pub async fn enrol_totp_to_sign_in(&self, token: &str) -> Result<TotpOffer, SignInError> {
        let key = SecretDigest::of(token, Purpose::Handshake);
        let (waiting, user) = self.waiting(&key).await?;
        if !waiting.enrolment {
            return Err(SignInError::NotPending);
        }
        Ok(self.enrol_totp(&user).await?)
    }

    /// Confirms it, which finishes the sign-in: the code is the second factor.
    ///
    /// # Errors
    ///
    /// [`SignInError`]. A wrong code counts as any failure to sign in.
    pub async fn confirm_totp_to_sign_in(
        &self,
        token: &str,
        code: &str,
        client: &Client,
    ) -> Result<(SignedIn, Vec<RecoveryCode>), SignInError> {
        let key = SecretDigest::of(token, Purpose::Handshake);
        let (waiting, user) = self.waiting(&key).await?;
        if !waiting.enrolment {
            return Err(SignInError::NotPending);
        }
        let (account, network) = (Account::Known(user.id), ClientNetwork::from(client.address));
        let (rule, now) = (self.settings().lockout, self.clock.now());
        self.lockouts
            .attempt(account, network, rule, now)
            .await?
            .map_err(|retry_after| SignInError::Locked { retry_after })?;
        let codes = self.confirm_totp(&user, code, client).await?;
        self.lockouts.succeeded(account, network).await;
        let signed_in = self.finish(&key, user, &waiting.into, client).await?;
        Ok((signed_in, codes))
    }

    /// The user of a sign-in in progress, for what must be shown to them: names of methods, challenges.
    ///
    /// # Errors
    ///
    /// [`SignInError::NotPending`], or the store's.
    pub async fn pending_user(&self, token: &str) -> Result<(User, Needs), SignInError> {
        let (waiting, user) = self.waiting(&SecretDigest::of(token, Purpose::Handshake)).await?;
        if waiting.enrolment {
            return Ok((user, Needs::Enrolment));
        }
        let methods = self.factors(user.id).await?.methods();
        Ok((user, Needs::SecondFactor(methods)))
    }

    /// Signs in whoever holds a passkey that verified its user: nothing else is needed.
    ///
    /// # Errors
    ///
    /// [`SignInError`].
    pub async fn sign_in_with_passkey(
        &self,
        answer: &PasskeyAnswer,
        into: Into,
        client: &Client,
    ) -> Result<SignedIn, SignInError> {
        let network = ClientNetwork::from(client.address);
        let (rule, now) = (self.settings().lockout, self.clock.now());
        if let Err(retry_after) = self.lockouts.attempt_from(network, rule, now).await? {
            return Err(SignInError::Locked { retry_after });
        }
        let found = self.user_by_passkey(answer, now).await?;
        let Some(user) = found.filter(User::is_active) else {
            let kind = EventKind::SecondFactorFailed { method: Method::Passkey };
            self.records.events.record(&self.event(kind, None, None, Some(client))).await?;
            return Err(SignInError::WrongFactor);
        };
        self.lockouts.succeeded(Account::Known(user.id), network).await;
        self.begin(user, Some(now), &into, client).await
    }

    /// Checks a name and a password. Counts failures; one hash in every case, and whether anybody has the name is not
    /// told by the time it takes.
    ///
    /// # Errors
    ///
    /// [`SignInError`].
    pub(super) async fn check_password_of(
        &self,
        name: &str,
        password: Password,
        client: &Client,
    ) -> Result<User, SignInError> {
        refuse_evenly(self.judge_password_of(name, password, client)).await
    }

    async fn judge_password_of(
        &self,
        name: &str,
        password: Password,
        client: &Client,
    ) -> Result<User, SignInError> {
        let network = ClientNetwork::from(client.address);
        let rule = self.settings().lockout;
        let (user, account) = self.find_account(name).await?;
        // Whoever is locked out waits in no queue.
        if let Err(retry_after) = self.lockouts.look(account, network, self.clock.now()).await? {
            return self.locked(user.as_ref(), retry_after, client).await;
        }
        let hasher = self.hasher();
        let turn = hasher.turn().await?;
        // Only now: what waits for its turn is not a failure yet, and many people may stand behind one address.
        let attempt = self.lockouts.attempt(account, network, rule, self.clock.now()).await?;
        if let Err(retry_after) = attempt {
            return self.locked(user.as_ref(), retry_after, client).await;
        }
        let stored = user.as_ref().map(|user| &user.password_hash);
        let found = hasher.verify(&turn, password.clone(), stored).await?;
        // A failure stays counted, so it holds nobody up.
        let turn = Some(turn).filter(|_| found != Verification::Mismatch);
        let (user, needs_rehash) = match (user, found) {
            (Some(user), Verification::Matches { needs_rehash }) if user.is_active() => {
                (user, needs_rehash)
            }
            (Some(user), Verification::Matches { .. }) => {
                return self.refused(Some(&user), SignInFailure::Disabled, client).await;
            }
            (Some(user), Verification::Mismatch) => {
                return self.refused(Some(&user), SignInFailure::WrongPassword, client).await;
            }
            (None, _) => return self.refused(None, SignInFailure::UnknownName, client).await,
        };
        // Not forgotten yet: whoever knows the password only must not guess second factors for ever.
        self.lockouts.right_so_far(account, network).await;
        // And not before: whoever comes next would find this attempt counted.
        drop(turn);
        // Not worth refusing anybody for: the next sign-in tries again.
        if needs_rehash && let Ok(fresh) = hasher.hash(password).await {
            let _later = self.records.users.rehash(user.id, &user.password_hash, &fresh).await;
        }
        Ok(user)
    }

    /// The user of this name, and the bucket in which attempts on it are counted.
    async fn find_account(&self, name: &str) -> Result<(Option<User>, Account), StoreError> {
        let (user, canonical) = match name.parse::<SignInName>() {
            Ok(name) => (self.records.users.find_by_name(&name).await?, name.as_str().to_owned()),
            Err(_) => (None, name.to_lowercase()),
        };
        let account = user
            .as_ref()
            .map_or_else(|| Account::unknown(&canonical), |user| Account::Known(user.id));
        Ok((user, account))
    }

    async fn wait(&self, user: &User, needs: Needs, into: Into) -> Result<Pending, SignInError> {
        let (token, now) = (SecretText::generate(), self.clock.now());
        let waiting = Waiting {
            user: user.id.to_string(),
            epoch: user.epoch,
            into,
            enrolment: needs == Needs::Enrolment,
        };
        let value = serde_json::to_string(&waiting).unwrap_or_default();
        let key = token.digest(Purpose::Handshake);
        self.records.handshakes.put(key, value, now + PENDING, now).await?;
        Ok(Pending { token, needs, expires_in: PENDING })
    }

    /// What waits under this key, and for whom, if nothing about that user changed since.
    async fn waiting(&self, key: &SecretDigest) -> Result<(Waiting, User), SignInError> {
        let value = self.records.handshakes.look(key, self.clock.now()).await?;
        let waiting: Option<Waiting> = value.and_then(|value| serde_json::from_str(&value).ok());
        let waiting = waiting.ok_or(SignInError::NotPending)?;
        let id: UserId = waiting.user.parse().map_err(|_| SignInError::NotPending)?;
        let user = self.records.users.find(id).await?;
        let user = user.filter(|user| user.is_active() && user.epoch == waiting.epoch);
        Ok((waiting, user.ok_or(SignInError::NotPending)?))
    }

    /// Turns a sign-in with both factors into a session: once.
    async fn finish(
        &self,
        key: &SecretDigest,
        user: User,
        into: &Into,
        client: &Client,
    ) -> Result<SignedIn, SignInError> {
        let now = self.clock.now();
        let taken = self.records.handshakes.take(key, now).await?;
        taken.ok_or(SignInError::NotPending)?;
        self.begin(user, Some(now), into, client).await
    }

    async fn begin(
        &self,
        user: User,
        second_factor_at: Option<Timestamp>,
        into: &Into,
        client: &Client,
    ) -> Result<SignedIn, SignInError> {
        let (now, settings) = (self.clock.now(), self.settings());
        let begin = |timeouts, kind| Session {
            second_factor_at,
            kind,
            ..Session::begin(user.id, client, timeouts, now)
        };
        let (session, kept_by, text) = match into {
            Into::Cookie(host) => {
                let session = begin(self.browser_timeouts(&user), SessionKind::Browser);
                let text = SecretText::generate();
                let cookie =
                    NewCookie { digest: text.digest(Purpose::Cookie), host: Arc::clone(host) };
                (session, KeptBy::Cookie(cookie), Text::Cookie(text))
            }
            Into::Tokens => {
                let timeouts = Timeouts::of_tokens(settings.refresh_life);
                let session = begin(timeouts, SessionKind::Tokens);
                let text = RefreshTokenText::first(&self.refresh_key, now);
                let token = NewRefreshToken {
                    family: text.family,
                    number: text.number,
                    digest: text.digest(),
                    expires_at: (now + settings.refresh_life).min(session.expires_at),
                };
                let expires_at = token.expires_at;
                (session, KeptBy::RefreshToken(token), Text::Refresh(text, expires_at))
            }
        };
        let about = LetterKind::NewSignIn {
            at: now,
            device: client.user_agent.as_deref().unwrap_or("unknown").to_owned(),
            address: self.with_place(client.address),
        };
        // The first sign-in of all is no news.
        let before = user.last_login_at.is_some();
        let if_new_client = self.letter(&user, about).pop().filter(|_| before);
        let new = NewSession { session: session.clone(), kept_by, if_new_client };
        let event = self.event(EventKind::SignedIn, Some(user.id), Some(session.id), Some(client));
        match self.records.sessions.begin(&new, user.epoch, &event).await? {
            Begun::Begun => {
                let held = match text {
                    Text::Cookie(text) => HeldBy::Cookie(text),
                    Text::Refresh(text, until) => {
                        HeldBy::Tokens(self.pair(&user, &session, &text, until, now))
                    }
                };
                Ok(SignedIn { user, session, held })
            }
            Begun::NotAllowed => self.refused(Some(&user), SignInFailure::Disabled, client).await,
        }
    }

    /// The strictest of the user's roles says how long a browser stays signed in.
    fn browser_timeouts(&self, user: &User) -> Timeouts {
        let roles = self.roles_of(user);
        let default = Timeouts { idle: DEFAULT_IDLE, absolute: DEFAULT_ABSOLUTE };
        Timeouts {
            idle: roles.iter().map(|role| role.idle_timeout).min().unwrap_or(default.idle),
            absolute: roles
                .iter()
                .map(|role| role.absolute_timeout)
                .min()
                .unwrap_or(default.absolute),
        }
    }

    async fn refused<T>(
        &self,
        user: Option<&User>,
        reason: SignInFailure,
        client: &Client,
    ) -> Result<T, SignInError> {
        let kind = EventKind::SignInFailed { reason };
        let event = self.event(kind, user.map(|user| user.id), None, Some(client));
        match user {
            Some(user) => self.failed_on(user, event, client).await?,
            None => self.records.events.record(&event).await?,
        }
        Err(SignInError::WrongNameOrPassword { reason })
    }

    /// Records a failure on somebody's account; if it is the one that locks, that too, and tells them.
    pub(super) async fn failed_on(
        &self,
        user: &User,
        event: Event,
        client: &Client,
    ) -> Result<(), StoreError> {
        self.records.events.record(&event).await?;
        let rule = self.settings().lockout;
        let account = Account::Known(user.id);
        let Some(until) = self.lockouts.lock_begun(account, rule).await else {
            return Ok(());
        };
        let locked = self.event(EventKind::Locked, Some(user.id), None, Some(client));
        let address = client.address.to_string();
        let letters = self.letter(user, LetterKind::Locked { until, address });
        self.records.events.record_and_tell(&locked, &letters).await
    }

    async fn locked<T>(
        &self,
        user: Option<&User>,
        retry_after: Duration,
        client: &Client,
    ) -> Result<T, SignInError> {
        let kind = EventKind::SignInFailed { reason: SignInFailure::Locked };
        let event = self.event(kind, user.map(|user| user.id), None, Some(client));
        self.records.events.record(&event).await?;
        Err(SignInError::Locked { retry_after })
    }
}

enum Text {
    Cookie(SecretText),
    Refresh(RefreshTokenText, Timestamp),
}

impl Step {
    fn done(signed_in: SignedIn) -> Self {
        Self::Done(Box::new(signed_in))
    }
}

/// Idle timeout of somebody without any role.
const DEFAULT_IDLE: Duration = Duration::from_mins(30);

/// Absolute timeout of somebody without any role.
const DEFAULT_ABSOLUTE: Duration = Duration::from_hours(12);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_password() {
        for (methods, demanded, needs) in [
            (vec![], false, None),
            (vec![], true, Some(Needs::Enrolment)),
            (vec![Method::Totp], false, Some(Needs::SecondFactor(vec![Method::Totp]))),
            (vec![Method::Totp], true, Some(Needs::SecondFactor(vec![Method::Totp]))),
        ] {
            let label = format!("{methods:?} {demanded}");
            assert_eq!(after_password(methods, demanded), needs, "{label}");
        }
    }
}
