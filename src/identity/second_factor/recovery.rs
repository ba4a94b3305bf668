//! Recovery codes: the way back for somebody who lost the second factor. Each works once.

use std::fmt;
use std::str::FromStr;

use ring::digest;

use crate::identity::{UserId, base32, random};
use crate::secret::Secret;

/// One of them: 80 random bits, shown as `ABCD-EFGH-JKMN-PQRS`.
pub struct RecoveryCode(Secret<[u8; 10]>);

impl RecoveryCode {
    /// How many somebody gets at once.
    pub const PER_USER: usize = 10;

    /// A fresh set, which takes the place of the one before it.
    pub fn generate() -> [Self; Self::PER_USER] {
        std::array::from_fn(|_| Self(Secret::new(random::bytes())))
    }

    /// What the store keeps and looks up by, for this user only.
    ///
    /// The code is random, so nobody finds it by trying: a slow hash would cost us and hinder nobody.
    pub fn digest(&self, user: UserId) -> RecoveryDigest {
        let mut context = digest::Context::new(&digest::SHA256);
        // Of fixed lengths all three, so no two inputs are written the same.
        context.update(DOMAIN);
        context.update(user.as_uuid().as_bytes());
        context.update(self.0.expose());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        RecoveryDigest(bytes)
    }

    /// The one way out, for its owner, once.
    pub fn expose_for_owner(&self) -> Secret<String> {
        base32::write_for_people(self.0.expose())
    }
}

/// Keeps these digests apart from all others that are made of a user and a secret.
const DOMAIN: &[u8] = b"stormdoor recovery code v1\0";

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// The text is no recovery code, whoever's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a recovery code")]
pub struct NotARecoveryCode;

/// Reads a code in any case, with or without its dashes; `O` is zero, `I` and `L` are one.
impl FromStr for RecoveryCode {
    type Err = NotARecoveryCode;

    fn from_str(text: &str) -> Result<Self, NotARecoveryCode> {
        base32::read_from_people(text).map(Self).map_err(|_| NotARecoveryCode)
    }
}

/// SHA-256 of a recovery code and whose it is. Of no use to whoever steals it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RecoveryDigest([u8; 32]);

impl RecoveryDigest {
    /// The digest with this value, as read back from a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The value, for a store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn user(number: u128) -> UserId {
        UserId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn a_set_is_ten_different_codes_that_are_read_back_as_people_type_them() {
        let codes = RecoveryCode::generate();
        let digests: HashSet<_> = codes.iter().map(|code| code.digest(user(1))).collect();
        assert_eq!(digests.len(), 10);
        for code in &codes {
            let text = code.expose_for_owner().expose().clone();
            assert_eq!(text.len(), 19);
            let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            for typed in [&text, &sloppy, &text.replace('-', "")] {
                let read: RecoveryCode = typed.parse().expect("the code");
                assert_eq!(read.digest(user(1)), code.digest(user(1)), "{typed}");
            }
        }
    }

    #[test]
    fn the_same_code_of_another_user_is_another_digest() {
        let [code, ..] = RecoveryCode::generate();
        assert_ne!(code.digest(user(1)), code.digest(user(2)));
        assert_eq!(format!("{code:?}"), "RecoveryCode(..)");
    }

    proptest! {
        #[test]
        fn reading_anything_never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<RecoveryCode>();
        }
    }
}
