//! Who may use whom. `docs/ARCHITECTURE.md` explains the tables; this test enforces them.
//!
//! It reads source text, so it needs no tool and its failure names file, line and rule. What stands after a file's
//! `#[cfg(test)] mod tests` is not looked at, nor are files of tests and of examples.

use std::fs;
use std::path::{Path, PathBuf};

/// A module of the crate, and the modules it may name.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("secret", &[]),
    // What our own HTTP calls have in common.
    ("outbound", &[]),
    ("throttle", &["clock"]),
    ("identity", &["clock", "secret", "throttle"]),
    ("route", &["identity", "throttle"]),
    ("observe", &["clock", "identity"]),
    ("config", &["edge", "identity", "observe", "route", "secret", "throttle"]),
    ("federation", &["clock", "config", "identity", "observe", "outbound", "secret", "throttle"]),
    ("geoip", &["identity"]),
    ("mail", &["clock", "config", "identity", "observe", "secret"]),
    ("nextcloud", &["clock", "config", "identity", "observe", "outbound", "secret"]),
    ("store", &["clock", "config", "identity", "observe", "secret", "throttle"]),
    // Of `route`: how strict an app's targets are, because its backend is what must read them as we do.
    // Of `throttle`: what counts as one client.
    ("edge", &["clock", "config", "observe", "route", "secret", "throttle"]),
    ("gate", &["clock", "config", "edge", "identity", "observe", "route", "secret", "throttle"]),
    // Of `edge` and `identity`: what is announced about the request and its caller.
    ("upstream", &["clock", "config", "edge", "gate", "identity", "observe", "route"]),
    (
        "portal",
        &["clock", "config", "edge", "gate", "identity", "observe", "route", "secret", "throttle"],
    ),
    (
        "proxy",
        &[
            "clock", "config", "edge", "gate", "identity", "observe", "portal", "route", "secret",
            "throttle", "upstream",
        ],
    ),
];

/// The composition root and its callers.
const MAY_USE_ALL: &[&str] = &["assembly", "cli", "lib", "main"];

/// A family of dependencies, and the only modules or files that may name it.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("askama", &["mail", "portal"]),
    ("axum", &["portal", "proxy/portal_bridge.rs", "proxy/snapshot.rs"]),
    ("lettre", &["mail"]),
    ("maxminddb", &["geoip"]),
    ("pingora", &["assembly", "edge", "proxy", "upstream"]),
    ("redis", &["store"]),
    ("reqwest", &["cli", "federation", "nextcloud", "outbound"]),
    ("sqlx", &["store"]),
];

/// Names that say nothing about what is inside, and so collect everything.
const FORBIDDEN_NAMES: &[&str] =
    &["common", "handlers", "helpers", "manager", "models", "services", "types", "utils"];

#[test]
fn modules_name_only_the_modules_they_may_use() {
    assert_none(&strays(|module, _, code| {
        modules_named_in(code).find(|used| !may_use(module, used))
    }));
}

#[test]
fn dependencies_stay_behind_the_modules_that_own_them() {
    assert_none(&strays(|module, file, code| {
        let at_home = |homes: &[&str]| homes.iter().any(|home| *home == module || *home == file);
        let (name, _) =
            ONLY_IN.iter().find(|(name, homes)| !at_home(homes) && names(code, name))?;
        Some((*name).to_owned())
    }));
}

#[test]
fn names_of_files_and_folders_say_what_is_inside() {
    let vague = |file: &PathBuf| {
        let part = file.components().map(|part| Path::new(part.as_os_str()).file_stem());
        part.flatten().any(|stem| FORBIDDEN_NAMES.iter().any(|name| stem == *name))
    };
    let found = rust_files(Path::new("src")).into_iter().filter(vague);
    assert_none(
        &found.map(|file| format!("{}: a name for anything", file.display())).collect::<Vec<_>>(),
    );
}

#[test]
fn every_file_begins_with_a_map_comment() {
    let unmapped = |file: &PathBuf| !read(file).starts_with("//! ");
    let found = rust_files(Path::new("src")).into_iter().filter(unmapped);
    assert_none(
        &found.map(|file| format!("{}: no //! at the top", file.display())).collect::<Vec<_>>(),
    );
}

#[test]
fn every_row_of_the_tables_is_about_a_module_that_exists() {
    let exists = |name: &str| {
        let path = Path::new("src").join(name);
        path.exists() || path.with_extension("rs").exists()
    };
    let rows = MAY_USE.iter().flat_map(|(module, used)| used.iter().chain([module]));
    let homes = ONLY_IN.iter().flat_map(|(_, homes)| *homes);
    let missing = rows.chain(homes).chain(MAY_USE_ALL).filter(|name| !exists(name));
    assert_none(&missing.map(|name| format!("{name} is no module")).collect::<Vec<_>>());
}

#[test]
fn the_reader_of_source_text_sees_what_it_should() {
    let named = |code| modules_named_in(code).collect::<Vec<_>>();
    assert_eq!(named("use crate::gate::Refusal;"), ["gate"]);
    assert_eq!(
        named("pub(in crate::gate::body) fn x(y: crate::edge::Arrival) {"),
        ["gate", "edge"]
    );
    assert_eq!(named("use crate::{clock, gate};"), [""]);
    assert!(may_use("gate", "edge") && !may_use("edge", "gate") && !may_use("new", "clock"));
    assert!(!may_use("gate", ""), "a group hides what it names");
    for (code, name, found) in [
        ("use pingora_core::Result;", "pingora", true),
        ("let rows = sqlx::query(text);", "sqlx", true),
        ("use axum;", "axum", true),
        ("use my_pingora::X;", "pingora", false),
        ("redistribute::all()", "redis", false),
        ("crate::pingora::X", "pingora", true),
    ] {
        assert_eq!(names(code, name), found, "{name} in {code}");
    }
    assert_eq!(code_of(r#"x("pingora::\"y", '"', z) // axum::Router"#), "x(, ', z) ");
    assert_eq!(top_level_module(Path::new("src/gate/cors.rs")), "gate");
    assert_eq!(top_level_module(Path::new("src/clock.rs")), "clock");
}

/// A module without a row may use nothing, so that a new one cannot slip past the table.
fn may_use(module: &str, used: &str) -> bool {
    used == module
        || MAY_USE_ALL.contains(&module)
        || MAY_USE.iter().any(|(name, allowed)| *name == module && allowed.contains(&used))
}

/// Every production line for which `rule` names something out of place, given its module, file and code.
fn strays(rule: impl Fn(&str, &str, &str) -> Option<String>) -> Vec<String> {
    let mut strays = Vec::new();
    for file in rust_files(Path::new("src")) {
        let module = top_level_module(&file);
        let in_src = file.strip_prefix("src").expect("a file under src").display().to_string();
        let is_of_tests = in_src.ends_with("tests.rs") || in_src.contains("/tests/");
        if is_of_tests || in_src.ends_with("example.rs") {
            continue;
        }
        let text = read(&file);
        // Only what follows a `mod tests {` is left out: a `#[cfg(test)]` further up hides no production code.
        let lines: Vec<&str> = text.lines().collect();
        let is_end = |pair: &[&str]| {
            pair.first() == Some(&"#[cfg(test)]")
                && pair.get(1).is_some_and(|line| line.contains("mod tests {"))
        };
        let end = lines.windows(2).position(is_end).unwrap_or(lines.len());
        for (number, line) in (1..).zip(lines.into_iter().take(end)) {
            if let Some(used) = rule(&module, &in_src, &code_of(line)) {
                strays.push(format!("src/{in_src}:{number}: {module} names {used}"));
            }
        }
    }
    strays
}

/// The line without what stands in strings, up to a comment.
fn code_of(line: &str) -> String {
    let (mut code, mut in_string) = (String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            // An escape hides the quote behind it, in a string as in a character.
            '\\' => drop(rest.next()),
            '\'' if !in_string && rest.peek() == Some(&'"') => drop(rest.next()),
            '"' => in_string = !in_string,
            '/' if !in_string && rest.peek() == Some(&'/') => break,
            _ if in_string => {}
            _ => code.push(char),
        }
    }
    code
}

/// `crate::gate::Refusal` names `gate`. A group, `crate::{..}`, names nothing and so fails: one line per module keeps
/// both this test and the diffs simple.
fn modules_named_in(code: &str) -> impl Iterator<Item = String> {
    code.split("crate::").skip(1).map(|rest| rest.chars().take_while(|c| is_name(*c)).collect())
}

/// Whether `code` names the crate `name` or one of its family, as `pingora_proxy` is of `pingora`: by a path into it or by
/// `use` of it. The word alone is not the crate.
fn names(code: &str, name: &str) -> bool {
    let mut before = code;
    let is_family = |word: &str| {
        word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    let used = code.trim_start().strip_prefix("use ").map(|rest| rest.trim_end_matches(';').trim());
    if used.is_some_and(is_family) {
        return true;
    }
    while let Some(at) = before.rfind("::") {
        before = before.get(..at).unwrap_or_default();
        if is_family(before.rsplit(|c: char| !is_name(c)).next().unwrap_or_default()) {
            return true;
        }
    }
    false
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `src/gate/cors.rs` belongs to `gate`, and `src/clock.rs` to `clock`.
fn top_level_module(file: &Path) -> String {
    let first = file.components().nth(1).expect("a file under src");
    Path::new(&first).file_stem().expect("a name").to_string_lossy().into_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("a readable source file")
}

fn assert_none(strays: &[String]) {
    assert!(strays.is_empty(), "see docs/ARCHITECTURE.md:\n{}", strays.join("\n"));
}
