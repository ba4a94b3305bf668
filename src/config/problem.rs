//! What is wrong, where, what was expected, and what was probably meant.

use std::fmt;

use super::secret_source::FilledIn;
use super::yaml::{Node, Place};

/// One problem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// As in `apps.wiki.routes[2].allow`.
    pub path: String,
    /// Where that is in the file.
    pub place: Option<Place>,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl Problem {
    /// A problem at `path`, whose place is found later.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), place: None, message: message.into() }
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    pub(super) fn locate(&mut self, tree: &Node) {
        if self.place.is_none() {
            self.place = tree.place_of(&self.path);
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// All problems of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems {
    name: String,
    list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), list: Vec::new() }
    }

    pub(super) fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Puts them into the order of the file, each at its place, and takes out what variables held.
    pub(super) fn finish(&mut self, tree: &Node, filled_in: &FilledIn) {
        for problem in &mut self.list {
            problem.locate(tree);
            filled_in.conceal(&mut problem.message);
        }
        self.list.sort_by_key(|problem| {
            problem.place.map_or((u64::MAX, u64::MAX), |place| (place.line, place.column))
        });
    }

    /// For programs: `{"problems": [{"path", "line", "column", "message"}]}`.
    pub fn to_json(&self) -> serde_json::Value {
        let all = self.list.iter().map(|problem| {
            serde_json::json!({
                "path": problem.path,
                "line": problem.place.map(|place| place.line),
                "column": problem.place.map(|place| place.column),
                "message": problem.message,
            })
        });
        serde_json::json!({ "problems": all.collect::<Vec<_>>() })
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len();
        writeln!(f, "{}: {count} problem{}\n", self.name, if count == 1 { "" } else { "s" })?;
        for problem in &self.list {
            writeln!(f, "  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The nearest of `known` to `word`, when one is near enough to have been meant.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}
