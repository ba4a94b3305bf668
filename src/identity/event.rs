//! What happened to accounts: for the audit log, and for whoever must react.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::letter::Letter;
use super::second_factor::Method;
use super::{DeviceId, FamilyId, SessionId, StoreError, UserId};
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
    /// Who did it, when that was somebody else than the subject: an admin.
    pub actor: Option<UserId>,
    /// Who asked for it; nobody when it came from the command line.
    pub client: Option<Client>,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EventKind {
    /// An admin looked at something that is not the admin's own.
    AdminLooked {
        /// At what.
        what: &'static str,
    },
    /// An admin let somebody in who had signed up.
    ApprovalGiven,
    /// An app password of Nextcloud was removed.
    CloudPasswordRemoved,
    /// An app password of Nextcloud was stored.
    CloudPasswordSet,
    /// A client was told who somebody is.
    ClientSignedIn {
        /// Which, by its id.
        client: Arc<str>,
    },
    /// A code for a client was shown a second time: what the first time gave is void.
    CodeReplayed {
        /// Who showed it, by its id.
        client: Arc<str>,
    },
    /// A device password or API token was made.
    DeviceAdded {
        /// Which.
        device: DeviceId,
    },
    /// A device password or API token was removed.
    DeviceRemoved {
        /// Which.
        device: DeviceId,
    },
    /// The present address agreed to another one.
    EmailChangeAgreed,
    /// Somebody asked for another address.
    EmailChangeAsked,
    /// An address was changed, and proven.
    EmailChanged,
    /// An address was proven.
    EmailVerified,
    /// The permissions of one person were changed.
    GrantsChanged {
        /// The permissions since.
        grants: Vec<String>,
    },
    /// Somebody was invited.
    Invited {
        /// With these roles.
        roles: Vec<Arc<str>>,
    },
    /// An invitation was called off.
    InvitationRevoked,
    /// Too many failures locked an account.
    Locked,
    /// A password was changed by whoever knew the old one.
    PasswordChanged,
    /// A password was set by way of a mailed link.
    PasswordReset,
    /// Somebody asked for such a link.
    PasswordResetAsked,
    /// A full name was changed.
    ProfileChanged,
    /// Something was changed in Nextcloud for somebody.
    Provisioned {
        /// What: [`Step::name`](super::provisioning::Step::name).
        step: &'static str,
        /// The status code of the answer.
        code: u16,
    },
    /// Nextcloud refused somebody as often as it is worth.
    ProvisioningFailed {
        /// Why, as a code.
        why: String,
    },
    /// An operator had somebody looked at again.
    ProvisioningRetried,
    /// Nextcloud refused the service account: it is not used until somebody mends that.
    ProvisioningStopped {
        /// The HTTP status of the answer.
        code: u16,
    },
    /// The operator let a locked-out administrator back in, with a link to a new password.
    Recovered,
    /// Recovery codes were made; the old ones are void.
    RecoveryCodesRenewed,
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
    /// Roles were changed.
    RolesChanged {
        /// The roles since.
        roles: Vec<Arc<str>>,
    },
    /// A second factor was added.
    SecondFactorAdded {
        /// Which kind.
        method: Method,
    },
    /// A second factor was wrong.
    SecondFactorFailed {
        /// Which kind.
        method: Method,
    },
    /// A second factor was given in a session that went on.
    SecondFactorGiven {
        /// Which kind.
        method: Method,
    },
    /// A second factor was removed.
    SecondFactorRemoved {
        /// Which kind.
        method: Method,
    },
    /// All second factors of somebody were removed by an admin.
    SecondFactorReset,
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
    /// All sessions of somebody were ended.
    SignedOutEverywhere,
    /// A signing key was made, and signs instead of those from before.
    SigningKeyMade {
        /// Its name in tokens.
        kid: String,
    },
    /// A lock after too many failures was lifted by an admin.
    Unlocked,
    /// An operator added a user.
    UserAdded,
    /// A user was removed, and can be restored.
    UserDeleted,
    /// A user was locked.
    UserDisabled,
    /// A user was unlocked.
    UserEnabled,
    /// A user was erased with everything that belonged to them.
    UserErased,
    /// An operator added a user with the password hash of another program.
    UserImported,
    /// A removed user was restored.
    UserRestored,
}

impl EventKind {
    /// The name in the audit log; never changed once released.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AdminLooked { .. } => "admin_looked",
            Self::ApprovalGiven => "approval_given",
            Self::CloudPasswordRemoved => "cloud_password_removed",
            Self::CloudPasswordSet => "cloud_password_set",
            Self::ClientSignedIn { .. } => "client_signed_in",
            Self::CodeReplayed { .. } => "code_replayed",
            Self::DeviceAdded { .. } => "device_added",
            Self::DeviceRemoved { .. } => "device_removed",
            Self::EmailChangeAgreed => "email_change_agreed",
            Self::EmailChangeAsked => "email_change_asked",
            Self::EmailChanged => "email_changed",
            Self::EmailVerified => "email_verified",
            Self::GrantsChanged { .. } => "grants_changed",
            Self::Invited { .. } => "invited",
            Self::InvitationRevoked => "invitation_revoked",
            Self::Locked => "locked",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::PasswordResetAsked => "password_reset_asked",
            Self::ProfileChanged => "profile_changed",
            Self::Provisioned { .. } => "provisioned",
            Self::ProvisioningFailed { .. } => "provisioning_failed",
            Self::ProvisioningRetried => "provisioning_retried",
            Self::ProvisioningStopped { .. } => "provisioning_stopped",
            Self::Recovered => "recovered",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::RefreshReplayed { .. } => "refresh_replayed",
            Self::Registered => "registered",
            Self::RegistrationRepeated => "registration_repeated",
            Self::RolesChanged { .. } => "roles_changed",
            Self::SecondFactorAdded { .. } => "second_factor_added",
            Self::SecondFactorFailed { .. } => "second_factor_failed",
            Self::SecondFactorGiven { .. } => "second_factor_given",
            Self::SecondFactorRemoved { .. } => "second_factor_removed",
            Self::SecondFactorReset => "second_factor_reset",
            Self::SessionEnded { .. } => "session_ended",
            Self::SetupClosed => "setup_closed",
            Self::SignInFailed { .. } => "sign_in_failed",
            Self::SignedIn => "signed_in",
            Self::SignedOut => "signed_out",
            Self::SignedOutEverywhere => "signed_out_everywhere",
            Self::SigningKeyMade { .. } => "signing_key_made",
            Self::Unlocked => "unlocked",
            Self::UserAdded => "user_added",
            Self::UserDeleted => "user_deleted",
            Self::UserDisabled => "user_disabled",
            Self::UserEnabled => "user_enabled",
            Self::UserErased => "user_erased",
            Self::UserImported => "user_imported",
            Self::UserRestored => "user_restored",
        }
    }

    /// What else there is to know, as an object.
    pub fn details(&self) -> Value {
        match self {
            Self::AdminLooked { what } => json!({ "what": what }),
            Self::ClientSignedIn { client } | Self::CodeReplayed { client } => {
                json!({ "client": client })
            }
            Self::DeviceAdded { device } | Self::DeviceRemoved { device } => {
                json!({ "device": device.to_string() })
            }
            Self::GrantsChanged { grants } => json!({ "grants": grants }),
            Self::Invited { roles } | Self::RolesChanged { roles } => json!({ "roles": roles }),
            Self::Provisioned { step, code } => json!({ "step": step, "code": code }),
            Self::ProvisioningFailed { why } => json!({ "why": why }),
            Self::ProvisioningStopped { code } => json!({ "code": code }),
            Self::RefreshReplayed { family, number } => {
                json!({ "family": family.to_string(), "number": number })
            }
            Self::SecondFactorAdded { method }
            | Self::SecondFactorFailed { method }
            | Self::SecondFactorGiven { method }
            | Self::SecondFactorRemoved { method } => json!({ "method": method.name() }),
            Self::SessionEnded { reason } => json!({ "reason": reason.name() }),
            Self::SignInFailed { reason } => {
                json!({ "reason": reason.name() })
            }
            Self::SigningKeyMade { kid } => json!({ "kid": kid }),
            Self::ApprovalGiven
            | Self::EmailChangeAgreed
            | Self::EmailChangeAsked
            | Self::EmailChanged
            | Self::EmailVerified
            | Self::InvitationRevoked
            | Self::Locked
            | Self::PasswordChanged
            | Self::PasswordReset
            | Self::PasswordResetAsked
            | Self::ProfileChanged
            | Self::ProvisioningRetried
            | Self::Recovered
            | Self::RecoveryCodesRenewed
            | Self::Registered
            | Self::RegistrationRepeated
            | Self::SecondFactorReset
            | Self::SetupClosed
            | Self::SignedIn
            | Self::SignedOut
            | Self::SignedOutEverywhere
            | Self::Unlocked
            | Self::CloudPasswordRemoved
            | Self::CloudPasswordSet
            | Self::UserAdded
            | Self::UserDeleted
            | Self::UserDisabled
            | Self::UserEnabled
            | Self::UserErased
            | Self::UserImported
            | Self::UserRestored => json!({}),
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
    /// The second factor was wrong.
    SecondFactor,
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
            Self::SecondFactor => "second_factor",
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

    /// Records something that changed no record, and queues the letters that tell of it, in one step.
    async fn record_and_tell(&self, event: &Event, letters: &[Letter]) -> Result<(), StoreError>;

    /// The last `count` things recorded, newest first.
    async fn latest(&self, count: u32) -> Result<Vec<Recorded>, StoreError>;

    /// The first `count` things recorded after `number`, oldest first. What has a lower number than one that was seen is
    /// never written later.
    async fn after(&self, number: i64, count: u32) -> Result<Vec<Recorded>, StoreError>;

    /// Returns when something may have been appended by another process since the last call. May never return where that
    /// cannot be known, so whoever waits also looks now and then.
    async fn appended(&self);

    /// What `query` means, newest first.
    async fn search(&self, query: &EventQuery) -> Result<Vec<Recorded>, StoreError>;
}

/// Which events to list: all conditions together.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// About or by this user.
    pub user: Option<UserId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Before this number: the last one of the page before.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
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
    /// Who did it, when somebody else.
    pub actor: Option<UserId>,
    /// The client address.
    pub client: Option<String>,
    /// [`EventKind::details`].
    pub details: Value,
    /// Whether another process wrote it than the one that reads it.
    pub elsewhere: bool,
}

impl Recorded {
    /// Whether the command line wrote it.
    pub fn by_operator(&self) -> bool {
        self.client.is_none() && self.actor.is_none()
    }
}
