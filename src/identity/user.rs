//! A person's record.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;

use super::event::Event;
use super::password::PasswordHash;
use super::{Email, StoreError, UserId, is_name, random};
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
    /// Whether this person may sign in.
    pub standing: Standing,
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

    /// Whether this person may sign in.
    pub fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }
}

/// Roles whose first holder closes the first-run setup.
pub const ADMIN_ROLES: [&str; 2] = ["admin", "superadmin"];

/// The longest full name, in characters.
pub const FULL_NAME_MAX: usize = 128;

/// Whether a person may sign in. Nobody is ever removed without trace: `Disabled` is reversible.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// May sign in.
    Active,
    /// May not: the same answer as for a wrong password.
    Disabled,
}

/// The need for stored users.
#[async_trait]
pub trait Users: Send + Sync {
    /// Adds `user` and records `event` with it. If the user [is an admin](User::is_admin), the first-run
    /// setup is closed in the same step.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] on `id`, `email` or `username`; then nothing was written.
    async fn insert(&self, user: &User, event: &Event) -> Result<(), StoreError>;

    /// The user of this id.
    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user of this name.
    async fn find_by_name(&self, name: &SignInName) -> Result<Option<User>, StoreError>;

    /// Locks or unlocks. Locking ends all sessions and refresh tokens in the same step, and moves the epoch.
    /// Returns the user as it is now, or nothing when there is none.
    async fn set_standing(
        &self,
        id: UserId,
        standing: Standing,
        event: &Event,
    ) -> Result<Option<User>, StoreError>;
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
