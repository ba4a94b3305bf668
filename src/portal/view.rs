//! How records look in the API. What is not here, nobody outside sees.

use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::identity::account::Export;
use crate::identity::admin::Invitation;
use crate::identity::device::{Device, Scope};
use crate::identity::event::Recorded;
use crate::identity::second_factor::{Factors, Method, StoredPasskey};
use crate::identity::{Identity, Session, SessionId, User};

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// One page of a list.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) items: Vec<T>,
    /// How many there are in all.
    pub(super) total: u64,
    /// How many were left out before.
    pub(super) skip: u32,
    /// How many there are on a page at most.
    pub(super) limit: u32,
}

/// A permission given to one person.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct GrantView {
    /// `resource:action`.
    permission: String,
    /// RFC 3339; for ever when null.
    until: Option<String>,
}

/// A person, as admins see them.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct UserView {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) email_verified: bool,
    pub(super) username: String,
    pub(super) full_name: Option<String>,
    /// `active`, `awaiting_approval`, `deleted`, `disabled` or `unverified`.
    pub(super) standing: &'static str,
    pub(super) is_active: bool,
    pub(super) is_admin: bool,
    pub(super) roles: Vec<String>,
    pub(super) grants: Vec<GrantView>,
    pub(super) tier: String,
    /// Until when sign-ins are refused after too many failures.
    pub(super) locked_until: Option<String>,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    pub(super) last_login_at: Option<String>,
}

impl UserView {
    pub(super) fn of(user: &User, identity: &Identity) -> Self {
        let grants = user.grants.iter().map(|grant| GrantView {
            permission: grant.permission.to_string(),
            until: text(grant.until),
        });
        Self {
            id: user.id.to_string(),
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified_at.is_some(),
            username: user.username.as_str().to_owned(),
            full_name: user.full_name.clone(),
            standing: user.standing.name(),
            is_active: user.is_active(),
            is_admin: user.is_admin(),
            roles: user.roles.iter().map(ToString::to_string).collect(),
            grants: grants.collect(),
            tier: identity.tier(user).to_string(),
            locked_until: text(identity.locked_until(user.id)),
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
            last_login_at: text(user.last_login_at),
        }
    }
}

/// A session.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct SessionView {
    pub(super) id: String,
    pub(super) user: String,
    /// Whether it is the one that asks.
    pub(super) current: bool,
    /// `browser` or `tokens`.
    pub(super) kind: &'static str,
    /// What the client calls itself.
    pub(super) user_agent: Option<String>,
    pub(super) address: Option<String>,
    /// Where the address is, roughly: `Berlin, Germany`. Null when nobody knows.
    pub(super) place: Option<String>,
    pub(super) created_at: String,
    /// To within half a minute.
    pub(super) last_seen_at: String,
    pub(super) expires_at: String,
    pub(super) second_factor_at: Option<String>,
}

impl SessionView {
    pub(super) fn of(session: &Session, current: Option<SessionId>, identity: &Identity) -> Self {
        let place = session.client_address.as_deref().and_then(|found| identity.place_of(found));
        Self {
            id: session.id.to_string(),
            user: session.user.to_string(),
            current: current == Some(session.id),
            kind: session.kind.name(),
            user_agent: session.user_agent.as_deref().map(ToOwned::to_owned),
            address: session.client_address.as_deref().map(ToOwned::to_owned),
            place,
            created_at: session.created_at.to_string(),
            last_seen_at: session.last_seen_at.to_string(),
            expires_at: session.expires_at.to_string(),
            second_factor_at: text(session.second_factor_at),
        }
    }
}

/// A device password or API token, without its secret.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct DeviceView {
    pub(super) id: String,
    pub(super) name: String,
    /// `dav` for a device password, `permissions` for an API token.
    pub(super) scope: &'static str,
    /// What an API token may do, at most.
    pub(super) permissions: Option<Vec<String>>,
    pub(super) created_at: String,
    pub(super) last_used_at: Option<String>,
    pub(super) last_address: Option<String>,
    pub(super) expires_at: Option<String>,
}

impl DeviceView {
    pub(super) fn of(device: &Device) -> Self {
        let (scope, permissions) = match &device.scope {
            Scope::Dav => ("dav", None),
            Scope::Permissions(listed) => {
                ("permissions", Some(listed.iter().map(ToString::to_string).collect()))
            }
        };
        Self {
            id: device.id.to_string(),
            name: device.name.clone(),
            scope,
            permissions,
            created_at: device.created_at.to_string(),
            last_used_at: text(device.last_used_at),
            last_address: device.last_address.as_deref().map(ToOwned::to_owned),
            expires_at: text(device.expires_at),
        }
    }
}

/// A passkey, without its key.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct PasskeyView {
    pub(super) id: String,
    pub(super) name: String,
    /// Whether it is on more than one device.
    pub(super) backed_up: bool,
    pub(super) created_at: String,
    pub(super) last_used_at: Option<String>,
}

impl PasskeyView {
    pub(super) fn of(passkey: &StoredPasskey) -> Self {
        Self {
            id: passkey.id.to_string(),
            name: passkey.name.clone(),
            backed_up: passkey.passkey.backed_up,
            created_at: passkey.created_at.to_string(),
            last_used_at: text(passkey.last_used_at),
        }
    }
}

/// Somebody's second factors.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct FactorsView {
    /// Whether an authenticator app is enrolled.
    pub(super) totp: bool,
    pub(super) recovery_codes_left: u32,
    pub(super) passkeys: Vec<PasskeyView>,
    /// What can be asked for: `passkey`, `totp`, `recovery_code`.
    pub(super) methods: Vec<&'static str>,
    /// Whether a role demands one.
    pub(super) required: bool,
}

impl FactorsView {
    pub(super) fn of(factors: &Factors, required: bool) -> Self {
        Self {
            totp: factors.totp.as_ref().is_some_and(|totp| totp.confirmed),
            recovery_codes_left: factors.recovery_codes_left,
            passkeys: factors.passkeys.iter().map(PasskeyView::of).collect(),
            methods: factors.methods().into_iter().map(Method::name).collect(),
            required,
        }
    }
}

/// Something that happened.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct EventView {
    pub(super) number: i64,
    pub(super) at: String,
    pub(super) kind: String,
    pub(super) subject: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) session: Option<String>,
    pub(super) address: Option<String>,
    pub(super) details: serde_json::Value,
}

impl EventView {
    pub(super) fn of(event: Recorded) -> Self {
        Self {
            number: event.number,
            at: event.at.to_string(),
            kind: event.kind,
            subject: event.subject.map(|id| id.to_string()),
            actor: event.actor.map(|id| id.to_string()),
            session: event.session.map(|id| id.to_string()),
            address: event.client,
            details: event.details,
        }
    }
}

/// An invitation.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct InvitationView {
    pub(super) email: String,
    pub(super) roles: Vec<String>,
    pub(super) invited_by: String,
    pub(super) expires_at: String,
    /// Shown once, to whoever invites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<String>,
}

impl InvitationView {
    pub(super) fn of(invitation: &Invitation, link: Option<String>) -> Self {
        Self {
            email: invitation.email.as_str().to_owned(),
            roles: invitation.roles.iter().map(ToString::to_string).collect(),
            invited_by: invitation.invited_by.clone(),
            expires_at: invitation.expires_at.to_string(),
            link,
        }
    }
}

/// Everything that is kept about somebody.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct ExportView {
    pub(super) account: UserView,
    pub(super) sessions: Vec<SessionView>,
    pub(super) devices: Vec<DeviceView>,
    pub(super) second_factors: FactorsView,
    /// Newest first.
    pub(super) events: Vec<EventView>,
}

impl ExportView {
    pub(super) fn of(export: Export, identity: &Identity) -> Self {
        let required = identity.demands_second_factor(&export.user);
        Self {
            account: UserView::of(&export.user, identity),
            sessions: export
                .sessions
                .iter()
                .map(|found| SessionView::of(found, None, identity))
                .collect(),
            devices: export.devices.iter().map(DeviceView::of).collect(),
            second_factors: FactorsView::of(&export.factors, required),
            events: export.events.into_iter().map(EventView::of).collect(),
        }
    }
}
