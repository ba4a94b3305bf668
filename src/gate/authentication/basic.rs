//! A name and a secret in `Authorization: Basic` (RFC 7617), on routes that take device passwords or API tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{self, HeaderMap};

use crate::gate::Refusal;
use crate::secret::Secret;

/// Longest value that is looked at, in bytes.
const MAX_BYTES: usize = 1024;

/// A name and a secret, in one allocation.
#[derive(Debug)]
pub(in crate::gate) struct Pair {
    text: Secret<String>,
    colon: usize,
}

impl Pair {
    /// The sign-in name or address; none when it was left empty.
    pub(super) fn name(&self) -> Option<&str> {
        self.text.expose().get(..self.colon).filter(|name| !name.is_empty())
    }

    /// The device password or API token.
    pub(super) fn secret(&self) -> &str {
        self.text.expose().get(self.colon + 1..).unwrap_or_default()
    }
}

/// The pair that `headers` show; `None` without `Authorization`, or with another scheme.
///
/// # Errors
///
/// [`Refusal::Malformed`] for a repeated header; [`Refusal::Unauthenticated`] for what is no pair.
pub(super) fn pair(headers: &HeaderMap) -> Result<Option<Pair>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        let status = StatusCode::BAD_REQUEST;
        return Err(Refusal::Malformed { reason: "repeated_authorization", status });
    }
    let value = value.as_bytes().trim_ascii();
    let Some((scheme, rest)) = value.split_at_checked(6) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return Ok(None);
    }
    let refused = || Refusal::Unauthenticated { reason: "malformed_basic", invalid_token: true };
    if rest.len() > MAX_BYTES {
        return Err(refused());
    }
    let bytes = STANDARD.decode(rest.trim_ascii()).map_err(|_| refused())?;
    let text = Secret::new(String::from_utf8(bytes).map_err(|_| refused())?);
    if text.expose().chars().any(char::is_control) {
        return Err(refused());
    }
    let colon = text.expose().find(':').ok_or_else(refused)?;
    Ok(Some(Pair { text, colon }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::example::headers;

    #[test]
    fn which_values_hold_a_pair() {
        let encoded = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (value, found) in [
            (encoded("ada:secret"), Ok(Some((Some("ada"), "secret")))),
            (encoded("ada@example.org:a:b"), Ok(Some((Some("ada@example.org"), "a:b")))),
            (encoded(":sdt_x"), Ok(Some((None, "sdt_x")))),
            (format!("bAsIc  {}", STANDARD.encode("a:b")), Ok(Some((Some("a"), "b")))),
            ("Bearer abc".into(), Ok(None)),
            ("Basi".into(), Ok(None)),
            (encoded("no colon"), Err(())),
            (encoded("a:b\n"), Err(())),
            ("Basic !!!!".into(), Err(())),
            (format!("Basic {}", "A".repeat(2000)), Err(())),
        ] {
            let headers = headers(&[("authorization", &value)]);
            let pair = pair(&headers);
            let pair = pair.as_ref().map(|pair| pair.as_ref().map(|p| (p.name(), p.secret())));
            assert_eq!(pair.map_err(drop), found, "{value}");
        }
    }
}
