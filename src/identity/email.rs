//! E-mail addresses, in one canonical spelling, so that one person has one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// An e-mail address in lower case: what RFC 5321 §4.1.2 calls a dot-string, `@`, and a host name.
///
/// ASCII only and nothing quoted, so that no two addresses look alike and no other program reads a different
/// one out of it. At most 254 characters (RFC 5321 §4.5.3.1.3), at most 64 of them before the `@`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Email(Arc<str>);

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, shared.
    pub fn to_arc(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }

    /// As much of it as somebody may see who need not know it: `a…@example.org`.
    pub fn masked(&self) -> String {
        let first = self.local_part().chars().next().unwrap_or('…');
        format!("{first}…@{}", self.domain())
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no address that we accept.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected an e-mail address like name@example.org, in plain ASCII")]
pub struct ParseEmailError;

impl FromStr for Email {
    type Err = ParseEmailError;

    fn from_str(text: &str) -> Result<Self, ParseEmailError> {
        let (local, domain) = text.split_once('@').ok_or(ParseEmailError)?;
        let local_is_legal = local.len() <= 64 && local.split('.').all(is_atom);
        let domain_is_legal = domain.len() <= 253 && domain.split('.').all(is_label);
        if text.len() <= 254 && local_is_legal && domain_is_legal {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(ParseEmailError)
        }
    }
}

/// `atext` of RFC 5322 §3.2.3, at least one.
fn is_atom(text: &str) -> bool {
    let is_atext =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_atext)
}

/// A label of a host name (RFC 1123 §2.1).
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_that_people_have_are_read_into_one_spelling() {
        for (text, canonical) in [
            ("Ada@Example.org", "ada@example.org"),
            ("ada.lovelace+door@mail.example.co.uk", "ada.lovelace+door@mail.example.co.uk"),
            ("admin@localhost", "admin@localhost"),
            ("o'neil@xn--bcher-kva.example", "o'neil@xn--bcher-kva.example"),
        ] {
            assert_eq!(text.parse::<Email>().expect(text).as_str(), canonical);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long = format!("a@{}.org", ["a".repeat(60).as_str(); 5].join("."));
        for text in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.org",
            "ada@ex@ample.org",
            "\"ada\"@example.org",
            "ada lovelace@example.org",
            " ada@example.org",
            "ada@example.org\n",
            "ada..l@example.org",
            ".ada@example.org",
            "ada.@example.org",
            "ada@example..org",
            "ada@-example.org",
            "ada@example.org.",
            "ada@[192.0.2.1]",
            "ada(comment)@example.org",
            "аda@example.org",
            "ada@exämple.org",
            "ada@example.org\0",
            &long_local,
            &long,
        ] {
            assert_eq!(text.parse::<Email>(), Err(ParseEmailError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_is_stable(text in "\\PC{0,80}") {
            if let Ok(email) = text.parse::<Email>() {
                prop_assert_eq!(email.as_str().parse::<Email>(), Ok(email.clone()));
                prop_assert_eq!(format!("{}@{}", email.local_part(), email.domain()), email.as_str());
            }
        }
    }
}
