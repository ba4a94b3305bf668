//! Device passwords and API tokens: credentials of one program each, without a session, revocable one by one.
//!
//! | | device password | API token |
//! |---|---|---|
//! | for | a sync client that knows Basic only | a script, a service |
//! | looks like | `7kqm-…`, seven groups of four, to be typed | `sdt_…` |
//! | may | use routes that accept devices, as the user | use routes that accept API tokens, with the listed permissions at most |
//!
//! Both are random, so a digest finds and proves them: no slow hash on the way of every request.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::event::{Client, Event, EventKind};
use super::{
    DeviceId, Identity, Permission, Permissions, Purpose, SecretDigest, SecretText, StoreError,
    User, UserId, random,
};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// One credential of one program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// Names it. Not a secret.
    pub id: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// What the user calls it; at most [`NAME_MAX`] characters.
    pub name: String,
    /// What it may be used for.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to within half a minute.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_address: Option<Arc<str>>,
    /// When it ends, however much it is used.
    pub expires_at: Option<Timestamp>,
}

/// Longest name of a device, in characters.
pub const NAME_MAX: usize = 64;

/// Most devices of one user.
pub const DEVICES_MAX: u64 = 100;

/// What a device may be used for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Files, calendars, contacts: routes that accept devices.
    Dav,
    /// Routes that accept API tokens, with these of the user's permissions at most.
    Permissions(Vec<Permission>),
}

impl Device {
    /// Whether it can be used at `now`, when unused ones end after `unused`. Pure.
    pub fn is_live(&self, unused: Duration, now: Timestamp) -> bool {
        let used = self.last_used_at.unwrap_or(self.created_at);
        now < used + unused && self.expires_at.is_none_or(|end| now < end)
    }
}

/// The prefix of API tokens, by which scanners of leaked secrets know them.
pub const TOKEN_PREFIX: &str = "sdt_";

/// Crockford's base 32.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Of a device password, without its dashes.
const LETTERS: usize = 28;

/// A fresh device password: 140 random bits in Crockford's base 32, in groups of four.
fn device_password() -> SecretText {
    let bytes = Secret::new(random::bytes::<LETTERS>());
    let mut text = String::with_capacity(34);
    for (place, byte) in bytes.expose().iter().enumerate() {
        if place > 0 && place % 4 == 0 {
            text.push('-');
        }
        let character = ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0');
        text.push(char::from(character));
    }
    SecretText::from_text(text)
}

/// The digest of a device password or API token as shown by a client: people type the former in any case and without
/// its dashes.
pub fn digest_of_shown(text: &str) -> SecretDigest {
    if text.starts_with(TOKEN_PREFIX) {
        return SecretDigest::of(text, Purpose::Device);
    }
    SecretDigest::of(&canonical(text), Purpose::Device)
}

/// Whether `text` is shaped like one of our device passwords or API tokens, good or not. It is ours to judge then, and is
/// shown to nobody else.
pub fn is_shaped_like_ours(text: &str) -> bool {
    if text.starts_with(TOKEN_PREFIX) {
        return true;
    }
    let letters = text.bytes().filter(|byte| !matches!(byte, b'-' | b' '));
    // Every letter of base 32, and those that are typed for one of it: all but u.
    let legal = |byte: u8| byte.is_ascii_alphanumeric() && !byte.eq_ignore_ascii_case(&b'u');
    letters.clone().count() == 28 && letters.clone().all(legal)
}

fn canonical(text: &str) -> String {
    let letters = text.chars().filter(|character| !matches!(character, '-' | ' '));
    letters
        .map(|character| match character.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        })
        .collect()
}

/// A device by its digest.
#[derive(Clone, Debug)]
pub struct HeldDevice {
    /// The device.
    pub device: Device,
    /// Whose it is.
    pub user: User,
}

/// The need for stored devices.
#[async_trait]
pub trait Devices: Send + Sync {
    /// Adds a device, unless the user has [`DEVICES_MAX`] already: then false, and nothing was written.
    async fn insert(
        &self,
        device: &Device,
        digest: &SecretDigest,
        event: &Event,
    ) -> Result<bool, StoreError>;

    /// The device with this digest, and its user.
    async fn by_digest(&self, digest: &SecretDigest) -> Result<Option<HeldDevice>, StoreError>;

    /// All devices of a user, newest first.
    async fn of_user(&self, user: UserId) -> Result<Vec<Device>, StoreError>;

    /// Removes a device of `user`. False when there is none.
    async fn remove(&self, user: UserId, id: DeviceId, event: &Event) -> Result<bool, StoreError>;

    /// Notes when devices were last used, and from where.
    async fn used(&self, uses: &[(DeviceId, Timestamp, Arc<str>)]) -> Result<(), StoreError>;
}

/// A device that somebody wants.
#[derive(Debug)]
pub struct NewDevice {
    /// What to call it.
    pub name: String,
    /// What it is for.
    pub scope: Scope,
    /// When it is to end.
    pub expires_at: Option<Timestamp>,
}

/// Why there is no new device.
#[derive(Debug, thiserror::Error)]
pub enum NewDeviceError {
    /// The name is empty, too long, or has control characters.
    #[error("name: expected 1 to {NAME_MAX} characters and no control characters")]
    Name,
    /// A token cannot allow what its user may not do.
    #[error("permissions: you do not have {0} yourself")]
    Permission(Permission),
    /// It would have ended already.
    #[error("expires_at: expected a time to come")]
    Expired,
    /// There are too many.
    #[error("there are {DEVICES_MAX} devices already; remove one first")]
    TooMany,
    /// There is no such user, or the user may not sign in.
    #[error("no such user")]
    NoUser,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// Makes a device password or API token for `user`. Its text is shown this once.
    ///
    /// # Errors
    ///
    /// [`NewDeviceError`]; then there is none.
    pub async fn add_device(
        &self,
        user: UserId,
        new: NewDevice,
        client: Option<&Client>,
    ) -> Result<(Device, SecretText), NewDeviceError> {
        let now = self.clock.now();
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control)
        {
            return Err(NewDeviceError::Name);
        }
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(NewDeviceError::Expired);
        }
        let owner = self.me(user).await?.ok_or(NewDeviceError::NoUser)?;
        let text = match &new.scope {
            Scope::Dav => device_password(),
            Scope::Permissions(wanted) => {
                let held = self.permissions_of(&owner, now);
                if let Some(lacking) = wanted.iter().find(|permission| !held.allow(permission)) {
                    return Err(NewDeviceError::Permission(lacking.clone()));
                }
                SecretText::with_prefix(TOKEN_PREFIX)
            }
        };
        let device = Device {
            id: DeviceId::from_uuid(random::uuid_v7(now)),
            user,
            name: name.to_owned(),
            scope: new.scope,
            created_at: now,
            last_used_at: None,
            last_address: None,
            expires_at: new.expires_at,
        };
        let kind = EventKind::DeviceAdded { device: device.id };
        let event = self.event(kind, Some(user), None, client);
        let digest = digest_of_shown(text.expose());
        if !self.records.devices.insert(&device, &digest, &event).await? {
            return Err(NewDeviceError::TooMany);
        }
        Ok((device, text))
    }

    /// What an API token of `user` can be made with, as far as names are known: everything that the user holds, and of
    /// what roles name whatever that covers. A holder of `files:*` is offered `files:read`, too.
    pub fn permissions_to_lend(&self, user: &User) -> Permissions {
        let held = self.permissions_of(user, self.clock.now());
        let settings = self.settings();
        let named = settings.roles.iter().flat_map(|role| &role.permissions);
        named.filter(|named| held.allow(named)).chain(held.iter()).cloned().collect()
    }

    /// The devices of `user`.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn devices(&self, user: UserId) -> Result<Vec<Device>, StoreError> {
        let (unused, now) = (self.settings().devices_unused, self.clock.now());
        let mut devices = self.records.devices.of_user(user).await?;
        devices.retain(|device| device.is_live(unused, now));
        Ok(devices)
    }

    /// Removes a device: the next request with it is refused. False when `user` has none such.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn remove_device(
        &self,
        user: UserId,
        id: DeviceId,
        client: Option<&Client>,
    ) -> Result<bool, StoreError> {
        let event = self.event(EventKind::DeviceRemoved { device: id }, Some(user), None, client);
        let removed = self.records.devices.remove(user, id, &event).await?;
        self.index.forget_device(id);
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_password_is_found_as_people_type_it() {
        let text = device_password();
        assert_eq!(text.expose().len(), 34);
        let digest = digest_of_shown(text.expose());
        for typed in [
            text.expose().to_uppercase(),
            text.expose().replace('-', ""),
            text.expose().replace('-', " "),
            text.expose().replace('0', "O").replace('1', "l"),
        ] {
            assert_eq!(digest_of_shown(&typed), digest, "{typed}");
        }
        assert_ne!(digest_of_shown(device_password().expose()), digest);
    }

    #[test]
    fn our_own_passwords_are_told_from_nextclouds_by_their_shape() {
        for _ in 0..50 {
            assert!(is_shaped_like_ours(device_password().expose()));
            assert!(is_shaped_like_ours(&device_password().expose().to_uppercase()));
        }
        assert!(is_shaped_like_ours(SecretText::with_prefix(TOKEN_PREFIX).expose()));
        for theirs in ["", "secret", "aBcDe-FgHiJ-kLmNo-PqRsT-xYz12", &"a1B2".repeat(18)] {
            assert!(!is_shaped_like_ours(theirs), "{theirs}");
        }
    }

    #[test]
    fn when_a_device_is_over() {
        let at = Timestamp::from_secs;
        let unused = Duration::from_secs(100);
        let fresh = Device {
            id: DeviceId::from_uuid(uuid::Uuid::nil()),
            user: UserId::from_uuid(uuid::Uuid::nil()),
            name: "phone".into(),
            scope: Scope::Dav,
            created_at: at(0),
            last_used_at: None,
            last_address: None,
            expires_at: None,
        };
        let used = Device { last_used_at: Some(at(90)), ..fresh.clone() };
        let bounded = Device { expires_at: Some(at(120)), ..used.clone() };
        for (device, now, live) in [
            (&fresh, 99, true),
            (&fresh, 100, false),
            (&used, 189, true),
            (&used, 190, false),
            (&bounded, 119, true),
            (&bounded, 120, false),
        ] {
            assert_eq!(device.is_live(unused, at(now)), live, "{device:?} at {now}");
        }
    }
}
