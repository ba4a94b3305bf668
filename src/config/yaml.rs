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
    /// What stood here before variables were filled in. The value may be a secret: problems do not quote it.
    pub(super) written: Option<String>,
    pub(super) form: Form,
    pub(super) kind: Kind,
}

/// What [`super::shape`] found about a node. Everything but `Fits` has been reported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Fits,
    /// Wrong, and not needed: it is left out of the document.
    LeftOut,
    /// Wrong or missing, and needed: something of the right kind stands in its place.
    StandIn,
    /// Under a key that is not known, perhaps a misspelt one: it is left out of the document.
    UnknownKey,
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
    Node { place, written: None, form: Form::Fits, kind }
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
        if self.written.is_some() {
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
        self.way_to(path).0.last().map(|(place, _)| *place)
    }

    /// What stands at `path`.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        let (way, rest) = self.way_to(path);
        way.last().map(|(_, node)| *node).filter(|_| rest.is_empty())
    }

    /// Whether `path`, or something around it, was found unfit.
    pub(super) fn is_unfit(&self, path: &str) -> bool {
        let (way, _) = self.way_to(path);
        std::iter::once(self).chain(way.iter().map(|(_, node)| *node)).any(Self::has_wrong_form)
    }

    /// Whether nobody can tell what is meant to stand at `path`: it is unfit or holds something unfit, or it is absent
    /// where a key that nobody knows may be a misspelling of it.
    pub(super) fn is_doubtful(&self, path: &str) -> bool {
        let (way, rest) = self.way_to(path);
        let last = way.last().map_or(self, |(_, node)| *node);
        self.is_unfit(path)
            || match &last.kind {
                Kind::List(all) => all.iter().any(Self::has_wrong_form),
                Kind::Map(pairs) if !rest.is_empty() => {
                    pairs.iter().any(|(_, _, node)| node.form == Form::UnknownKey)
                }
                _ => false,
            }
    }

    fn has_wrong_form(&self) -> bool {
        self.form != Form::Fits
    }

    /// The nodes on the way to `path`, and what is left of it where the way ends.
    fn way_to<'p>(&self, path: &'p str) -> (Vec<(Place, &Self)>, &'p str) {
        let (mut node, mut rest) = (self, path);
        let mut way = Vec::new();
        while let Some((place, next, left)) = node.step(rest) {
            way.push((place, next));
            (node, rest) = (next, left);
        }
        (way, rest)
    }

    fn step<'p>(&self, path: &'p str) -> Option<(Place, &Self, &'p str)> {
        match &self.kind {
            Kind::List(all) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                let node = all.get(index.parse::<usize>().ok()?)?;
                Some((node.place, node, rest))
            }
            Kind::Map(pairs) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                let fitting = pairs.iter().filter_map(|(key, place, node)| {
                    let rest = path.strip_prefix(key.as_str())?;
                    (rest.is_empty() || rest.starts_with(['.', '[']))
                        .then_some((*place, node, rest))
                });
                // Names may hold dots, so one key may begin like another: the longest is meant.
                fitting.min_by_key(|(_, _, rest)| rest.len())
            }
            Kind::Plain(_) | Kind::Text(_) => None,
        }
    }

    /// The document, without what does not belong in it.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Plain(value) => value.clone(),
            Kind::List(all) => Value::Array(all.iter().map(Self::to_json).collect()),
            Kind::Map(pairs) => pairs
                .iter()
                .filter(|(_, _, node)| matches!(node.form, Form::Fits | Form::StandIn))
                .map(|(key, _, node)| (key.clone(), node.to_json()))
                .collect(),
            Kind::Text(text) => Value::String(text.clone()),
        }
    }
}
