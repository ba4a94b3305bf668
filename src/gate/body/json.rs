//! An incremental JSON tokenizer (RFC 8259) that keeps counters only: no tree, no text.
//!
//! What it accepts, every reader of JSON reads the same way: strict grammar, well-formed UTF-8, no lone surrogates. It
//! stops at the first byte that breaks the grammar or a limit. Its memory is one small frame for each open container.

use crate::route::JsonRules;

/// Deeper nesting is refused whatever the rules say: each level costs memory here, and a stack frame in many a parser.
const DEEPEST: u32 = 4_096;

/// Reads one JSON text.
#[derive(Debug)]
pub(super) struct Scanner {
    limits: JsonRules,
    open: Vec<Container>,
    state: State,
}

/// An open `[` or `{`, and how many elements or keys it has so far.
#[derive(Clone, Copy, Debug)]
enum Container {
    Array(u32),
    Object(u32),
}

/// What has been read, and so what may come next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing but white space.
    Start,
    /// `[`: a value or `]`.
    ArrayOpened,
    /// `{`: a key or `}`.
    ObjectOpened,
    /// `,` in an object: a key.
    KeyWanted,
    /// A key: `:`.
    ColonWanted,
    /// `:`, or `,` in an array: a value.
    ValueWanted,
    /// A value inside a container: `,` or the end of the container.
    AfterValue,
    /// The whole text: white space only.
    Complete,
    /// Inside a string.
    Text(Text),
    /// Inside `true`, `false` or `null`: what is still to come.
    Word(&'static [u8]),
    Number(Number),
    /// Refused.
    Broken(&'static str),
}

#[derive(Clone, Copy, Debug)]
struct Text {
    is_key: bool,
    /// Bytes between the quotes so far.
    length: u64,
    at: InText,
}

#[derive(Clone, Copy, Debug)]
enum InText {
    Plain,
    /// After `\`.
    Escape,
    /// After `\u`: how many hexadecimal digits are to come, and the value so far.
    Hex {
        left: u8,
        unit: u16,
        low_wanted: bool,
    },
    /// After a high surrogate: `\`.
    LowEscape,
    /// After a high surrogate and `\`: `u`.
    LowU,
    /// Inside a UTF-8 sequence: continuation bytes to come, and the range of the next one (RFC 3629 §4).
    Utf8 {
        left: u8,
        from: u8,
        to: u8,
    },
}

/// The last part of a number that was read.
#[derive(Clone, Copy, Debug)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    E,
    ESign,
    Exponent,
}

type Reason = &'static str;

const SYNTAX: Reason = "json_syntax";
const DEPTH: Reason = "json_depth";
const ARRAY: Reason = "json_array";
const STRING: Reason = "json_string";
const KEYS: Reason = "json_keys";

impl Scanner {
    pub(super) fn new(limits: JsonRules) -> Self {
        let limits = JsonRules { depth: limits.depth.min(DEEPEST), ..limits };
        Self { limits, open: Vec::new(), state: State::Start }
    }

    /// Reads on. After an error, every call gives that error.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<(), Reason> {
        let mut rest = chunk;
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            if let State::Text(text @ Text { at: InText::Plain, .. }) = &mut self.state {
                // Most bytes of most texts: plain ASCII inside a string.
                let plain = is_plain(*byte);
                if plain {
                    let run = rest.iter().take_while(|byte| is_plain(**byte)).count();
                    text.length = text.length.saturating_add(1 + run as u64);
                    rest = rest.get(run..).unwrap_or_default();
                    if text.length > self.limits.string {
                        return self.fail(STRING);
                    }
                    continue;
                }
            }
            match self.step(*byte) {
                Ok(state) => self.state = state,
                Err(reason) => return self.fail(reason),
            }
        }
        match self.state {
            State::Broken(reason) => Err(reason),
            _ => Ok(()),
        }
    }

    /// Whether the text may end here. An empty one may: it is no JSON text, but no body at all.
    pub(super) fn finish(&self) -> Result<(), Reason> {
        match self.state {
            State::Start | State::Complete => Ok(()),
            State::Number(number) if self.open.is_empty() && number.may_end() => Ok(()),
            State::Broken(reason) => Err(reason),
            _ => Err(SYNTAX),
        }
    }

    fn fail(&mut self, reason: Reason) -> Result<(), Reason> {
        self.state = State::Broken(reason);
        Err(reason)
    }

    fn step(&mut self, byte: u8) -> Result<State, Reason> {
        match self.state {
            State::Text(text) => self.step_text(text, byte),
            State::Word(rest) => match rest.split_first() {
                Some((next, rest)) if *next == byte => {
                    Ok(if rest.is_empty() { self.after_value() } else { State::Word(rest) })
                }
                _ => Err(SYNTAX),
            },
            State::Number(number) => match number.step(byte) {
                Some(number) => Ok(State::Number(number)),
                None if number.may_end() => {
                    self.state = self.after_value();
                    self.step_between(byte)
                }
                None => Err(SYNTAX),
            },
            State::Broken(reason) => Err(reason),
            _ => self.step_between(byte),
        }
    }

    /// Between tokens.
    fn step_between(&mut self, byte: u8) -> Result<State, Reason> {
        let is_space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match (self.state, byte) {
            // White space at the start is part of a text: nothing but white space is no JSON.
            (State::Start, _) if is_space => Ok(State::ValueWanted),
            (state, _) if is_space => Ok(state),
            (State::ArrayOpened, b']') | (State::ObjectOpened, b'}') => Ok(self.close()),
            (State::ObjectOpened | State::KeyWanted, b'"') => self.key(),
            (State::ColonWanted, b':') => Ok(State::ValueWanted),
            (State::AfterValue, _) => self.step_after_value(byte),
            (State::Start | State::ArrayOpened | State::ValueWanted, _) => self.value(byte),
            _ => Err(SYNTAX),
        }
    }

    fn step_after_value(&mut self, byte: u8) -> Result<State, Reason> {
        match (self.open.last(), byte) {
            (Some(Container::Array(_)), b',') => Ok(State::ValueWanted),
            (Some(Container::Object(_)), b',') => Ok(State::KeyWanted),
            (Some(Container::Array(_)), b']') | (Some(Container::Object(_)), b'}') => {
                Ok(self.close())
            }
            _ => Err(SYNTAX),
        }
    }

    fn value(&mut self, byte: u8) -> Result<State, Reason> {
        let state = match byte {
            b'"' => State::Text(Text { is_key: false, length: 0, at: InText::Plain }),
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Integer),
            b'[' => State::ArrayOpened,
            b'{' => State::ObjectOpened,
            _ => return Err(SYNTAX),
        };
        if let Some(Container::Array(elements)) = self.open.last_mut() {
            *elements = elements.saturating_add(1);
            if *elements > self.limits.array {
                return Err(ARRAY);
            }
        }
        match state {
            State::ArrayOpened => self.open(Container::Array(0))?,
            State::ObjectOpened => self.open(Container::Object(0))?,
            _ => {}
        }
        Ok(state)
    }

    fn key(&mut self) -> Result<State, Reason> {
        if let Some(Container::Object(keys)) = self.open.last_mut() {
            *keys = keys.saturating_add(1);
            if *keys > self.limits.keys {
                return Err(KEYS);
            }
        }
        Ok(State::Text(Text { is_key: true, length: 0, at: InText::Plain }))
    }

    fn open(&mut self, container: Container) -> Result<(), Reason> {
        if self.open.len() as u64 >= u64::from(self.limits.depth) {
            return Err(DEPTH);
        }
        self.open.push(container);
        Ok(())
    }

    fn close(&mut self) -> State {
        self.open.pop();
        self.after_value()
    }

    fn after_value(&self) -> State {
        if self.open.is_empty() { State::Complete } else { State::AfterValue }
    }

    fn step_text(&self, mut text: Text, byte: u8) -> Result<State, Reason> {
        if matches!(text.at, InText::Plain) && byte == b'"' {
            return Ok(if text.is_key { State::ColonWanted } else { self.after_value() });
        }
        text.length = text.length.saturating_add(1);
        if text.length > self.limits.string {
            return Err(STRING);
        }
        text.at = text.at.step(byte).ok_or(SYNTAX)?;
        Ok(State::Text(text))
    }
}

/// ASCII that stands for itself in a string.
fn is_plain(byte: u8) -> bool {
    (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\'
}

impl InText {
    fn step(self, byte: u8) -> Option<Self> {
        match self {
            Self::Plain => Self::step_plain(byte),
            Self::Escape => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(Self::Plain),
                b'u' => Some(Self::Hex { left: 4, unit: 0, low_wanted: false }),
                _ => None,
            },
            Self::Hex { left, unit, low_wanted } => {
                let digit = (byte as char).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
                let unit = unit << 4 | digit?;
                if left > 1 {
                    return Some(Self::Hex { left: left - 1, unit, low_wanted });
                }
                match (unit, low_wanted) {
                    (0xDC00..=0xDFFF, true) => Some(Self::Plain),
                    (_, true) | (0xDC00..=0xDFFF, false) => None,
                    (0xD800..=0xDBFF, false) => Some(Self::LowEscape),
                    (_, false) => Some(Self::Plain),
                }
            }
            Self::LowEscape => (byte == b'\\').then_some(Self::LowU),
            Self::LowU => {
                (byte == b'u').then_some(Self::Hex { left: 4, unit: 0, low_wanted: true })
            }
            Self::Utf8 { left, from, to } => {
                if !(from..=to).contains(&byte) {
                    return None;
                }
                let next = Self::Utf8 { left: left.saturating_sub(1), from: 0x80, to: 0xBF };
                Some(if left > 1 { next } else { Self::Plain })
            }
        }
    }

    fn step_plain(byte: u8) -> Option<Self> {
        let sequence = |left, from, to| Some(Self::Utf8 { left, from, to });
        match byte {
            b'\\' => Some(Self::Escape),
            0x20..=0x7F => Some(Self::Plain),
            0xC2..=0xDF => sequence(1, 0x80, 0xBF),
            0xE0 => sequence(2, 0xA0, 0xBF),
            0xE1..=0xEC | 0xEE..=0xEF => sequence(2, 0x80, 0xBF),
            0xED => sequence(2, 0x80, 0x9F),
            0xF0 => sequence(3, 0x90, 0xBF),
            0xF1..=0xF3 => sequence(3, 0x80, 0xBF),
            0xF4 => sequence(3, 0x80, 0x8F),
            0x00..=0x1F | 0x80..=0xC1 | 0xF5..=0xFF => None,
        }
    }
}

impl Number {
    fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => Some(Self::Integer),
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::E),
            (Self::E, b'+' | b'-') => Some(Self::ESign),
            (Self::E | Self::ESign | Self::Exponent, b'0'..=b'9') => Some(Self::Exponent),
            _ => None,
        }
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::Exponent)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(limits: JsonRules, text: &[u8]) -> Result<(), Reason> {
        let mut scanner = Scanner::new(limits);
        scanner.feed(text)?;
        scanner.finish()
    }

    const GENEROUS: JsonRules = JsonRules { depth: 100, array: 1_000, string: 1_000, keys: 1_000 };

    #[test]
    fn each_limit_refuses_the_first_thing_beyond_it() {
        let limits = JsonRules { depth: 2, array: 3, string: 4, keys: 2 };
        for (text, verdict) in [
            ("[[]]", Ok(())),
            ("[[[]]]", Err(DEPTH)),
            ("[{\"a\":{}}]", Err(DEPTH)),
            ("[[],[],[]]", Ok(())),
            ("[1,2,3]", Ok(())),
            ("[1,2,3,4]", Err(ARRAY)),
            ("[[1,2],[3,4]]", Ok(())),
            ("\"abcd\"", Ok(())),
            ("\"abcde\"", Err(STRING)),
            ("\"\\u00e9\"", Err(STRING)),
            ("{\"abcde\":1}", Err(STRING)),
            ("\"äö\"", Ok(())),
            ("{\"a\":1,\"b\":2}", Ok(())),
            ("{\"a\":1,\"a\":2,\"a\":3}", Err(KEYS)),
            ("", Ok(())),
            (" ", Err(SYNTAX)),
            ("1 2", Err(SYNTAX)),
            ("[1,]", Err(SYNTAX)),
            ("\u{feff}{}", Err(SYNTAX)),
        ] {
            assert_eq!(scan(limits, text.as_bytes()), verdict, "{text}");
        }
    }

    #[test]
    fn a_limit_of_millions_of_levels_is_not_taken_at_its_word() {
        let limits = JsonRules { depth: u32::MAX, ..GENEROUS };
        let text = "[".repeat(5_000);
        assert_eq!(scan(limits, text.as_bytes()), Err(DEPTH));
    }

    #[test]
    fn a_refusal_is_final() {
        let mut scanner = Scanner::new(GENEROUS);
        assert_eq!(scanner.feed(b"]"), Err(SYNTAX));
        assert_eq!(scanner.feed(b"{}"), Err(SYNTAX));
        assert_eq!(scanner.finish(), Err(SYNTAX));
    }

    /// Texts that are JSON.
    pub(in crate::gate::body) fn document() -> impl Strategy<Value = String> {
        let string =
            prop_oneof!["[a-z äß€𝄞]{0,6}", Just("\\u00e9\\ud834\\udd1e\\n\\\\\\\"\\/".to_owned()),]
                .prop_map(|inside| format!("\"{inside}\""));
        let leaf = prop_oneof![
            string.clone(),
            "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
            Just("true".to_owned()),
            Just("false".to_owned()),
            Just("null".to_owned()),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let pair =
                (string.clone(), inner.clone()).prop_map(|(key, value)| format!("{key} : {value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(" , "))),
                prop::collection::vec(pair, 0..4)
                    .prop_map(|all| format!("{{{}}}\n", all.join(","))),
            ]
        })
    }

    /// Texts that nearly are JSON, or are.
    fn nearly() -> impl Strategy<Value = Vec<u8>> {
        let spoilt = (document(), any::<prop::sample::Index>(), any::<u8>(), 0..3).prop_map(
            |(text, at, byte, how)| {
                let mut bytes = text.into_bytes();
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
                bytes
            },
        );
        prop_oneof![
            document().prop_map(String::into_bytes),
            spoilt,
            "[\\[\\]{}\",:0-9.eE+a\\\\ -]{1,12}".prop_map(String::into_bytes),
            "\"(\\\\u[dD][89abcdefABCDEF]?[0-9a-f]{2,3}|\\\\|u|[0-9]){0,4}\""
                .prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..6).prop_map(|inside| [
                b"\"",
                inside.as_slice(),
                b"\""
            ]
            .concat()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn what_is_json_is_json_to_both(text in nearly()) {
            prop_assume!(!text.is_empty());
            let theirs = match serde_json::from_slice::<serde_json::Value>(&text) {
                Ok(_) => true,
                // A matter of the receiver's number type, not of grammar.
                Err(error) => error.to_string().starts_with("number out of range"),
            };
            let ours = scan(GENEROUS, &text).is_ok();
            prop_assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&text));
        }
    }
}
