//! What a route demands of its caller.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::Permission;

/// Who may use a route. There is no default: a route that does not say is an error in the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccessRule {
    /// Anybody. A credential is not looked at.
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
