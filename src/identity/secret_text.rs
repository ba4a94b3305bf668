//! Random texts that stand for a right: whoever shows one has it. We keep only digests.
//!
//! They have 256 random bits (device passwords 140), so a digest needs no salt and no slow hash: there is nothing to
//! guess.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;

use super::random;
use crate::secret::Secret;

/// A text that nobody can guess.
#[derive(Clone, Debug)]
pub struct SecretText(Secret<String>);

impl SecretText {
    /// A fresh one of 256 bits: 43 characters of base64url.
    pub fn generate() -> Self {
        Self::with_prefix("")
    }

    /// A fresh one of 256 bits behind `prefix`, which lets scanners of leaked secrets know it.
    pub fn with_prefix(prefix: &str) -> Self {
        let bytes = Secret::new(random::bytes::<32>());
        Self(Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes.expose()))))
    }

    /// One that was made otherwise.
    pub(in crate::identity) fn from_text(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// Its digest, for `purpose`: a text made for one purpose is unknown for every other.
    pub fn digest(&self, purpose: Purpose) -> SecretDigest {
        SecretDigest::of(self.0.expose(), purpose)
    }

    /// The way out, to whoever is to have it. Shown once.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What a text is good for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// Keeping a browser's session.
    Cookie,
    /// Using an app with a device password or an API token.
    Device,
    /// A sign-in in progress.
    Handshake,
    /// What a mail was sent for.
    Mail,
    /// A passkey's ceremony in progress.
    Passkey,
    /// A puzzle that was solved.
    Puzzle,
    /// Carrying a session over to another host.
    Ticket,
}

/// SHA-256 of a secret text and its purpose. Of no use to whoever steals it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// The digest of `text` as shown by somebody.
    pub fn of(text: &str, purpose: Purpose) -> Self {
        let domain: &[u8] = match purpose {
            Purpose::Cookie => b"cookie\0",
            Purpose::Device => b"device\0",
            Purpose::Handshake => b"handshake\0",
            Purpose::Mail => b"mail\0",
            Purpose::Passkey => b"passkey\0",
            Purpose::Puzzle => b"puzzle\0",
            Purpose::Ticket => b"ticket\0",
        };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(domain);
        context.update(text.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    /// The digest with this value, as read back from a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The value, for a store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_good_for_its_purpose_only() {
        let text = SecretText::with_prefix("sdt_");
        assert_eq!(text.expose().len(), 47);
        let digest = text.digest(Purpose::Device);
        assert_eq!(SecretDigest::of(text.expose(), Purpose::Device), digest);
        assert_ne!(SecretDigest::of(text.expose(), Purpose::Cookie), digest);
        assert_ne!(SecretText::generate().digest(Purpose::Device), digest);
        assert!(!format!("{text:?}{digest:?}").contains(text.expose()));
    }
}
