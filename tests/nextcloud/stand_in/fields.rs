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
}

/// Undoes percent-encoding; what is no escape stays.
pub(crate) fn decoded(text: &str) -> String {
    let mut rest = text;
    let mut out = Vec::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once('%') {
        out.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if let Some(value) = digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            out.push(value);
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push(b'%');
            rest = after;
        }
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encodes all but unreserved characters and, if wanted, the slash.
pub(crate) fn encoded(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let char = char::from(byte);
        if byte.is_ascii_alphanumeric() || "-._~".contains(char) || keep.contains(char) {
            out.push(char);
        } else {
            out.push('%');
            out.push_str(&hex(&[byte]).to_uppercase());
        }
    }
    out
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
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
