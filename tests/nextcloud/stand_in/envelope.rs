//! The OCS envelope: one meaning, two versions, JSON or XML, and how the HTTP status follows (section 1.1).

use serde_json::{Value, json};

use super::fields::escaped;
use super::settings::Generation;
use super::wire::Answer;

/// What an OCS call has to say.
#[derive(Debug, Clone)]
pub(crate) enum Ocs {
    /// 100 in version 1, 200 in version 2.
    Done(Value),
    Failed {
        code: u64,
        message: String,
        data: Value,
    },
    /// No envelope at all: this status and this body.
    Bare(u16, &'static str),
}

impl Ocs {
    pub(crate) fn done() -> Self {
        Self::Done(json!([]))
    }

    pub(crate) fn failed(code: u64, message: impl Into<String>) -> Self {
        Self::Failed { code, message: message.into(), data: json!([]) }
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::failed(997, "Current user is not logged in")
    }

    pub(crate) fn forbidden(message: &str) -> Self {
        Self::failed(403, message)
    }

    /// A name that nothing answers to.
    pub(crate) fn unknown() -> Self {
        Self::failed(
            998,
            "Invalid query, please check the syntax. API specifications are here: http://www.freedesktop.org/wiki/Specifications/open-collaboration-services.\n",
        )
    }

    pub(crate) fn exception() -> Self {
        Self::failed(996, "Internal Server Error")
    }

    pub(crate) fn forgery() -> Self {
        Self::Bare(412, r#"{"message":"CSRF check failed"}"#)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// How this caller wants to be answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope {
    pub(crate) version: Version,
    pub(crate) generation: Generation,
    /// `?format=json`
    pub(crate) json_asked: bool,
    /// `Accept: application/json`
    pub(crate) json_accepted: bool,
}

impl Envelope {
    pub(crate) fn answer(self, ocs: &Ocs) -> Answer {
        match ocs {
            Ocs::Bare(status, "") => Answer::empty(*status),
            Ocs::Bare(status, body) => {
                Answer::typed(*status, "application/json; charset=utf-8", *body)
            }
            Ocs::Done(data) if self.version == Version::V1 => self.wrapped(200, 100, "OK", data),
            Ocs::Done(data) => self.wrapped(200, 200, "OK", data),
            Ocs::Failed { code, message, data } => {
                self.wrapped(self.status(*code), *code, message, data)
            }
        }
    }

    fn status(self, code: u64) -> u16 {
        match (self.version, code) {
            (_, 997) => 401,
            (_, 429) => 429,
            (_, 503) => 503,
            (Version::V1, _) => 200,
            (Version::V2, 996) => 500,
            (Version::V2, 998) => 404,
            (Version::V2, 101..200) => 400,
            (Version::V2, other) => u16::try_from(other).unwrap_or(400),
        }
    }

    fn wrapped(self, status: u16, code: u64, message: &str, data: &Value) -> Answer {
        let word = if matches!(code, 100 | 200) { "ok" } else { "failure" };
        let mut meta = json!({"status": word, "statuscode": code, "message": message});
        if let (Version::V1, Some(meta)) = (self.version, meta.as_object_mut()) {
            meta.insert("totalitems".to_owned(), json!(""));
            meta.insert("itemsperpage".to_owned(), json!(""));
        }
        let plain_error = status == 401 || status >= 500;
        let json = self.json_asked
            || self.json_accepted && (self.generation == Generation::V34 || !plain_error);
        if json {
            return Answer::json(status, &json!({"ocs": {"meta": meta, "data": data}}));
        }
        let mut text = "<?xml version=\"1.0\"?>\n<ocs>\n".to_owned();
        xml(&mut text, "meta", &meta, 1);
        xml(&mut text, "data", data, 1);
        text.push_str("</ocs>\n");
        Answer::typed(status, "application/xml; charset=utf-8", text)
    }
}

fn xml(text: &mut String, name: &str, value: &Value, depth: usize) {
    let indent = " ".repeat(depth);
    let mut element = |inner: &str| {
        let line = if inner.is_empty() {
            format!("{indent}<{name}/>\n")
        } else {
            format!("{indent}<{name}>{inner}</{name}>\n")
        };
        text.push_str(&line);
    };
    let children: Vec<(&str, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.as_str(), value)).collect()
        }
        Value::Array(items) => items.iter().map(|item| ("element", item)).collect(),
        Value::Null => return element(""),
        Value::Bool(yes) => return element(if *yes { "1" } else { "" }),
        Value::Number(number) => return element(&number.to_string()),
        Value::String(string) => return element(&escaped(string)),
    };
    if children.is_empty() {
        return element("");
    }
    text.push_str(&format!("{indent}<{name}>\n"));
    for (name, value) in children {
        xml(text, name, value, depth + 1);
    }
    text.push_str(&format!("{indent}</{name}>\n"));
}
