//! `${NAME}`, `${NAME:-default}`, `${NAME:?message}`: filled in once, at load, in the text of the configuration only.
//! Nothing that a request brings is ever expanded. `$$` is a dollar sign.
//!
//! What came from the environment may be a secret: [`FilledIn`] takes it out of every message.

use super::yaml::{Form, Kind, Node};
use super::{Problem, Problems};

/// Where variables come from.
pub type Environment = dyn Fn(&str) -> Option<String>;

/// The environment of this process: its only reader.
#[expect(clippy::disallowed_methods, reason = "this is the reader of the environment")]
pub fn system_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What variables brought into the tree, and what is written there instead.
#[derive(Debug, Default)]
pub(super) struct FilledIn(Vec<(String, String)>);

impl FilledIn {
    /// Fills in every text of `tree`. A text that cannot be filled in is reported and marked.
    pub(super) fn fill_in(
        tree: &mut Node,
        environment: &Environment,
        problems: &mut Problems,
    ) -> Self {
        let mut filled_in = Self::default();
        filled_in.node(tree, environment, problems);
        // The longest first, because it may hold others.
        filled_in.0.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        filled_in
    }

    /// `message` with what is written instead of what was filled in.
    ///
    /// A value alone between quotes is always found. Elsewhere, a short one cannot be told from words of ours.
    pub(super) fn conceal(&self, message: &mut String) {
        for (value, written) in &self.0 {
            let quoted = format!("{value:?}");
            let escaped = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            *message = message.replace(&quoted, &format!("\"{written}\""));
            if value.len() >= TELLING {
                *message = message.replace(escaped, written).replace(value, written);
            }
        }
    }

    fn node(&mut self, node: &mut Node, environment: &Environment, problems: &mut Problems) {
        match &mut node.kind {
            Kind::List(all) => {
                for node in all {
                    self.node(node, environment, problems);
                }
            }
            Kind::Map(pairs) => {
                for (_, _, node) in pairs {
                    self.node(node, environment, problems);
                }
            }
            Kind::Text(text) if text.contains('$') => match self.text(text, environment) {
                Ok(filled) => {
                    let written = std::mem::replace(text, filled);
                    node.written = (written != *text).then_some(written);
                }
                Err(message) => {
                    problems.push(Problem::new("", message).at(node.place));
                    node.form = Form::StandIn;
                }
            },
            Kind::Plain(_) | Kind::Text(_) => {}
        }
    }

    fn text(&mut self, text: &str, environment: &Environment) -> Result<String, String> {
        let known_before = self.0.len();
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            filled.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                filled.push('$');
                rest = after;
            } else if let Some(after) = after.strip_prefix('{') {
                let (inside, after) = after
                    .split_once('}')
                    .ok_or("`${` without `}`; write `$$` for a dollar sign")?;
                filled.push_str(&self.variable(inside, environment)?);
                rest = after;
            } else {
                filled.push('$');
                rest = after;
            }
        }
        filled.push_str(rest);
        if self.0.len() > known_before {
            self.0.push((filled.clone(), text.to_owned()));
        }
        Ok(filled)
    }

    fn variable(&mut self, inside: &str, environment: &Environment) -> Result<String, String> {
        let (name, otherwise) = match inside.find(":-").or_else(|| inside.find(":?")) {
            Some(at) => inside.split_at(at),
            None => (inside, ""),
        };
        let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !legal {
            return Err(format!("`${{{inside}}}` names no variable"));
        }
        if let Some(value) = environment(name).filter(|value| !value.is_empty()) {
            self.0.push((value.clone(), format!("${{{name}}}")));
            return Ok(value);
        }
        if let Some(default) = otherwise.strip_prefix(":-") {
            return Ok(default.to_owned());
        }
        match otherwise.strip_prefix(":?") {
            Some(message) => Err(format!("the variable {name} is not set: {message}")),
            None => Err(format!(
                "the variable {name} is not set; `${{{name}:-default}}` gives a default"
            )),
        }
    }
}

/// A value of so many bytes is taken out of a message wherever it stands.
const TELLING: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in() {
        let environment = |name: &str| (name == "A").then(|| "one".to_owned());
        for (text, filled) in [
            ("x-${A}-y", Ok("x-one-y")),
            ("${A:-two}", Ok("one")),
            ("${B:-two}", Ok("two")),
            ("${B:-}", Ok("")),
            ("$$A", Ok("$A")),
            ("$$${A}", Ok("$one")),
            ("cost: 5$", Ok("cost: 5$")),
            ("${B}", Err("the variable B is not set")),
            ("${B:?say it}", Err("say it")),
            ("${A", Err("without `}`")),
            ("${}", Err("names no variable")),
            ("${A-x}", Err("names no variable")),
        ] {
            match (FilledIn::default().text(text, &environment), filled) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
                (found, _) => panic!("{text} gave {found:?}"),
            }
        }
    }
}
