//! Codes by the clock: TOTP (RFC 6238) as every authenticator app has it, with SHA-1, six digits and steps of 30 s.
//!
//! A code is good for its own step and the two beside it, and only once: the caller stores the step that
//! [`check`] accepted, atomically, and hands it in the next time.

use std::fmt::Write;

use ring::hmac;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::clock::Timestamp;
use crate::identity::{base32, random};
use crate::secret::Secret;

/// What an authenticator app and we share: 160 bits, as many as HMAC-SHA-1 uses (RFC 4226 §4, R6).
#[derive(Clone, Debug)]
pub struct TotpSecret(Secret<[u8; 20]>);

impl TotpSecret {
    /// A secret that nobody has yet.
    pub fn generate() -> Self {
        Self(Secret::new(random::bytes()))
    }

    /// The secret with this value, as read back from a store.
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The way out, for the store.
    pub fn expose_for_store(&self) -> &[u8; 20] {
        self.0.expose()
    }

    /// The way out, for its owner's app, to be typed: 32 characters of base 32 without padding.
    pub fn expose_for_owner(&self) -> Secret<String> {
        base32::write(self.0.expose(), base32::RFC_4648)
    }

    /// The same as a link, which is also what the [QR code](super::qr) says: the key URI format that authenticator
    /// apps read. `issuer` is the door, `label` whose account it is.
    pub fn uri(&self, issuer: &str, label: &str) -> Secret<String> {
        let secret = self.expose_for_owner();
        let (secret, issuer, label) = (secret.expose(), escape(issuer), escape(label));
        let capacity = 64 + secret.len() + 2 * issuer.len() + label.len();
        let mut uri = String::with_capacity(capacity);
        uri.extend(["otpauth://totp/", &issuer, ":", &label, "?secret=", secret]);
        uri.extend(["&issuer=", &issuer, "&algorithm=SHA1&digits=6&period=30"]);
        Secret::new(uri)
    }

    /// The code of `step` (RFC 4226 §5.3).
    fn code(&self, step: u64) -> u32 {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.expose());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let offset = usize::from(tag.as_ref().last().map_or(0, |last| last & 0xF));
        let word = tag.as_ref().iter().skip(offset).take(4);
        let word = word.fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        (word & 0x7FFF_FFFF) % 1_000_000
    }
}

/// Everything but what needs no escape in any part of a URI (RFC 3986 §2.3). A colon parts issuer and label and may be
/// in neither, not even escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(3 * text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            b':' => escaped.push('-'),
            // Writing to a string cannot fail.
            other => drop(write!(escaped, "%{other:02X}")),
        }
    }
    escaped
}

/// Length of a time step, in seconds.
const STEP: i64 = 30;

/// The step whose code was shown; its number since 1970. No code of it or of an earlier one is good again.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct AcceptedStep(pub u64);

/// Not a code that is good now: mistyped, too old, or used before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("wrong code")]
pub struct WrongCode;

/// Whether `code` is good at `now`, given the step that was accepted last. Spaces in it do not matter.
///
/// # Errors
///
/// [`WrongCode`], whatever the reason: telling more helps a guesser.
pub fn check(
    secret: &TotpSecret,
    code: &str,
    now: Timestamp,
    last: Option<AcceptedStep>,
) -> Result<AcceptedStep, WrongCode> {
    let given = read(code)?;
    let current = u64::try_from(now.as_secs().div_euclid(STEP)).map_err(|_| WrongCode)?;
    // All three are always compared, so the time taken does not tell which one it was.
    let mut accepted = 0;
    let mut found = subtle::Choice::from(0);
    for step in current.saturating_sub(1)..=current.saturating_add(1) {
        let fresh = last.is_none_or(|last| step > last.0);
        let good = secret.code(step).ct_eq(&given) & subtle::Choice::from(u8::from(fresh));
        accepted.conditional_assign(&step, good);
        found |= good;
    }
    if bool::from(found) { Ok(AcceptedStep(accepted)) } else { Err(WrongCode) }
}

/// Six ASCII digits, as apps show them: `123 456`.
fn read(code: &str) -> Result<u32, WrongCode> {
    let (mut number, mut digits) = (0u32, 0);
    for character in code.chars().filter(|character| !character.is_whitespace()) {
        digits += 1;
        if digits > 6 {
            return Err(WrongCode);
        }
        number = number * 10 + character.to_digit(10).ok_or(WrongCode)?;
    }
    if digits == 6 { Ok(number) } else { Err(WrongCode) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(*b"12345678901234567890")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn the_sha_1_vectors_of_rfc_6238_appendix_b_by_their_last_six_digits() {
        for (seconds, eight_digits) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            let code = format!("{:06}", eight_digits % 1_000_000);
            let step = AcceptedStep(u64::try_from(seconds / STEP).expect("after 1970"));
            assert_eq!(check(&secret(), &code, at(seconds), None), Ok(step), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_for_its_own_step_and_the_two_beside_it() {
        // 081804 is the code of the step from 1,111,111,080 on.
        let begin = 1_111_111_080;
        for (seconds, good) in [
            (begin - 31, false),
            (begin - 30, true),
            (begin, true),
            (begin + 59, true),
            (begin + 60, false),
        ] {
            assert_eq!(check(&secret(), "081804", at(seconds), None).is_ok(), good, "{seconds}");
        }
    }

    #[test]
    fn a_step_is_accepted_once_and_none_before_it_ever_again() {
        let now = at(1_111_111_109);
        let step = check(&secret(), "081804", now, None).expect("the code");
        for (last, good) in [
            (AcceptedStep(step.0 - 1), true),
            (step, false),
            (AcceptedStep(step.0 + 1), false),
            (AcceptedStep(u64::MAX), false),
        ] {
            assert_eq!(check(&secret(), "081804", now, Some(last)).is_ok(), good, "{last:?}");
        }
    }

    #[test]
    fn codes_are_read_as_people_type_them_and_nothing_else_is() {
        let now = at(1_111_111_109);
        for code in ["081804", "081 804", " 0 8 1 8 0 4 ", "081\u{a0}804", "081804\n"] {
            assert!(check(&secret(), code, now, None).is_ok(), "{code:?}");
        }
        for code in
            ["", "81804", "0081804", "081805", "-81804", "+81804", "08180٤", "081-804", "0x1804"]
        {
            assert_eq!(check(&secret(), code, now, None), Err(WrongCode), "{code:?}");
        }
    }

    #[test]
    fn no_code_is_good_before_1970() {
        assert_eq!(check(&secret(), "081804", at(-1), None), Err(WrongCode));
    }

    #[test]
    fn the_link_says_all_that_an_app_needs_and_is_escaped() {
        let base = "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=";
        let rest = "&algorithm=SHA1&digits=6&period=30";
        for (issuer, label, written, written_label) in [
            ("door.example", "ana@example.org", "door.example", "ana%40example.org"),
            ("Our door", "a&b=c?d/e#f%", "Our%20door", "a%26b%3Dc%3Fd%2Fe%23f%25"),
            ("door.example:8443", "a:b", "door.example-8443", "a-b"),
            ("Tür", "\"<x>\"\n", "T%C3%BCr", "%22%3Cx%3E%22%0A"),
        ] {
            let uri = format!("otpauth://totp/{written}:{written_label}{base}{written}{rest}");
            assert_eq!(*secret().uri(issuer, label).expose(), uri);
        }
    }

    #[test]
    fn a_secret_is_random_and_does_not_print() {
        let (one, other) = (TotpSecret::generate(), TotpSecret::generate());
        assert_ne!(one.expose_for_store(), other.expose_for_store());
        assert_eq!(one.expose_for_owner().expose().len(), 32);
        assert_eq!(format!("{one:?}"), "TotpSecret(Secret(..))");
    }

    proptest! {
        #[test]
        fn checking_anything_at_any_time_never_panics(
            code in "\\PC{0,12}|[0-9 ]{0,9}",
            now: i64,
            last: Option<u64>,
        ) {
            let now = Timestamp::from_millis(now);
            let _ = check(&secret(), &code, now, last.map(AcceptedStep));
        }
    }
}
