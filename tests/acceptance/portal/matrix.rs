//! Who may call what: every endpoint of the API, called by everybody there can be.
//!
//! `matrix.txt` is the whole answer, one line for each endpoint; an endpoint without a line, or a line without an endpoint,
//! fails. Calls are empty or about somebody who does not exist, so what is allowed shows as 404 or 422 where it would
//! otherwise change something. `STORMDOOR_BLESS=1` writes the file anew: read the difference as a change of rights.

use std::collections::BTreeMap;
use std::fmt::Write;

use reqwest::Method;
use serde_json::{Value, json};
use stormdoor::identity::admin::By;
use stormdoor::identity::user::UserQuery;
use stormdoor::identity::{Standing, UserId};

use crate::world::World;
use crate::world::api::Api;

const WORLD: &str = r#"
apps:
  whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: signed_in } ] }
"#;

/// Nobody has this id.
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

/// In the order of the columns.
const CALLERS: [&str; 9] = [
    "anonymous",
    "user",
    "developer",
    "admin",
    "superadmin",
    "device",
    "api_token",
    "locked",
    "deleted",
];

async fn id_of(world: &World, name: &str) -> UserId {
    let query = UserQuery { search: Some(name.to_owned()), limit: 1, ..UserQuery::default() };
    world.gateway.identity().list_users(&query).await.unwrap().0[0].id
}

/// A fresh credential of a fresh account, so that no call spoils another.
async fn caller(world: &World, kind: &str, number: usize) -> Api {
    let nobody = Api::of(world);
    let role = match kind {
        "anonymous" => return nobody,
        "developer" | "admin" | "superadmin" => kind,
        _ => "viewer",
    };
    let name = format!("{}{number}", kind.replace('_', "-"));
    world.add_user(&format!("{name}@example.org"), &[role]).await;
    let signed_in = nobody.signed_in(&name).await;
    let standing = match kind {
        "api_token" | "device" => {
            let permissions = (kind == "api_token").then_some(["conversation:read"]);
            let new = json!({ "name": "token", "permissions": permissions });
            let made = signed_in.post("/auth/devices", new).await.expect(201);
            return nobody.with_token(&made.text_of("secret"));
        }
        "locked" => Standing::Disabled,
        "deleted" => Standing::Deleted,
        _ => return signed_in,
    };
    let id = id_of(world, &name).await;
    world.gateway.identity().set_standing(id, standing, &By::Operator).await.unwrap();
    signed_in
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_everybody_as_the_matrix_says() {
    let world = World::with(WORLD).await;
    // Somebody administers whatever the callers do.
    world.add_user("root@example.org", &["superadmin"]).await;
    let document = Api::of(&world).get("/auth/openapi.json").await.expect(200).body;
    let mut rows = BTreeMap::new();
    let mut number = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            let called = path.replace("{id}", NOBODY).replace("{email}", "nobody@example.org");
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = operation.get("requestBody").map(|_| json!({}));
            let mut row = String::new();
            for kind in CALLERS {
                number += 1;
                let api = caller(&world, kind, number).await;
                let answer = api.send(method.clone(), &called, body.clone()).await;
                check_documented(name, operation, &answer.body, answer.status.as_u16());
                let status = answer.status.as_u16();
                write!(row, " {kind}={status}").unwrap();
            }
            rows.insert(name.to_owned(), format!("{name:<28}{row}"));
        }
    }
    let found = rows.into_values().collect::<Vec<_>>().join("\n") + "\n";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/acceptance/portal/matrix.txt");
    if std::env::var_os("STORMDOOR_BLESS").is_some() {
        std::fs::write(file, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(file).unwrap_or_default();
    for (found, wanted) in found.lines().zip(wanted.lines()) {
        assert_eq!(found, wanted);
    }
    assert_eq!(found.lines().count(), wanted.lines().count(), "an endpoint without a line");
}

/// Every answer is one that the document tells of: a status of its own, or a problem.
fn check_documented(name: &str, operation: &Value, body: &Value, status: u16) {
    assert!(status < 500, "{name} answers {status}: {body}");
    let documented = operation["responses"].get(status.to_string()).is_some();
    let problem = body["type"].as_str().is_some_and(|kind| kind.starts_with("/problems/"));
    assert!(documented || problem, "{name} answers {status}, which is not documented: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_into_the_account_of_somebody_else() {
    let world = World::with(WORLD).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    world.add_user("bob@example.org", &["viewer"]).await;
    let (ada, bob) =
        (Api::of(&world).signed_in("ada").await, Api::of(&world).signed_in("bob").await);
    let made = ada.post("/auth/devices", json!({ "name": "phone" })).await.expect(201);
    let device = format!("/auth/devices/{}", made.text_of("id"));
    let sessions = ada.get("/auth/sessions").await.expect(200);
    let session = sessions.body["sessions"][0]["id"].as_str().unwrap();
    let session = format!("/auth/sessions/{session}");
    bob.get(&session).await.expect(404);
    bob.delete(&session).await.expect(404);
    bob.delete(&device).await.expect(404);
    for path in ["/auth/sessions", "/auth/devices", "/auth/me/export", "/auth/me"] {
        assert!(!bob.get(path).await.expect(200).text.contains("ada"), "{path}");
    }
    ada.get(&session).await.expect(200);
}
