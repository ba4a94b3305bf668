//! Signing in: a name and a password in, a session with its first tokens out.
//!
//! Whatever goes wrong, a client learns one thing: the name or the password is wrong. It takes one hash in every
//! case. The second factor will stand between the password and the session.

use std::time::Duration;

use super::event::{Client, EventKind, SignInFailure};
use super::lockout::Account;
use super::password::{Busy, Password, Verification};
use super::service::TokenPair;
use super::session::{Begun, NewSession, Timeouts};
use super::{Identity, NewRefreshToken, RefreshTokenText, Session, SignInName, StoreError, User};
use crate::throttle::ClientNetwork;

/// What somebody signs in with.
#[derive(Debug)]
pub struct SignIn {
    /// The sign-in name or the e-mail address, as typed.
    pub name: String,
    /// The password.
    pub password: Password,
}

/// What came of signing in.
#[derive(Debug)]
pub struct SignedIn {
    /// Who it is.
    pub user: User,
    /// The new session.
    pub session: Session,
    /// Its first tokens.
    pub tokens: TokenPair,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Too many hashes are waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Too many failures lately, on this account or from this network.
    #[error("locked after too many failures")]
    Locked {
        /// Until the next attempt is judged.
        retry_after: Duration,
    },
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody has this name, or the password is another one, or the account may not sign in. The reason is for
    /// us; the client must not learn it.
    #[error("wrong name or password ({})", reason.name())]
    WrongNameOrPassword {
        /// Which of these.
        reason: SignInFailure,
    },
}

impl Identity {
    /// Signs somebody in.
    ///
    /// # Errors
    ///
    /// [`SignInError`]. Failures are recorded, and counted against the account and the client's network.
    pub async fn sign_in(&self, sign_in: SignIn, client: &Client) -> Result<SignedIn, SignInError> {
        let network = ClientNetwork::from(client.address);
        if let Err(retry_after) = self.lockouts.attempt_from(network, self.clock.now()) {
            return self.locked(None, retry_after, client).await;
        }
        let (user, account) = self.find_account(&sign_in.name).await?;
        if let Err(retry_after) = self.lockouts.attempt_on(account, self.clock.now()) {
            return self.locked(user.as_ref(), retry_after, client).await;
        }

        let hasher = self.hasher();
        let stored = user.as_ref().map(|user| &user.password_hash);
        let found = match hasher.verify(sign_in.password.clone(), stored).await {
            Ok(found) => found,
            Err(busy) => {
                self.lockouts.not_judged(account, network);
                return Err(busy.into());
            }
        };
        let (user, needs_rehash) = match (user, found) {
            (Some(user), Verification::Matches { needs_rehash }) if user.is_active() => {
                (user, needs_rehash)
            }
            (Some(user), Verification::Matches { .. }) => {
                return self.failed(Some(&user), SignInFailure::Disabled, client).await;
            }
            (Some(user), Verification::Mismatch) => {
                return self.failed(Some(&user), SignInFailure::WrongPassword, client).await;
            }
            (None, _) => return self.failed(None, SignInFailure::UnknownName, client).await,
        };
        self.lockouts.succeeded(account, network);
        let fresh_hash = if needs_rehash {
            // Not worth refusing anybody for: the next sign-in tries again.
            hasher.hash(sign_in.password).await.ok()
        } else {
            None
        };
        let rehash = fresh_hash.map(|fresh| (user.password_hash.clone(), fresh));
        self.begin_session(user, rehash, client).await
    }

    /// The user of this name, and the bucket in which attempts on it are counted.
    async fn find_account(&self, name: &str) -> Result<(Option<User>, Account), StoreError> {
        let (user, canonical) = match name.parse::<SignInName>() {
            Ok(name) => (self.records.users.find_by_name(&name).await?, name.as_str().to_owned()),
            Err(_) => (None, name.to_lowercase()),
        };
        let account = user
            .as_ref()
            .map_or_else(|| Account::unknown(&canonical), |user| Account::Known(user.id));
        Ok((user, account))
    }

    async fn begin_session(
        &self,
        user: User,
        rehash: Option<(super::password::PasswordHash, super::password::PasswordHash)>,
        client: &Client,
    ) -> Result<SignedIn, SignInError> {
        let now = self.clock.now();
        let refresh_life = self.settings().refresh_life;
        let session = Session::begin(user.id, client, Timeouts::of_tokens(refresh_life), now);
        let token = RefreshTokenText::first(&self.refresh_key, now);
        let refresh_token = NewRefreshToken {
            family: token.family,
            number: token.number,
            digest: token.digest(),
            expires_at: (now + refresh_life).min(session.expires_at),
        };
        let expires_at = refresh_token.expires_at;
        let new = NewSession { session: session.clone(), refresh_token, rehash };
        let event = self.event(EventKind::SignedIn, Some(user.id), Some(session.id), Some(client));
        match self.records.sessions.begin(&new, user.epoch, &event).await? {
            Begun::Begun => {
                let tokens = self.pair(&user, session.id, &token, expires_at, now);
                Ok(SignedIn { user, session, tokens })
            }
            Begun::NotAllowed => self.failed(Some(&user), SignInFailure::Disabled, client).await,
        }
    }

    async fn failed<T>(
        &self,
        user: Option<&User>,
        reason: SignInFailure,
        client: &Client,
    ) -> Result<T, SignInError> {
        let kind = EventKind::SignInFailed { reason };
        let event = self.event(kind, user.map(|user| user.id), None, Some(client));
        self.records.events.record(&event).await?;
        Err(SignInError::WrongNameOrPassword { reason })
    }

    async fn locked<T>(
        &self,
        user: Option<&User>,
        retry_after: Duration,
        client: &Client,
    ) -> Result<T, SignInError> {
        let kind = EventKind::SignInFailed { reason: SignInFailure::Locked };
        let event = self.event(kind, user.map(|user| user.id), None, Some(client));
        self.records.events.record(&event).await?;
        Err(SignInError::Locked { retry_after })
    }
}
