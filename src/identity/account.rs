//! What people do with their own account: profile, password, address, sessions, the end of it.

use std::sync::Arc;
use std::time::Duration;

use super::even::evenly;
use super::event::{Client, EventKind, EventQuery, Recorded, SignInFailure};
use super::letter::LetterKind;
use super::lockout::Account;
use super::mailed_token::{MailedTokenDigest, Meaning, NewMailedToken};
use super::password::{Busy, Password, Verification, Weakness};
use super::registration::InvalidField;
use super::second_factor::Factors;
use super::service::is_full_name;
use super::sign_in::SignInError;
use super::user::{Change, Update, Updated};
use super::{
    Email, EndReason, Identity, Purpose, SecretDigest, Session, SessionId, StoreError, User, UserId,
};
use crate::clock::Timestamp;
use crate::throttle::ClientNetwork;

/// How long ago somebody may have proven who they are, to change what protects the account.
pub const FRESH: Duration = Duration::from_mins(15);

/// How long a link to a new password is good.
pub(super) const RESET_WITHIN: Duration = Duration::from_mins(30);

/// How long a link to another address is good.
const CHANGE_WITHIN: Duration = Duration::from_hours(1);

/// How long the old address can call a change off.
const REVERT_WITHIN: Duration = Duration::from_hours(7 * 24);

/// Whether whoever holds `session` has proven lately to be its user. Pure. With a second factor enrolled, only that
/// one counts: a password alone could be a thief's.
pub fn is_fresh(session: &Session, enrolled: bool, now: Timestamp) -> bool {
    let proven = if enrolled {
        session.second_factor_at
    } else {
        session.second_factor_at.max(Some(session.created_at))
    };
    proven.is_some_and(|at| now.since(at) <= FRESH)
}

/// Why a mailed link did not do what it was for.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// Too many hashes are waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It was used, has expired, or was never made.
    #[error("the link is not good any more")]
    LinkSpent,
    /// Too many failures lately.
    #[error("locked after too many failures")]
    Locked {
        /// Until the next attempt is judged.
        retry_after: Duration,
    },
    /// Somebody has the address meanwhile.
    #[error("the address belongs to another account")]
    AddressTaken,
    /// The new password is not accepted.
    #[error(transparent)]
    Weak(#[from] Weakness),
    /// The password is another one.
    #[error("wrong password")]
    WrongPassword,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SignInError> for ProveError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Busy(busy) => Self::Busy(busy),
            SignInError::Locked { retry_after } => Self::Locked { retry_after },
            SignInError::Store(error) => Self::Store(error),
            SignInError::Enrol(_)
            | SignInError::NotPending
            | SignInError::WrongFactor
            | SignInError::WrongNameOrPassword { .. } => Self::WrongPassword,
        }
    }
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Something was not as it must be.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// There is no such account, or not any more.
    #[error("no such user")]
    NoUser,
    /// The account changed meanwhile.
    #[error("the account changed meanwhile; look again")]
    Stale,
    /// Nobody else could let anybody in.
    #[error("this is the last administrator")]
    LastAdmin,
    /// The address cannot be proven: letters cannot be sent.
    #[error("no mail is configured here")]
    NoMail,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Everything that is kept about somebody, for them to take away.
#[derive(Debug)]
pub struct Export {
    /// The record.
    pub user: User,
    /// Live sessions.
    pub sessions: Vec<Session>,
    /// Device passwords and API tokens, without their secrets.
    pub devices: Vec<super::device::Device>,
    /// Second factors, without their secrets.
    pub factors: Factors,
    /// What was recorded about them, newest first.
    pub events: Vec<Recorded>,
}

/// Most events of an export.
const EXPORTED_EVENTS: u32 = 10_000;

impl Identity {
    /// Changes the full name.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; then nothing changed.
    pub async fn rename(
        &self,
        id: UserId,
        full_name: Option<String>,
        client: &Client,
    ) -> Result<User, AccountError> {
        let full_name = full_name.filter(|name| !name.trim().is_empty());
        if !full_name.as_deref().is_none_or(is_full_name) {
            return Err(InvalidField::FullName.into());
        }
        let event = self.event(EventKind::ProfileChanged, Some(id), None, Some(client));
        let change = Change::FullName(full_name);
        let update =
            Update { change, epoch: None, redeem: None, keep: None, event, letters: Vec::new() };
        match self.records.users.update(id, &update).await? {
            Updated::Done(user) => Ok(*user),
            Updated::NoUser | Updated::Stale | Updated::TokenSpent => Err(AccountError::NoUser),
        }
    }

    /// Changes the password, for whoever knows the old one. Every other session ends.
    ///
    /// # Errors
    ///
    /// [`ProveError`]; then nothing changed. [`ProveError::LinkSpent`] when the account changed meanwhile.
    pub async fn change_password(
        &self,
        id: UserId,
        session: SessionId,
        old: Password,
        new: Password,
        client: &Client,
    ) -> Result<(), ProveError> {
        let user = self.me(id).await?.ok_or(ProveError::LinkSpent)?;
        self.check_own_password(&user, old, client).await?;
        let hash = self.hasher().accept(new, context_words(&user)).await??;
        let update = Update {
            change: Change::Password(hash),
            epoch: Some(user.epoch),
            redeem: None,
            keep: Some(session),
            event: self.event(EventKind::PasswordChanged, Some(id), Some(session), Some(client)),
            letters: self.letter(&user, LetterKind::PasswordChanged),
        };
        match self.records.users.update(id, &update).await? {
            Updated::Done(_) => {
                self.credentials_ended(id, self.clock.now());
                Ok(())
            }
            Updated::NoUser | Updated::Stale | Updated::TokenSpent => Err(ProveError::LinkSpent),
        }
    }

    /// Mails a link to a new password, if the address has an account that may have one. The caller learns nothing.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn forgot_password(&self, email: &str, client: &Client) -> Result<(), StoreError> {
        evenly(self.mail_new_password(email, client)).await
    }

    async fn mail_new_password(&self, email: &str, client: &Client) -> Result<(), StoreError> {
        let asked = |user| self.event(EventKind::PasswordResetAsked, user, None, Some(client));
        let user = match email.parse::<Email>() {
            Ok(email) => self.records.users.find_by_name(&super::SignInName::Email(email)).await?,
            Err(_) => None,
        };
        let entitled = |user: &User| {
            use super::Standing::{Active, AwaitingApproval, Unverified};
            matches!(user.standing, Active | AwaitingApproval | Unverified)
        };
        let Some(user) = user.filter(entitled).filter(|_| self.settings().mail) else {
            return self.records.events.record(&asked(None)).await;
        };
        let (now, id) = (self.clock.now(), Some(user.id));
        let until = now + RESET_WITHIN;
        let meaning = Meaning::ResetPassword;
        let (token, text) = NewMailedToken::generate(id, meaning, user.epoch, now, until);
        let link = self.link("/auth/reset-password", &text);
        let kind = LetterKind::ResetPassword { link, valid_for: RESET_WITHIN };
        for letter in self.letter(&user, kind) {
            self.records.mailed_tokens.issue(&token, Some(&letter), &asked(id)).await?;
        }
        Ok(())
    }

    /// Sets a new password by way of a mailed link. Every session ends, and a lock after failures too.
    ///
    /// # Errors
    ///
    /// [`ProveError`]; after a weak password the link is still good.
    pub async fn reset_password(
        &self,
        token: &str,
        new: Password,
        client: &Client,
    ) -> Result<(), ProveError> {
        let (digest, user) = self.holder_of(token, &Meaning::ResetPassword, client).await?;
        let hash = self.hasher().accept(new, context_words(&user)).await??;
        let approval = self.settings().registration.needs_approval();
        let update = Update {
            change: Change::PasswordByMail { hash, approval },
            epoch: Some(user.epoch),
            redeem: Some(digest),
            keep: None,
            event: self.event(EventKind::PasswordReset, Some(user.id), None, Some(client)),
            letters: self.letter(&user, LetterKind::PasswordChanged),
        };
        match self.records.users.update(user.id, &update).await? {
            Updated::Done(user) => {
                self.lockouts.start_afresh(Account::Known(user.id)).await;
                self.credentials_ended(user.id, self.clock.now());
                Ok(())
            }
            Updated::NoUser | Updated::Stale | Updated::TokenSpent => Err(ProveError::LinkSpent),
        }
    }

    /// Asks for another address. The present one, when it was ever proven, must agree first (see
    /// [`agree_to_email`](Self::agree_to_email)) and can call the change off; then the new one is asked whether it is
    /// theirs. Whoever lost the present one asks an administrator.
    ///
    /// # Errors
    ///
    /// [`AccountError`]. Whether somebody has the new address is not told; its owner just gets no link.
    pub async fn ask_email_change(
        &self,
        id: UserId,
        new: &str,
        client: &Client,
    ) -> Result<(), AccountError> {
        let new: Email = new.parse().map_err(InvalidField::Email)?;
        if !self.settings().mail {
            return Err(AccountError::NoMail);
        }
        let user = self.me(id).await?.ok_or(AccountError::NoUser)?;
        let now = self.clock.now();
        let event = self.event(EventKind::EmailChangeAsked, Some(id), None, Some(client));

        let must_agree = user.email_verified_at.is_some();
        let agreed_to = must_agree.then(|| new.clone());
        let meaning = Meaning::CancelEmail { email: user.email.clone(), new: agreed_to };
        let (both, text) =
            NewMailedToken::generate(Some(id), meaning, user.epoch, now, now + REVERT_WITHIN);
        let notice = LetterKind::EmailChanging {
            new_masked: new.masked(),
            cancel: self.link("/auth/cancel-email", &text),
            agree: must_agree.then(|| self.link("/auth/agree-email", &text)),
        };
        for letter in self.letter(&user, notice) {
            self.records.mailed_tokens.issue(&both, Some(&letter), &event).await?;
        }
        if !must_agree {
            self.ask_new_address(user, new, &event).await?;
        }
        Ok(())
    }

    /// The present address agrees to the change that was asked for: the new one is asked whether it is theirs. Good for
    /// an hour; doing it again voids the link that was sent before and sends another one.
    ///
    /// # Errors
    ///
    /// [`ProveError`]; then nothing was sent.
    pub async fn agree_to_email(&self, token: &str, client: &Client) -> Result<(), ProveError> {
        let (digest, user, _) = self.found_by(token, client).await?;
        let now = self.clock.now();
        let found = self.records.mailed_tokens.find(&digest, now).await?;
        let asked = found
            .filter(|found| found.epoch == user.epoch && now < found.created_at + CHANGE_WITHIN);
        let Some(Meaning::CancelEmail { email, new: Some(new) }) = asked.map(|asked| asked.meaning)
        else {
            return Err(ProveError::LinkSpent);
        };
        if email != user.email {
            return Err(ProveError::LinkSpent);
        }
        let event = self.event(EventKind::EmailChangeAgreed, Some(user.id), None, Some(client));
        Ok(self.ask_new_address(user, new, &event).await?)
    }

    async fn ask_new_address(
        &self,
        user: User,
        new: Email,
        event: &super::Event,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let taken = self.records.users.find_by_name(&super::SignInName::Email(new.clone())).await?;
        if taken.is_some() {
            return self.records.events.record(event).await;
        }
        let meaning = Meaning::ChangeEmail { email: new.clone() };
        let (token, text) =
            NewMailedToken::generate(Some(user.id), meaning, user.epoch, now, now + CHANGE_WITHIN);
        let link = self.link("/auth/confirm-email", &text);
        let kind = LetterKind::ChangeEmail { link, new: new.clone(), valid_for: CHANGE_WITHIN };
        let at_new_address = User { email: new, ..user };
        for letter in self.letter(&at_new_address, kind) {
            self.records.mailed_tokens.issue(&token, Some(&letter), event).await?;
        }
        Ok(())
    }

    /// Makes the change of address that a mailed link is for.
    ///
    /// # Errors
    ///
    /// [`ProveError`]; then nothing changed.
    pub async fn confirm_email(&self, token: &str, client: &Client) -> Result<(), ProveError> {
        let (digest, user, meaning) = self.found_by(token, client).await?;
        let Meaning::ChangeEmail { email } = meaning else { return Err(ProveError::LinkSpent) };
        let change = Change::Email(email);
        self.email_by_link(digest, &user, change, EventKind::EmailChanged, client).await
    }

    /// Calls a change of address off by the link that the old address got, also after it was made. Every session ends:
    /// somebody else was in the account.
    ///
    /// # Errors
    ///
    /// [`ProveError`]; then nothing changed.
    pub async fn cancel_email(&self, token: &str, client: &Client) -> Result<(), ProveError> {
        let (digest, user, meaning) = self.found_by(token, client).await?;
        let Meaning::CancelEmail { email, .. } = meaning else { return Err(ProveError::LinkSpent) };
        let change = Change::EmailReverted(email);
        self.email_by_link(digest, &user, change, EventKind::EmailChanged, client).await?;
        self.credentials_ended(user.id, self.clock.now());
        Ok(())
    }

    async fn email_by_link(
        &self,
        digest: MailedTokenDigest,
        user: &User,
        change: Change,
        kind: EventKind,
        client: &Client,
    ) -> Result<(), ProveError> {
        let event = self.event(kind, Some(user.id), None, Some(client));
        let update = Update {
            change,
            epoch: None,
            redeem: Some(digest),
            keep: None,
            event,
            letters: Vec::new(),
        };
        match self.records.users.update(user.id, &update).await {
            Ok(Updated::Done(_)) => {
                self.index.forget_user(user.id);
                Ok(())
            }
            Ok(Updated::NoUser | Updated::Stale | Updated::TokenSpent) => {
                Err(ProveError::LinkSpent)
            }
            Err(StoreError::Conflict { field: "email", .. }) => Err(ProveError::AddressTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything that is kept about somebody.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn export(&self, id: UserId) -> Result<Export, AccountError> {
        self.me(id).await?.ok_or(AccountError::NoUser)?;
        self.export_anybody(id).await
    }

    /// The same about somebody in any standing, for the operator, who must answer to whoever was locked out, too.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn export_anybody(&self, id: UserId) -> Result<Export, AccountError> {
        let user = self.user(id).await?.ok_or(AccountError::NoUser)?;
        let events = EventQuery { user: Some(id), limit: EXPORTED_EVENTS, ..EventQuery::default() };
        Ok(Export {
            user,
            sessions: self.sessions(id).await?,
            devices: self.devices(id).await?,
            factors: self.factors(id).await?,
            events: self.records.events.search(&events).await?,
        })
    }

    /// Erases an account with everything that belongs to it. What is recorded about it stays, by its identifier only.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; then nothing changed.
    pub async fn erase_own(&self, id: UserId, client: &Client) -> Result<(), AccountError> {
        let user = self.me(id).await?.ok_or(AccountError::NoUser)?;
        if self.is_last_admin(&user).await? {
            return Err(AccountError::LastAdmin);
        }
        let event = self.event(EventKind::UserErased, Some(id), None, Some(client));
        if !self.records.users.erase(id, &event).await? {
            return Err(AccountError::NoUser);
        }
        self.credentials_ended(id, self.clock.now());
        Ok(())
    }

    /// The live sessions of somebody, the one used last first.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn sessions(&self, id: UserId) -> Result<Vec<Session>, StoreError> {
        self.records.sessions.of_user(id, self.clock.now()).await
    }

    /// Ends one session of somebody. False when there is none such.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn end_own_session(
        &self,
        id: UserId,
        session: SessionId,
        client: &Client,
    ) -> Result<bool, StoreError> {
        let found = self.records.sessions.find(session).await?;
        if found.is_none_or(|found| found.user != id || found.ended.is_some()) {
            return Ok(false);
        }
        let kind = EventKind::SessionEnded { reason: EndReason::EndedByUser };
        let event = self.event(kind, Some(id), Some(session), Some(client));
        self.session_ended(session);
        self.records.sessions.end(session, EndReason::EndedByUser, &event).await
    }

    /// Ends every session of somebody but `keep`. Returns how many.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn end_other_sessions(
        &self,
        id: UserId,
        keep: Option<SessionId>,
        client: &Client,
    ) -> Result<usize, StoreError> {
        let event = self.event(EventKind::SignedOutEverywhere, Some(id), keep, Some(client));
        let reason = EndReason::SignedOutEverywhere;
        let ended = self.records.sessions.end_all(id, keep, reason, &event).await?;
        for session in &ended {
            self.session_ended(*session);
        }
        Ok(ended.len())
    }

    /// A session, while it is live.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let found = self.records.sessions.find(id).await?;
        Ok(found.filter(|session| session.is_live(self.clock.now())))
    }

    /// How good a password would be: 0 to 100, and what would make it better.
    ///
    /// # Errors
    ///
    /// [`Busy`] when too many are being judged.
    pub async fn strength(&self, password: Password) -> Result<super::password::Strength, Busy> {
        self.hasher().strength(password).await
    }

    /// Checks the password of somebody who is known already. Failures count like those of signing in.
    pub(super) async fn check_own_password(
        &self,
        user: &User,
        password: Password,
        client: &Client,
    ) -> Result<(), ProveError> {
        let (account, network) = (Account::Known(user.id), ClientNetwork::from(client.address));
        let rule = self.settings().lockout;
        let locked = |retry_after| ProveError::Locked { retry_after };
        // As at sign-in: first whether, then the turn, then counted.
        self.lockouts.look(account, network, self.clock.now()).await?.map_err(locked)?;
        let hasher = self.hasher();
        let turn = hasher.turn().await?;
        let attempt = self.lockouts.attempt(account, network, rule, self.clock.now()).await?;
        attempt.map_err(locked)?;
        match hasher.verify(&turn, password, Some(&user.password_hash)).await? {
            Verification::Matches { .. } => {
                self.lockouts.right_so_far(account, network).await;
                Ok(())
            }
            Verification::Mismatch => {
                drop(turn);
                let kind = EventKind::SignInFailed { reason: SignInFailure::WrongPassword };
                let event = self.event(kind, Some(user.id), None, Some(client));
                self.failed_on(user, event, client).await?;
                Err(ProveError::WrongPassword)
            }
        }
    }

    /// The digest of a mailed token that means `wanted`, and whose it is.
    pub(super) async fn holder_of(
        &self,
        token: &str,
        wanted: &Meaning,
        client: &Client,
    ) -> Result<(MailedTokenDigest, User), ProveError> {
        let (digest, user, meaning) = self.found_by(token, client).await?;
        // One from before a change of password or roles is void.
        if meaning == *wanted { Ok((digest, user)) } else { Err(ProveError::LinkSpent) }
    }

    /// What a mailed token means, and whose it is. Unknown ones count against the client's network.
    async fn found_by(
        &self,
        token: &str,
        client: &Client,
    ) -> Result<(MailedTokenDigest, User, Meaning), ProveError> {
        let (now, rule) = (self.clock.now(), self.settings().lockout);
        let network = ClientNetwork::from(client.address);
        self.lockouts
            .attempt_from(network, rule, now)
            .await?
            .map_err(|retry_after| ProveError::Locked { retry_after })?;
        let digest = SecretDigest::of(token, Purpose::Mail);
        let found = self.records.mailed_tokens.find(&digest, now).await?;
        let found = found.ok_or(ProveError::LinkSpent)?;
        let user = match found.user {
            Some(user) => self.records.users.find(user).await?,
            None => None,
        };
        // The link that calls a change off survives it.
        let still = |user: &User| {
            user.epoch == found.epoch || matches!(found.meaning, Meaning::CancelEmail { .. })
        };
        let user = user.filter(still).ok_or(ProveError::LinkSpent)?;
        self.lockouts.right_so_far(Account::Known(user.id), network).await;
        Ok((digest, user, found.meaning))
    }

    /// Whether nobody who may sign in could administer.
    pub(super) async fn has_no_admin(&self) -> Result<bool, StoreError> {
        Ok(self.other_admins(None).await? == 0)
    }

    /// Whether nobody else could administer.
    pub(super) async fn is_last_admin(&self, user: &User) -> Result<bool, StoreError> {
        if !(user.is_admin() && user.is_active()) {
            return Ok(false);
        }
        Ok(self.other_admins(Some(user.id)).await? == 0)
    }

    async fn other_admins(&self, than: Option<UserId>) -> Result<usize, StoreError> {
        let mut others = 0;
        for role in super::user::ADMIN_ROLES {
            let query = super::user::UserQuery {
                standing: Some(super::Standing::Active),
                role: Some(Arc::from(role)),
                limit: 2,
                ..super::user::UserQuery::default()
            };
            let (found, _) = self.records.users.list(&query).await?;
            others += found.iter().filter(|found| Some(found.id) != than).count();
        }
        Ok(others)
    }
}

/// Words that a password must not be made of.
pub(super) fn context_words(user: &User) -> Vec<String> {
    let mut words = vec![user.email.as_str().to_owned(), user.username.as_str().to_owned()];
    words.extend(user.full_name.clone());
    words
}

#[cfg(test)]
mod tests {
    use super::super::session::Timeouts;
    use super::*;

    #[test]
    fn who_proved_lately_to_be_the_user() {
        let at = |minutes: i64| Timestamp::from_secs(60 * minutes);
        let client = Client::new([127, 0, 0, 1].into(), None, "r");
        let timeouts = Timeouts { idle: 99 * FRESH, absolute: 99 * FRESH };
        let begun = Session::begin(UserId::from_uuid(uuid::Uuid::nil()), &client, timeouts, at(0));
        let given = |minutes| Session { second_factor_at: Some(at(minutes)), ..begun.clone() };
        for (session, enrolled, now, fresh) in [
            (&begun, false, 15, true),
            (&begun, false, 16, false),
            (&begun, true, 1, false),
            (&given(20), true, 35, true),
            (&given(20), true, 36, false),
            (&given(20), false, 35, true),
        ] {
            assert_eq!(is_fresh(session, enrolled, at(now)), fresh, "{enrolled} at {now}");
        }
    }
}
