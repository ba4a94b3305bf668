//! `${NAME}`, `${NAME:-default}`, `${NAME:?message}`: filled in once, at load, in the text of the configuration only.
//! Nothing that a request brings is ever expanded. `$$` is a dollar sign.

use super::yaml::{Kind, Node};
use super::{Problem, Problems};

/// Where variables come from.
pub type Environment = dyn Fn(&str) -> Option<String>;

/// The environment of this process: its only reader.
#[expect(clippy::disallowed_methods, reason = "this is the reader of the environment")]
pub fn system_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Fills in every text of the tree.
pub(super) fn interpolate(node: &mut Node, environment: &Environment, problems: &mut Problems) {
    let place = node.place;
    match &mut node.kind {
        Kind::Plain(_) => {}
        Kind::List(all) => {
            for node in all {
                interpolate(node, environment, problems);
            }
        }
        Kind::Map(pairs) => {
            for (_, _, node) in pairs {
                interpolate(node, environment, problems);
            }
        }
        Kind::Text(text) => {
            if text.contains('$') {
                match fill_in(text, environment) {
                    Ok(filled) => {
                        node.filled_in = *text != filled;
                        *text = filled;
                    }
                    Err(message) => problems.push(Problem::new("", message).at(place)),
                }
            }
        }
    }
}

fn fill_in(text: &str, environment: &Environment) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (inside, after) =
                after.split_once('}').ok_or("`${` without `}`; write `$$` for a dollar sign")?;
            filled.push_str(&variable(inside, environment)?);
            rest = after;
        } else {
            filled.push('$');
            rest = after;
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

fn variable(inside: &str, environment: &Environment) -> Result<String, String> {
    let (name, otherwise) = match inside.find(":-").or_else(|| inside.find(":?")) {
        Some(at) => inside.split_at(at),
        None => (inside, ""),
    };
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !legal {
        return Err(format!("`${{{inside}}}` names no variable"));
    }
    if let Some(value) = environment(name).filter(|value| !value.is_empty()) {
        return Ok(value);
    }
    if let Some(default) = otherwise.strip_prefix(":-") {
        return Ok(default.to_owned());
    }
    match otherwise.strip_prefix(":?") {
        Some(message) => Err(format!("the variable {name} is not set: {message}")),
        None => {
            Err(format!("the variable {name} is not set; `${{{name}:-default}}` gives a default"))
        }
    }
}

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
            match (fill_in(text, &environment), filled) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
                (found, _) => panic!("{text} gave {found:?}"),
            }
        }
    }
}
