//! Second factors: codes of an authenticator app (`totp`), recovery codes (`recovery`), passkeys (`passkey`).
//!
//! The files of that name are pure. Here is what they share: the record, and the use cases of enrolling, giving and
//! removing a factor. Every factor works once: a code's time step, a recovery code and a challenge are used up in one
//! atomic step of the store.

pub mod passkey;
mod passkeys;
pub mod qr;
pub mod recovery;
pub mod totp;

use std::time::Duration;

use async_trait::async_trait;

use self::recovery::{RecoveryCode, RecoveryDigest};
use self::totp::{AcceptedStep, TotpSecret};
use super::event::{Client, Event, EventKind};
use super::letter::{Letter, LetterKind, SecondFactorChange};
use super::lockout::Account;
use super::seal::CannotOpen;
use super::{Identity, PasskeyId, Session, SessionId, StoreError, User, UserId};
use crate::clock::Timestamp;
use crate::throttle::ClientNetwork;

pub use passkeys::{Ceremony, PasskeyAnswer, StoredPasskey};

/// A kind of second factor.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Method {
    /// A passkey or security key.
    Passkey,
    /// One of ten codes on paper.
    RecoveryCode,
    /// A code of an authenticator app.
    Totp,
}

impl Method {
    /// The name in the API, in metrics and in the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::RecoveryCode => "recovery_code",
            Self::Totp => "totp",
        }
    }
}

/// The second factors of somebody.
#[derive(Clone, Debug, Default)]
pub struct Factors {
    /// The authenticator app.
    pub totp: Option<StoredTotp>,
    /// Recovery codes that were not used.
    pub recovery_codes_left: u32,
    /// Passkeys, oldest first.
    pub passkeys: Vec<StoredPasskey>,
}

impl Factors {
    /// Whether there is one to ask for. Recovery codes alone are none: they only stand in for another.
    pub fn enrolled(&self) -> bool {
        self.totp.as_ref().is_some_and(|totp| totp.confirmed) || !self.passkeys.is_empty()
    }

    /// What can be asked for, the best first.
    pub fn methods(&self) -> Vec<Method> {
        let totp = self.totp.as_ref().is_some_and(|totp| totp.confirmed);
        let recovery = self.enrolled() && self.recovery_codes_left > 0;
        [
            (Method::Passkey, !self.passkeys.is_empty()),
            (Method::Totp, totp),
            (Method::RecoveryCode, recovery),
        ]
        .into_iter()
        .filter_map(|(method, there)| there.then_some(method))
        .collect()
    }
}

/// An authenticator app as a record.
#[derive(Clone, Debug)]
pub struct StoredTotp {
    /// The secret, sealed.
    pub sealed: Vec<u8>,
    /// Whether its first code was given.
    pub confirmed: bool,
    /// The last time step that was accepted.
    pub last_step: Option<u64>,
}

/// A change of somebody's factors, with what must become true in the same step.
#[derive(Clone, Debug)]
pub struct Noted {
    /// What is recorded.
    pub event: Event,
    /// What is mailed.
    pub letters: Vec<Letter>,
}

/// The need for stored second factors.
#[async_trait]
pub trait SecondFactors: Send + Sync {
    /// Those of `user`.
    async fn of_user(&self, user: UserId) -> Result<Factors, StoreError>;

    /// Keeps an authenticator app that is not confirmed yet, in place of another such. False when there is a confirmed
    /// one: then nothing was written.
    async fn offer_totp(&self, user: UserId, sealed: &[u8]) -> Result<bool, StoreError>;

    /// Confirms it by the code of `step`. False when there is none to confirm. With `codes`, they replace the recovery
    /// codes.
    async fn confirm_totp(
        &self,
        user: UserId,
        step: u64,
        codes: Option<&[RecoveryDigest]>,
        noted: &Noted,
    ) -> Result<bool, StoreError>;

    /// Uses up a time step of a confirmed app. True for one caller only, and for no earlier step afterwards.
    async fn accept_step(&self, user: UserId, step: u64) -> Result<bool, StoreError>;

    /// Uses up a recovery code. True for one caller only.
    async fn use_recovery_code(
        &self,
        user: UserId,
        digest: &RecoveryDigest,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces all recovery codes.
    async fn renew_recovery_codes(
        &self,
        user: UserId,
        codes: &[RecoveryDigest],
        noted: &Noted,
    ) -> Result<(), StoreError>;

    /// Removes the authenticator app. False when there is none.
    async fn remove_totp(&self, user: UserId, noted: &Noted) -> Result<bool, StoreError>;

    /// Adds a passkey; with `codes`, they replace the recovery codes. False when somebody has this credential already.
    async fn add_passkey(
        &self,
        user: UserId,
        passkey: &StoredPasskey,
        codes: Option<&[RecoveryDigest]>,
        noted: &Noted,
    ) -> Result<bool, StoreError>;

    /// The passkey with this credential id, and whose it is.
    async fn passkey(
        &self,
        credential: &[u8],
    ) -> Result<Option<(UserId, StoredPasskey)>, StoreError>;

    /// Notes a use of a passkey, if its counter is still `before`. False when another use came first.
    async fn passkey_used(
        &self,
        id: PasskeyId,
        before: u32,
        counter: u32,
        backed_up: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Removes a passkey of `user`. False when there is none such.
    async fn remove_passkey(
        &self,
        user: UserId,
        id: PasskeyId,
        noted: &Noted,
    ) -> Result<bool, StoreError>;

    /// Removes every second factor and recovery code. False when there was none.
    async fn reset(&self, user: UserId, noted: &Noted) -> Result<bool, StoreError>;
}

/// A second factor as somebody gives it.
#[derive(Debug)]
pub enum GivenFactor {
    /// A code of the authenticator app.
    Totp(String),
    /// A recovery code.
    RecoveryCode(String),
    /// The answer of a passkey to a challenge of ours.
    Passkey(PasskeyAnswer),
}

impl GivenFactor {
    /// Its kind.
    pub fn method(&self) -> Method {
        match self {
            Self::Totp(_) => Method::Totp,
            Self::RecoveryCode(_) => Method::RecoveryCode,
            Self::Passkey(_) => Method::Passkey,
        }
    }
}

/// Why a second factor was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// It is wrong, was used before, or is not one of theirs.
    #[error("the second factor is wrong")]
    Wrong,
    /// Too many failures lately.
    #[error("locked after too many failures")]
    Locked {
        /// Until the next attempt is judged.
        retry_after: Duration,
    },
    /// What is kept about it cannot be read.
    #[error(transparent)]
    Sealed(#[from] CannotOpen),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the second factors of somebody were not changed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// There is one already; remove it first.
    #[error("there is one already")]
    AlreadyEnrolled,
    /// Nobody began to enrol one, or it took too long.
    #[error("nothing to confirm")]
    NotBegun,
    /// The code or the answer is wrong.
    #[error("the code is wrong")]
    Wrong,
    /// There is no such factor.
    #[error("no such second factor")]
    NoSuchFactor,
    /// A role demands one, so the last one stays.
    #[error("your role demands a second factor")]
    Required,
    /// Something is written in a way that cannot be.
    #[error("name: expected 1 to 64 characters and no control characters")]
    Name,
    /// What is kept about it cannot be read.
    #[error(transparent)]
    Sealed(#[from] CannotOpen),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An authenticator app that somebody begins to enrol. Shown this once.
#[derive(Debug)]
pub struct TotpOffer {
    /// The secret.
    pub secret: TotpSecret,
    /// `otpauth://totp/…`, for the QR code.
    pub uri: crate::secret::Secret<String>,
}

impl Identity {
    /// The second factors of somebody.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn factors(&self, user: UserId) -> Result<Factors, StoreError> {
        self.records.second_factors.of_user(user).await
    }

    /// Whether a role of `user` demands a second factor.
    pub fn demands_second_factor(&self, user: &User) -> bool {
        self.roles_of(user).iter().any(|role| role.second_factor)
    }

    /// Begins to enrol an authenticator app.
    ///
    /// # Errors
    ///
    /// [`EnrolError::AlreadyEnrolled`], or the store's.
    pub async fn enrol_totp(&self, user: &User) -> Result<TotpOffer, EnrolError> {
        let secret = TotpSecret::generate();
        let sealed = self.sealer.seal(&totp_context(user.id), secret.expose_for_store());
        if !self.records.second_factors.offer_totp(user.id, &sealed).await? {
            return Err(EnrolError::AlreadyEnrolled);
        }
        let settings = self.settings();
        let issuer = settings.public_url.trim_start_matches("https://");
        let uri = secret.uri(issuer, user.email.as_str());
        Ok(TotpOffer { secret, uri })
    }

    /// Confirms an authenticator app by its first code. Returns recovery codes when there were none.
    ///
    /// # Errors
    ///
    /// [`EnrolError`]; then nothing changed.
    pub async fn confirm_totp(
        &self,
        user: &User,
        code: &str,
        client: &Client,
    ) -> Result<Vec<RecoveryCode>, EnrolError> {
        let now = self.clock.now();
        let factors = self.factors(user.id).await?;
        let totp = factors.totp.as_ref().filter(|totp| !totp.confirmed);
        let totp = totp.ok_or(EnrolError::NotBegun)?;
        let secret = self.open_totp(user.id, totp)?;
        let step = totp::check(&secret, code, now, None).map_err(|_| EnrolError::Wrong)?;
        let codes = first_recovery_codes(&factors);
        let digests = digests(&codes, user.id);
        let noted = self.noted(
            user,
            EventKind::SecondFactorAdded { method: Method::Totp },
            SecondFactorChange::Added,
            Some(client),
        );
        let digests = (!codes.is_empty()).then_some(digests.as_slice());
        let records = &self.records.second_factors;
        if !records.confirm_totp(user.id, step.0, digests, &noted).await? {
            return Err(EnrolError::NotBegun);
        }
        Ok(codes)
    }

    /// Removes the authenticator app.
    ///
    /// # Errors
    ///
    /// [`EnrolError`]; then nothing changed.
    pub async fn remove_totp(&self, user: &User, client: &Client) -> Result<(), EnrolError> {
        let factors = self.factors(user.id).await?;
        if self.demands_second_factor(user) && factors.passkeys.is_empty() {
            return Err(EnrolError::Required);
        }
        let noted = self.noted(
            user,
            EventKind::SecondFactorRemoved { method: Method::Totp },
            SecondFactorChange::Removed,
            Some(client),
        );
        let removed = self.records.second_factors.remove_totp(user.id, &noted).await?;
        if removed { Ok(()) } else { Err(EnrolError::NoSuchFactor) }
    }

    /// Makes ten recovery codes in place of those before.
    ///
    /// # Errors
    ///
    /// [`EnrolError::NoSuchFactor`] without another second factor, or the store's.
    pub async fn renew_recovery_codes(
        &self,
        user: &User,
        client: &Client,
    ) -> Result<Vec<RecoveryCode>, EnrolError> {
        if !self.factors(user.id).await?.enrolled() {
            return Err(EnrolError::NoSuchFactor);
        }
        let codes = Vec::from(RecoveryCode::generate());
        let digests = digests(&codes, user.id);
        let kind = EventKind::RecoveryCodesRenewed;
        let noted = self.noted(user, kind, SecondFactorChange::RecoveryCodesRenewed, Some(client));
        self.records.second_factors.renew_recovery_codes(user.id, &digests, &noted).await?;
        Ok(codes)
    }

    /// Notes in a session that a second factor was given now (RFC 9470), and returns the session as it is since.
    ///
    /// # Errors
    ///
    /// [`FactorError`]. Failures count like those of signing in.
    pub async fn step_up(
        &self,
        user: &User,
        session: SessionId,
        given: GivenFactor,
        client: &Client,
    ) -> Result<Session, FactorError> {
        let method = given.method();
        self.check_factor(user, given, client).await?;
        let kind = EventKind::SecondFactorGiven { method };
        let event = self.event(kind, Some(user.id), Some(session), Some(client));
        let noted = self.records.sessions.stepped_up(session, &event).await?;
        let found = self.records.sessions.find(session).await?;
        self.index.forget_session(session);
        found.filter(|_| noted).ok_or(FactorError::Wrong)
    }

    /// Checks a second factor and uses it up. A failure counts against the account and the client's network, over every
    /// door.
    pub(super) async fn check_factor(
        &self,
        user: &User,
        given: GivenFactor,
        client: &Client,
    ) -> Result<(), FactorError> {
        let (account, network) = (Account::Known(user.id), ClientNetwork::from(client.address));
        let (rule, now) = (self.settings().lockout, self.clock.now());
        self.lockouts
            .attempt(account, network, rule, now)
            .await?
            .map_err(|retry_after| FactorError::Locked { retry_after })?;
        let method = given.method();
        match self.is_right(user, given, now).await {
            Ok(true) => {
                self.lockouts.succeeded(account, network).await;
                Ok(())
            }
            Ok(false) => {
                let kind = EventKind::SecondFactorFailed { method };
                let event = self.event(kind, Some(user.id), None, Some(client));
                self.failed_on(user, event, client).await?;
                Err(FactorError::Wrong)
            }
            Err(error) => {
                self.lockouts.right_so_far(account, network).await;
                Err(error)
            }
        }
    }

    async fn is_right(
        &self,
        user: &User,
        given: GivenFactor,
        now: Timestamp,
    ) -> Result<bool, FactorError> {
        let records = &self.records.second_factors;
        match given {
            GivenFactor::Totp(code) => {
                let factors = self.factors(user.id).await?;
                let Some(totp) = factors.totp.filter(|totp| totp.confirmed) else {
                    return Ok(false);
                };
                let secret = self.open_totp(user.id, &totp)?;
                match totp::check(&secret, &code, now, totp.last_step.map(AcceptedStep)) {
                    Ok(step) => Ok(records.accept_step(user.id, step.0).await?),
                    Err(_) => Ok(false),
                }
            }
            GivenFactor::RecoveryCode(code) => match code.parse::<RecoveryCode>() {
                Ok(code) => {
                    Ok(records.use_recovery_code(user.id, &code.digest(user.id), now).await?)
                }
                Err(_) => Ok(false),
            },
            GivenFactor::Passkey(answer) => self.passkey_is_right(user.id, &answer, now).await,
        }
    }

    fn open_totp(&self, user: UserId, totp: &StoredTotp) -> Result<TotpSecret, CannotOpen> {
        let opened = self.sealer.open(&totp_context(user), &totp.sealed)?;
        let bytes = opened.expose().as_slice().try_into().map_err(|_| CannotOpen)?;
        Ok(TotpSecret::from_bytes(bytes))
    }

    pub(super) fn noted(
        &self,
        user: &User,
        kind: EventKind,
        change: SecondFactorChange,
        client: Option<&Client>,
    ) -> Noted {
        let event = self.event(kind, Some(user.id), None, client);
        let letters = self.letter(user, LetterKind::SecondFactorChanged { what: change });
        Noted { event, letters }
    }
}

/// Ten codes with the first factor; none when there are some.
fn first_recovery_codes(factors: &Factors) -> Vec<RecoveryCode> {
    if factors.recovery_codes_left > 0 { Vec::new() } else { Vec::from(RecoveryCode::generate()) }
}

fn digests(codes: &[RecoveryCode], user: UserId) -> Vec<RecoveryDigest> {
    codes.iter().map(|code| code.digest(user)).collect()
}

fn totp_context(user: UserId) -> String {
    format!("totp/{user}")
}
