//! Taking users over from another program, with the hashes of their passwords.
//!
//! Nobody needs a new password: the first sign-in checks the old hash and replaces it with one of ours. Whoever imports
//! vouches for the addresses.

use std::collections::HashSet;
use std::sync::Arc;

use super::event::EventKind;
use super::password::{BadHash, PasswordHash};
use super::registration::InvalidField;
use super::service::is_full_name;
use super::user::Addition;
use super::{Email, Identity, SignInName, Standing, StoreError, User, UserId, Username, random};
use crate::secret::Secret;

/// Somebody as another program wrote them down.
#[derive(Debug)]
pub struct ImportedUser {
    /// The e-mail address.
    pub email: String,
    /// The sign-in name; made from the address when absent.
    pub username: Option<String>,
    /// The full name.
    pub full_name: Option<String>,
    /// The hash: bcrypt or Argon2.
    pub password_hash: Secret<String>,
    /// The roles.
    pub roles: Vec<Arc<str>>,
}

/// Why somebody was not imported. Never repeats the hash.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Somebody has the address or the sign-in name, here already or further up in the import.
    #[error("{field} {value} is taken {}", if *.here { "by an account here" } else { "further up" })]
    Taken {
        /// Which of both.
        field: &'static str,
        /// By whom.
        value: String,
        /// Whether by an account that is here.
        here: bool,
    },
    /// The hash is not taken.
    #[error("password_hash: {0}")]
    BadHash(#[from] BadHash),
    /// Something was not as it must be.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A role that does not exist.
    #[error("roles: there is no role {0:?}")]
    UnknownRole(Arc<str>),
}

/// Whether an import is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trial {
    /// It only says what would become of it.
    DryRun,
    /// It is.
    Real,
}

/// One import of many users. Knows who was in it already, so that a dry run finds the same faults as the real one.
#[derive(Debug)]
pub struct Import<'a> {
    identity: &'a Identity,
    trial: Trial,
    addresses: HashSet<Email>,
    names: HashSet<Username>,
}

impl Identity {
    /// Begins an import.
    pub fn import(&self, trial: Trial) -> Import<'_> {
        Import { identity: self, trial, addresses: HashSet::new(), names: HashSet::new() }
    }

    /// The user that an import makes.
    fn imported(&self, new: ImportedUser) -> Result<User, ImportError> {
        let email: Email = new.email.parse().map_err(InvalidField::from)?;
        let username = match new.username {
            Some(name) => name.parse().map_err(InvalidField::from)?,
            None => Username::from_email(&email),
        };
        if !new.full_name.as_deref().is_none_or(is_full_name) {
            return Err(InvalidField::FullName.into());
        }
        let password_hash = PasswordHash::from_outside(new.password_hash.expose())?;
        let settings = self.settings();
        if let Some(unknown) = new.roles.iter().find(|role| settings.roles.find(role).is_none()) {
            return Err(ImportError::UnknownRole(Arc::clone(unknown)));
        }
        let now = self.clock.now();
        Ok(User {
            id: UserId::from_uuid(random::uuid_v7(now)),
            email,
            username,
            full_name: new.full_name,
            password_hash,
            roles: new.roles,
            grants: Vec::new(),
            standing: Standing::Active,
            email_verified_at: Some(now),
            created_at: now,
            updated_at: now,
            last_login_at: None,
            epoch: 0,
        })
    }

    /// Adds the user with the record of it, all or nothing.
    async fn insert_imported(&self, user: &User) -> Result<(), ImportError> {
        let event = self.event(EventKind::UserImported, Some(user.id), None, None);
        match self.records.users.insert(&Addition::plain(user.clone(), event)).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict { field, .. }) => Err(taken(field, user, true)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Import<'_> {
    /// Takes one more, or says why not.
    ///
    /// # Errors
    ///
    /// [`ImportError`]; then nothing was written.
    pub async fn take(&mut self, new: ImportedUser) -> Result<(), ImportError> {
        let user = self.identity.imported(new)?;
        if self.addresses.contains(&user.email) {
            return Err(taken("email", &user, false));
        }
        if self.names.contains(&user.username) {
            return Err(taken("username", &user, false));
        }
        match self.trial {
            Trial::DryRun => self.is_free(&user).await?,
            Trial::Real => self.identity.insert_imported(&user).await?,
        }
        self.addresses.insert(user.email);
        self.names.insert(user.username);
        Ok(())
    }

    async fn is_free(&self, user: &User) -> Result<(), ImportError> {
        let users = &self.identity.records.users;
        if users.find_by_name(&SignInName::Email(user.email.clone())).await?.is_some() {
            return Err(taken("email", user, true));
        }
        if users.find_by_name(&SignInName::Username(user.username.clone())).await?.is_some() {
            return Err(taken("username", user, true));
        }
        Ok(())
    }
}

fn taken(field: &'static str, user: &User, here: bool) -> ImportError {
    let value = if field == "email" { user.email.as_str() } else { user.username.as_str() };
    ImportError::Taken { field, value: value.to_owned(), here }
}
