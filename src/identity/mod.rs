//! Who somebody is, and what that allows: users, roles, passwords, sessions, tokens.
//!
//! The rules are pure functions on values; each record's need for storage is a trait beside the record
//! ([`user::Users`], …), which `store` implements. Nothing here knows HTTP, SQL or Pingora.

pub mod account;
pub mod admin;
mod base32;
pub mod carry_over;
mod catch_up;
mod cloud_id;
pub mod cloud_password;
pub mod credential;
pub mod device;
mod email;
mod even;
pub mod event;
pub mod handshake;
mod id;
pub mod import;
mod index;
pub mod leadership;
pub mod letter;
pub mod lockout;
pub mod login_flow;
mod look_up;
pub mod mailed_token;
pub mod openid;
pub mod password;
pub mod patience;
pub mod place;
mod principal;
pub mod proof_of_work;
pub mod provisioning;
pub mod random;
pub mod recovery;
pub mod refresh_token;
pub mod registration;
pub mod revocation;
mod role;
pub mod seal;
pub mod second_factor;
mod secret_text;
pub mod service;
pub mod session;
pub mod setup;
pub mod sign_in;
mod store_error;
pub mod token;
pub mod user;

pub use catch_up::Followed;
pub use cloud_id::{CloudId, CloudIdRule, CloudIds, NoCloudId};
pub use cloud_password::CloudPasswords;
pub use device::Devices;
pub use email::{Email, ParseEmailError};
pub use event::{Client, Event, EventKind, Events};
pub use handshake::Handshakes;
pub use id::{DeviceId, FamilyId, LetterId, PasskeyId, SessionId, Subject, UserId};
pub use leadership::Leadership;
pub use letter::{Letter, LetterKind, Letters};
pub use lockout::{LockoutRule, Lockouts};
pub use mailed_token::MailedTokens;
pub use principal::{CredentialKind, Issuer, Principal};
pub use refresh_token::{
    NewRefreshToken, RefreshKey, RefreshToken, RefreshTokenText, RefreshTokens,
};
pub use role::{ParsePermissionError, Permission, Permissions, Role, Roles, is_name};
pub use second_factor::SecondFactors;
pub use secret_text::{Purpose, SecretDigest, SecretText};
pub use service::{
    AccessGrant, Admin, EndSessions, Identity, Records, Settings, TokenIssuer, TokenPair,
};
pub use session::{EndReason, Session, Sessions};
pub use setup::Setup;
pub use store_error::StoreError;
pub use user::{ParseUsernameError, SignInName, Standing, User, Username, Users};
