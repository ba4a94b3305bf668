//! An authenticator app: reads the secret as a person would, and shows codes.

use ring::hmac;
use stormdoor::clock::Timestamp;

/// The code that an app with `secret` (base32) shows at `now`.
pub(crate) fn code(secret: &str, now: Timestamp) -> String {
    let bits = secret.bytes().flat_map(|byte| {
        let value =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|own| *own == byte).unwrap();
        (0..5).rev().map(move |place| u8::try_from(value >> place & 1).unwrap())
    });
    let bits: Vec<u8> = bits.collect();
    let bytes = bits.chunks_exact(8).map(|eight| eight.iter().fold(0, |byte, bit| byte << 1 | bit));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes.collect::<Vec<u8>>());
    let step = u64::try_from(now.as_secs() / 30).unwrap();
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(tag.as_ref()[19] & 15);
    let four: [u8; 4] = tag.as_ref()[offset..offset + 4].try_into().unwrap();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}
