//! Device passwords and API tokens: which routes take them, as what, and until when.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::world::World;
use crate::world::api::Api;

const WORLD: &str = r#"
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - { path: /dav/**, access: signed_in, accept: [session, device] }
      - { path: /api/**, allow: ["conversation:read"], accept: [session, api_token] }
      - { path: /other/**, allow: ["message:read"], accept: [api_token] }
      - { path: /**, access: signed_in }
"#;

async fn status(world: &World, path: &str, authorization: &str) -> u16 {
    let request = world.client().get(world.url("whoami.localhost", path));
    let answer = request.header("authorization", authorization).send().await.unwrap();
    answer.status().as_u16()
}

fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_password_opens_what_takes_devices_until_it_is_removed() {
    let world = World::with(WORLD).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    world.add_user("bob@example.org", &["viewer"]).await;
    let ada = Api::of(&world).signed_in("ada").await;
    let made = ada.post("/auth/devices", json!({ "name": "phone" })).await.expect(201);
    let secret = made.text_of("secret");

    let typed = secret.to_uppercase().replace('-', " ");
    for (path, authorization, wanted) in [
        ("/dav/files", basic("ada", &secret), 200),
        ("/dav/files", basic("ADA@example.org", &secret), 200),
        ("/dav/files", basic("ada", &typed), 200),
        ("/dav/files", format!("Bearer {secret}"), 200),
        ("/dav/files", basic("bob", &secret), 401),
        ("/dav/files", basic("ada", "0000-0000-0000-0000-0000-0000-0000"), 401),
        ("/api/x", basic("ada", &secret), 403),
        ("/", basic("ada", &secret), 401),
    ] {
        assert_eq!(status(&world, path, &authorization).await, wanted, "{path} {authorization}");
    }

    // The upstream learns who it is, and not with what.
    let answer = world
        .client()
        .get(world.url("whoami.localhost", "/dav/x"))
        .header("authorization", basic("ada", &secret))
        .send()
        .await
        .unwrap();
    let seen: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(seen["headers"]["x-auth-user"], "ada");
    assert!(seen["headers"].get("authorization").is_none());

    // A client that brings nothing is asked by Basic, and never led to a page.
    let asked = world.client().get(world.url("whoami.localhost", "/dav/x")).send().await.unwrap();
    assert_eq!(asked.status(), 401);
    let challenges: Vec<_> = asked.headers().get_all("www-authenticate").iter().collect();
    assert!(challenges.iter().any(|value| value.to_str().unwrap().starts_with("Basic ")));

    let listed = ada.get("/auth/devices").await.expect(200);
    assert!(!listed.text.contains(&secret));
    let id = made.text_of("id");
    let bob = Api::of(&world).signed_in("bob").await;
    bob.delete(&format!("/auth/devices/{id}")).await.expect(404);
    ada.delete(&format!("/auth/devices/{id}")).await.expect(204);
    assert_eq!(status(&world, "/dav/files", &basic("ada", &secret)).await, 401, "at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_token_may_do_what_it_lists_and_never_more_than_its_user() {
    let world = World::with(WORLD).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let ada = Api::of(&world).signed_in("ada").await;
    let beyond = json!({ "name": "script", "permissions": ["user:write"] });
    let refused = ada.post("/auth/devices", beyond).await.expect(403);
    assert_eq!(refused.problem(), "beyond-your-rights");
    let new = json!({ "name": "script", "permissions": ["conversation:read"] });
    let secret = ada.post("/auth/devices", new).await.expect(201).text_of("secret");
    assert!(secret.starts_with("sdt_"));
    for (path, wanted) in
        [("/api/x", 200), ("/other/x", 403), ("/dav/x", 403), ("/", 401), ("/auth/me", 401)]
    {
        assert_eq!(status(&world, path, &format!("Bearer {secret}")).await, wanted, "{path}");
    }
    assert_eq!(status(&world, "/api/x", &basic("", &secret)).await, 200);

    // The user loses the permission, and so does the token, with the next request.
    let identity = world.gateway.identity();
    let name = "ada".parse::<stormdoor::identity::SignInName>().unwrap();
    let query = stormdoor::identity::user::UserQuery {
        search: Some(name.as_str().into()),
        limit: 1,
        ..Default::default()
    };
    let (users, _) = identity.list_users(&query).await.unwrap();
    let by = stormdoor::identity::admin::By::Operator;
    identity.set_roles(users[0].id, vec![], &by).await.unwrap();
    assert_eq!(status(&world, "/api/x", &format!("Bearer {secret}")).await, 403);
}
