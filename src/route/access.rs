//! What a route demands of its caller.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::{CredentialKind, Permission};

/// Who may use a route. There is no default: a route that does not say is an error in the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccessRule {
    /// Anybody. A credential is looked at only where [`Accept::optional`] says so.
    Public,
    /// Anybody who is signed in and meets all of these. Empty lists demand nothing.
    SignedIn {
        /// All of these permissions (`allow`).
        permissions: Vec<Permission>,
        /// At least one of these roles (`roles`).
        roles: Vec<Arc<str>>,
        /// All of these OAuth scopes, when the credential is limited by scope (`scopes`).
        scopes: Vec<Arc<str>>,
        /// A second factor given within this time (`second_factor`).
        second_factor: Option<Duration>,
    },
}

/// Which credentials a route takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Accept {
    /// A browser's cookie, and access tokens.
    pub session: bool,
    /// API tokens.
    pub api_token: bool,
    /// Device passwords.
    pub device: bool,
    /// Credentials of the app's own, in `Authorization`. They pass through as they are; whoever shows one is nobody to us.
    pub upstream: bool,
    /// On a public route: whether a credential is looked at when one is shown. Without, or when it is not good, the caller
    /// is anonymous.
    pub optional: bool,
}

/// Sessions only: a device password that leaked opens nothing that was not opened to it.
impl Default for Accept {
    fn default() -> Self {
        Self { session: true, api_token: false, device: false, upstream: false, optional: false }
    }
}

impl Accept {
    /// Whether a credential of this kind is taken.
    pub fn takes(self, kind: CredentialKind) -> bool {
        match kind {
            CredentialKind::AccessToken | CredentialKind::Cookie => self.session,
            CredentialKind::ApiToken => self.api_token,
            CredentialKind::Device => self.device,
        }
    }

    /// Whether HTTP Basic (RFC 7617) can carry one of them.
    pub fn takes_basic(self) -> bool {
        self.api_token || self.device
    }
}

/// How requests of a route are treated, beside who may make them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Manner {
    /// There is nothing here (404), whatever the app would say.
    pub closed: bool,
    /// Programs call it: nobody is led to sign-in, and a 401 asks for Basic (RFC 7617) first.
    pub for_programs: bool,
    /// Its limit stands in place of the general ones, not beside them.
    pub own_limit_only: bool,
    /// An upload (`PUT`) must say how long it is, because the app takes half of one for all of it.
    pub sized_uploads: bool,
}
