//! Recovery codes: ten, shown once, each good once, for whoever lost the other factor.

use std::fmt;
use std::str::FromStr;

use ring::digest;

use crate::identity::{UserId, random};
use crate::secret::Secret;

/// How many there are.
pub const COUNT: usize = 10;

/// One code: 80 random bits, four groups of four in Crockford's base 32.
#[derive(Clone)]
pub struct RecoveryCode(Secret<[u8; 10]>);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// SHA-256 of a code and its user: the same code of another user has another digest. No slow hash, for there is nothing
/// to guess.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct RecoveryDigest([u8; 32]);

/// The text is no recovery code.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a recovery code")]
pub struct NotARecoveryCode;

/// Ten fresh codes.
pub fn generate() -> Vec<RecoveryCode> {
    (0..COUNT).map(|_| RecoveryCode(Secret::new(random::bytes()))).collect()
}

/// Their digests.
pub fn digests(codes: &[RecoveryCode], user: UserId) -> Vec<RecoveryDigest> {
    codes.iter().map(|code| code.digest(user)).collect()
}

impl RecoveryCode {
    /// Its digest for `user`.
    pub fn digest(&self, user: UserId) -> RecoveryDigest {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"recovery\0");
        context.update(user.as_uuid().as_bytes());
        context.update(self.0.expose());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        RecoveryDigest(bytes)
    }

    /// The way out, to its owner: `ABCD-EFGH-JKMN-PQRS`.
    pub fn expose_for_owner(&self) -> Secret<String> {
        let mut text = String::with_capacity(19);
        for (index, five) in self.0.expose().chunks_exact(5).enumerate() {
            let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for place in 0..8 {
                if place % 4 == 0 && index + place > 0 {
                    text.push('-');
                }
                let at = usize::try_from(bits >> (35 - 5 * place) & 31).unwrap_or(0);
                text.push(ALPHABET.get(at).map_or('0', |byte| char::from(*byte)));
            }
        }
        Secret::new(text)
    }
}

/// Reads a code in any case, with or without its dashes; `O` is zero, `I` and `L` are one.
impl FromStr for RecoveryCode {
    type Err = NotARecoveryCode;

    fn from_str(text: &str) -> Result<Self, NotARecoveryCode> {
        let (mut bits, mut count) = (0_u128, 0);
        for byte in text.bytes().filter(|byte| !matches!(byte, b'-' | b' ')) {
            let canonical = match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = ALPHABET.iter().position(|byte| *byte == canonical);
            bits = bits << 5 | value.ok_or(NotARecoveryCode)? as u128;
            count += 1;
            if count > 16 {
                return Err(NotARecoveryCode);
            }
        }
        let mut bytes = [0; 10];
        bytes.copy_from_slice(bits.to_be_bytes().get(6..).ok_or(NotARecoveryCode)?);
        if count == 16 { Ok(Self(Secret::new(bytes))) } else { Err(NotARecoveryCode) }
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

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

impl fmt::Debug for RecoveryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryDigest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_as_people_type_it() {
        let user = UserId::from_uuid(uuid::Uuid::nil());
        for code in generate() {
            let text = code.expose_for_owner().expose().clone();
            assert_eq!((text.len(), text.split('-').count()), (19, 4), "{text}");
            let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            for typed in [&text, &sloppy, &text.replace('-', "")] {
                let read: RecoveryCode = typed.parse().expect("a code");
                assert_eq!(read.digest(user), code.digest(user), "{typed}");
            }
            let other = UserId::from_uuid(uuid::Uuid::from_u128(1));
            assert_ne!(code.digest(other), code.digest(user));
        }
        for text in ["", "ABCD", "ABCD-EFGH-JKMN-PQRU", "ABCD-EFGH-JKMN-PQRSS", "é"] {
            assert!(text.parse::<RecoveryCode>().is_err(), "{text}");
        }
    }
}
