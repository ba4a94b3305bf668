//! `docs/CONFIG.md`: every key and what it means, from the schema.

use std::fmt::Write as _;

use serde_json::Value;

/// The reference as Markdown.
pub fn reference() -> String {
    let schema = super::schema();
    let mut text = String::from(
        "# Configuration reference\n\nMade from the types by `STORMDOOR_BLESS=1 cargo test --test configuration`; a test fails when it is not.\n\n\
         Durations are written `30s`, `15m`, `2h`, `7d`; sizes `64KiB`, `10MiB`; quotas `100/min`, `5/h` or `unlimited`; networks\n\
         `10.0.0.0/8`. Texts may hold `${NAME}`, `${NAME:-default}` and `${NAME:?message}`; `$$` is a dollar sign. Unknown keys are errors.\n\n\
         | key | what |\n|---|---|\n",
    );
    section(&mut text, &schema, &schema, "");
    text
}

fn section(text: &mut String, root: &Value, schema: &Value, path: &str) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (key, property) in properties {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let about = property.get("description").and_then(Value::as_str).unwrap_or_default();
        let _infallible =
            writeln!(text, "| `{path}` | {} |", about.replace('\n', " ").replace('|', "\\|"));
        for (child, suffix) in children(root, property) {
            section(text, root, child, &format!("{path}{suffix}"));
        }
    }
}

/// The maps inside a property: its own, those of its variants, of its elements, and of its named entries.
fn children<'a>(root: &'a Value, schema: &'a Value) -> Vec<(&'a Value, &'static str)> {
    let schema = resolve(root, schema);
    let mut found = Vec::new();
    if schema.get("properties").is_some() {
        found.push((schema, ""));
    }
    for variants in ["anyOf", "oneOf", "allOf"] {
        for variant in schema.get(variants).and_then(Value::as_array).into_iter().flatten() {
            found.extend(children(root, variant));
        }
    }
    if let Some(items) = schema.get("items").map(|items| resolve(root, items)) {
        found.push((items, "[]"));
    }
    if let Some(named) = schema.get("additionalProperties").filter(|named| named.is_object()) {
        found.push((resolve(root, named), ".NAME"));
    }
    found
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next());
    name.and_then(|name| root.get("$defs")?.get(name)).unwrap_or(schema)
}
