//! The one target that is judged and forwarded.

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

    /// The decoded canonical path.
    pub fn decoded_path(&self) -> &str {
        self.decoded.as_deref().unwrap_or_else(|| self.path())
    }

    /// The decoded segments that policy judges. A trailing slash is not a segment.
    pub fn segments(&self) -> impl Iterator<Item = &str> + Clone {
        self.decoded_path().split('/').filter(|segment| !segment.is_empty())
    }
}

#[cfg(any(test, feature = "examples"))]
impl Target {
    /// A target for tests: `text` as it stands, taken for canonical and decoded.
    pub fn example(text: &str) -> Self {
        let path_len = text.find('?').unwrap_or(text.len());
        Self { text: text.into(), path_len, decoded: None }
    }
}
