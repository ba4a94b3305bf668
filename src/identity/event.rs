//! What happened to accounts: for the audit log, and for whoever must react.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{FamilyId, SessionId, StoreError, UserId};
use crate::clock::Timestamp;

/// One thing that happened, with whom it concerns. Holds nothing secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// To which user, when known.
    pub subject: Option<UserId>,
    /// In which session, when in one.
    pub session: Option<SessionId>,
    /// Who asked for it; nobody when it came from the command line.
    pub client: Option<Client>,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EventKind {
    /// An old refresh token was shown again: its family and session were ended.
    RefreshReplayed {
        /// Which family.
        family: FamilyId,
        /// Which of its tokens.
        number: u32,
    },
    /// Somebody signed up.
    Registered,
    /// Somebody tried to sign up with an address that has an account.
    RegistrationRepeated,
    /// A session was ended by something else than signing out.
    SessionEnded {
        /// By what.
        reason: super::EndReason,
    },
    /// The first admin was made; the first-run setup is closed for ever.
    SetupClosed,
    /// A sign-in did not succeed.
    SignInFailed {
        /// Why not.
        reason: SignInFailure,
    },
    /// Somebody signed in.
    SignedIn,
    /// Somebody signed out.
    SignedOut,
    /// An operator added a user.
    UserAdded,
    /// An operator locked a user.
    UserDisabled,
    /// An operator unlocked a user.
    UserEnabled,
}

impl EventKind {
    /// The name in the audit log; never changed once released.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RefreshReplayed { .. } => "refresh_replayed",
            Self::Registered => "registered",
            Self::RegistrationRepeated => "registration_repeated",
            Self::SessionEnded { .. } => "session_ended",
            Self::SetupClosed => "setup_closed",
            Self::SignInFailed { .. } => "sign_in_failed",
            Self::SignedIn => "signed_in",
            Self::SignedOut => "signed_out",
            Self::UserAdded => "user_added",
            Self::UserDisabled => "user_disabled",
            Self::UserEnabled => "user_enabled",
        }
    }

    /// What else there is to know, as an object.
    pub fn details(&self) -> Value {
        match self {
            Self::RefreshReplayed { family, number } => {
                json!({ "family": family.to_string(), "number": number })
            }
            Self::SessionEnded { reason } => json!({ "reason": reason.name() }),
            Self::SignInFailed { reason } => json!({ "reason": reason.name() }),
            Self::Registered
            | Self::RegistrationRepeated
            | Self::SetupClosed
            | Self::SignedIn
            | Self::SignedOut
            | Self::UserAdded
            | Self::UserDisabled
            | Self::UserEnabled => json!({}),
        }
    }
}

/// Why a sign-in did not succeed. For us; the client learns only [`Locked`](Self::Locked).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignInFailure {
    /// The account may not sign in.
    Disabled,
    /// Too many failures lately.
    Locked,
    /// Nobody has this name.
    UnknownName,
    /// The password is another one.
    WrongPassword,
}

impl SignInFailure {
    /// The `reason` label of metrics and of the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Locked => "locked",
            Self::UnknownName => "unknown_name",
            Self::WrongPassword => "wrong_password",
        }
    }
}

/// Who asked: the other end of a request, as far as it can be known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// The client address, after trusted proxies.
    pub address: IpAddr,
    /// What it calls itself, cut to [`Client::USER_AGENT_MAX`] characters.
    pub user_agent: Option<Arc<str>>,
    /// The request.
    pub request_id: Arc<str>,
}

impl Client {
    /// The longest user agent that is kept, in characters.
    pub const USER_AGENT_MAX: usize = 256;

    /// The client at `address` that calls itself `user_agent`, in the request `request_id`.
    pub fn new(address: IpAddr, user_agent: Option<&str>, request_id: impl Into<Arc<str>>) -> Self {
        let cut = |text: &str| {
            let printable = text.chars().filter(|character| !character.is_control());
            printable.take(Self::USER_AGENT_MAX).collect::<String>()
        };
        let user_agent = user_agent.map(cut).filter(|text| !text.is_empty()).map(Arc::from);
        Self { address, user_agent, request_id: request_id.into() }
    }
}

/// The need for a stored log of what happened.
///
/// What happened *to a record* is written by the trait of that record, in the same transaction.
#[async_trait]
pub trait Events: Send + Sync {
    /// Records something that changed no record.
    async fn record(&self, event: &Event) -> Result<(), StoreError>;

    /// The last `count` things recorded, newest first.
    async fn latest(&self, count: u32) -> Result<Vec<Recorded>, StoreError>;
}

/// An event as read back: names instead of types, so that old rows stay readable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// Grows by one with each.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// [`EventKind::name`].
    pub kind: String,
    /// To which user.
    pub subject: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// The client address.
    pub client: Option<String>,
    /// [`EventKind::details`].
    pub details: Value,
}
