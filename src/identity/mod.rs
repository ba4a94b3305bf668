//! Who somebody is, and what that allows: users, roles, passwords, sessions, tokens.
//!
//! The rules are pure functions on values; each record's need for storage is a trait beside the record
//! ([`user::Users`], …), which `store` implements. Nothing here knows HTTP, SQL or Pingora.

mod base32;
mod email;
pub mod event;
mod id;
mod lockout;
pub mod password;
mod principal;
pub mod random;
pub mod refresh_token;
pub mod registration;
pub mod revocation;
mod role;
pub mod second_factor;
pub mod service;
pub mod session;
pub mod setup;
pub mod sign_in;
mod store_error;
pub mod token;
pub mod user;

pub use email::{Email, ParseEmailError};
pub use event::{Client, Event, EventKind, Events};
pub use id::{FamilyId, SessionId, Subject, UserId};
pub use principal::{Issuer, Principal};
pub use refresh_token::{
    NewRefreshToken, RefreshKey, RefreshToken, RefreshTokenText, RefreshTokens,
};
pub use role::{ParsePermissionError, Permission, Permissions, Role, Roles, is_name};
pub use service::{AccessGrant, EndSessions, Identity, Records, Settings, TokenIssuer, TokenPair};
pub use session::{EndReason, Session, Sessions};
pub use setup::Setup;
pub use store_error::StoreError;
pub use user::{ParseUsernameError, SignInName, Standing, User, Username, Users};
