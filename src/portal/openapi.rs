//! The OpenAPI 3.1 document, made from the endpoints.

use std::sync::OnceLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::endpoint::{Access, Endpoint, Forms};
use super::endpoints;

pub(super) async fn handle() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], text.clone()).into_response()
}

/// The document.
pub fn document() -> Value {
    // Draft 2020-12 is the dialect of OpenAPI 3.1.
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints::all() {
        let operation = operation(&endpoint, &mut generator);
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(endpoint.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "stormdoor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Accounts, sessions and second factors of the door in front of the apps here. \
                            Errors are problem details (RFC 9457); `type` is `/problems/` and a slug.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
                "cookie": { "type": "apiKey", "in": "cookie", "name": crate::gate::COOKIE },
            },
        },
    })
}

fn operation(endpoint: &Endpoint, generator: &mut schemars::SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = endpoint
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
        })
        .collect();
    parameters.extend(endpoint.query.iter().map(|parameter| {
        let number = ["skip", "limit", "before"].contains(&parameter.name);
        let schema = if number {
            json!({ "type": "integer", "minimum": 0 })
        } else {
            json!({ "type": "string" })
        };
        json!({
            "name": parameter.name, "in": "query", "description": parameter.about,
            "schema": schema,
        })
    }));
    let mut responses: Map<String, Value> = Map::new();
    for answer in &endpoint.answers {
        let content = match (&answer.schema, answer.media_type) {
            (_, "") => json!({}),
            (Some(schema), media_type) => json!({ media_type: { "schema": schema(generator) } }),
            (None, media_type) => json!({ media_type: {} }),
        };
        let answer_value = json!({ "description": answer.about, "content": content });
        responses.insert(answer.status.to_string(), answer_value);
    }
    responses.insert("default".to_owned(), problem(endpoint));
    let mut operation = json!({
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [tag(endpoint)],
        "responses": responses,
    });
    let Some(members) = operation.as_object_mut() else { return operation };
    if !parameters.is_empty() {
        members.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(body) = &endpoint.body {
        let schema = (body.schema)(generator);
        let form = "application/x-www-form-urlencoded";
        let described = json!({ "schema": schema, "example": body.example });
        let content = match body.forms {
            Forms::Form => json!({ form: described }),
            Forms::Json => json!({ "application/json": described }),
            Forms::JsonOrForm => {
                json!({ "application/json": described, form: { "schema": (body.schema)(generator) } })
            }
        };
        let required = endpoint.name != "logout";
        members
            .insert("requestBody".to_owned(), json!({ "required": required, "content": content }));
    }
    let security = match endpoint.access {
        Access::Public => json!([]),
        Access::SignedIn | Access::Fresh | Access::May(_) => {
            json!([{ "bearer": [] }, { "cookie": [] }])
        }
    };
    members.insert("security".to_owned(), security);
    if let Access::May(permission) = endpoint.access {
        members.insert("x-permission".to_owned(), permission.into());
    }
    operation
}

fn tag(endpoint: &Endpoint) -> &'static str {
    match endpoint.access {
        Access::May(_) => "administration",
        Access::SignedIn | Access::Fresh => "own account",
        Access::Public if endpoint.method == http::Method::GET => "about",
        Access::Public => "signing in",
    }
}

/// Every other answer is a problem. Its own slugs are named; those that any request can get are not repeated.
fn problem(endpoint: &Endpoint) -> Value {
    let own = endpoint.problems.iter().map(|slug| format!("`{slug}`")).collect::<Vec<_>>();
    let about = if own.is_empty() {
        "A problem.".to_owned()
    } else {
        format!("A problem: {}, or one that any request can get.", own.join(", "))
    };
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({
        "description": about,
        "content": { "application/problem+json": { "schema": schema } },
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "Why a request did not get what it asked for (RFC 9457).",
        "required": ["type", "title", "status"],
        "properties": {
            "type": { "type": "string", "description": "`/problems/` and a slug." },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "request_id": { "type": "string", "description": "To be named when asking for help." },
        },
    })
}
