//! The tree held against the schema: every unknown key, missing key and wrong kind, at once.
//!
//! The schema is generated from the types of [`super::document`], so what is accepted, what is documented and what an
//! editor completes are one thing.
//!
//! What is wrong is reported and marked, and where something is needed, a stand-in takes its place: the rest of the file
//! can then be compiled, and its problems are said in the same breath.

use serde_json::{Map, Value};

use super::problem::nearest;
use super::yaml::{Form, Kind, Node, Place};
use super::{Problem, Problems};

/// Checks the whole tree; texts that were filled in from variables become the numbers and truth values they stand for.
pub(super) fn check(tree: &mut Node, schema: &Value, problems: &mut Problems) {
    let none = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&none);
    Shape { definitions, problems }.node(tree, schema, "");
}

struct Shape<'a> {
    definitions: &'a Map<String, Value>,
    problems: &'a mut Problems,
}

impl<'a> Shape<'a> {
    fn node(&mut self, node: &mut Node, schema: &'a Value, path: &str) {
        let schema = self.resolve(schema);
        if node.form != Form::Fits {
            // A variable in it is not set.
            node.kind = self.stand_in(schema);
            return;
        }
        if let Some(variants) = variants(schema) {
            return self.one_of(node, schema, variants, path);
        }
        if accepts(schema, "boolean") || accepts(schema, "integer") {
            coerce(node, schema);
        }
        let fits = fits(node, schema);
        let place = node.place;
        match &mut node.kind {
            Kind::Map(pairs) if accepts(schema, "object") => {
                for (key, place, child) in &mut *pairs {
                    let path = join(path, key);
                    let Some(of_child) = child_schema(schema, key) else {
                        self.unknown_key(schema, key, &path, *place);
                        child.form = Form::UnknownKey;
                        continue;
                    };
                    self.node(child, of_child, &path);
                    if child.form == Form::StandIn && is_optional(schema, key) {
                        child.form = Form::LeftOut;
                    }
                }
                for required in strings(schema.get("required")) {
                    if !pairs.iter().any(|(key, _, _)| key == required) {
                        let message = format!("the key {required:?} is missing");
                        self.problems.push(Problem::new(path, message).at(place));
                        let of_child = child_schema(schema, required).unwrap_or(&Value::Null);
                        pairs.push((required.to_owned(), place, self.missing(of_child, place)));
                    }
                }
            }
            Kind::List(all) if accepts(schema, "array") => {
                if all.is_empty() && schema.get("minItems").is_some() {
                    // Leaving the key out means "any"; an empty list could mean that or "none".
                    let message = "an empty list; leave the key out, or say at least one";
                    return self.reject(node, schema, path, message.into());
                }
                let Some(items) = schema.get("items") else { return };
                for (index, child) in all.iter_mut().enumerate() {
                    self.node(child, items, &format!("{path}[{index}]"));
                }
            }
            _ if fits => {}
            _ => {
                let message =
                    format!("expected {}, found {}", expectation(schema), node.describe());
                self.reject(node, schema, path, message);
            }
        }
    }

    fn unknown_key(&mut self, schema: &'a Value, key: &str, path: &str, place: Place) {
        let known = properties(schema).map(|(key, _)| key.as_str());
        let hint =
            nearest(key, known).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
        let message = format!("this key is not known{hint}");
        self.problems.push(Problem::new(path, message).at(place));
    }

    fn reject(&mut self, node: &mut Node, schema: &'a Value, path: &str, message: String) {
        self.problems.push(Problem::new(path, message).at(node.place));
        node.kind = self.stand_in(schema);
        node.form = Form::StandIn;
    }

    fn missing(&self, schema: &'a Value, place: Place) -> Node {
        Node { place, written: None, form: Form::StandIn, kind: self.stand_in(schema) }
    }

    /// The least that fits `schema`.
    fn stand_in(&self, schema: &'a Value) -> Kind {
        let schema = self.resolve(schema);
        if let Some(first) = variants(schema).and_then(<[Value]>::first) {
            return self.stand_in(first);
        }
        let word = schema.get("const").and_then(Value::as_str);
        if accepts(schema, "null") {
            Kind::Plain(Value::Null)
        } else if accepts(schema, "object") {
            let required = strings(schema.get("required"));
            let place = Place { line: 0, column: 0 };
            let filled = required.filter_map(|key| {
                let of_child = child_schema(schema, key)?;
                Some((key.to_owned(), place, self.missing(of_child, place)))
            });
            Kind::Map(filled.collect())
        } else if accepts(schema, "array") {
            Kind::List(Vec::new())
        } else if accepts(schema, "boolean") {
            Kind::Plain(false.into())
        } else if accepts(schema, "integer") {
            Kind::Plain(schema.get("minimum").cloned().unwrap_or_else(|| 0.into()))
        } else {
            let word = word.or_else(|| strings(schema.get("enum")).next());
            Kind::Text(word.unwrap_or_default().to_owned())
        }
    }

    /// Several kinds are possible: the one that fits what is written is checked, so that its problems are said, and
    /// not "no variant fits".
    fn one_of(&mut self, node: &mut Node, schema: &'a Value, variants: &'a [Value], path: &str) {
        let mut resolved = Vec::new();
        self.flatten(variants, &mut resolved);
        let kind = match &node.kind {
            Kind::Map(_) => "object",
            Kind::List(_) => "array",
            Kind::Text(_) => "string",
            Kind::Plain(Value::Null) => "null",
            Kind::Plain(Value::Bool(_)) => "boolean",
            Kind::Plain(_) => "integer",
        };
        let of_kind: Vec<_> =
            resolved.iter().filter(|schema| accepts(schema, kind)).copied().collect();
        match of_kind.as_slice() {
            [only] => self.node(node, only, path),
            several if several.iter().any(|schema| fits(node, schema)) => {}
            _ => {
                let expected: Vec<_> = resolved
                    .iter()
                    .filter(|schema| !accepts(schema, "null"))
                    .map(|schema| expectation(schema))
                    .collect();
                let found = node.describe();
                let words: Vec<&str> =
                    resolved.iter().filter_map(|schema| schema.get("const")?.as_str()).collect();
                let hint = match &node.kind {
                    Kind::Text(text) => nearest(text, words.into_iter())
                        .map(|near| format!("; did you mean {near:?}?"))
                        .unwrap_or_default(),
                    _ => String::new(),
                };
                let message = format!("expected {}, found {found}{hint}", expected.join(" or "));
                self.reject(node, schema, path, message);
            }
        }
    }

    /// Variants of variants are variants: an optional word is one of its words, or nothing.
    fn flatten(&self, variants: &'a [Value], into: &mut Vec<&'a Value>) {
        for variant in variants {
            let schema = self.resolve(variant);
            match self::variants(schema) {
                Some(inner) => self.flatten(inner, into),
                None => into.push(schema),
            }
        }
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next());
        name.and_then(|name| self.definitions.get(name)).unwrap_or(schema)
    }
}

fn variants(schema: &Value) -> Option<&[Value]> {
    schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array().map(Vec::as_slice)
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn child_schema<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let own = schema.get("properties").and_then(|properties| properties.get(key));
    own.or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()))
}

/// Keys of the schema that need not be there. Names of apps, roles and the like are kept: others refer to them.
fn is_optional(schema: &Value, key: &str) -> bool {
    properties(schema).any(|(own, _)| own == key)
        && !strings(schema.get("required")).any(|required| required == key)
}

fn accepts(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(_)) => strings(schema.get("type")).any(|one| one == kind),
        // `const` and `enum` without a type are words.
        _ => kind == "string" && (schema.get("const").is_some() || schema.get("enum").is_some()),
    }
}

fn fits(node: &Node, schema: &Value) -> bool {
    match &node.kind {
        Kind::Map(_) => accepts(schema, "object"),
        Kind::List(_) => accepts(schema, "array"),
        Kind::Text(text) => {
            let word = schema.get("const").and_then(Value::as_str);
            let mut words = strings(schema.get("enum")).peekable();
            accepts(schema, "string")
                && word.is_none_or(|word| word == text)
                && (words.peek().is_none() || words.any(|word| word == text))
        }
        Kind::Plain(Value::Null) => accepts(schema, "null"),
        Kind::Plain(Value::Bool(_)) => accepts(schema, "boolean"),
        Kind::Plain(number) => {
            let lowest = schema.get("minimum").and_then(Value::as_f64);
            let highest = schema.get("maximum").and_then(Value::as_f64);
            let value = number.as_f64().unwrap_or(f64::NAN);
            let whole = number.is_i64() || number.is_u64();
            (accepts(schema, "integer") && whole || accepts(schema, "number"))
                && lowest.is_none_or(|lowest| value >= lowest)
                && highest.is_none_or(|highest| value <= highest)
        }
    }
}

fn coerce(node: &mut Node, schema: &Value) {
    let Kind::Text(text) = &node.kind else { return };
    if let (true, Ok(value)) = (accepts(schema, "boolean"), text.parse::<bool>()) {
        node.kind = Kind::Plain(value.into());
    } else if let (true, Ok(value)) = (accepts(schema, "integer"), text.parse::<i64>()) {
        node.kind = Kind::Plain(value.into());
    }
}

fn expectation(schema: &Value) -> String {
    if let Some(word) = schema.get("const") {
        return word.to_string();
    }
    let words: Vec<_> = strings(schema.get("enum")).collect();
    if !words.is_empty() {
        return format!("one of {}", words.join(", "));
    }
    let range = match (schema.get("minimum"), schema.get("maximum")) {
        (Some(lowest), Some(highest)) => format!(" from {lowest} to {highest}"),
        _ => String::new(),
    };
    let name = |kind: &str| match kind {
        "object" => "a map".to_owned(),
        "array" => "a list".to_owned(),
        "integer" => format!("a whole number{range}"),
        "boolean" => "true or false".to_owned(),
        "string" => "text".to_owned(),
        other => other.to_owned(),
    };
    match schema.get("type") {
        Some(Value::String(kind)) => name(kind),
        Some(Value::Array(_)) => {
            let kinds: Vec<_> =
                strings(schema.get("type")).filter(|kind| *kind != "null").map(name).collect();
            kinds.join(" or ")
        }
        _ => "something else".into(),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
