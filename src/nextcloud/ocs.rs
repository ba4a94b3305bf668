//! The wire of OCS v2: what an answer says, and how ids and forms are written. Decided by codes, never by messages, which
//! are in the language of the account that asks.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::identity::provisioning::{Found, Quota};

/// An answer, as far as it could be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) http: u16,
    /// `ocs.meta.statuscode`, when there was an envelope.
    pub(super) code: Option<u16>,
    /// `ocs.data`; null when there was none.
    pub(super) data: Value,
}

impl Answer {
    /// Reads a body: JSON, the XML that some errors are in, or nothing at all.
    pub(super) fn read(http: u16, body: &[u8]) -> Self {
        if let Ok(mut json) = serde_json::from_slice::<Value>(body) {
            let code = json.pointer("/ocs/meta/statuscode").and_then(number);
            let data = json.pointer_mut("/ocs/data").map(Value::take).unwrap_or_default();
            return Self { http, code, data };
        }
        let text = String::from_utf8_lossy(body);
        let code = text.contains("<ocs>").then(|| between(&text, "<statuscode>", "</statuscode>"));
        Self { http, code: code.flatten().and_then(|code| code.parse().ok()), data: Value::Null }
    }

    /// What decides: the envelope's code, or the HTTP status where there is no envelope.
    pub(super) fn decisive(&self) -> u16 {
        self.code.unwrap_or(self.http)
    }

    /// Whether it was done.
    pub(super) fn is_ok(&self) -> bool {
        self.http == 200 && matches!(self.code, Some(100 | 200))
    }

    /// Whether there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.decisive(), 404 | 998)
    }
}

/// A user's record. `None` when it is none.
pub(super) fn found(data: &Value) -> Option<Found> {
    let text = |key: &str| data.get(key).and_then(text);
    text("id")?;
    let quota = data.pointer("/quota/quota").and_then(|quota| match quota {
        Value::String(written) => written.parse().ok(),
        // -3: unlimited. Other negative numbers say that it is not known.
        quota => match quota.as_i64().or_else(|| as_whole(quota)) {
            Some(-3) => Some(Quota::Unlimited),
            Some(bytes) => u64::try_from(bytes).ok().map(Quota::Bytes),
            None => None,
        },
    });
    Some(Found {
        display_name: text("displayname").or_else(|| text("display-name")).unwrap_or_default(),
        email: text("email").filter(|email| !email.is_empty()),
        groups: names(data, "groups").into_iter().collect::<BTreeSet<_>>(),
        quota,
        enabled: data.get("enabled").is_none_or(|enabled| match enabled {
            Value::Bool(enabled) => *enabled,
            enabled => !matches!(text_of(enabled).as_deref(), Some("0" | "false" | "")),
        }),
    })
}

/// A list of names, where names that look like numbers arrive as numbers, and an empty list may be anything.
pub(super) fn names(data: &Value, key: &str) -> Vec<String> {
    let all: Vec<&Value> = match data.get(key) {
        Some(Value::Array(all)) => all.iter().collect(),
        // A PHP list with a gap in it.
        Some(Value::Object(all)) => all.values().collect(),
        _ => Vec::new(),
    };
    all.into_iter().filter_map(text).collect()
}

fn text(value: &Value) -> Option<String> {
    text_of(value)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u16> {
    text_of(value)?.parse().ok()
}

/// PHP writes large numbers as floats.
fn as_whole(value: &Value) -> Option<i64> {
    let float = value.as_f64().filter(|float| float.fract() == 0.0)?;
    format!("{float:.0}").parse().ok()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inside, _)| inside.trim())
}

/// `text` as one segment of a path or a part of a query or form: everything but unreserved characters escaped (RFC 3986
/// §2.3).
pub(super) fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _infallible = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

/// `application/x-www-form-urlencoded`.
pub(super) fn form(fields: &[(&'static str, String)]) -> String {
    let fields = fields.iter().map(|(key, value)| format!("{}={}", escaped(key), escaped(value)));
    fields.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_read_whatever_they_are_written_in() {
        let xml = "<?xml version=\"1.0\"?>\n<ocs>\n <meta>\n  <status>failure</status>\n  \
                   <statuscode>997</statuscode>\n  <message>&lt;x&gt;</message>\n </meta>\n</ocs>";
        for (http, body, code, ok) in [
            (
                200,
                r#"{"ocs":{"meta":{"status":"ok","statuscode":200},"data":{"id":"a"}}}"#,
                Some(200),
                true,
            ),
            (
                200,
                r#"{"ocs":{"meta":{"statuscode":100,"totalitems":""},"data":[]}}"#,
                Some(100),
                true,
            ),
            (200, r#"{"ocs":{"meta":{"statuscode":"100"},"data":[]}}"#, Some(100), true),
            (400, r#"{"ocs":{"meta":{"statuscode":102},"data":[]}}"#, Some(102), false),
            (401, xml, Some(997), false),
            (400, "", None, false),
            (405, "", None, false),
            (412, r#"{"message":"CSRF check failed"}"#, None, false),
            (200, "<html><statuscode>100</statuscode></html>", None, false),
            (200, "\u{feff}nonsense", None, false),
        ] {
            let answer = Answer::read(http, body.as_bytes());
            assert_eq!((answer.code, answer.is_ok()), (code, ok), "{body}");
        }
        assert!(Answer::read(404, br#"{"ocs":{"meta":{"statuscode":998}}}"#).is_not_found());
        assert!(Answer::read(404, b"").is_not_found());
    }

    #[test]
    fn a_record_is_read_with_its_oddities() {
        let record = json!({
            "enabled": true, "id": 123, "email": null, "displayname": "Ada", "groups": ["a", 7],
            "quota": { "free": 1, "quota": -3 },
        });
        let ada = found(&record).expect("a record");
        assert_eq!((ada.display_name.as_str(), ada.email, ada.enabled), ("Ada", None, true));
        assert_eq!(ada.groups.into_iter().collect::<Vec<_>>(), ["7", "a"]);
        assert_eq!(ada.quota, Some(Quota::Unlimited));
        for (quota, read) in [
            (json!(5_368_709_120_i64), Some(Quota::Bytes(5 << 30))),
            (json!(5_368_709_120.0), Some(Quota::Bytes(5 << 30))),
            (json!("5 GB"), Some(Quota::Bytes(5 << 30))),
            (json!("none"), Some(Quota::Unlimited)),
            (json!("default"), None),
            (json!(-1), None),
            (json!(null), None),
        ] {
            let record = json!({ "id": "a", "display-name": "A", "groups": [], "enabled": "0",
                "quota": { "quota": quota } });
            let read_back = found(&record).expect("a record");
            assert_eq!((read_back.quota, read_back.enabled), (read, false), "{quota}");
        }
        assert_eq!(found(&json!([])), None);
    }

    #[test]
    fn ids_and_forms_are_escaped() {
        assert_eq!(escaped("mail@example.org"), "mail%40example.org");
        assert_eq!(escaped("a b'c/ü"), "a%20b%27c%2F%C3%BC");
        assert_eq!(
            form(&[("groups[]", "a&b".into()), ("x", String::new())]),
            "groups%5B%5D=a%26b&x="
        );
    }
}
