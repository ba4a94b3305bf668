//! A person's record.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;

use super::event::Event;
use super::letter::Letter;
use super::mailed_token::{MailedTokenDigest, NewMailedToken};
use super::password::PasswordHash;
use super::{Email, EndReason, Permission, SessionId, StoreError, UserId, is_name, random};
use crate::clock::Timestamp;

/// A person with an account here.
#[derive(Clone, Debug)]
pub struct User {
    /// For ever the same; the `sub` of our tokens.
    pub id: UserId,
    /// Unique.
    pub email: Email,
    /// Unique.
    pub username: Username,
    /// As the person writes it; at most 128 characters.
    pub full_name: Option<String>,
    /// What the password is checked against.
    pub password_hash: PasswordHash,
    /// Names of roles, the main one first: it names the tier.
    pub roles: Vec<Arc<str>>,
    /// Permissions beside those of the roles.
    pub grants: Vec<Grant>,
    /// Whether this person may sign in.
    pub standing: Standing,
    /// When this person proved to read the address.
    pub email_verified_at: Option<Timestamp>,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When it was last changed by somebody.
    pub updated_at: Timestamp,
    /// When this person last signed in.
    pub last_login_at: Option<Timestamp>,
    /// Grows by one at each change that ends credentials: lock, roles, password.
    pub epoch: i64,
}

impl User {
    /// The first of a role with every right closes the first-run setup for ever.
    pub fn is_admin(&self) -> bool {
        self.roles.iter().any(|role| ADMIN_ROLES.contains(&role.as_ref()))
    }

    fn address_proven(&mut self, approval: bool, now: Timestamp) {
        self.email_verified_at = self.email_verified_at.or(Some(now));
        if self.standing == Standing::Unverified {
            self.standing = if approval { Standing::AwaitingApproval } else { Standing::Active };
        }
    }

    /// Whether this person may sign in.
    pub fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }
}

/// Roles whose first holder closes the first-run setup.
pub const ADMIN_ROLES: [&str; 2] = ["admin", "superadmin"];

/// The longest full name, in characters.
pub const FULL_NAME_MAX: usize = 128;

/// A permission given to one person, beside those of roles.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// What is allowed.
    pub permission: Permission,
    /// Until when; for ever when absent.
    pub until: Option<Timestamp>,
}

impl Grant {
    /// Whether it holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Whether a person may sign in. Only `Active` may; to the client the others look like a wrong password.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Standing {
    /// May sign in.
    Active,
    /// Signed up, the address is proven, an admin has not said yes yet.
    AwaitingApproval,
    /// Removed, and can be restored: the record stays.
    Deleted,
    /// Locked by an admin, until unlocked.
    Disabled,
    /// Signed up, and has not proven the address yet.
    Unverified,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Active, Self::AwaitingApproval, Self::Deleted, Self::Disabled, Self::Unverified];

    /// The name in the store and in the API; never changed once released.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::Unverified => "unverified",
        }
    }

    /// The standing of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.name() == name)
    }
}

/// One change of a person's record. What follows from it is decided here, and nowhere else.
#[derive(Clone, Debug)]
pub enum Change {
    /// Another address, proven to be read.
    Email(Email),
    /// The address is proven; the standing follows.
    EmailVerified {
        /// Whether an admin must say yes before the person may sign in.
        approval: bool,
    },
    /// Back to the address before: the change was not the user's.
    EmailReverted(Email),
    /// Exactly these grants.
    Grants(Vec<Grant>),
    /// Another password.
    Password(PasswordHash),
    /// Another password by way of a mailed link, which proves the address too.
    PasswordByMail {
        /// The password.
        hash: PasswordHash,
        /// As for [`Self::EmailVerified`].
        approval: bool,
    },
    /// Another full name, or none.
    FullName(Option<String>),
    /// Exactly these roles.
    Roles(Vec<Arc<str>>),
    /// Nothing but the end of every session.
    SignOutEverywhere,
    /// Another standing.
    Standing(Standing),
}

impl Change {
    /// Makes the change to `user`. False when there was nothing to change.
    pub fn apply(&self, user: &mut User, now: Timestamp) -> bool {
        match self {
            Self::Email(email) | Self::EmailReverted(email) => {
                user.email = email.clone();
                user.email_verified_at = Some(now);
            }
            Self::EmailVerified { .. }
                if user.standing != Standing::Unverified && user.email_verified_at.is_some() =>
            {
                return false;
            }
            Self::EmailVerified { approval } => user.address_proven(*approval, now),
            Self::Grants(grants) => user.grants.clone_from(grants),
            Self::Password(hash) => user.password_hash = hash.clone(),
            Self::PasswordByMail { hash, approval } => {
                user.password_hash = hash.clone();
                user.address_proven(*approval, now);
            }
            Self::FullName(name) => user.full_name.clone_from(name),
            Self::Roles(roles) => user.roles.clone_from(roles),
            Self::SignOutEverywhere => {}
            Self::Standing(standing) if user.standing == *standing => return false,
            Self::Standing(standing) => user.standing = *standing,
        }
        user.updated_at = now;
        if self.ends_credentials() {
            user.epoch += 1;
        }
        true
    }

    /// Whether it shows in Nextcloud.
    pub fn shows_elsewhere(&self) -> bool {
        match self {
            Self::Email(_)
            | Self::EmailReverted(_)
            | Self::EmailVerified { .. }
            | Self::FullName(_)
            | Self::PasswordByMail { .. }
            | Self::Roles(_)
            | Self::Standing(_) => true,
            Self::Grants(_) | Self::Password(_) | Self::SignOutEverywhere => false,
        }
    }

    /// Whether access tokens and open connections from before it are void. Sessions go on, unless
    /// [`Self::ends_sessions`] says otherwise, and get tokens that tell what is true now.
    pub fn ends_credentials(&self) -> bool {
        match self {
            Self::Email(_) | Self::EmailVerified { .. } | Self::FullName(_) => false,
            Self::EmailReverted(_)
            | Self::Grants(_)
            | Self::Password(_)
            | Self::PasswordByMail { .. }
            | Self::Roles(_)
            | Self::SignOutEverywhere => true,
            Self::Standing(standing) => *standing != Standing::Active,
        }
    }

    /// Why sessions end with it, if they do.
    pub fn ends_sessions(&self) -> Option<EndReason> {
        match self {
            Self::Password(_) | Self::PasswordByMail { .. } => Some(EndReason::PasswordChanged),
            Self::EmailReverted(_) | Self::SignOutEverywhere => {
                Some(EndReason::SignedOutEverywhere)
            }
            Self::Standing(standing) if *standing != Standing::Active => {
                Some(EndReason::UserDisabled)
            }
            _ => None,
        }
    }
}

/// A change with everything that must become true in the same step.
#[derive(Clone, Debug)]
pub struct Update {
    /// What changes.
    pub change: Change,
    /// Only if the user still has this epoch.
    pub epoch: Option<i64>,
    /// Only if this mailed token is good, which it is not afterwards.
    pub redeem: Option<MailedTokenDigest>,
    /// The session that does not end with the others.
    pub keep: Option<SessionId>,
    /// What is recorded.
    pub event: Event,
    /// What is mailed.
    pub letters: Vec<Letter>,
}

/// What became of an [`Update`].
#[derive(Clone, Debug)]
pub enum Updated {
    /// This is the user now. Nothing was written when nothing was to change.
    Done(Box<User>),
    /// There is no such user.
    NoUser,
    /// The user changed meanwhile; nothing was written.
    Stale,
    /// The token was used, has expired or was never made; nothing was written.
    TokenSpent,
}

/// Somebody to be added, with everything that must become true in the same step.
#[derive(Clone, Debug)]
pub struct Addition {
    /// The user.
    pub user: User,
    /// What is recorded.
    pub event: Event,
    /// Only if this invitation is good, which it is not afterwards.
    pub redeem: Option<MailedTokenDigest>,
    /// What proves the address.
    pub token: Option<NewMailedToken>,
    /// What is mailed.
    pub letters: Vec<Letter>,
}

impl Addition {
    /// A user with an event, and nothing else.
    pub fn plain(user: User, event: Event) -> Self {
        Self { user, event, redeem: None, token: None, letters: Vec::new() }
    }
}

/// Which people to list: all conditions together.
#[derive(Clone, Debug, Default)]
pub struct UserQuery {
    /// A part of the address, the sign-in name or the full name, in any case.
    pub search: Option<String>,
    /// Of this standing.
    pub standing: Option<Standing>,
    /// With this role.
    pub role: Option<Arc<str>>,
    /// How many to leave out.
    pub skip: u32,
    /// How many at most.
    pub limit: u32,
}

/// The need for stored users.
#[async_trait]
pub trait Users: Send + Sync {
    /// Adds a user. If the user [is an admin](User::is_admin), the first-run setup is closed in the same step.
    /// False when the invitation was not good: then nothing was written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] on `id`, `email` or `username`; then nothing was written.
    async fn insert(&self, addition: &Addition) -> Result<bool, StoreError>;

    /// The user of this id.
    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user of this name.
    async fn find_by_name(&self, name: &SignInName) -> Result<Option<User>, StoreError>;

    /// Those that `query` means, oldest first, and how many there are without its `skip` and `limit`.
    async fn list(&self, query: &UserQuery) -> Result<(Vec<User>, u64), StoreError>;

    /// Makes one change, all or nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] on `email`; then nothing was written.
    async fn update(&self, id: UserId, update: &Update) -> Result<Updated, StoreError>;

    /// Replaces a password hash, if it is still `old`.
    async fn rehash(
        &self,
        id: UserId,
        old: &PasswordHash,
        fresh: &PasswordHash,
    ) -> Result<(), StoreError>;

    /// Removes a user with everything that belongs to them, and records `event`. False when there is none.
    async fn erase(&self, id: UserId, event: &Event) -> Result<bool, StoreError>;
}

/// A sign-in name in lower case: 1 to 64 of `a-z 0-9 - _ .`, beginning with a letter or digit.
///
/// It holds no `@`, so no name is also somebody's e-mail address.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Username(Arc<str>);

impl Username {
    /// The longest name, in characters.
    pub const MAX: usize = 64;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, shared.
    pub fn to_arc(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// A name for somebody who chose none: the address before the `@`, with other characters as `-`.
    pub fn from_email(email: &Email) -> Self {
        let local = email.local_part();
        let legal = |byte: u8| {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                char::from(byte)
            } else {
                '-'
            }
        };
        let name: String = local.bytes().map(legal).take(Self::MAX).collect();
        let name = name.trim_start_matches(|first: char| !first.is_ascii_alphanumeric());
        Self(if name.is_empty() { "user".into() } else { name.into() })
    }

    /// A name near this one that is very likely free: four random hexadecimal digits behind it.
    #[must_use]
    pub fn nearby(&self) -> Self {
        let [high, low] = random::bytes();
        let stem: String = self.0.chars().take(Self::MAX - 5).collect();
        Self(format!("{stem}-{high:02x}{low:02x}").into())
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no sign-in name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected 1 to 64 of a-z, 0-9, -, _ and ., beginning with a letter or digit")]
pub struct ParseUsernameError;

impl FromStr for Username {
    type Err = ParseUsernameError;

    fn from_str(text: &str) -> Result<Self, ParseUsernameError> {
        let begins_well = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if is_name(text) && begins_well {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(ParseUsernameError)
        }
    }
}

/// What somebody signs in with.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum SignInName {
    /// The e-mail address.
    Email(Email),
    /// The sign-in name.
    Username(Username),
}

impl SignInName {
    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(email) => email.as_str(),
            Self::Username(username) => username.as_str(),
        }
    }
}

/// The text is neither a sign-in name nor an e-mail address, so nobody has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("neither a sign-in name nor an e-mail address")]
pub struct ParseSignInNameError;

impl FromStr for SignInName {
    type Err = ParseSignInNameError;

    fn from_str(text: &str) -> Result<Self, ParseSignInNameError> {
        if text.contains('@') {
            text.parse().map(Self::Email).map_err(|_| ParseSignInNameError)
        } else {
            text.parse().map(Self::Username).map_err(|_| ParseSignInNameError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_names_have_one_spelling() {
        for (text, canonical) in [("Ada", "ada"), ("a", "a"), ("0-o_.", "0-o_.")] {
            assert_eq!(text.parse::<Username>().expect(text).as_str(), canonical);
        }
        let long = "a".repeat(65);
        for text in ["", "-ada", ".ada", "ada lovelace", "ada@x", "ädа", "ada\n", long.as_str()] {
            assert_eq!(text.parse::<Username>(), Err(ParseUsernameError), "{text:?}");
        }
    }

    #[test]
    fn a_name_made_from_any_address_is_a_legal_name() {
        for (address, name) in [
            ("ada@example.org", "ada"),
            ("ada+door@example.org", "ada-door"),
            ("+++@example.org", "user"),
            ("_x@example.org", "x"),
        ] {
            let email: Email = address.parse().expect(address);
            let made = Username::from_email(&email);
            assert_eq!(made.as_str(), name);
            assert_eq!(made.as_str().parse(), Ok(made.clone()));
            let nearby = made.nearby();
            assert_ne!(nearby, made);
            assert_eq!(nearby.as_str().parse(), Ok(nearby.clone()));
        }
    }
}
