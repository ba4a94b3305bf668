//! Sealing what the store must keep but must not be able to read: TOTP secrets, app passwords.
//!
//! ChaCha20-Poly1305 (RFC 8439) with a key that is kept outside the store. A sealed value is bound to what it is and whose
//! it is, so that one row's value is worth nothing in another.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::random;
use crate::secret::Secret;

/// The key that seals.
pub struct Sealer(LessSafeKey);

/// A sealed value cannot be opened: it was damaged, moved, or sealed with another key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a sealed value cannot be opened: the key is another one than it was sealed with; every node of a store needs \
         the same file, see store.sealing_key_file"
)]
pub struct CannotOpen;

impl Sealer {
    /// Bytes of a key.
    pub const KEY_BYTES: usize = 32;

    /// A key that nobody has yet.
    pub fn generate_key() -> Secret<[u8; Self::KEY_BYTES]> {
        Secret::new(random::bytes())
    }

    /// Seals with `key`.
    ///
    /// # Panics
    ///
    /// Never: the length is right by its type.
    pub fn new(key: &Secret<[u8; Self::KEY_BYTES]>) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.expose()).expect("32 bytes are a key");
        Self(LessSafeKey::new(key))
    }

    /// Seals `value`, bound to `context`.
    ///
    /// # Panics
    ///
    /// When `value` is larger than 64 GiB.
    pub fn seal(&self, context: &str, value: &[u8]) -> Vec<u8> {
        // Random nonces are safe for 2^32 values under one key; there is one per account.
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut sealed = value.to_vec();
        let (nonce_used, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(context));
        self.0
            .seal_in_place_append_tag(nonce_used, aad, &mut sealed)
            .expect("a secret is shorter than the limit of the cipher");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what was sealed with the same context.
    ///
    /// # Errors
    ///
    /// [`CannotOpen`].
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, CannotOpen> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(CannotOpen)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CannotOpen)?;
        let mut opened = rest.to_vec();
        let value = self.0.open_in_place(nonce, Aad::from(context), &mut opened);
        value.map(|value| Secret::new(value.to_vec())).map_err(|_| CannotOpen)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_where_it_was_sealed_for_and_undamaged() {
        let sealer = Sealer::new(&Sealer::generate_key());
        let sealed = sealer.seal("totp/ada", b"secret");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(sealer.open("totp/ada", &sealed).expect("ours").expose(), b"secret");
        assert_eq!(sealer.open("totp/bob", &sealed).err(), Some(CannotOpen));
        let other = Sealer::new(&Sealer::generate_key());
        assert_eq!(other.open("totp/ada", &sealed).err(), Some(CannotOpen));
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert_eq!(sealer.open("totp/ada", &damaged).err(), Some(CannotOpen), "{place}");
        }
        assert_eq!(sealer.open("totp/ada", b"short").err(), Some(CannotOpen));
    }
}
