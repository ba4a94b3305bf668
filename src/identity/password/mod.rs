//! Passwords: what may be one (`policy.rs`), and how it is kept (`hash.rs`).

mod hash;
mod policy;

pub use hash::{BadHash, BadParameters, Busy, HashWatch, Hasher, Turn, Verification};
pub use policy::{Strength, Weakness};

use crate::secret::Secret;

/// Most characters of a password. One for each of which somebody could want more is a file.
pub const MAX_CHARS: usize = 256;

/// Most bytes of a password; longer ones are refused before anything is computed from them.
pub const MAX_BYTES: usize = 1024;

/// What an operator decides about passwords.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules {
    /// Fewest characters.
    pub min_length: usize,
    /// Lowest zxcvbn score, 0 to 4.
    pub min_score: u8,
    /// Argon2id memory in KiB.
    pub argon2_memory_kib: u32,
    /// Argon2id passes.
    pub argon2_passes: u32,
    /// Argon2id lanes.
    pub argon2_lanes: u32,
    /// Hashes computed at a time. Each holds `argon2_memory_kib`, so this bounds the memory of sign-ins.
    pub argon2_parallel: usize,
}

/// A password as somebody typed it, at most [`MAX_BYTES`] long.
#[derive(Clone, Debug)]
pub struct Password(Secret<String>);

impl Password {
    /// Takes `text` into custody.
    ///
    /// # Errors
    ///
    /// [`TooLong`] above [`MAX_BYTES`].
    pub fn new(text: String) -> Result<Self, TooLong> {
        let text = Secret::new(text);
        if text.expose().len() > MAX_BYTES { Err(TooLong) } else { Ok(Self(text)) }
    }

    fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The password is longer than anything that could be one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a password has at most {MAX_BYTES} bytes")]
pub struct TooLong;

/// What a password is checked against: an Argon2 PHC string, or the bcrypt hash of an imported user.
#[derive(Clone, Debug)]
pub struct PasswordHash(Secret<String>);

impl PasswordHash {
    /// The hash written as `text`, as read back from a store or an import.
    pub fn from_text(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// The hash that another program wrote as `text`, if a sign-in can be checked against it at a bounded cost.
    ///
    /// # Errors
    ///
    /// [`BadHash`], which does not repeat it.
    pub fn from_outside(text: &str) -> Result<Self, BadHash> {
        hash::check_foreign(text)?;
        Ok(Self::from_text(text.to_owned()))
    }

    /// The way out, for the store.
    pub fn expose_for_store(&self) -> &str {
        self.0.expose()
    }
}
