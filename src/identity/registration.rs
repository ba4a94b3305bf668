//! Signing up. The answer is the same whether the address has an account or not.

use super::event::{Client, EventKind};
use super::password::{Busy, Weakness};
use super::service::NewUser;
use super::{Email, Identity, ParseEmailError, ParseUsernameError, StoreError};

/// Who may sign up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RegistrationMode {
    /// Nobody; an admin or the command line adds users.
    Off,
    /// Everybody, or everybody with an address in these domains when not empty.
    Open {
        /// Lower case, without `@`.
        domains: Vec<String>,
    },
}

impl RegistrationMode {
    fn admits(&self, email: &Email) -> Result<(), RegistrationError> {
        match self {
            Self::Off => Err(RegistrationError::Off),
            Self::Open { domains } if domains.is_empty() => Ok(()),
            Self::Open { domains } if domains.iter().any(|domain| domain == email.domain()) => {
                Ok(())
            }
            Self::Open { .. } => Err(RegistrationError::DomainNotAdmitted),
        }
    }
}

/// What somebody wrote cannot be taken, in words for them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidField {
    /// The e-mail address.
    #[error("email: {0}")]
    Email(#[from] ParseEmailError),
    /// The full name.
    #[error("full_name: expected at most 128 characters and no control characters")]
    FullName,
    /// The sign-in name.
    #[error("username: {0}")]
    Username(#[from] ParseUsernameError),
}

/// Why somebody could not sign up.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// Too many hashes are waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Only other domains' addresses may.
    #[error("addresses of this domain may not register")]
    DomainNotAdmitted,
    /// Something was not as it must be.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// Nobody may.
    #[error("registration is off")]
    Off,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password is not accepted.
    #[error(transparent)]
    Weak(#[from] Weakness),
}

/// What came of a sign-up. For us: the client must not learn it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Registered {
    /// There is a new account.
    Created,
    /// The address had one already; nothing was changed.
    Repeated,
}

impl Identity {
    /// Signs somebody up. A sign-in name that is taken is replaced by one near it, so that nobody learns which
    /// names exist; the account shows its own.
    ///
    /// # Errors
    ///
    /// [`RegistrationError`], for reasons that do not depend on who has an account.
    pub async fn register(
        &self,
        new: NewUser,
        client: &Client,
    ) -> Result<Registered, RegistrationError> {
        let settings = self.settings();
        if settings.registration == RegistrationMode::Off {
            return Err(RegistrationError::Off);
        }
        let draft = new.check()?;
        settings.registration.admits(&draft.email)?;
        // The hash is computed in either case, so the time tells nothing.
        let password_hash = self.accept_password(&draft).await??;
        let roles = settings.default_roles.clone();
        let mut user = draft.into_user(password_hash, roles, self.clock.now());
        let event = self.event(EventKind::Registered, Some(user.id), None, Some(client));
        for _ in 0..NAME_ATTEMPTS {
            match self.records.users.insert(&user, &event).await {
                Ok(()) => return Ok(Registered::Created),
                Err(StoreError::Conflict { field: "username", .. }) => {
                    user.username = user.username.nearby();
                }
                Err(StoreError::Conflict { field: "email", .. }) => {
                    let repeated =
                        self.event(EventKind::RegistrationRepeated, None, None, Some(client));
                    self.records.events.record(&repeated).await?;
                    return Ok(Registered::Repeated);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict { record: "user", field: "username" }.into())
    }
}

/// How often another name is tried; each is taken with a chance of 1 in 65,536 per account of that stem.
const NAME_ATTEMPTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_sign_up() {
        let open = |domains: &[&str]| RegistrationMode::Open {
            domains: domains.iter().map(ToString::to_string).collect(),
        };
        for (mode, address, admitted) in [
            (RegistrationMode::Off, "ada@example.org", false),
            (open(&[]), "ada@example.org", true),
            (open(&["example.org"]), "ada@Example.org", true),
            (open(&["example.org"]), "ada@mail.example.org", false),
            (open(&["example.org"]), "ada@notexample.org", false),
        ] {
            let email = address.parse().expect(address);
            assert_eq!(mode.admits(&email).is_ok(), admitted, "{mode:?} {address}");
        }
    }
}
