//! What is written down about the API, made from the code: `docs/openapi.json`, the table of `docs/API.md`, and a collection
//! for API clients. `STORMDOOR_BLESS=1` writes them.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::world::World;
use crate::world::api::Api;

/// Compares a file below `docs/` with what it must be, or writes it.
fn keep(name: &str, text: &str) {
    let file = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("STORMDOOR_BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "docs/{name} is not what the code says; STORMDOOR_BLESS=1 writes it");
}

fn operations(document: &Value) -> Vec<(&str, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, operations)| {
        let operations = operations.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (path.as_str(), method.to_uppercase(), operation))
    });
    all.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checked_in_document_is_the_served_one() {
    let document = stormdoor::portal::openapi();
    keep("openapi.json", &(serde_json::to_string_pretty(&document).unwrap() + "\n"));
    let world = World::start().await;
    let served = Api::of(&world).get("/auth/openapi.json").await.expect(200).body;
    assert_eq!(served, document);
}

#[test]
fn the_table_of_endpoints_is_complete() {
    let document = stormdoor::portal::openapi();
    let mut table = String::from("| request | who | what | answers |\n|---|---|---|---|\n");
    for (path, method, operation) in operations(&document) {
        let who = match (operation["x-permission"].as_str(), operation["security"].as_array()) {
            (Some(permission), _) => format!("`{permission}`"),
            (None, Some(security)) if security.is_empty() => "anybody".to_owned(),
            _ => "signed in".to_owned(),
        };
        let statuses = operation["responses"].as_object().unwrap().keys();
        let statuses: Vec<_> = statuses.filter(|key| *key != "default").cloned().collect();
        let about = operation["responses"]["default"]["description"].as_str().unwrap();
        let slugs: Vec<_> = about.split('`').skip(1).step_by(2).collect();
        let mut answers = statuses.join(", ");
        if !slugs.is_empty() {
            write!(answers, "; `{}`", slugs.join("` `")).unwrap();
        }
        let summary = operation["summary"].as_str().unwrap();
        writeln!(table, "| `{method} {path}` | {who} | {summary} | {answers} |").unwrap();
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once("<!-- endpoints -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /endpoints -->").unwrap();
    keep("API.md", &format!("{before}<!-- endpoints -->\n{table}<!-- /endpoints -->{after}"));
}

/// Postman's collection format 2.1, which other API clients read too.
#[test]
fn there_is_a_ready_collection_for_api_clients() {
    let document = stormdoor::portal::openapi();
    let items = operations(&document).into_iter().map(|(path, method, operation)| {
        let url = format!("{{{{base}}}}{}", path.replace('{', "{{").replace('}', "}}"));
        let mut request =
            json!({ "method": method, "url": url, "description": operation["summary"] });
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        if !example.is_null() {
            let raw = serde_json::to_string_pretty(example).unwrap();
            let options = json!({ "raw": { "language": "json" } });
            request["body"] = json!({ "mode": "raw", "raw": raw, "options": options });
        }
        if operation["security"].as_array().is_some_and(|security| !security.is_empty()) {
            let token = json!([{ "key": "token", "value": "{{access_token}}", "type": "string" }]);
            request["auth"] = json!({ "type": "bearer", "bearer": token });
        }
        json!({ "name": operation["operationId"], "request": request })
    });
    let collection = json!({
        "info": {
            "name": "stormdoor",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "variable": [
            { "key": "base", "value": "https://localhost:8443" },
            { "key": "access_token", "value": "" },
        ],
        "item": items.collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&collection).unwrap() + "\n";
    keep("stormdoor.postman_collection.json", &text);
}
