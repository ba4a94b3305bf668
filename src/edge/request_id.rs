//! Names for requests.

use ring::rand::{SecureRandom, SystemRandom};

use super::RequestId;

const HEX: &[u8; 16] = b"0123456789abcdef";

impl RequestId {
    /// 128 random bits as 32 hexadecimal digits.
    ///
    /// # Panics
    ///
    /// When the operating system has no random bytes to give.
    pub fn generate(random: &SystemRandom) -> Self {
        let mut bytes = [0u8; 16];
        random.fill(&mut bytes).expect("the operating system gives random bytes");
        let mut text = String::with_capacity(32);
        for byte in bytes {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0')));
            }
        }
        Self::from_checked(text)
    }
}
