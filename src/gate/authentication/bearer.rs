//! `Authorization: Bearer …` (RFC 6750 §2.1).

use http::{HeaderMap, header};

use crate::gate::Refusal;

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// The bearer token of a request; `None` when there is no `Authorization`.
///
/// # Errors
///
/// [`Refusal::Unauthenticated`] for several `Authorization` headers, another scheme, or characters that no token has:
/// whoever sent a credential should learn that it was not taken.
pub fn token(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let bad = |reason| Refusal::Unauthenticated { reason, invalid_token: true };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad("several_credentials"));
    }
    let value = value.to_str().map_err(|_| bad("malformed"))?;
    let (scheme, token) = value.split_once(' ').ok_or_else(|| bad("malformed"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(bad("other_scheme"));
    }
    let token = token.trim();
    if token.len() > MAX_TOKEN {
        return Err(bad("too_long"));
    }
    if token.is_empty() || !token.bytes().all(is_b64token) {
        return Err(bad("malformed"));
    }
    Ok(Some(token))
}

fn is_b64token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<String>, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            let Ok(value) = HeaderValue::from_bytes(value) else { return Ok(None) };
            headers.append(header::AUTHORIZATION, value);
        }
        token(&headers).map(|token| token.map(str::to_owned))
    }

    #[test]
    fn what_is_taken_for_a_bearer_token() {
        assert_eq!(read(&[]).expect("nothing"), None);
        for good in ["Bearer abc.def-_~+/=", "bearer abc.def-_~+/=", "BEARER  abc.def-_~+/="] {
            let token = read(&[good.as_bytes()]).expect(good);
            assert_eq!(token.as_deref(), Some("abc.def-_~+/="), "{good}");
        }
        for bad in
            ["Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer a,b", "Bearer\tabc", "abc"]
        {
            assert!(read(&[bad.as_bytes()]).is_err(), "{bad}");
        }
        assert!(read(&[b"Bearer a", b"Bearer a"]).is_err());
        assert!(read(&[format!("Bearer {}", "a".repeat(MAX_TOKEN + 1)).as_bytes()]).is_err());
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let _token = read(&[&value]);
        }
    }
}
