//! What an operator does with other people's accounts: by the admin API, as an [`Admin`] with permissions, or on the host
//! by command line.
//!
//! One rule stands above the single permissions: nobody manages somebody who may do more than they may, and nobody gives
//! what they do not have. Else whoever may edit users could become anybody.

use std::sync::Arc;
use std::time::Duration;

use super::account::AccountError;
use super::event::{Client, Event, EventKind, EventQuery, Recorded};
use super::letter::{LetterKind, SecondFactorChange};
use super::mailed_token::{Meaning, NewMailedToken};
use super::second_factor::Noted;
use super::service::Admin;
use super::user::{Change, Grant, Update, Updated, UserQuery};
use super::{
    Email, EndReason, Identity, Permissions, Session, SessionId, Standing, StoreError, User, UserId,
};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// How long an invitation is good.
pub const INVITED_FOR: Duration = Duration::from_hours(7 * 24);

/// Who asks for something to be done.
#[derive(Clone, Debug)]
pub enum By {
    /// Somebody with the right to do it.
    Admin(Admin),
    /// Whoever may use the command line on the host: may do everything.
    Operator,
}

impl By {
    /// Whether this one may manage somebody who may do `theirs`. Pure.
    pub fn may_manage(&self, theirs: &Permissions) -> bool {
        match self {
            Self::Operator => true,
            Self::Admin(admin) => theirs.iter().all(|held| admin.permissions.allow(held)),
        }
    }

    pub(super) fn mark(&self, event: Event) -> Event {
        match self {
            Self::Operator => event,
            Self::Admin(admin) => {
                Event { actor: Some(admin.user), client: admin.client.clone(), ..event }
            }
        }
    }

    fn user(&self) -> Option<UserId> {
        match self {
            Self::Operator => None,
            Self::Admin(admin) => Some(admin.user),
        }
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The account could not be changed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// It would give more than whoever asks has, or touch somebody who may do more.
    #[error("you may not do this to somebody who may do more than you")]
    Beyond,
    /// It makes no sense for an account in this standing.
    #[error("the account is {}", .0.name())]
    Standing(Standing),
    /// A role that does not exist.
    #[error("there is no role {0:?}")]
    UnknownRole(Arc<str>),
    /// Somebody has the address already.
    #[error("the address has an account already")]
    AddressTaken,
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Account(AccountError::Store(error))
    }
}

/// An invitation that is good.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// For whom.
    pub email: Email,
    /// With which roles.
    pub roles: Vec<Arc<str>>,
    /// Who invited, by sign-in name.
    pub invited_by: String,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Identity {
    /// The users that `query` means, and how many there are in all.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn list_users(&self, query: &UserQuery) -> Result<(Vec<User>, u64), StoreError> {
        self.records.users.list(query).await
    }

    /// Somebody, in any standing.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.records.users.find(id).await
    }

    /// Until when somebody is locked after too many failures.
    pub fn locked_until(&self, id: UserId) -> Option<Timestamp> {
        self.lockouts.locked_until(id, self.clock.now())
    }

    /// Locks, unlocks, approves, removes or restores somebody. What is not [`Standing::Active`] ends every credential at
    /// once.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; then nothing changed.
    pub async fn set_standing(
        &self,
        id: UserId,
        standing: Standing,
        by: &By,
    ) -> Result<User, AdminError> {
        let user = self.managed(id, by).await?;
        let kind = match (user.standing, standing) {
            (Standing::AwaitingApproval | Standing::Unverified, Standing::Active) => {
                EventKind::ApprovalGiven
            }
            (Standing::Deleted, Standing::Active) => EventKind::UserRestored,
            (_, Standing::Active) => EventKind::UserEnabled,
            (_, Standing::Deleted) => EventKind::UserDeleted,
            (_, Standing::Disabled) => EventKind::UserDisabled,
            (_, Standing::AwaitingApproval | Standing::Unverified) => {
                return Err(AdminError::Standing(user.standing));
            }
        };
        if standing != Standing::Active && self.is_last_admin(&user).await? {
            return Err(AccountError::LastAdmin.into());
        }
        let letters = if kind == EventKind::ApprovalGiven {
            let sign_in = format!("{}/auth/sign-in", self.settings().public_url);
            self.letter(&user, LetterKind::Approved { sign_in })
        } else {
            Vec::new()
        };
        if standing == Standing::Active {
            self.lockouts.forget(id);
        }
        self.change(&user, Change::Standing(standing), kind, letters, by).await
    }

    /// Lifts a lock after too many failures.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn lift_lock(&self, id: UserId, by: &By) -> Result<User, AdminError> {
        let user = self.managed(id, by).await?;
        self.lockouts.forget(id);
        let event = by.mark(self.event(EventKind::Unlocked, Some(id), None, None));
        self.records.events.record(&event).await?;
        Ok(user)
    }

    /// Gives somebody exactly these roles.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; then nothing changed.
    pub async fn set_roles(
        &self,
        id: UserId,
        roles: Vec<Arc<str>>,
        by: &By,
    ) -> Result<User, AdminError> {
        let user = self.managed(id, by).await?;
        self.may_give_roles(&roles, by)?;
        let stays_admin =
            roles.iter().any(|role| super::user::ADMIN_ROLES.contains(&role.as_ref()));
        if !stays_admin && self.is_last_admin(&user).await? {
            return Err(AccountError::LastAdmin.into());
        }
        let kind = EventKind::RolesChanged { roles: roles.clone() };
        self.change(&user, Change::Roles(roles), kind, Vec::new(), by).await
    }

    /// Gives somebody exactly these permissions beside those of the roles.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; then nothing changed.
    pub async fn set_grants(
        &self,
        id: UserId,
        grants: Vec<Grant>,
        by: &By,
    ) -> Result<User, AdminError> {
        let user = self.managed(id, by).await?;
        let given: Permissions = grants.iter().map(|grant| grant.permission.clone()).collect();
        if !by.may_manage(&given) {
            return Err(AdminError::Beyond);
        }
        let names = grants.iter().map(|grant| grant.permission.to_string()).collect();
        let kind = EventKind::GrantsChanged { grants: names };
        self.change(&user, Change::Grants(grants), kind, Vec::new(), by).await
    }

    /// Changes somebody's full name.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; then nothing changed.
    pub async fn rename_user(
        &self,
        id: UserId,
        full_name: Option<String>,
        by: &By,
    ) -> Result<User, AdminError> {
        let user = self.managed(id, by).await?;
        if !full_name.as_deref().is_none_or(super::service::is_full_name) {
            return Err(AccountError::Invalid(super::registration::InvalidField::FullName).into());
        }
        let change = Change::FullName(full_name);
        self.change(&user, change, EventKind::ProfileChanged, Vec::new(), by).await
    }

    /// Gives somebody another address, which whoever asks vouches for.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; then nothing changed.
    pub async fn set_email(&self, id: UserId, email: Email, by: &By) -> Result<User, AdminError> {
        let user = self.managed(id, by).await?;
        let change = Change::Email(email);
        self.change(&user, change, EventKind::EmailChanged, Vec::new(), by).await
    }

    /// Sets a new password, as the operator of the host may. Every session ends.
    ///
    /// # Errors
    ///
    /// [`super::account::ProveError`]; then nothing changed.
    pub async fn set_password(
        &self,
        id: UserId,
        password: super::password::Password,
    ) -> Result<(), super::account::ProveError> {
        use super::account::ProveError;
        let user = self.user(id).await?.ok_or(ProveError::LinkSpent)?;
        let words = super::account::context_words(&user);
        let hash = self.hasher().accept(password, words).await??;
        let kind = EventKind::PasswordReset;
        let changed = self.change(&user, Change::Password(hash), kind, Vec::new(), &By::Operator);
        match changed.await {
            Ok(_) => Ok(()),
            Err(AdminError::Account(AccountError::Store(error))) => Err(error.into()),
            Err(_) => Err(ProveError::LinkSpent),
        }
    }

    /// Ends every session of somebody. Returns how many.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn sign_out_everywhere(&self, id: UserId, by: &By) -> Result<usize, AdminError> {
        self.managed(id, by).await?;
        let event = by.mark(self.event(EventKind::SignedOutEverywhere, Some(id), None, None));
        let reason = EndReason::EndedByAdmin;
        let ended = self.records.sessions.end_all(id, None, reason, &event).await?;
        for session in &ended {
            self.session_ended(*session);
        }
        self.credentials_ended(id, self.clock.now());
        Ok(ended.len())
    }

    /// Ends one session of anybody. False when there is none such.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn end_session(&self, session: SessionId, by: &By) -> Result<bool, AdminError> {
        let found = self.records.sessions.find(session).await?;
        let Some(found) = found.filter(|found| found.ended.is_none()) else {
            return Ok(false);
        };
        self.managed(found.user, by).await?;
        let reason = EndReason::EndedByAdmin;
        let kind = EventKind::SessionEnded { reason };
        let event = by.mark(self.event(kind, Some(found.user), Some(session), None));
        self.session_ended(session);
        Ok(self.records.sessions.end(session, reason, &event).await?)
    }

    /// Live sessions of everybody, the one used last first, and how many there are in all.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn all_sessions(
        &self,
        skip: u32,
        limit: u32,
    ) -> Result<(Vec<Session>, u64), StoreError> {
        self.records.sessions.list(self.clock.now(), skip, limit).await
    }

    /// Removes every second factor of somebody, who can enrol new ones at the next sign-in. Every session ends.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn reset_second_factor(&self, id: UserId, by: &By) -> Result<bool, AdminError> {
        let user = self.managed(id, by).await?;
        let event = by.mark(self.event(EventKind::SecondFactorReset, Some(id), None, None));
        let what = SecondFactorChange::Reset;
        let letters = self.letter(&user, LetterKind::SecondFactorChanged { what });
        let reset = self.records.second_factors.reset(id, &Noted { event, letters }).await?;
        self.lockouts.forget(id);
        self.sign_out_everywhere(id, by).await?;
        Ok(reset)
    }

    /// Erases somebody for good. Only who was removed before can be erased.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; then nothing changed.
    pub async fn erase_user(&self, id: UserId, by: &By) -> Result<(), AdminError> {
        let user = self.managed(id, by).await?;
        if user.standing != Standing::Deleted {
            return Err(AdminError::Standing(user.standing));
        }
        let event = by.mark(self.event(EventKind::UserErased, Some(id), None, None));
        self.records.users.erase(id, &event).await?;
        self.credentials_ended(id, self.clock.now());
        Ok(())
    }

    /// Invites somebody. Returns the link, for whoever asks to pass on where no letters can be sent.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; then there is no invitation.
    pub async fn invite(
        &self,
        email: Email,
        roles: Vec<Arc<str>>,
        by: &By,
    ) -> Result<(Invitation, Secret<String>), AdminError> {
        self.may_give_roles(&roles, by)?;
        let name = super::SignInName::Email(email.clone());
        if self.records.users.find_by_name(&name).await?.is_some() {
            return Err(AdminError::AddressTaken);
        }
        let invited_by = match by.user() {
            None => "the operator".to_owned(),
            Some(admin) => {
                let admin = self.records.users.find(admin).await?;
                admin.map_or_else(String::new, |admin| admin.username.as_str().to_owned())
            }
        };
        let (now, expires_at) = (self.clock.now(), self.clock.now() + INVITED_FOR);
        let meaning = Meaning::Invitation {
            email: email.clone(),
            roles: roles.clone(),
            invited_by: invited_by.clone(),
        };
        let (token, text) = NewMailedToken::generate(None, meaning, 0, now, expires_at);
        let link = self.link("/auth/sign-up", &text);
        let kind = LetterKind::Invitation {
            link: link.clone(),
            invited_by: invited_by.clone(),
            valid_for: INVITED_FOR,
        };
        let letter = super::letter::Letter { to: email.clone(), name: None, kind };
        let letter = self.settings().mail.then_some(letter);
        let event =
            by.mark(self.event(EventKind::Invited { roles: roles.clone() }, None, None, None));
        self.records.mailed_tokens.issue(&token, letter.as_ref(), &event).await?;
        Ok((Invitation { email, roles, invited_by, expires_at }, link))
    }

    /// The invitations that are good, newest first.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn invitations(&self) -> Result<Vec<Invitation>, StoreError> {
        let tokens = self.records.mailed_tokens.invitations(self.clock.now()).await?;
        let invitations = tokens.into_iter().filter_map(|token| match token.meaning {
            Meaning::Invitation { email, roles, invited_by } => {
                Some(Invitation { email, roles, invited_by, expires_at: token.expires_at })
            }
            _ => None,
        });
        Ok(invitations.collect())
    }

    /// Calls the invitation of an address off. False when there is none.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn revoke_invitation(&self, email: &Email, by: &By) -> Result<bool, StoreError> {
        let event = by.mark(self.event(EventKind::InvitationRevoked, None, None, None));
        self.records.mailed_tokens.revoke_invitation(email, &event).await
    }

    /// What was recorded, newest first.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn recorded(&self, query: &EventQuery) -> Result<Vec<Recorded>, StoreError> {
        self.records.events.search(query).await
    }

    /// Records that somebody with the right to do so looked at or did something that has no event of its own.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn note_admin_call(
        &self,
        what: &'static str,
        subject: Option<UserId>,
        admin: UserId,
        client: &Client,
    ) -> Result<(), StoreError> {
        let mut event = self.event(EventKind::AdminLooked { what }, subject, None, Some(client));
        event.actor = Some(admin);
        self.records.events.record(&event).await
    }

    /// Somebody whom `by` may manage.
    pub(super) async fn managed(&self, id: UserId, by: &By) -> Result<User, AdminError> {
        let user = self.records.users.find(id).await?.ok_or(AccountError::NoUser)?;
        let theirs = self.permissions_of(&user, self.clock.now());
        if by.may_manage(&theirs) { Ok(user) } else { Err(AdminError::Beyond) }
    }

    fn may_give_roles(&self, roles: &[Arc<str>], by: &By) -> Result<(), AdminError> {
        let settings = self.settings();
        if let Some(unknown) = roles.iter().find(|role| settings.roles.find(role).is_none()) {
            return Err(AdminError::UnknownRole(Arc::clone(unknown)));
        }
        let given = settings.roles.permissions(roles.iter().map(|role| &**role));
        if by.may_manage(&given) { Ok(()) } else { Err(AdminError::Beyond) }
    }

    async fn change(
        &self,
        user: &User,
        change: Change,
        kind: EventKind,
        letters: Vec<super::letter::Letter>,
        by: &By,
    ) -> Result<User, AdminError> {
        let ends = change.ends_credentials();
        let event = by.mark(self.event(kind, Some(user.id), None, None));
        let update = Update { change, epoch: None, redeem: None, keep: None, event, letters };
        match self.records.users.update(user.id, &update).await {
            Ok(Updated::Done(changed)) => {
                if ends {
                    self.credentials_ended(user.id, self.clock.now());
                } else {
                    self.index.forget_user(user.id);
                }
                Ok(*changed)
            }
            Ok(Updated::NoUser | Updated::Stale | Updated::TokenSpent) => {
                Err(AccountError::NoUser.into())
            }
            Err(StoreError::Conflict { field: "email", .. }) => Err(AdminError::AddressTaken),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin(permissions: &str) -> By {
        By::Admin(Admin {
            user: UserId::from_uuid(uuid::Uuid::nil()),
            permissions: held(permissions),
            client: None,
        })
    }

    fn held(permissions: &str) -> Permissions {
        permissions.split_whitespace().map(|text| text.parse().expect("a permission")).collect()
    }

    #[test]
    fn nobody_manages_somebody_who_may_do_more() {
        for (by, theirs, may) in [
            (By::Operator, "*:*", true),
            (admin("*:*"), "*:*", true),
            (admin("user:* files:*"), "files:read user:read", true),
            (admin("user:* files:*"), "files:*", true),
            (admin("user:* files:*"), "mail:read", false),
            (admin("user:* files:*"), "*:*", false),
            (admin("user:*"), "", true),
        ] {
            assert_eq!(by.may_manage(&held(theirs)), may, "{by:?} over {theirs}");
        }
    }
}
