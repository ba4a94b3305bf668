//! A token in `Authorization: Bearer` (RFC 6750 §2.1). Tokens in a form or in the query are not looked at.

use http::StatusCode;
use http::header::{self, HeaderMap};

use crate::gate::Refusal;

/// Longest token that is looked at, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// The token that `headers` show, or `None` without `Authorization`.
///
/// # Errors
///
/// [`Refusal::Malformed`] for a repeated header; [`Refusal::Unauthenticated`] for another scheme and for what cannot be
/// a token: longer than 8 KiB, or of other characters than b64token has.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        let status = StatusCode::BAD_REQUEST;
        return Err(Refusal::Malformed { reason: "repeated_authorization", status });
    }
    let refused = |reason, invalid_token| Refusal::Unauthenticated { reason, invalid_token };

    let value = value.as_bytes().trim_ascii();
    let space = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(space);
    // Schemes are compared without case (RFC 9110 §11.1).
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(refused("unsupported_scheme", false));
    }
    let token = rest.trim_ascii_start();
    if token.len() > MAX_BYTES {
        return Err(refused("token_too_long", true));
    }
    match std::str::from_utf8(token) {
        Ok(token) if is_b64token(token) => Ok(Some(token)),
        Ok(_) | Err(_) => Err(refused("malformed_token", true)),
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::gate::example::headers;

    #[test]
    fn which_values_hold_a_token() {
        for (value, found) in [
            ("Bearer abc.def-_~+/==", Ok("abc.def-_~+/==")),
            ("bearer abc", Ok("abc")),
            ("BEARER   abc  ", Ok("abc")),
            ("Basic YTpi", Err("unsupported_scheme")),
            ("Bearerabc", Err("unsupported_scheme")),
            ("Bearer", Err("malformed_token")),
            ("Bearer ", Err("malformed_token")),
            ("Bearer =", Err("malformed_token")),
            ("Bearer a=b", Err("malformed_token")),
            ("Bearer a b", Err("malformed_token")),
            ("Bearer a,b", Err("malformed_token")),
            ("Bearer\tabc", Err("unsupported_scheme")),
            ("", Err("unsupported_scheme")),
        ] {
            let headers = headers(&[("authorization", value)]);
            let token = token(&headers).map(Option::unwrap).map_err(|refusal| refusal.reason());
            assert_eq!(token, found, "{value:?}");
        }
        assert!(matches!(token(&headers(&[])), Ok(None)));
    }

    #[test]
    fn two_credentials_are_one_too_many() {
        let headers = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]);
        assert!(matches!(token(&headers), Err(Refusal::Malformed { .. })));
    }

    #[test]
    fn a_token_has_an_end() {
        for (length, reason) in [(MAX_BYTES, None), (MAX_BYTES + 1, Some("token_too_long"))] {
            let value = format!("Bearer {}", "a".repeat(length));
            let headers = headers(&[("authorization", &value)]);
            assert_eq!(token(&headers).err().map(|refusal| refusal.reason()), reason);
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic_and_what_it_takes_is_a_b64token(
            value in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let value = [b"Bearer ", value.as_slice()].concat();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut headers = HeaderMap::new();
                headers.insert(header::AUTHORIZATION, value);
                if let Ok(Some(token)) = token(&headers) {
                    prop_assert!(is_b64token(token));
                }
            }
        }
    }
}
