//! A YAML text as a tree that knows where everything stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_yaml::Spanned;

use super::Problem;

/// A place in the file, both counted from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    /// It came from a variable, and may be a secret: problems do not quote it.
    pub(super) filled_in: bool,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A number, a truth value, or nothing.
    Plain(Value),
    List(Vec<Node>),
    /// Keys in the order written, each with its own place.
    Map(Vec<(String, Place, Node)>),
    Text(String),
}

/// Reads one YAML document.
///
/// `off`, `on`, `yes` and `no` are words, not truth values (YAML 1.2). Depth, aliases and size are bounded by the parser.
pub(super) fn read(text: &str) -> Result<Node, Problem> {
    let options = serde_yaml::options! { strict_booleans: true };
    let parsed: Result<Spanned<Raw>, _> = serde_yaml::from_str_with_options(text, options);
    match parsed {
        Ok(spanned) => Ok(node(spanned)),
        Err(error) => {
            let location = error.location();
            // The parser draws the surroundings; one line is enough beside line and column.
            let message = error.to_string();
            let first = message.lines().next().unwrap_or("not YAML").trim_start_matches("error: ");
            let first = first
                .split_once(": ")
                .filter(|(at, _)| at.starts_with("line "))
                .map_or(first, |(_, what)| what);
            let first =
                first.split_once(", set ").map_or(first, |(what, _advice_for_programmers)| what);
            let problem = Problem::new("", first);
            Err(match location {
                Some(at) => problem.at(Place { line: at.line(), column: at.column() }),
                None => problem,
            })
        }
    }
}

fn node(spanned: Spanned<Raw>) -> Node {
    let place = Place { line: spanned.referenced.line(), column: spanned.referenced.column() };
    let kind = match spanned.value {
        Raw::Plain(value) => Kind::Plain(value),
        Raw::List(all) => Kind::List(all.into_iter().map(node).collect()),
        Raw::Map(pairs) => Kind::Map(
            pairs
                .into_iter()
                .map(|(key, value)| {
                    let place =
                        Place { line: key.referenced.line(), column: key.referenced.column() };
                    (key.value, place, node(value))
                })
                .collect(),
        ),
        Raw::Text(text) => Kind::Text(text),
    };
    Node { place, filled_in: false, kind }
}

enum Raw {
    Plain(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
    Text(String),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Plain(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Plain(Value::Null))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut all = Vec::new();
        while let Some(next) = access.next_element()? {
            all.push(next);
        }
        Ok(Raw::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}

impl Node {
    /// What is written, by what a person would call it.
    pub(super) fn describe(&self) -> String {
        if self.filled_in {
            return "the value of a variable".into();
        }
        match &self.kind {
            Kind::Plain(Value::Null) => "nothing".into(),
            Kind::Plain(value) => value.to_string(),
            Kind::List(_) => "a list".into(),
            Kind::Map(_) => "a map".into(),
            Kind::Text(text) => format!("{text:?}"),
        }
    }

    /// Where `path` stands, or the nearest thing around it.
    pub(super) fn place_of(&self, path: &str) -> Option<Place> {
        let mut node = self;
        let mut place = None;
        for step in steps(path) {
            let found = match (&node.kind, step) {
                (Kind::Map(pairs), Step::Key(name)) => pairs
                    .iter()
                    .find(|(key, _, _)| key == name)
                    .map(|(_, place, node)| (*place, node)),
                (Kind::List(all), Step::Index(index)) => {
                    all.get(index).map(|node| (node.place, node))
                }
                _ => None,
            };
            let Some((found_at, found)) = found else { break };
            place = Some(found_at);
            node = found;
        }
        place
    }

    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Plain(value) => value.clone(),
            Kind::List(all) => Value::Array(all.iter().map(Self::to_json).collect()),
            Kind::Map(pairs) => {
                pairs.iter().map(|(key, _, node)| (key.clone(), node.to_json())).collect()
            }
            Kind::Text(text) => Value::String(text.clone()),
        }
    }
}

enum Step<'a> {
    Index(usize),
    Key(&'a str),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split('.').filter(|part| !part.is_empty()).flat_map(|part| {
        let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        let indices = indices.split(['[', ']']).filter_map(|index| index.parse().ok());
        std::iter::once(Step::Key(name)).chain(indices.map(Step::Index))
    })
}
