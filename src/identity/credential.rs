//! From a cookie, a device password or an API token to whom it speaks for: memory first, then the store.

use std::net::IpAddr;
use std::sync::Arc;

use super::device::{Scope, digest_of_shown};
use super::index::{Entry, Held};
use super::patience::with_patience;
use super::token::widest;
use super::{
    CredentialKind, Identity, Issuer, Permissions, Principal, Purpose, SecretDigest, SessionId,
    StoreError, Subject, User,
};
use crate::clock::Timestamp;

/// A credential of ours that is no token, as a request shows it.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// A session's cookie.
    Cookie(&'a str),
    /// A device password or an API token, with the sign-in name that came along, if one did.
    Device {
        /// The sign-in name or address.
        name: Option<&'a str>,
        /// The secret.
        secret: &'a str,
    },
}

impl Credential<'_> {
    fn digest(&self) -> SecretDigest {
        match self {
            Self::Cookie(value) => SecretDigest::of(value, Purpose::Cookie),
            Self::Device { secret, .. } => digest_of_shown(secret),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Cookie(_) => None,
            Self::Device { name, .. } => *name,
        }
    }
}

impl Identity {
    /// Whom `credential` speaks for on `host`, if memory knows. Notes the use.
    pub fn known(
        &self,
        credential: &Credential<'_>,
        host: &str,
        from: IpAddr,
        now: Timestamp,
    ) -> Option<Arc<Principal>> {
        self.index.known(&credential.digest(), host, credential.name(), from, now)
    }

    /// Whom `credential` speaks for on `host`, if anybody.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn recognise(
        &self,
        credential: &Credential<'_>,
        host: &str,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Option<Arc<Principal>>, StoreError> {
        let digest = credential.digest();
        let load = async {
            match credential {
                Credential::Cookie(_) => self.load_session(&digest, now).await,
                Credential::Device { .. } => self.load_device(&digest, now).await,
            }
        };
        let found = self.index.find(digest, host, credential.name(), from, now, load);
        with_patience(self.settings().patience, found).await
    }

    /// Writes when sessions and devices were last used. Wanted every half minute.
    ///
    /// # Errors
    ///
    /// When the store could not do it; then these uses are not noted.
    pub async fn write_uses(&self) -> Result<(), StoreError> {
        let uses = self.index.take_uses();
        if !uses.sessions.is_empty() {
            self.records.sessions.seen(&uses.sessions).await?;
        }
        if !uses.devices.is_empty() {
            self.records.devices.used(&uses.devices).await?;
        }
        Ok(())
    }

    async fn load_session(
        &self,
        digest: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        let Some(found) = self.records.sessions.by_cookie(digest).await? else {
            return Ok(None);
        };
        let (session, user) = (found.session, found.user);
        if !session.is_live(now) || !user.is_active() {
            return Ok(None);
        }
        let principal = Principal {
            kind: CredentialKind::Cookie,
            session: Some(session.id),
            expires_at: until(&user, session.expires_at, now),
            second_factor_at: session.second_factor_at,
            ..self.principal(&user, now)
        };
        let held =
            Held::Cookie { session: session.id, host: found.host, idle: session.idle_timeout };
        Ok(Some(Entry::new(Arc::new(principal), held, user.id, session.last_seen_at)))
    }

    async fn load_device(
        &self,
        digest: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        let Some(found) = self.records.devices.by_digest(digest).await? else {
            return Ok(None);
        };
        let (device, user) = (found.device, found.user);
        let unused = self.settings().devices_unused;
        if !device.is_live(unused, now) || !user.is_active() {
            return Ok(None);
        }
        let everything = self.principal(&user, now);
        let (kind, permissions) = match &device.scope {
            Scope::Dav => (CredentialKind::Device, everything.permissions.clone()),
            Scope::Permissions(listed) => {
                let both: Permissions = listed
                    .iter()
                    .filter(|permission| everything.permissions.allow(permission))
                    .cloned()
                    .collect();
                (CredentialKind::ApiToken, both)
            }
        };
        let end = device.expires_at.unwrap_or(Timestamp::from_millis(i64::MAX));
        let principal = Principal {
            kind,
            permissions,
            token_id: Some(device.id.to_string().into()),
            expires_at: until(&user, end, now),
            ..everything
        };
        let names = [user.username.to_arc(), user.email.to_arc()];
        let held = Held::Device { device: device.id, names, unused };
        let used = device.last_used_at.unwrap_or(device.created_at);
        Ok(Some(Entry::new(Arc::new(principal), held, user.id, used)))
    }

    /// What is known about `user` whatever credential is shown. Valid for ever: who uses it says until when.
    fn principal(&self, user: &User, now: Timestamp) -> Principal {
        let roles = self.roles_of(user);
        Principal {
            subject: Subject::from(user.id),
            issuer: Issuer::Own,
            username: Some(user.username.to_arc()),
            email: Some(user.email.to_arc()),
            email_verified: user.email_verified_at.is_some(),
            roles: user.roles.clone(),
            groups: Vec::new(),
            scopes: None,
            permissions: self.permissions_of(user, now),
            tier: self.tier(user),
            rate_limit: widest(roles.iter().filter_map(|role| role.rate_limit)),
            kind: CredentialKind::Cookie,
            session: None::<SessionId>,
            token_id: None,
            issued_at: now,
            expires_at: Timestamp::from_millis(i64::MAX),
            second_factor_at: None,
        }
    }
}

/// Until when what memory says about `user` is right: a grant may end before the credential does.
fn until(user: &User, end: Timestamp, now: Timestamp) -> Timestamp {
    let grants = user.grants.iter().filter_map(|grant| grant.until);
    grants.filter(|until| *until > now).min().map_or(end, |until| until.min(end))
}
