//! The way back in for an administrator who is locked out: by whoever may use the host.

use std::sync::Arc;
use std::time::Duration;

use super::account::{AccountError, RESET_WITHIN};
use super::admin::{AdminError, By};
use super::event::EventKind;
use super::mailed_token::{Meaning, NewMailedToken};
use super::setup::FIRST_ADMIN_ROLE;
use super::{Identity, Standing, User, UserId};
use crate::secret::Secret;

/// What was done to let somebody back in.
#[derive(Debug)]
pub struct Recovery {
    /// The user by now.
    pub user: User,
    /// Whether the role with every right was given, because nobody else could administer.
    pub made_admin: bool,
    /// Whether there were second factors, which are removed.
    pub factors_removed: bool,
    /// Sets a new password, once.
    pub link: Secret<String>,
    /// How long the link is good.
    pub valid_for: Duration,
}

impl Identity {
    /// Lets somebody back in: may sign in again, without a lock and without second factors, and gets every right if nobody
    /// else who may sign in could administer. The password stays until the link is used.
    ///
    /// # Errors
    ///
    /// [`AdminError`]. What was done until then stays done, and is recorded; doing it again goes on.
    pub async fn recover(&self, id: UserId) -> Result<Recovery, AdminError> {
        let by = By::Operator;
        self.set_standing(id, Standing::Active, &by).await?;
        self.lift_lock(id, &by).await?;
        let factors_removed = self.reset_second_factor(id, &by).await?;
        let mut user = self.user(id).await?.ok_or(AccountError::NoUser)?;
        let made_admin = !user.is_admin() && self.has_no_admin().await?;
        if made_admin {
            let mut roles: Vec<Arc<str>> = vec![FIRST_ADMIN_ROLE.into()];
            // One that the configuration knows no more must not be in the way.
            roles.extend(self.roles_of(&user).iter().map(|role| Arc::clone(&role.name)));
            user = self.set_roles(id, roles, &by).await?;
        }
        let (now, until) = (self.clock.now(), self.clock.now() + RESET_WITHIN);
        let meaning = Meaning::ResetPassword;
        let (token, text) = NewMailedToken::generate(Some(id), meaning, user.epoch, now, until);
        let event = self.event(EventKind::Recovered, Some(id), None, None);
        self.records.mailed_tokens.issue(&token, None, &event).await?;
        self.credentials_ended(id, self.clock.now());
        let link = self.link("/auth/reset-password", &text);
        Ok(Recovery { user, made_admin, factors_removed, link, valid_for: RESET_WITHIN })
    }
}
