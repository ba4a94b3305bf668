//! Signing up. The answer is the same whether the address has an account or not.

use std::sync::Arc;
use std::time::Duration;

use super::account::ProveError;
use super::even::evenly;
use super::event::{Client, Event, EventKind};
use super::letter::LetterKind;
use super::mailed_token::{MailedTokenDigest, Meaning, NewMailedToken};
use super::password::{Busy, Password, Weakness};
use super::service::NewUser;
use super::user::{Addition, Change, Update, Updated};
use super::{
    Email, Identity, ParseEmailError, ParseUsernameError, Purpose, SecretDigest, Standing,
    StoreError, User,
};
use crate::clock::Timestamp;

/// Who may sign up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RegistrationMode {
    /// Everybody, and an admin says yes to each.
    Approval {
        /// Only addresses in these domains, when not empty. Lower case, without `@`.
        domains: Vec<String>,
    },
    /// Whoever was invited.
    Invite,
    /// Nobody; an admin or the command line adds users.
    Off,
    /// Everybody.
    Open {
        /// As for [`Approval`](Self::Approval).
        domains: Vec<String>,
    },
}

impl RegistrationMode {
    fn admits(&self, email: &Email) -> Result<(), RegistrationError> {
        match self {
            Self::Off => Err(RegistrationError::Off),
            Self::Invite => Err(RegistrationError::ByInvitationOnly),
            Self::Approval { domains } | Self::Open { domains } => {
                let admitted =
                    domains.is_empty() || domains.iter().any(|domain| domain == email.domain());
                if admitted { Ok(()) } else { Err(RegistrationError::DomainNotAdmitted) }
            }
        }
    }

    /// Whether an admin must say yes to whoever signed up.
    pub(super) fn needs_approval(&self) -> bool {
        matches!(self, Self::Approval { .. })
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
    /// A permission.
    #[error("permission: expected resource:action in a-z, 0-9, - and _, either of them may be *")]
    Permission,
    /// An instant.
    #[error("expected a time as in RFC 3339: 2026-01-31T12:00:00Z")]
    Time,
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
    /// Nobody may without an invitation.
    #[error("registration is by invitation only")]
    ByInvitationOnly,
    /// The invitation was used, has expired, was called off, or is for another address.
    #[error("the invitation is not good")]
    BadInvitation,
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

/// How long somebody has to prove an address.
const PROVE_WITHIN: Duration = Duration::from_hours(24);

impl Identity {
    /// Signs somebody up. A sign-in name that is taken is replaced by one near it, so that nobody learns which
    /// names exist; the account shows its own.
    ///
    /// Where letters can be sent, the address must be proven by a link *and* the password: whoever reads the mail
    /// and whoever chose the password are the same person. A link alone would let anybody prepare an account for
    /// somebody else's address.
    ///
    /// # Errors
    ///
    /// [`RegistrationError`], for reasons that do not depend on who has an account.
    pub async fn register(
        &self,
        new: NewUser,
        invitation: Option<&str>,
        client: &Client,
    ) -> Result<Registered, RegistrationError> {
        evenly(self.sign_up(new, invitation, client)).await
    }

    async fn sign_up(
        &self,
        new: NewUser,
        invitation: Option<&str>,
        client: &Client,
    ) -> Result<Registered, RegistrationError> {
        let settings = self.settings();
        if settings.registration == RegistrationMode::Off && invitation.is_none() {
            return Err(RegistrationError::Off);
        }
        let draft = new.check()?;
        let invited = match invitation {
            None => None,
            Some(text) => Some(self.invitation(text, &draft.email).await?),
        };
        if invited.is_none() {
            settings.registration.admits(&draft.email)?;
        }
        // The hash is computed in either case, so the time tells nothing.
        let password_hash = self.accept_password(&draft).await??;
        let now = self.clock.now();
        let mut user = draft.into_user(password_hash, settings.default_roles.clone(), now);
        let event = self.event(EventKind::Registered, Some(user.id), None, Some(client));
        let mut addition = match invited {
            Some((digest, roles)) => {
                user.roles = roles;
                user.email_verified_at = Some(now);
                Addition { redeem: Some(digest), ..Addition::plain(user, event) }
            }
            None => self.unproven(user, event, now),
        };
        for _ in 0..NAME_ATTEMPTS {
            match self.records.users.insert(&addition).await {
                Ok(true) => return Ok(Registered::Created),
                Ok(false) => return Err(RegistrationError::BadInvitation),
                Err(StoreError::Conflict { field: "username", .. }) => {
                    addition.user.username = addition.user.username.nearby();
                }
                Err(StoreError::Conflict { field: "email", .. }) => {
                    self.registered_before(&addition.user, client).await?;
                    return Ok(Registered::Repeated);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict { record: "user", field: "username" }.into())
    }

    /// Somebody who signed up without an invitation: proves the address first, if letters can be sent.
    fn unproven(&self, mut user: User, event: Event, now: Timestamp) -> Addition {
        let settings = self.settings();
        if !settings.mail {
            if settings.registration.needs_approval() {
                user.standing = Standing::AwaitingApproval;
            }
            return Addition::plain(user, event);
        }
        user.standing = Standing::Unverified;
        let (id, until) = (Some(user.id), now + PROVE_WITHIN);
        let (token, text) = NewMailedToken::generate(id, Meaning::VerifyEmail, 0, now, until);
        let link = self.link("/auth/verify-email", &text);
        let letters = self.letter(&user, LetterKind::VerifyEmail { link, valid_for: PROVE_WITHIN });
        Addition { token: Some(token), letters, ..Addition::plain(user, event) }
    }

    /// Tells the owner of an address, and nobody else, that somebody tried to sign up with it.
    async fn registered_before(&self, draft: &User, client: &Client) -> Result<(), StoreError> {
        let repeated = self.event(EventKind::RegistrationRepeated, None, None, Some(client));
        let url = &self.settings().public_url;
        let kind = LetterKind::AlreadyRegistered {
            sign_in: format!("{url}/auth/sign-in"),
            reset: format!("{url}/auth/forgot-password"),
        };
        // Not the name that was just typed: anybody may have typed it.
        let owner = User { full_name: None, ..draft.clone() };
        self.records.events.record_and_tell(&repeated, &self.letter(&owner, kind)).await
    }

    async fn invitation(
        &self,
        text: &str,
        email: &Email,
    ) -> Result<(MailedTokenDigest, Vec<Arc<str>>), RegistrationError> {
        let digest = SecretDigest::of(text, Purpose::Mail);
        let found = self.records.mailed_tokens.find(&digest, self.clock.now()).await?;
        match found.map(|token| token.meaning) {
            Some(Meaning::Invitation { email: invited, roles, .. }) if invited == *email => {
                Ok((digest, roles))
            }
            _ => Err(RegistrationError::BadInvitation),
        }
    }

    /// Proves an address by the link that was mailed to it and the password that was chosen with it.
    ///
    /// # Errors
    ///
    /// [`ProveError`]; the link stays good after a wrong password.
    pub async fn verify_email(
        &self,
        token: &str,
        password: Password,
        client: &Client,
    ) -> Result<Standing, ProveError> {
        let (digest, user) = self.holder_of(token, &Meaning::VerifyEmail, client).await?;
        self.check_own_password(&user, password, client).await?;
        let approval = self.settings().registration.needs_approval();
        let letters =
            if approval { self.letter(&user, LetterKind::AwaitingApproval) } else { Vec::new() };
        let update = Update {
            change: Change::EmailVerified { approval },
            epoch: Some(user.epoch),
            redeem: Some(digest),
            keep: None,
            event: self.event(EventKind::EmailVerified, Some(user.id), None, Some(client)),
            letters,
        };
        match self.records.users.update(user.id, &update).await? {
            Updated::Done(user) => Ok(user.standing),
            Updated::NoUser | Updated::Stale | Updated::TokenSpent => Err(ProveError::LinkSpent),
        }
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
