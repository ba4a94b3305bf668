//! That a form was made by us for this browser: a token in it that fits a cookie which only this browser has.
//!
//! It stands beside `SameSite` and the check of the origin, for browsers that keep to neither. The key lives as long as the
//! process: after a restart a form is shown once more, and nothing but its passwords has to be typed again.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::identity::SecretText;

static KEY: LazyLock<hmac::Key> =
    LazyLock::new(|| hmac::Key::new(hmac::HMAC_SHA256, SecretText::generate().expose().as_bytes()));

/// The token of forms for whoever holds the cookie with this value.
pub(super) fn of(cookie: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&KEY, cookie.as_bytes()))
}

/// Whether `token` is that of `cookie`. In constant time.
pub(super) fn fits(token: &str, cookie: &str) -> bool {
    let Ok(tag) = URL_SAFE_NO_PAD.decode(token) else { return false };
    hmac::verify(&KEY, cookie.as_bytes(), &tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_the_cookie_it_was_made_for_and_no_other() {
        let token = of("one");
        assert!(fits(&token, "one"));
        assert!(!fits(&token, "another"));
        assert!(!fits(&token, ""));
    }

    #[test]
    fn what_is_no_token_fits_nothing() {
        let token = of("one");
        let shorter = token.get(..token.len() - 1).expect("a longer token");
        for wrong in ["", "AAAA", "not base64!", shorter, &format!("{token}A")] {
            assert!(!fits(wrong, "one"), "{wrong:?}");
        }
    }

    #[test]
    fn a_token_does_not_tell_the_cookie() {
        assert!(!of("canary").contains("canary"));
        assert_eq!(of("one"), of("one"), "several tabs hold the same");
    }
}
