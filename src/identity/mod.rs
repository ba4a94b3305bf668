//! Who somebody is, and what that allows: users, roles, passwords, sessions, tokens.
//!
//! The rules are pure functions on values; each record's need for storage is a trait beside the record
//! ([`user::Users`], …), which `store` implements. Nothing here knows HTTP, SQL or Pingora.

mod id;
mod principal;
pub mod revocation;
mod role;
mod store_error;
pub mod token;

pub use id::{FamilyId, SessionId, Subject, UserId};
pub use principal::{Issuer, Principal};
pub use role::{ParsePermissionError, Permission, Permissions, Role, Roles, is_name};
pub use store_error::StoreError;
