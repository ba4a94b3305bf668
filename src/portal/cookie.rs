//! Cookies that we set. All of them have the `__Host-` prefix: this host only, TLS only, no script.

use std::time::Duration;

use http::HeaderValue;

use crate::gate::COOKIE;
use crate::identity::SecretText;

/// The session cookie, for as long as the session may last.
pub(super) fn session(value: &SecretText, life: Duration) -> HeaderValue {
    set(COOKIE, value.expose(), life)
}

/// Takes the session cookie away.
pub(super) fn gone() -> HeaderValue {
    set(COOKIE, "", Duration::ZERO)
}

/// The nonce of a way in, by its slot.
pub(super) fn nonce_name(slot: u8) -> String {
    format!("{COOKIE}-flow-{slot}")
}

/// Sets a cookie for `life`; zero takes it away.
pub(super) fn set(name: &str, value: &str, life: Duration) -> HeaderValue {
    let seconds = life.as_secs();
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax");
    // Names and values of ours have no character that a header could not have.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
