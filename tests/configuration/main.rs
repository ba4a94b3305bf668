//! What the configuration accepts, and what it says when it does not.
//!
//! `accepted/*.yaml` load. `rejected/*.yaml` fail with exactly the text in the `.txt` beside them; with
//! `STORMDOOR_BLESS=1` the texts (and `docs/CONFIG.md`) are written anew, to be read before they are committed.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

use stormdoor::config;

/// What variables hold: something long enough to be told from words of ours, something short, something unprintable.
const VARIABLES: [(&str, &str); 3] =
    [("SET", "from-the-environment"), ("SHORT", "q7"), ("BELL", "ring\u{7}ring")];

fn environment(name: &str) -> Option<String> {
    VARIABLES.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new("tests/configuration").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn parse(path: &Path) -> Result<config::Config, config::Problems> {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    config::parse(&text, name, path.parent().unwrap(), &environment)
}

fn blessing() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the program")]
    std::env::var("STORMDOOR_BLESS").is_ok()
}

#[test]
fn what_is_accepted_loads() {
    for path in files("accepted") {
        if let Err(problems) = parse(&path) {
            panic!("{}:\n{problems}", path.display());
        }
    }
}

#[test]
fn what_is_rejected_says_what_where_and_what_was_expected() {
    let mut wrong = Vec::new();
    for path in files("rejected") {
        let Err(problems) = parse(&path) else { panic!("{} loads", path.display()) };
        let text = problems.to_string();
        for (name, value) in VARIABLES {
            assert!(!text.contains(value), "{}: tells ${name}:\n{text}", path.display());
        }
        let beside = path.with_extension("txt");
        if blessing() {
            fs::write(&beside, &text).unwrap();
        } else if fs::read_to_string(&beside).ok().as_deref() != Some(&text) {
            wrong.push(format!("{}:\n{text}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_mistake_is_one_problem() {
    let text = fs::read_to_string("tests/configuration/accepted/everything.yaml").unwrap();
    let base = Path::new("tests/configuration/accepted");
    let mut wrong = Vec::new();
    let mut expect_one = |text: &str| {
        let Err(problems) = config::parse(text, "changed", base, &environment) else { return };
        // A needed key that is misspelt is a key that is missing, too.
        let missing = problems.iter().any(|problem| problem.message.ends_with("is missing"));
        if problems.iter().count() > 1 + usize::from(missing) {
            wrong.push(problems.to_string());
        }
    };
    for (colon, _) in text.match_indices(": ") {
        let value = colon + 2;
        let (before, after) = (&text[..value], &text[value + value_length(&text[value..])..]);
        expect_one(&format!("{before}7{after}"));
        expect_one(&format!("{before}[]{after}"));
        expect_one(&format!("{}x{}", &text[..colon], &text[colon..]));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_warning_does_not_tell_what_a_variable_holds() {
    let text = r#"
public_url: https://door.example
apps:
  a:
    host: a.example
    upstream: { servers: ["https://10.0.0.1"], tls: { danger_skip_verification: "see ${SHORT}" } }
    routes: [ { path: /**, access: public, name: "${SHORT}" }, { path: /a, access: public } ]
"#;
    let config = config::parse(text, "text", Path::new("."), &environment).unwrap();
    let warnings: Vec<_> = config.warnings.iter().map(|warning| &*warning.message).collect();
    assert_eq!(
        warnings,
        [
            "the certificate of this upstream is not verified: \"see ${SHORT}\"",
            "can never match: \"${SHORT}\" above it takes the same requests",
        ]
    );
}

#[test]
fn a_shared_store_is_warned_of_while_nothing_else_is_shared() {
    let text = "public_url: https://a.example\nstore: { kind: postgres, url: \"postgres://door@db/door\" }";
    let config = config::parse(text, "text", Path::new("."), &environment).unwrap();
    let warnings: Vec<_> = config.warnings.iter().map(|warning| &*warning.message).collect();
    let [one_node, sealing] = &*warnings else { panic!("{warnings:?}") };
    assert!(one_node.contains("is for one node"), "{one_node}");
    assert!(sealing.contains("store.sealing_key_file"), "{sealing}");
}

#[test]
fn the_password_of_a_store_shows_nowhere() {
    for store in [
        "url: \"postgres://door:canary@db/door\"",
        "url: \"postgres://door@db/door\", password: canary",
    ] {
        let text = format!("public_url: https://a.example\nstore: {{ kind: postgres, {store} }}");
        let config = config::parse(&text, "text", Path::new("."), &environment).unwrap();
        assert!(!format!("{config:?}").contains("canary"), "{store}");
    }
    for store in [
        "url: \"postgres://door:canary@db/door\", password: canary",
        "url: \"postgres://door:canary@d b/door\"",
        "url: \"postgres://door:canary@db\"",
        "url: \"postgres://door@db/door?sslmode=canary\"",
        "url: \"mysql://door:canary@db/door\"",
    ] {
        let text = format!("public_url: https://a.example\nstore: {{ kind: postgres, {store} }}");
        let problems = config::parse(&text, "text", Path::new("."), &environment).unwrap_err();
        assert!(!problems.to_string().contains("canary"), "{problems}");
        assert!(problems.to_string().contains("store.url"), "{problems}");
    }
}

/// How long the value is that begins here and ends on its line.
fn value_length(text: &str) -> usize {
    let mut depth = 0;
    let mut quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '\n' => return at,
            _ if quoted => {}
            '[' | '{' => depth += 1,
            ',' | ']' | '}' if depth == 0 => return text[..at].trim_end().len(),
            ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn the_shipped_configuration_loads_without_a_warning_and_names_every_key() {
    let config = config::load(Path::new("config.yaml"), &environment).unwrap();
    assert_eq!(config.warnings, []);
    let text = fs::read_to_string("config.yaml").unwrap();
    let mut missing = Vec::new();
    keys(&config::schema(), &mut |key| {
        if !text.contains(&format!("{key}:")) {
            missing.push(key.to_owned());
        }
    });
    assert!(missing.is_empty(), "not in config.yaml: {missing:?}");
}

fn keys(schema: &serde_json::Value, each: &mut impl FnMut(&str)) {
    let Some(object) = schema.as_object() else { return };
    for (name, value) in object {
        match name.as_str() {
            "properties" => value.as_object().unwrap().keys().for_each(|key| each(key)),
            "$defs" => value.as_object().unwrap().values().for_each(|value| keys(value, each)),
            _ => {}
        }
    }
}

#[test]
fn the_reference_is_what_the_types_say() {
    let reference = config::reference();
    if blessing() {
        fs::write("docs/CONFIG.md", &reference).unwrap();
    }
    let written = fs::read_to_string("docs/CONFIG.md").unwrap_or_default();
    assert!(
        written == reference,
        "docs/CONFIG.md is old: STORMDOOR_BLESS=1 cargo test --test configuration"
    );
}

#[test]
fn a_schema_describes_every_key() {
    let schema = config::schema();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            assert!(property.get("description").is_some(), "{name}.{key}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(public_url: |apps:|\n|  |- |\\[|\\{|\\}|:|a|\"|\\$\\{|&a|\\*a|[ -~]){0,40}") {
        let _verdict = config::parse(&text, "text", Path::new("."), &environment);
    }
}
