//! App passwords of Nextcloud that people stored here, so that Nextcloud may be told who they are by them.
//!
//! They open a whole account there, so they are sealed with a key outside the store, and leave only towards Nextcloud. A
//! request finds one in memory; the store is asked once a minute at most.

use std::time::Duration;

use async_trait::async_trait;
use quick_cache::sync::Cache;

use super::account::AccountError;
use super::admin::{AdminError, By};
use super::event::{Client, Event, EventKind};
use super::{Identity, StoreError, UserId};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// How long memory is believed: so long may another process's change take.
const BELIEVED: Duration = Duration::from_mins(1);

/// How long a password that Nextcloud did not take is not shown to it again. Ten failures lock an address out there.
const REFUSED: Duration = Duration::from_mins(30);

const REMEMBERED: usize = 8192;

/// The need for stored app passwords, each sealed.
#[async_trait]
pub trait CloudPasswords: Send + Sync {
    /// The one of `user`.
    async fn find(&self, user: UserId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps `sealed` for `user`, in place of the one before. False when there is no such user.
    async fn set(&self, user: UserId, sealed: &[u8], event: &Event) -> Result<bool, StoreError>;

    /// Removes the one of `user`. False when there is none.
    async fn remove(&self, user: UserId, event: &Event) -> Result<bool, StoreError>;
}

/// An app password of Nextcloud.
#[derive(Clone, Debug)]
pub struct CloudPassword(Secret<String>);

/// The text cannot be an app password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "password: expected 8 to {} visible ASCII characters, as Nextcloud shows them",
    CloudPassword::MAX
)]
pub struct NoCloudPassword;

impl CloudPassword {
    /// The longest one, in bytes. Nextcloud's have 29 or 72.
    pub const MAX: usize = 256;

    /// `text`, as copied from Nextcloud.
    ///
    /// # Errors
    ///
    /// [`NoCloudPassword`].
    pub fn new(text: &str) -> Result<Self, NoCloudPassword> {
        let text = text.trim();
        let legal = (8..=Self::MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if legal { Ok(Self(Secret::new(text.to_owned()))) } else { Err(NoCloudPassword) }
    }

    /// The way out, to Nextcloud.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What memory knows.
#[derive(Clone)]
enum Known {
    /// This one, or that there is none.
    Stored(Option<CloudPassword>),
    /// One that Nextcloud did not take.
    Refused,
}

/// The app passwords that memory knows.
pub(super) struct Remembered(Cache<UserId, (Timestamp, Known)>);

impl Default for Remembered {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Identity {
    /// The app password of `user`, if there is one that Nextcloud has not refused.
    ///
    /// # Errors
    ///
    /// When the store could not be read, or what is in it not be opened.
    pub async fn cloud_password(&self, user: UserId) -> Result<Option<CloudPassword>, StoreError> {
        let now = self.clock.now();
        if let Some((at, known)) = self.cloud_passwords.0.get(&user) {
            match known {
                Known::Stored(password) if now.since(at) < BELIEVED => return Ok(password),
                Known::Refused if now.since(at) < REFUSED => return Ok(None),
                Known::Stored(_) | Known::Refused => {}
            }
        }
        let sealed = self.records.cloud_passwords.find(user).await?;
        let opened = sealed.and_then(|sealed| {
            let opened = self.sealer.open(&context(user), &sealed);
            let opened = opened.inspect_err(|error| {
                tracing::error!(%user, %error, "an app password of Nextcloud cannot be used");
            });
            let text = String::from_utf8(opened.ok()?.expose().clone()).ok()?;
            CloudPassword::new(&text).ok()
        });
        self.cloud_passwords.0.insert(user, (now, Known::Stored(opened.clone())));
        Ok(opened)
    }

    /// Notes that Nextcloud did not take the app password of `user`: it is not shown there again until another one is set, or
    /// half an hour is over.
    pub fn cloud_password_refused(&self, user: UserId) {
        self.cloud_passwords.0.insert(user, (self.clock.now(), Known::Refused));
    }

    /// Keeps an app password of the caller's own.
    ///
    /// # Errors
    ///
    /// When there is no such user, or the store could not do it.
    pub async fn set_own_cloud_password(
        &self,
        user: UserId,
        password: &CloudPassword,
        client: &Client,
    ) -> Result<(), AccountError> {
        let event = self.event(EventKind::CloudPasswordSet, Some(user), None, Some(client));
        self.store_cloud_password(user, password, &event).await
    }

    /// Keeps an app password for somebody whom `by` may manage.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn set_cloud_password(
        &self,
        user: UserId,
        password: &CloudPassword,
        by: &By,
    ) -> Result<(), AdminError> {
        let user = self.managed(user, by).await?.id;
        let event = by.mark(self.event(EventKind::CloudPasswordSet, Some(user), None, None));
        Ok(self.store_cloud_password(user, password, &event).await?)
    }

    /// Removes the caller's own app password. False when there is none.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn remove_own_cloud_password(
        &self,
        user: UserId,
        client: &Client,
    ) -> Result<bool, StoreError> {
        let event = self.event(EventKind::CloudPasswordRemoved, Some(user), None, Some(client));
        self.forget_cloud_password(user, &event).await
    }

    /// Removes the app password of somebody whom `by` may manage. False when there is none.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn remove_cloud_password(&self, user: UserId, by: &By) -> Result<bool, AdminError> {
        let user = self.managed(user, by).await?.id;
        let event = by.mark(self.event(EventKind::CloudPasswordRemoved, Some(user), None, None));
        Ok(self.forget_cloud_password(user, &event).await?)
    }

    async fn store_cloud_password(
        &self,
        user: UserId,
        password: &CloudPassword,
        event: &Event,
    ) -> Result<(), AccountError> {
        let sealed = self.sealer.seal(&context(user), password.expose().as_bytes());
        let stored = self.records.cloud_passwords.set(user, &sealed, event).await?;
        self.cloud_passwords.0.remove(&user);
        if stored { Ok(()) } else { Err(AccountError::NoUser) }
    }

    async fn forget_cloud_password(&self, user: UserId, event: &Event) -> Result<bool, StoreError> {
        let removed = self.records.cloud_passwords.remove(user, event).await?;
        self.cloud_passwords.0.remove(&user);
        Ok(removed)
    }
}

fn context(user: UserId) -> String {
    format!("nextcloud/{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_texts_can_be_app_passwords() {
        for (text, legal) in [
            ("aBcDe-FgHiJ-kLmNo-PqRsT-uVwXy", true),
            (" aBcDe-FgHiJ-kLmNo-PqRsT-uVwXy\n", true),
            (&*"a1B2".repeat(18), true),
            ("short", false),
            ("with a blank", false),
            ("pässwörter", false),
            (&*"a".repeat(257), false),
        ] {
            assert_eq!(CloudPassword::new(text).is_ok(), legal, "{text:?}");
        }
        let password = CloudPassword::new("aBcDe-FgHiJ").expect("legal");
        assert!(!format!("{password:?}").contains("aBcDe"));
    }
}
