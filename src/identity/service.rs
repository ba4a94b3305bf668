//! The use cases of accounts. Each is one method of [`Identity`]; signing in, signing up and the first-run setup
//! stand in files of their own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::admin::By;
use super::cloud_password::{CloudPasswords, Remembered};
use super::device::Devices;
use super::event::{Client, Event, EventKind, Events};
use super::handshake::Handshakes;
use super::index::Index;
use super::letter::{Letter, LetterKind};
use super::lockout::{Guard, Lockouts};
use super::mailed_token::MailedTokens;
use super::password::{
    BadParameters, Busy, HashWatch, Hasher, Password, PasswordHash, Rules, Weakness,
};
use super::place::Places;
use super::provisioning::{Journal, Rules as ProvisioningRules};
use super::refresh_token::{NotOurs, Redeemed, Redemption};
use super::registration::{InvalidField, RegistrationMode};
use super::seal::Sealer;
use super::second_factor::SecondFactors;
use super::user::{Addition, FULL_NAME_MAX};
use super::{
    Email, EndReason, LockoutRule, NewRefreshToken, Permissions, RefreshKey, RefreshToken,
    RefreshTokenText, RefreshTokens, Role, Roles, Session, SessionId, Sessions, Setup, Standing,
    StoreError, User, UserId, Username, Users, random,
};
use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

/// Accounts, sessions and the tokens that belong to them.
pub struct Identity {
    pub(super) records: Records,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lockouts: Guard,
    pub(super) refresh_key: RefreshKey,
    pub(super) index: Arc<Index>,
    pub(super) sealer: Sealer,
    pub(super) cloud_passwords: Remembered,
    issuer: Arc<dyn TokenIssuer>,
    pub(super) ends: Arc<dyn EndSessions>,
    watch: Arc<dyn HashWatch>,
    configured: ArcSwap<Configured>,
    places: ArcSwap<Arc<dyn Places>>,
}

/// The records that accounts are kept in.
#[derive(Clone)]
pub struct Records {
    /// People.
    pub users: Arc<dyn Users>,
    /// Their sign-ins.
    pub sessions: Arc<dyn Sessions>,
    /// What prolongs these.
    pub refresh_tokens: Arc<dyn RefreshTokens>,
    /// The first admin.
    pub setup: Arc<dyn Setup>,
    /// What happened.
    pub events: Arc<dyn Events>,
    /// Device passwords and API tokens.
    pub devices: Arc<dyn Devices>,
    /// Second factors.
    pub second_factors: Arc<dyn SecondFactors>,
    /// Links that were mailed.
    pub mailed_tokens: Arc<dyn MailedTokens>,
    /// App passwords of Nextcloud.
    pub cloud_passwords: Arc<dyn CloudPasswords>,
    /// What is in progress.
    pub handshakes: Arc<dyn Handshakes>,
    /// Failures to sign in.
    pub lockouts: Arc<dyn Lockouts>,
    /// Who must be looked at in Nextcloud.
    pub provisioning: Arc<dyn Journal>,
}

/// Makes access tokens.
pub trait TokenIssuer: Send + Sync {
    /// An access token that says what `grant` says, issued `now`.
    fn issue(&self, grant: &AccessGrant, now: Timestamp) -> String;
}

impl<F: Fn(&AccessGrant, Timestamp) -> String + Send + Sync> TokenIssuer for F {
    fn issue(&self, grant: &AccessGrant, now: Timestamp) -> String {
        self(grant, now)
    }
}

/// What an access token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessGrant {
    /// `sub`.
    pub user: UserId,
    /// `sid`.
    pub session: SessionId,
    /// The sign-in name.
    pub username: Arc<str>,
    /// The e-mail address.
    pub email: Arc<str>,
    /// Whether the address is proven to be theirs.
    pub email_verified: bool,
    /// Names of roles.
    pub roles: Vec<Arc<str>>,
    /// Permissions beside those of the roles.
    pub permissions: Vec<String>,
    /// When the first of these permissions ends, if one does.
    pub until: Option<Timestamp>,
    /// The tier of rate limits.
    pub tier: Arc<str>,
    /// When a second factor was last given in this session.
    pub second_factor_at: Option<Timestamp>,
}

/// Tells whoever verifies access tokens that some are void before their time.
pub trait EndSessions: Send + Sync {
    /// Tokens of this session are void. No such token is valid after `forget_after` anyway.
    fn end_session(&self, session: SessionId, forget_after: Timestamp);
    /// Tokens of this user issued before `at` are void. None is valid after `forget_after` anyway.
    fn end_user_before(&self, user: UserId, at: Timestamp, forget_after: Timestamp);
}

/// Nobody verifies tokens in this process: a command line.
impl EndSessions for () {
    fn end_session(&self, _session: SessionId, _forget_after: Timestamp) {}
    fn end_user_before(&self, _user: UserId, _at: Timestamp, _forget_after: Timestamp) {}
}

/// What the configuration says about accounts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may sign up.
    pub registration: RegistrationMode,
    /// Roles of a user who signed up.
    pub default_roles: Vec<Arc<str>>,
    /// All roles.
    pub roles: Roles,
    /// Password rules.
    pub passwords: Rules,
    /// Life of an access token.
    pub access_life: Duration,
    /// Life of a refresh token.
    pub refresh_life: Duration,
    /// Where sign-in lives: `https://host[:port]`. Links in mails begin with it.
    pub public_url: Arc<str>,
    /// Whether letters can be sent. Without them nobody proves an address or resets a password by mail.
    pub mail: bool,
    /// When failures lock an account.
    pub lockout: LockoutRule,
    /// After how long without use a device password or API token ends.
    pub devices_unused: Duration,
    /// How many zero bits the solution of a puzzle has before public forms; none: there are no puzzles.
    pub proof_of_work: Option<u8>,
    /// How accounts are provisioned in Nextcloud, if they are.
    pub provisioning: Option<Arc<ProvisioningRules>>,
    /// How long one request waits for the store in all.
    pub patience: Duration,
}

struct Configured {
    settings: Arc<Settings>,
    hasher: Hasher,
}

/// The tokens that a client gets.
#[derive(Clone, Debug)]
pub struct TokenPair {
    /// A JWT.
    pub access_token: Secret<String>,
    /// How long it is valid.
    pub expires_in: Duration,
    /// Good for one [refresh](Identity::refresh).
    pub refresh_token: Secret<String>,
    /// How long it is valid.
    pub refresh_expires_in: Duration,
}

/// A refresh that succeeded.
#[derive(Debug)]
pub struct Refreshed {
    /// The next pair.
    pub tokens: TokenPair,
    /// Whether it was given before.
    pub how: Freshness,
}

/// Whether a pair was given before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// Now for the first time.
    Fresh,
    /// Again, within the grace period.
    Repeated,
}

/// Why there are no new tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// It was made by somebody else, expired, or ended.
    #[error("the refresh token is not good")]
    Refused,
    /// It was used before: the whole family is revoked and the session ended.
    #[error("the refresh token was used before")]
    Replayed,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NotOurs> for RefreshError {
    fn from(_: NotOurs) -> Self {
        Self::Refused
    }
}

/// Why accounts cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The password hash parameters are not legal.
    #[error(transparent)]
    Passwords(#[from] BadParameters),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody who is to have an account, as written by them.
#[derive(Debug)]
pub struct NewUser {
    /// The e-mail address.
    pub email: String,
    /// The sign-in name; made from the address when absent.
    pub username: Option<String>,
    /// The full name.
    pub full_name: Option<String>,
    /// The password.
    pub password: Password,
}

impl NewUser {
    pub(super) fn check(self) -> Result<Draft, InvalidField> {
        let email: Email = self.email.parse()?;
        let username = match self.username {
            Some(name) => name.parse()?,
            None => Username::from_email(&email),
        };
        let full_name = self.full_name.filter(|name| !name.trim().is_empty());
        if !full_name.as_deref().is_none_or(is_full_name) {
            return Err(InvalidField::FullName);
        }
        Ok(Draft { email, username, full_name, password: self.password })
    }
}

/// Whether `name` can be somebody's full name.
pub(super) fn is_full_name(name: &str) -> bool {
    name.chars().count() <= FULL_NAME_MAX && !name.chars().any(char::is_control)
}

/// Somebody who is to have an account, with everything in its canonical form.
pub(super) struct Draft {
    pub(super) email: Email,
    username: Username,
    full_name: Option<String>,
    password: Password,
}

impl Draft {
    pub(super) fn into_user(
        self,
        password_hash: PasswordHash,
        roles: Vec<Arc<str>>,
        now: Timestamp,
    ) -> User {
        User {
            id: UserId::from_uuid(random::uuid_v7(now)),
            email: self.email,
            username: self.username,
            full_name: self.full_name,
            password_hash,
            roles,
            grants: Vec::new(),
            standing: Standing::Active,
            email_verified_at: None,
            created_at: now,
            updated_at: now,
            last_login_at: None,
            epoch: 0,
        }
    }
}

/// Who does something to somebody else's account.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The admin.
    pub user: UserId,
    /// What the admin may do.
    pub permissions: Permissions,
    /// The other end of the request.
    pub client: Option<Client>,
}

/// Why an operator could not add a user.
#[derive(Debug, thiserror::Error)]
pub enum AddUserError {
    /// The roles allow more than whoever asks may do.
    #[error("you cannot give roles that may do more than you")]
    Beyond,
    /// Too many hashes are waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Something was not as it must be.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The store could not do it, or somebody has the address or the name.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A role that does not exist.
    #[error("there is no role {0:?}")]
    UnknownRole(Arc<str>),
    /// The password is not accepted.
    #[error(transparent)]
    Weak(#[from] Weakness),
}

impl Identity {
    /// Accounts in `records` by `settings`. Computes one password hash: blocks for its time. Sessions that were
    /// ended lately are told to `ends` again, because their access tokens may outlive a restart.
    ///
    /// # Errors
    ///
    /// [`StartError`] when the store does not answer or the hash parameters are not legal.
    pub async fn start(
        records: Records,
        sealer: Sealer,
        issuer: Arc<dyn TokenIssuer>,
        ends: Arc<dyn EndSessions>,
        clock: Arc<dyn Clock>,
        watch: Arc<dyn HashWatch>,
        settings: Settings,
    ) -> Result<Self, StartError> {
        let hasher = Hasher::new(settings.passwords, Arc::clone(&watch))?;
        let refresh_key = records.refresh_tokens.key(RefreshKey::generate()).await?;
        let outlive = settings.access_life + LEEWAY;
        for end in records.sessions.ended_since(clock.now() - outlive).await? {
            ends.end_session(end.session, end.at + outlive);
        }
        let configured = Configured { settings: Arc::new(settings), hasher };
        Ok(Self {
            lockouts: Guard::new(Arc::clone(&records.lockouts)),
            records,
            clock,
            refresh_key,
            index: Arc::default(),
            sealer,
            cloud_passwords: Remembered::default(),
            issuer,
            ends,
            watch,
            configured: ArcSwap::from_pointee(configured),
            places: ArcSwap::from_pointee(Arc::new(()) as Arc<dyn Places>),
        })
    }

    /// Looks addresses up in `places` from now on.
    pub fn look_up_in(&self, places: Arc<dyn Places>) {
        self.places.store(Arc::new(places));
    }

    /// Where `address`, as text, is: `Berlin, Germany`.
    pub fn place_of(&self, address: &str) -> Option<String> {
        let place = self.places.load().find(address.parse().ok()?)?;
        Some(place.to_string())
    }

    /// `address`, with where it is if that is known.
    pub(super) fn with_place(&self, address: IpAddr) -> String {
        let address = address.to_string();
        match self.place_of(&address) {
            Some(place) => format!("{address} ({place})"),
            None => address,
        }
    }

    /// Works by `settings` from now on. Sessions, lockouts and sign-ins in progress are not touched.
    ///
    /// # Errors
    ///
    /// [`StartError::Passwords`] when the hash parameters are not legal; then nothing changed.
    pub fn reconfigure(&self, settings: Settings) -> Result<(), StartError> {
        let present = self.configured.load();
        let hasher = if present.hasher.rules() == settings.passwords {
            present.hasher.clone()
        } else {
            Hasher::new(settings.passwords, Arc::clone(&self.watch))?
        };
        self.configured.store(Arc::new(Configured { settings: Arc::new(settings), hasher }));
        // What roles allow may have changed.
        self.index.clear();
        Ok(())
    }

    /// Trades a refresh token for the next pair (RFC 6749 §6).
    ///
    /// # Errors
    ///
    /// [`RefreshError`]. After [`RefreshError::Replayed`] the session is over.
    pub async fn refresh(&self, token: &str, client: &Client) -> Result<Refreshed, RefreshError> {
        let now = self.clock.now();
        let shown = RefreshTokenText::read(&self.refresh_key, token)?;
        let next = shown.successor(&self.refresh_key).ok_or(RefreshError::Refused)?;
        let successor = NewRefreshToken {
            family: next.family,
            number: next.number,
            digest: next.digest(),
            expires_at: now + self.settings().refresh_life,
        };
        let records = &self.records.refresh_tokens;
        let (holder, how) = match records.redeem(&shown.digest(), &successor, now).await? {
            Redeemed::Rotated(holder) => (*holder, Freshness::Fresh),
            Redeemed::Unknown => return Err(RefreshError::Refused),
            Redeemed::Not(found) => match found.redeem(now, RefreshToken::GRACE) {
                Redemption::Repeat => {
                    let holder = records.holder(next.family, next.number, now).await?;
                    (holder.ok_or(RefreshError::Refused)?, Freshness::Repeated)
                }
                Redemption::RevokeFamily => return self.replayed(&found, client).await,
                Redemption::Refuse | Redemption::Rotate => return Err(RefreshError::Refused),
            },
        };
        let tokens = self.pair(&holder.user, &holder.session, &next, holder.expires_at, now);
        Ok(Refreshed { tokens, how })
    }

    async fn replayed<T>(&self, token: &RefreshToken, client: &Client) -> Result<T, RefreshError> {
        let session = self.records.sessions.find(token.session).await?;
        let kind = EventKind::RefreshReplayed { family: token.family, number: token.number };
        let subject = session.map(|session| session.user);
        let event = self.event(kind, subject, Some(token.session), Some(client));
        self.records.refresh_tokens.revoke_family(token.family, &event).await?;
        self.session_ended(token.session);
        Err(RefreshError::Replayed)
    }

    /// Ends a session of `user`: its refresh tokens now, its access tokens too. Ending it twice is fine.
    ///
    /// # Errors
    ///
    /// When the store could not do it; the session's access tokens are void on this node all the same.
    pub async fn sign_out(
        &self,
        session: SessionId,
        user: UserId,
        client: &Client,
    ) -> Result<(), StoreError> {
        self.session_ended(session);
        let event = self.event(EventKind::SignedOut, Some(user), Some(session), Some(client));
        self.records.sessions.end(session, EndReason::SignOut, &event).await?;
        Ok(())
    }

    /// Ends the session that a refresh token belongs to, if it is one of `user`. Anything else is as good as
    /// signed out already.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn sign_out_by_refresh_token(
        &self,
        token: &str,
        user: UserId,
        client: &Client,
    ) -> Result<(), StoreError> {
        let Ok(shown) = RefreshTokenText::read(&self.refresh_key, token) else {
            return Ok(());
        };
        let records = &self.records.refresh_tokens;
        match records.holder(shown.family, shown.number, self.clock.now()).await? {
            Some(holder) if holder.user.id == user => {
                self.sign_out(holder.session.id, user, client).await
            }
            _ => Ok(()),
        }
    }

    /// The user of this id, unless locked or gone.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn me(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.records.users.find(id).await?.filter(User::is_active))
    }

    /// Adds a user with these roles, as an operator may.
    ///
    /// # Errors
    ///
    /// [`AddUserError`]; then nothing was written.
    pub async fn add_user(
        &self,
        new: NewUser,
        roles: Vec<Arc<str>>,
        by: &By,
    ) -> Result<User, AddUserError> {
        let settings = self.settings();
        if let Some(unknown) = roles.iter().find(|role| settings.roles.find(role).is_none()) {
            return Err(AddUserError::UnknownRole(Arc::clone(unknown)));
        }
        let given = settings.roles.permissions(roles.iter().map(|role| &**role));
        if !by.may_manage(&given) {
            return Err(AddUserError::Beyond);
        }
        let draft = new.check()?;
        let password_hash = self.accept_password(&draft).await??;
        let mut user = draft.into_user(password_hash, roles, self.clock.now());
        // Whoever adds somebody vouches for the address.
        user.email_verified_at = Some(user.created_at);
        let event = by.mark(self.event(EventKind::UserAdded, Some(user.id), None, None));
        self.records.users.insert(&Addition::plain(user.clone(), event)).await?;
        Ok(user)
    }

    /// The tier of rate limits that `user` belongs to: that of the first role which exists. Without any, `free`.
    pub fn tier(&self, user: &User) -> Arc<str> {
        let settings = self.settings();
        let mut roles = user.roles.iter().filter_map(|name| settings.roles.find(name));
        roles.next().map_or_else(|| Arc::from("free"), |role| Arc::clone(&role.tier))
    }

    /// The roles of `user` that exist.
    pub(super) fn roles_of(&self, user: &User) -> Vec<Arc<Role>> {
        let settings = self.settings();
        user.roles.iter().filter_map(|name| settings.roles.find(name).cloned()).collect()
    }

    /// Everything that `user` may do at `now`.
    pub fn permissions_of(&self, user: &User, now: Timestamp) -> Permissions {
        let of_roles = self.settings().roles.permissions(user.roles.iter().map(|role| &**role));
        let grants = user.grants.iter().filter(|grant| grant.holds(now));
        of_roles.iter().cloned().chain(grants.map(|grant| grant.permission.clone())).collect()
    }

    /// What is configured now.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.configured.load().settings)
    }

    pub(super) fn hasher(&self) -> Hasher {
        self.configured.load().hasher.clone()
    }

    pub(super) async fn accept_password(
        &self,
        draft: &Draft,
    ) -> Result<Result<PasswordHash, Weakness>, Busy> {
        let mut context = vec![draft.email.as_str().to_owned(), draft.username.as_str().to_owned()];
        context.extend(draft.full_name.clone());
        self.hasher().accept(draft.password.clone(), context).await
    }

    pub(super) fn pair(
        &self,
        user: &User,
        session: &Session,
        refresh_token: &RefreshTokenText,
        refresh_expires_at: Timestamp,
        now: Timestamp,
    ) -> TokenPair {
        TokenPair {
            access_token: self.access_token(user, session, now),
            expires_in: self.settings().access_life,
            refresh_token: refresh_token.expose_for_client(),
            refresh_expires_in: refresh_expires_at.since(now),
        }
    }

    /// An access token of `session` that says what is true now.
    pub(super) fn access_token(
        &self,
        user: &User,
        session: &Session,
        now: Timestamp,
    ) -> Secret<String> {
        let grants: Vec<_> = user.grants.iter().filter(|grant| grant.holds(now)).collect();
        let grant = AccessGrant {
            user: user.id,
            session: session.id,
            username: user.username.to_arc(),
            email: user.email.to_arc(),
            email_verified: user.email_verified_at.is_some(),
            roles: user.roles.clone(),
            permissions: grants.iter().map(|grant| grant.permission.to_string()).collect(),
            until: grants.iter().filter_map(|grant| grant.until).min(),
            tier: self.tier(user),
            second_factor_at: session.second_factor_at,
        };
        Secret::new(self.issuer.issue(&grant, now))
    }

    /// A fresh access token of a session that is kept by tokens.
    pub fn token_of(&self, user: &User, session: &Session) -> Option<Secret<String>> {
        let by_tokens = session.kind == super::session::SessionKind::Tokens;
        by_tokens.then(|| self.access_token(user, session, self.clock.now()))
    }

    /// A letter to `user`, unless letters cannot be sent.
    pub(super) fn letter(&self, user: &User, kind: LetterKind) -> Vec<Letter> {
        let letter = Letter { to: user.email.clone(), name: user.full_name.clone(), kind };
        if self.settings().mail { vec![letter] } else { Vec::new() }
    }

    /// A link to one of our pages, which reads the token from the fragment-free query.
    pub(super) fn link(&self, path: &str, token: &super::SecretText) -> Secret<String> {
        Secret::new(format!("{}{path}?token={}", self.settings().public_url, token.expose()))
    }

    /// A key for digests that is good for `purpose` only, and the same after a restart.
    pub fn digest_key(&self, purpose: &str) -> ring::hmac::Key {
        self.sealer.digest_key(purpose)
    }

    /// Tells everybody in this process that a session is over.
    pub(super) fn session_ended(&self, session: SessionId) {
        self.index.forget_session(session);
        self.ends.end_session(session, self.forget_after());
    }

    /// Tells everybody in this process that the facts behind a user's credentials changed; access tokens from before
    /// are void.
    pub(super) fn credentials_ended(&self, user: UserId, at: Timestamp) {
        self.index.forget_user(user);
        self.ends.end_user_before(user, at, self.forget_after());
    }

    pub(super) fn event(
        &self,
        kind: EventKind,
        subject: Option<UserId>,
        session: Option<SessionId>,
        client: Option<&Client>,
    ) -> Event {
        let (at, client) = (self.clock.now(), client.cloned());
        Event { at, kind, subject, session, actor: None, client }
    }

    /// When access tokens issued until now are surely expired, on every node.
    fn forget_after(&self) -> Timestamp {
        self.clock.now() + self.tokens_outlive()
    }

    /// How long an access token may be good after what it says became untrue.
    pub(super) fn tokens_outlive(&self) -> Duration {
        self.settings().access_life + LEEWAY
    }
}

/// How far apart the clocks of nodes may be.
const LEEWAY: Duration = Duration::from_mins(1);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
