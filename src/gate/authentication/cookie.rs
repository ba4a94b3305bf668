//! The session cookie. Its `__Host-` prefix (RFC 6265bis §4.1.3) means that no other host and no plain connection can
//! have set it.

use http::StatusCode;
use http::header::{self, HeaderMap};

use crate::gate::Refusal;

/// The name of the session cookie, on every host of ours.
pub const COOKIE: &str = "__Host-stormdoor";

/// Longest value that is looked at, in bytes. Ours have 43.
const MAX_BYTES: usize = 64;

/// The session cookie of a request.
///
/// # Errors
///
/// [`Refusal::Malformed`] when there are two: one of them is not ours, and nothing says which.
pub(super) fn session(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut found = values_of(headers, COOKIE);
    let Some(value) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        let status = StatusCode::BAD_REQUEST;
        return Err(Refusal::Malformed { reason: "repeated_cookie", status });
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    Ok(Some(value).filter(|value| value.len() <= MAX_BYTES && value.bytes().all(legal)))
}

/// The value of the cookie `name`, if there is exactly one.
pub fn value_of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = values_of(headers, name);
    let value = found.next()?;
    found.next().is_none().then_some(value)
}

fn values_of<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(move |pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::example::headers;

    #[test]
    fn which_cookies_are_the_session() {
        for (lines, found) in [
            (&["__Host-stormdoor=abc-_"][..], Ok(Some("abc-_"))),
            (&["a=b; __Host-stormdoor=abc; c=d"], Ok(Some("abc"))),
            (&["a=b", "__Host-stormdoor=abc"], Ok(Some("abc"))),
            (&["stormdoor=abc"], Ok(None)),
            (&["__Host-stormdoor-flow-1=abc"], Ok(None)),
            (&["__host-stormdoor=abc"], Ok(None)),
            (&["__Host-stormdoor=a b"], Ok(None)),
            (&[], Ok(None)),
            (&["__Host-stormdoor=a; __Host-stormdoor=b"], Err("repeated_cookie")),
            (&["__Host-stormdoor=a", "__Host-stormdoor=a"], Err("repeated_cookie")),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            let headers = headers(&lines);
            assert_eq!(session(&headers).map_err(|refusal| refusal.reason()), found, "{lines:?}");
        }
    }
}
