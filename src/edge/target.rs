//! The one target that is judged and forwarded.
//!
//! A target is accepted only if every common backend reads it the same way; then routing judges its decoded segments
//! and the upstream gets exactly its bytes. There is no "normalise and hope": what would need normalising is refused.

use super::Rejection;
use crate::route::TargetProfile;

/// A request target in origin-form that has exactly one reading.
///
/// Only [`Target::parse`] makes one, so whoever holds a `Target` may route by its segments and forward its bytes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// The accepted bytes: path, and `?query` when there is one.
    text: Box<str>,
    /// Where the path ends in `text`.
    path_len: usize,
    /// The decoded path, when it differs from the bytes.
    decoded: Option<Box<str>>,
}

impl Target {
    /// Reads an origin-form target (RFC 9112 §3.2.1).
    ///
    /// # Errors
    ///
    /// 400 for everything that two servers could read differently: dot segments, empty segments, `;` parameters,
    /// backslashes, encoded slashes, NUL and other control bytes in any encoding, raw non-ASCII, escapes that are
    /// not UTF-8 or hide a second encoding. `profile` lets names of files keep what they may hold.
    pub fn parse(raw: &str, profile: TargetProfile) -> Result<Self, Rejection> {
        let (path, query) = match raw.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (raw, None),
        };
        let decoded = decode_path(path, profile)?;
        check_query(query.unwrap_or_default())?;
        Ok(Self { text: raw.into(), path_len: path.len(), decoded: decoded.map(Into::into) })
    }

    /// The bytes to forward: path and query.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path as accepted, still encoded.
    pub fn path(&self) -> &str {
        self.text.get(..self.path_len).unwrap_or("/")
    }

    /// The query without `?`.
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_len + 1..)
    }

    /// The decoded path.
    pub fn decoded_path(&self) -> &str {
        self.decoded.as_deref().unwrap_or_else(|| self.path())
    }

    /// The decoded segments that policy judges. A trailing slash is not a segment.
    pub fn segments(&self) -> impl Iterator<Item = &str> + Clone {
        self.decoded_path().split('/').filter(|segment| !segment.is_empty())
    }
}

const fn bad(reason: &'static str) -> Rejection {
    Rejection::malformed(reason)
}

/// Checks the path and decodes it; `None` when there was nothing to decode.
fn decode_path(path: &str, profile: TargetProfile) -> Result<Option<String>, Rejection> {
    if !path.starts_with('/') {
        return Err(bad("target_form"));
    }
    let mut decoded: Option<Vec<u8>> = None;
    let mut bytes = path.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let plain = match byte {
            b'%' => {
                let high = bytes.next().and_then(|(_, digit)| hex(digit));
                let low = bytes.next().and_then(|(_, digit)| hex(digit));
                let (Some(high), Some(low)) = (high, low) else { return Err(bad("bad_escape")) };
                let plain = high << 4 | low;
                check_decoded(plain, profile)?;
                let so_far = || path.as_bytes().get(..at).unwrap_or_default().to_vec();
                decoded.get_or_insert_with(so_far).push(plain);
                continue;
            }
            b';' if profile == TargetProfile::Strict => return Err(bad("path_parameter")),
            b'\\' => return Err(bad("backslash")),
            b'#' => return Err(bad("raw_fragment")),
            b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                return Err(bad("raw_character"));
            }
            0..=0x1f | 0x7f => return Err(bad("control_byte")),
            0x80.. => return Err(bad("raw_non_ascii")),
            plain => plain,
        };
        if let Some(decoded) = &mut decoded {
            decoded.push(plain);
        }
    }
    let decoded = decoded
        .map(|decoded| String::from_utf8(decoded).map_err(|_| bad("not_utf8")))
        .transpose()?;
    let whole = decoded.as_deref().unwrap_or(path);
    check_segments(whole)?;
    if profile == TargetProfile::Dav {
        check_second_encoding(whole)?;
    }
    Ok(decoded)
}

/// What may not even be written as an escape.
fn check_decoded(plain: u8, profile: TargetProfile) -> Result<(), Rejection> {
    match (plain, profile) {
        (0, _) => Err(bad("encoded_nul")),
        (1..=0x1f | 0x7f, _) => Err(bad("encoded_control_byte")),
        (b'/', _) => Err(bad("encoded_slash")),
        (b'\\', _) => Err(bad("encoded_backslash")),
        (b'%', TargetProfile::Strict) => Err(bad("double_encoding")),
        (b'?' | b'#', TargetProfile::Strict) => Err(bad("encoded_delimiter")),
        (b';', TargetProfile::Strict) => Err(bad("path_parameter")),
        _ => Ok(()),
    }
}

fn check_segments(decoded: &str) -> Result<(), Rejection> {
    if decoded.contains("//") {
        return Err(bad("empty_segment"));
    }
    for segment in decoded.split('/') {
        // Servers that know path parameters cut them off before they resolve dots: `..;x` is `..` to them.
        let name = segment.split(';').next().unwrap_or_default();
        if name == "." || name == ".." || (name.is_empty() && segment.starts_with(';')) {
            return Err(bad("dot_segment"));
        }
    }
    Ok(())
}

/// File names may hold a percent sign, but not one that a second decoding would turn into a separator, a dot or a
/// control byte.
fn check_second_encoding(decoded: &str) -> Result<(), Rejection> {
    for (at, _) in decoded.match_indices('%') {
        let mut digits = decoded.bytes().skip(at + 1).take(2).map(hex);
        if let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next())
            && matches!(high << 4 | low, 0..=0x1f | 0x7f | b'/' | b'\\' | b'.' | b'%' | b';')
        {
            return Err(bad("double_encoding"));
        }
    }
    Ok(())
}

/// Queries are the app's own business, but no byte of them may break the request line.
fn check_query(query: &str) -> Result<(), Rejection> {
    for byte in query.bytes() {
        match byte {
            b'#' => return Err(bad("raw_fragment")),
            0..=0x20 | 0x7f => return Err(bad("control_byte")),
            0x80.. => return Err(bad("raw_non_ascii")),
            _ => {}
        }
    }
    Ok(())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn targets_with_one_reading_are_accepted() {
        use TargetProfile::{Dav, Strict};
        for (raw, profile, decoded) in [
            ("/", Strict, "/"),
            ("/a/b", Strict, "/a/b"),
            ("/a/b/", Strict, "/a/b/"),
            ("/a%20b", Strict, "/a b"),
            ("/caf%C3%A9", Strict, "/café"),
            ("/%61dmin", Strict, "/admin"),
            ("/a.b/..c/d..", Strict, "/a.b/..c/d.."),
            ("/a?x=%2e%2e/../&y=//", Strict, "/a"),
            ("/a?", Strict, "/a"),
            ("/100%25.txt", Dav, "/100%.txt"),
            ("/a%23b%3Bc%3Fd", Dav, "/a#b;c?d"),
            ("/a;b", Dav, "/a;b"),
        ] {
            let target = Target::parse(raw, profile).expect(raw);
            assert_eq!((target.as_str(), target.decoded_path()), (raw, decoded));
        }
    }

    #[test]
    fn targets_with_two_readings_are_refused() {
        use TargetProfile::{Dav, Strict};
        for profile in [Strict, Dav] {
            for raw in [
                "",
                "a",
                "*",
                "http://h/a",
                "//a",
                "/a//b",
                "/./a",
                "/a/..",
                "/a/../b",
                "/%2e/a",
                "/a/%2E%2e/b",
                "/.%2e/a",
                "/%2f",
                "/a%2Fb",
                "/a%5cb",
                "/a\\b",
                "/%00",
                "/%0a",
                "/%7f",
                "/a b",
                "/a\tb",
                "/é",
                "/a#b",
                "/a?b#c",
                "/a?b c",
                "/a?\u{e4}",
                "/%",
                "/%2",
                "/%zz",
                "/%c0%ae",
                "/%ff",
                "/%ed%a0%80",
                "/a/..;x/b",
                "/;/a",
                "/..;/a",
                "/%252e%252e/a",
                "/%252fa",
                "/%255c",
                "/%2500",
                "/%25252e",
                "/\"",
                "/<",
                "/>",
                "/^",
                "/`",
                "/{",
                "/|",
                "/}",
            ] {
                assert!(Target::parse(raw, profile).is_err(), "{raw:?} in {profile:?}");
            }
        }
        for raw in ["/a;b", "/a%3bb", "/a%3fb", "/a%23b", "/a%25b"] {
            assert!(Target::parse(raw, Strict).is_err(), "{raw:?}");
        }
    }

    /// Resolves a path as a server does that decodes once, drops parameters, and then removes dot segments.
    fn as_a_server_reads_it(path: &str) -> String {
        let mut decoded = Vec::new();
        let bytes = path.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] == b'%' {
                let pair = std::str::from_utf8(&bytes[at + 1..at + 3]).expect("checked digits");
                decoded.push(u8::from_str_radix(pair, 16).expect("checked digits"));
                at += 3;
            } else {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
        let decoded = String::from_utf8(decoded).expect("checked UTF-8").replace('\\', "/");
        let mut kept: Vec<&str> = Vec::new();
        for segment in decoded.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(kept.pop()),
                name => kept.push(name),
            }
        }
        kept.join("/")
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(raw in "\\PC{0,60}") {
            let _verdict = Target::parse(&raw, TargetProfile::Strict);
            let _verdict = Target::parse(&raw, TargetProfile::Dav);
        }

        #[test]
        fn what_is_judged_is_what_a_server_resolves(
            raw in "/([a-z./%;\\\\]|%2[0-9a-fA-F]|%5[cC]|%c3%a9){0,24}(\\?[a-z/.%]{0,6})?",
        ) {
            for profile in [TargetProfile::Strict, TargetProfile::Dav] {
                if let Ok(target) = Target::parse(&raw, profile) {
                    let judged: Vec<&str> = target.segments().collect();
                    prop_assert_eq!(judged.join("/"), as_a_server_reads_it(target.path()));
                    prop_assert_eq!(Target::parse(target.as_str(), profile), Ok(target.clone()));
                }
            }
        }
    }
}
