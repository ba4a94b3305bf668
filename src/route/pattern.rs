//! Patterns of hosts and paths, by whole labels and segments. No regular expressions.

use std::fmt;
use std::str::FromStr;

/// `cloud.example.org`, or `*.example.org` for exactly one more label. Lower case, no port, no trailing dot.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum HostPattern {
    /// This name or address literal.
    Exact(String),
    /// One label in front of this suffix (kept without the dot).
    OneLabelBefore(String),
}

impl HostPattern {
    /// Whether the canonical `host` is meant.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::OneLabelBefore(suffix) => host
                .strip_suffix(suffix.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|label| !label.is_empty() && !label.contains('.')),
        }
    }
}

/// Why a pattern could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParsePatternError {
    /// Not a host name or address.
    #[error(
        "expected a host name like cloud.example.org or *.example.org, without scheme, port or path"
    )]
    Host,
    /// Not a path pattern.
    #[error(
        "expected a path like /api/**, /users/*/posts or /exact, decoded and without //, dot segments or ?"
    )]
    Path,
}

impl FromStr for HostPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, ParsePatternError> {
        let text = text.to_ascii_lowercase();
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_address = address.is_some_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok());
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if !(is_address && !wildcard || name.len() <= 253 && name.split('.').all(is_label)) {
            return Err(ParsePatternError::Host);
        }
        let name = name.to_owned();
        Ok(if wildcard { Self::OneLabelBefore(name) } else { Self::Exact(name) })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::OneLabelBefore(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// A path by segments: `*` is exactly one segment, `name*` one that begins so, a final `**` is any number, none included.
///
/// It is compared with the *decoded canonical* segments of a target, so one spelling covers every encoding.
/// `/api/**` matches `/api`, `/api/` and everything below; `/api` matches `/api` and `/api/`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PathPattern {
    segments: Vec<Segment>,
    open_end: bool,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Segment {
    Any,
    Exact(String),
    Beginning(String),
}

/// One segment of a pattern, for the index of a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'p> {
    Any,
    Exact(&'p str),
    Beginning(&'p str),
}

impl Segment {
    fn matches(&self, found: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => name == found,
            Self::Beginning(start) => found.starts_with(start.as_str()),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) | (Self::Exact(_), Self::Beginning(_)) => false,
            (_, Self::Exact(name)) => self.matches(name),
            (Self::Beginning(mine), Self::Beginning(theirs)) => theirs.starts_with(mine.as_str()),
        }
    }
}

impl PathPattern {
    /// `/**`: every path.
    pub fn everything() -> Self {
        Self { segments: Vec::new(), open_end: true }
    }

    /// Whether the decoded segments `path` are meant. A trailing slash is not a segment.
    pub fn matches<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> bool {
        let mut path = path.into_iter();
        for segment in &self.segments {
            if !path.next().is_some_and(|found| segment.matches(found)) {
                return false;
            }
        }
        self.open_end || path.next().is_none()
    }

    /// What the index of a table is made of: each segment, and whether `**` follows.
    pub(super) fn parts(&self) -> (impl Iterator<Item = Part<'_>>, bool) {
        let parts = self.segments.iter().map(|segment| match segment {
            Segment::Any => Part::Any,
            Segment::Exact(name) => Part::Exact(name),
            Segment::Beginning(start) => Part::Beginning(start),
        });
        (parts, self.open_end)
    }

    /// Whether every path that `other` matches is matched by this one too.
    pub fn covers(&self, other: &Self) -> bool {
        if !self.open_end && (other.open_end || self.segments.len() != other.segments.len()) {
            return false;
        }
        other.segments.len() >= self.segments.len()
            && self.segments.iter().zip(&other.segments).all(|(mine, theirs)| mine.covers(theirs))
    }
}

impl FromStr for PathPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, ParsePatternError> {
        let rest = text.strip_prefix('/').ok_or(ParsePatternError::Path)?;
        let (rest, open_end) = match rest.strip_suffix("**") {
            Some("") => ("", true),
            Some(before) => (before.strip_suffix('/').ok_or(ParsePatternError::Path)?, true),
            None => (rest.strip_suffix('/').unwrap_or(rest), false),
        };
        if rest.is_empty() {
            return Ok(Self { segments: Vec::new(), open_end });
        }
        let segments = rest.split('/').map(|segment| {
            let (name, begins) = match segment.strip_suffix('*') {
                Some(start) => (start, true),
                None => (segment, false),
            };
            match (name, begins) {
                ("", true) => Ok(Segment::Any),
                ("" | "." | "..", false) => Err(ParsePatternError::Path),
                (name, _)
                    if name.contains(['*', '?', '#', '%', '\\'])
                        || name.contains(char::is_control) =>
                {
                    Err(ParsePatternError::Path)
                }
                (name, true) => Ok(Segment::Beginning(name.to_owned())),
                (name, false) => Ok(Segment::Exact(name.to_owned())),
            }
        });
        Ok(Self { segments: segments.collect::<Result<_, _>>()?, open_end })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Any => f.write_str("/*")?,
                Segment::Exact(name) => write!(f, "/{name}")?,
                Segment::Beginning(start) => write!(f, "/{start}*")?,
            }
        }
        match (self.open_end, self.segments.is_empty()) {
            (true, _) => f.write_str("/**"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(path: &str) -> impl Iterator<Item = &str> {
        path.split('/').filter(|segment| !segment.is_empty())
    }

    #[test]
    fn which_paths_a_pattern_means() {
        for (pattern, path, matches) in [
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/", "/", true),
            ("/", "/a", false),
            ("/api/**", "/api", true),
            ("/api/**", "/api/", true),
            ("/api/**", "/api/v1/x", true),
            ("/api/**", "/apiary", false),
            ("/api", "/api/", true),
            ("/api", "/api/x", false),
            ("/users/*", "/users/7", true),
            ("/users/*", "/users", false),
            ("/users/*", "/users/7/posts", false),
            ("/users/*/posts", "/users/7/posts", true),
            ("/Api", "/api", false),
            ("/.*/**", "/.htaccess", true),
            ("/.*/**", "/.git/config", true),
            ("/.*/**", "/a/.git", false),
            ("/db_*", "/db_structure.xml", true),
            ("/db_*", "/db", false),
        ] {
            let parsed: PathPattern = pattern.parse().expect(pattern);
            assert_eq!(parsed.matches(segments(path)), matches, "{pattern} on {path}");
        }
    }

    #[test]
    fn what_is_not_a_path_pattern_is_refused() {
        for text in [
            "", "api", "/a//b", "/a/../b", "/*a", "/a*b", "/**/b", "/a**", "/a?b", "/a%2fb",
            "/a\\b",
        ] {
            assert_eq!(text.parse::<PathPattern>(), Err(ParsePatternError::Path), "{text}");
        }
    }

    #[test]
    fn which_patterns_cover_others() {
        for (one, other, covers) in [
            ("/**", "/api/**", true),
            ("/api/**", "/**", false),
            ("/api/**", "/api", true),
            ("/api/*", "/api/x", true),
            ("/api/x", "/api/*", false),
            ("/api/*", "/api/**", false),
            ("/a*", "/api", true),
            ("/a*", "/ap*", true),
            ("/ap*", "/a*", false),
            ("/*", "/a*", true),
            ("/a*", "/*", false),
            ("/a", "/a*", false),
        ] {
            let parse = |text: &str| text.parse::<PathPattern>().expect("a pattern");
            assert_eq!(parse(one).covers(&parse(other)), covers, "{one} over {other}");
        }
    }

    #[test]
    fn which_hosts_a_pattern_means() {
        for (pattern, host, matches) in [
            ("Cloud.Example.org", "cloud.example.org", true),
            ("*.localhost", "whoami.localhost", true),
            ("*.localhost", "localhost", false),
            ("*.localhost", "a.b.localhost", false),
            ("*.localhost", ".localhost", false),
            ("[::1]", "[::1]", true),
            ("127.0.0.1", "127.0.0.1", true),
        ] {
            let parsed: HostPattern = pattern.parse().expect(pattern);
            assert_eq!(parsed.matches(host), matches, "{pattern} on {host}");
        }
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for text in
            ["", "https://a", "a:80", "a/b", "a..b", ".a", "a.", "*", "a.*.b", "a b", "[1.2.3.4]"]
        {
            assert_eq!(text.parse::<HostPattern>(), Err(ParsePatternError::Host), "{text}");
        }
    }
}
