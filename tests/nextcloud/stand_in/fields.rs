//! What a request says: query, form and JSON fields, cookies, percent-encoding, random words.

use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;

/// Named values in the order they came; `groups[]` is kept under its name without the brackets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

/// The body claimed to be JSON and is not.
pub(crate) struct NotJson;

impl Fields {
    /// From `a=b&c[]=d`.
    pub(crate) fn from_form(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(pairs.map(Self::pair).collect())
    }

    fn pair(text: &str) -> (String, String) {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let decoded = |part: &str| decoded(&part.replace('+', " "));
        let name = decoded(name);
        (name.split('[').next().unwrap_or_default().to_owned(), decoded(value))
    }

    /// From the query and the body, the body first.
    pub(crate) fn read(query: &str, content_type: &str, body: &[u8]) -> Result<Self, NotJson> {
        let mut fields = Self::default();
        if content_type.starts_with("application/json") {
            if !body.is_empty() {
                let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
                    return Err(NotJson);
                };
                for (name, value) in object {
                    fields.add_json(&name, &value);
                }
            }
        } else if content_type.starts_with("application/x-www-form-urlencoded") {
            fields = Self::from_form(&String::from_utf8_lossy(body));
        }
        fields.0.extend(Self::from_form(query).0);
        Ok(fields)
    }

    fn add_json(&mut self, name: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Array(items) => items.iter().for_each(|item| self.add_json(name, item)),
            Value::String(text) => self.0.push((name.to_owned(), text.clone())),
            other => self.0.push((name.to_owned(), other.to_string())),
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value, or nothing when it is empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// Undoes percent-encoding; what is no escape stays.
pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let escape = (byte == b'%').then(|| bytes.as_slice_of_two()).flatten();
        if let Some(value) = escape {
            out.push(value);
            bytes.nth(1);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

trait TwoHexDigits {
    fn as_slice_of_two(&self) -> Option<u8>;
}

impl TwoHexDigits for std::str::Bytes<'_> {
    fn as_slice_of_two(&self) -> Option<u8> {
        let digits: Vec<u8> = self.clone().take(2).collect();
        let text = std::str::from_utf8(&digits).ok().filter(|text| text.len() == 2)?;
        u8::from_str_radix(text, 16).ok()
    }
}

/// Percent-encodes all but unreserved characters and, if wanted, the slash.
pub(crate) fn encoded(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let char = char::from(byte);
        if byte.is_ascii_alphanumeric() || "-._~".contains(char) || keep.contains(char) {
            out.push(char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `<`, `>`, `&` and quotes as XML and HTML want them.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#039;")
}

/// A word of `length` letters and digits that nobody can guess.
pub(crate) fn random_word(length: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut bytes = vec![0; length];
    // Without randomness the words repeat, and a test will say so.
    let _filled = SystemRandom::new().fill(&mut bytes);
    let letter = |byte: u8| LETTERS.get(usize::from(byte) % LETTERS.len()).copied();
    bytes.into_iter().filter_map(letter).map(char::from).collect()
}
