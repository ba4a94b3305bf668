//! Proof key for code exchange (RFC 7636), S256 alone: whoever redeems a code is whoever asked for it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use subtle::ConstantTimeEq;

/// Whether `text` can be an S256 challenge: 32 bytes in base64url.
pub(super) fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == digest::SHA256_OUTPUT_LEN)
}

/// Whether `verifier` is what `challenge` was made of (RFC 7636 §4.6).
///
/// A verifier for a code that has no challenge is refused too: somebody took the challenge out on the way (RFC 9700
/// §4.8.2).
pub(super) fn fits(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    let (challenge, verifier) = match (challenge, verifier) {
        (None, None) => return true,
        (Some(challenge), Some(verifier)) => (challenge, verifier),
        (Some(_), None) | (None, Some(_)) => return false,
    };
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let legal = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
    let made = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    legal && bool::from(made.as_bytes().ct_eq(challenge.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn a_verifier_fits_its_own_challenge_only() {
        let short = &VERIFIER[..42];
        let other = VERIFIER.to_lowercase();
        let long = "a".repeat(129);
        for (challenge, verifier, good) in [
            (Some(CHALLENGE), Some(VERIFIER), true),
            (None, None, true),
            (Some(CHALLENGE), None, false),
            (None, Some(VERIFIER), false),
            (Some(CHALLENGE), Some(""), false),
            (Some(CHALLENGE), Some(short), false),
            (Some(CHALLENGE), Some(other.as_str()), false),
            (Some(CHALLENGE), Some(long.as_str()), false),
            (Some(CHALLENGE), Some(CHALLENGE), false),
            (Some(VERIFIER), Some(VERIFIER), false),
        ] {
            assert_eq!(fits(challenge, verifier), good, "{challenge:?} {verifier:?}");
        }
    }

    #[test]
    fn a_challenge_is_a_digest() {
        for (text, good) in [
            (CHALLENGE, true),
            ("", false),
            ("abc", false),
            (&CHALLENGE[..42], false),
            ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=", false),
        ] {
            assert_eq!(is_challenge(text), good, "{text}");
        }
    }
}
