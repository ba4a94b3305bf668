//! What somebody shows besides the password: a passkey, the code of an authenticator app, or a recovery code.
//!
//! Each is a pure rule on values, with clock and randomness from outside. Who has which, and what was used up, is
//! remembered by whoever calls.

pub mod passkey;
pub mod qr;
pub mod recovery;
pub mod totp;
