//! Body rules: size, and the shape of JSON, checked while the body streams by.
//!
//! Nothing is buffered: [`JsonShape`] is a tokenizer that keeps counters only, so a limit costs the same for one
//! kilobyte as for a gigabyte, and how the bytes were cut into chunks does not matter.

use http::{HeaderMap, header};
use smallvec::SmallVec;

use super::Refusal;
use crate::edge::Arrival;
use crate::route::{BodyRules, JsonRules, Route};

/// Refuses a body that says itself that it is too large, before anything is sent anywhere.
pub(super) fn check_declared_length(arrival: &Arrival, route: &Route) -> Result<(), Refusal> {
    match (arrival.content_length, route.app.body.max_bytes) {
        (Some(length), Some(max)) if length > max => Err(Refusal::BodyTooLarge),
        _ => Ok(()),
    }
}

/// Watches one request body.
#[derive(Debug)]
pub struct BodyGuard {
    left: Option<u64>,
    json: Option<JsonShape>,
}

impl BodyGuard {
    /// A guard for a body under `rules`; `None` when nothing would be checked.
    pub fn for_request(rules: &BodyRules, headers: &HeaderMap) -> Option<Self> {
        let json = rules.json.filter(|_| is_json(headers)).map(JsonShape::new);
        if rules.max_bytes.is_none() && json.is_none() {
            return None;
        }
        Some(Self { left: rules.max_bytes, json })
    }

    /// Looks at the next part of the body; `end` with the last one, which may be empty.
    ///
    /// # Errors
    ///
    /// [`Refusal::BodyTooLarge`] (413), [`Refusal::BodyNotAcceptable`] (422).
    pub fn feed(&mut self, chunk: &[u8], end: bool) -> Result<(), Refusal> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(chunk.len() as u64).ok_or(Refusal::BodyTooLarge)?;
        }
        if let Some(json) = &mut self.json {
            let breach = |reason| Refusal::BodyNotAcceptable { reason };
            json.feed(chunk).map_err(breach)?;
            if end {
                json.end().map_err(breach)?;
            }
        }
        Ok(())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| {
        let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence == "application/json" || essence.ends_with("+json")
    })
}

/// The shape of a JSON text (RFC 8259), by counters.
#[derive(Debug)]
struct JsonShape {
    rules: JsonRules,
    open: SmallVec<[Container; 16]>,
    expect: Expect,
    token: Token,
}

/// An array with its elements counted, or an object with its keys.
#[derive(Clone, Copy, Debug)]
enum Container {
    Array(u32),
    Object(u32),
}

/// What may come next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expect {
    Colon,
    CommaOrEnd,
    FirstKeyOrEnd,
    FirstValueOrEnd,
    Key,
    Nothing,
    Value,
}

/// The token that a chunk may have cut in two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    /// `true`, `false` or `null`, and how many of its bytes came already.
    Literal(&'static [u8], usize),
    None,
    Number(Number),
    /// Bytes so far, what is special about the next one, and whether it is a key.
    String {
        bytes: u64,
        escape: Escape,
        key: bool,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Escape {
    Backslash,
    None,
    /// Hexadecimal digits still to come.
    Unicode(u8),
}

/// Where in the grammar of a number we are (RFC 8259 §6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Number {
    Digits,
    Exponent,
    ExponentDigits,
    ExponentSign,
    Fraction,
    FractionDigits,
    Minus,
    Zero,
}

type Breach = &'static str;
const MALFORMED: Breach = "json_malformed";

impl JsonShape {
    fn new(rules: JsonRules) -> Self {
        Self { rules, open: SmallVec::new(), expect: Expect::Value, token: Token::None }
    }

    fn feed(&mut self, chunk: &[u8]) -> Result<(), Breach> {
        for byte in chunk {
            self.byte(*byte)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Breach> {
        if let Token::Number(number) = self.token {
            self.end_number(number)?;
        }
        let whole = self.token == Token::None && self.expect == Expect::Nothing;
        if whole { Ok(()) } else { Err(MALFORMED) }
    }

    fn byte(&mut self, byte: u8) -> Result<(), Breach> {
        match self.token {
            Token::None => self.between(byte),
            Token::String { bytes, escape, key } => self.in_string(byte, bytes, escape, key),
            Token::Literal(word, came) => self.in_literal(byte, word, came),
            Token::Number(number) => match next_in_number(number, byte) {
                Some(next) => {
                    self.token = Token::Number(next);
                    Ok(())
                }
                // A number ends where something else begins.
                None => {
                    self.end_number(number)?;
                    self.between(byte)
                }
            },
        }
    }

    fn between(&mut self, byte: u8) -> Result<(), Breach> {
        match (byte, self.expect) {
            (b' ' | b'\t' | b'\n' | b'\r', _) => Ok(()),
            (b'"', Expect::Key | Expect::FirstKeyOrEnd) => {
                self.count_key()?;
                self.token = Token::String { bytes: 0, escape: Escape::None, key: true };
                Ok(())
            }
            (b':', Expect::Colon) => self.then(Expect::Value),
            (b',', Expect::CommaOrEnd) => match self.open.last() {
                Some(Container::Array(_)) => self.then(Expect::Value),
                Some(Container::Object(_)) => self.then(Expect::Key),
                None => Err(MALFORMED),
            },
            (b'}', Expect::FirstKeyOrEnd | Expect::CommaOrEnd) => match self.open.pop() {
                Some(Container::Object(_)) => self.value_ended(),
                _ => Err(MALFORMED),
            },
            (b']', Expect::FirstValueOrEnd | Expect::CommaOrEnd) => match self.open.pop() {
                Some(Container::Array(_)) => self.value_ended(),
                _ => Err(MALFORMED),
            },
            (_, Expect::Value | Expect::FirstValueOrEnd) => self.begin_value(byte),
            _ => Err(MALFORMED),
        }
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), Breach> {
        self.count_element()?;
        self.token = match byte {
            b'{' => return self.enter(Container::Object(0), Expect::FirstKeyOrEnd),
            b'[' => return self.enter(Container::Array(0), Expect::FirstValueOrEnd),
            b'"' => Token::String { bytes: 0, escape: Escape::None, key: false },
            b't' => Token::Literal(b"true", 1),
            b'f' => Token::Literal(b"false", 1),
            b'n' => Token::Literal(b"null", 1),
            b'-' => Token::Number(Number::Minus),
            b'0' => Token::Number(Number::Zero),
            b'1'..=b'9' => Token::Number(Number::Digits),
            _ => return Err(MALFORMED),
        };
        Ok(())
    }

    fn enter(&mut self, container: Container, expect: Expect) -> Result<(), Breach> {
        if self.open.len() as u64 >= u64::from(self.rules.depth) {
            return Err("json_depth");
        }
        self.open.push(container);
        self.then(expect)
    }

    fn in_string(&mut self, byte: u8, bytes: u64, escape: Escape, key: bool) -> Result<(), Breach> {
        let escape = match (escape, byte) {
            (Escape::None, b'"') => {
                self.token = Token::None;
                return if key { self.then(Expect::Colon) } else { self.value_ended() };
            }
            (Escape::None, b'\\') => Escape::Backslash,
            (Escape::None, 0..=0x1f) => return Err(MALFORMED),
            (Escape::None, _) => Escape::None,
            (Escape::Backslash, b'u') => Escape::Unicode(4),
            (Escape::Backslash, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                Escape::None
            }
            (Escape::Unicode(1), digit) if digit.is_ascii_hexdigit() => Escape::None,
            (Escape::Unicode(left), digit) if digit.is_ascii_hexdigit() => {
                Escape::Unicode(left - 1)
            }
            _ => return Err(MALFORMED),
        };
        let bytes = bytes + 1;
        if bytes > self.rules.string {
            return Err("json_string");
        }
        self.token = Token::String { bytes, escape, key };
        Ok(())
    }

    fn in_literal(&mut self, byte: u8, word: &'static [u8], came: usize) -> Result<(), Breach> {
        if word.get(came) != Some(&byte) {
            return Err(MALFORMED);
        }
        if came + 1 == word.len() {
            self.token = Token::None;
            return self.value_ended();
        }
        self.token = Token::Literal(word, came + 1);
        Ok(())
    }

    fn end_number(&mut self, number: Number) -> Result<(), Breach> {
        let whole = matches!(
            number,
            Number::Digits | Number::ExponentDigits | Number::FractionDigits | Number::Zero
        );
        self.token = Token::None;
        if whole { self.value_ended() } else { Err(MALFORMED) }
    }

    fn count_element(&mut self) -> Result<(), Breach> {
        let most = self.rules.array;
        if let Some(Container::Array(elements)) = self.open.last_mut() {
            *elements += 1;
            if *elements > most {
                return Err("json_array");
            }
        }
        Ok(())
    }

    fn count_key(&mut self) -> Result<(), Breach> {
        let most = self.rules.keys;
        if let Some(Container::Object(keys)) = self.open.last_mut() {
            *keys += 1;
            if *keys > most {
                return Err("json_keys");
            }
        }
        Ok(())
    }

    fn value_ended(&mut self) -> Result<(), Breach> {
        self.then(if self.open.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd })
    }

    fn then(&mut self, expect: Expect) -> Result<(), Breach> {
        self.expect = expect;
        Ok(())
    }
}

fn next_in_number(number: Number, byte: u8) -> Option<Number> {
    use Number::{
        Digits, Exponent, ExponentDigits, ExponentSign, Fraction, FractionDigits, Minus, Zero,
    };
    match (number, byte) {
        (Minus, b'0') => Some(Zero),
        (Minus, b'1'..=b'9') | (Digits, b'0'..=b'9') => Some(Digits),
        (Zero | Digits, b'.') => Some(Fraction),
        (Fraction | FractionDigits, b'0'..=b'9') => Some(FractionDigits),
        (Zero | Digits | FractionDigits, b'e' | b'E') => Some(Exponent),
        (Exponent, b'+' | b'-') => Some(ExponentSign),
        (Exponent | ExponentSign | ExponentDigits, b'0'..=b'9') => Some(ExponentDigits),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIDE: JsonRules = JsonRules { depth: 100, array: 1000, string: 1000, keys: 1000 };

    fn judge(rules: JsonRules, chunks: &[&[u8]]) -> Result<(), Breach> {
        let mut shape = JsonShape::new(rules);
        for chunk in chunks {
            shape.feed(chunk)?;
        }
        shape.end()
    }

    #[test]
    fn each_limit_has_a_reason_of_its_own() {
        let rules = JsonRules { depth: 2, array: 2, string: 3, keys: 2 };
        for (text, verdict) in [
            ("[[1,2],{}]", Ok(())),
            ("[[[]]]", Err("json_depth")),
            ("[1,2,3]", Err("json_array")),
            (r#"{"a":1,"b":2,"c":3}"#, Err("json_keys")),
            (r#""abcd""#, Err("json_string")),
            (r#"{"abcd":1}"#, Err("json_string")),
            (r#""é""#, Ok(())),
        ] {
            assert_eq!(judge(rules, &[text.as_bytes()]), verdict, "{text}");
        }
    }

    #[test]
    fn a_body_is_cut_off_at_its_limit() {
        let rules = BodyRules { max_bytes: Some(5), json: None };
        let mut guard = BodyGuard::for_request(&rules, &HeaderMap::new()).expect("a guard");
        assert!(guard.feed(b"abc", false).is_ok());
        assert!(guard.feed(b"de", false).is_ok());
        assert!(matches!(guard.feed(b"f", true), Err(Refusal::BodyTooLarge)));
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("-0.5e+3".to_owned()),
            any::<i32>().prop_map(|number| number.to_string()),
            "\\PC{0,6}".prop_map(|text| serde_json::Value::from(text).to_string()),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|all| format!("[ {} ]", all.join(" ,"))),
                prop::collection::vec(inner, 0..4).prop_map(|all| {
                    let pairs: Vec<_> = all
                        .iter()
                        .enumerate()
                        .map(|(key, value)| format!("\"k{key}\" :{value}"))
                        .collect();
                    format!("{{{}}}", pairs.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_serde_reads_is_accepted_however_it_is_cut(text in json(), cut in 1usize..7) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            prop_assert_eq!(judge(WIDE, &chunks), Ok(()));
        }

        #[test]
        fn what_is_accepted_serde_reads(text in "[\\[\\]{}:,\"0-9eE.+\\- a-z\\\\]{0,24}") {
            if judge(WIDE, &[text.as_bytes()]).is_ok() {
                let read = serde_json::from_str::<serde_json::Value>(&text);
                let out_of_range = read.as_ref().is_err_and(|error| error.to_string().contains("number out of range"));
                let lone_surrogate = text.contains("\\u");
                prop_assert!(read.is_ok() || out_of_range || lone_surrogate, "{}", text);
            }
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _verdict = judge(WIDE, &[&bytes]);
        }
    }
}
