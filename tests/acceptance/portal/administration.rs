//! Administrators and other people's accounts.

use serde_json::json;
use stormdoor::identity::user::UserQuery;

use crate::world::api::Api;
use crate::world::mailbox::Mailbox;
use crate::world::{PASSWORD, World};

const WORLD: &str = r#"
accounts: { registration: { mode: approval, domains: [example.org] }, password: { argon2: { memory_kib: 64, passes: 1 } } }
roles:
  helper: { permissions: ["user:read", "user:write", "session:*", "role:write", "conversation:*", "message:*"], tier: admin }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - { path: /files/**, allow: ["files:read"] }
      - { path: /**, access: signed_in }
"#;

async fn id_of(world: &World, name: &str) -> String {
    let query = UserQuery { search: Some(name.to_owned()), limit: 1, ..UserQuery::default() };
    let (users, _) = world.gateway.identity().list_users(&query).await.unwrap();
    users[0].id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_ends_everything_at_once_and_unlocking_brings_nothing_back() {
    let world = World::with(WORLD).await;
    world.add_user("boss@example.org", &["superadmin"]).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let (boss, ada) =
        (Api::of(&world).signed_in("boss").await, Api::of(&world).signed_in("ada").await);
    let path = format!("/auth/admin/users/{}", id_of(&world, "ada").await);

    let locked = boss.post(&format!("{path}/lock"), json!({})).await.expect(200);
    assert_eq!(locked.text_of("standing"), "disabled");
    ada.get("/auth/me").await.expect(401);
    let refused = Api::of(&world).login("ada", PASSWORD).await.expect(401);
    assert_eq!(refused.problem(), "wrong-name-or-password", "nothing tells a lock from a typo");
    boss.post(&format!("{path}/unlock"), json!({})).await.expect(200);
    ada.get("/auth/me").await.expect(401);
    Api::of(&world).signed_in("ada").await;

    boss.delete(&path).await.expect(200);
    Api::of(&world).login("ada", PASSWORD).await.expect(401);
    boss.post(&format!("{path}/restore"), json!({})).await.expect(200);
    Api::of(&world).signed_in("ada").await;
    boss.post(&format!("{path}/erase"), json!({})).await.expect(409);
    boss.delete(&path).await.expect(200);
    boss.post(&format!("{path}/erase"), json!({})).await.expect(204);
    boss.get(&path).await.expect(404);

    let audit = boss.get("/auth/admin/audit?limit=200").await.expect(200);
    for kind in ["user_disabled", "user_enabled", "user_deleted", "user_restored", "user_erased"] {
        assert!(audit.text.contains(kind), "{kind} is not recorded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_rights_is_effective_with_the_next_request() {
    let world = World::with(WORLD).await;
    world.add_user("boss@example.org", &["superadmin"]).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let boss = Api::of(&world).signed_in("boss").await;
    let nobody = Api::of(&world);
    let tokens = nobody.login("ada", PASSWORD).await.expect(200);
    let ada = nobody.with_token(&tokens.text_of("access_token"));
    let files = world.url("whoami.localhost", "/files/x");
    assert_eq!(ada.raw_get(&files).await.status, 403);

    let path = format!("/auth/admin/users/{}", id_of(&world, "ada").await);
    let grant =
        json!({ "grants": [{ "permission": "files:read", "until": "2100-01-01T00:00:00Z" }] });
    boss.put(&format!("{path}/grants"), grant).await.expect(200);
    // The old token tells what is no longer true; the session goes on with a new one, in the same second.
    assert_eq!(ada.raw_get(&files).await.status, 401);
    let body = json!({ "refresh_token": tokens.text_of("refresh_token") });
    let tokens = nobody.post("/auth/refresh", body).await.expect(200);
    let ada = nobody.with_token(&tokens.text_of("access_token"));
    assert_eq!(ada.raw_get(&files).await.status, 200);

    boss.put(&format!("{path}/grants"), json!({ "grants": [] })).await.expect(200);
    assert_eq!(ada.raw_get(&files).await.status, 401);
    boss.put(&format!("{path}/roles"), json!({ "roles": ["no-such-role"] })).await.expect(422);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_rises_above_themselves_by_managing_others() {
    let world = World::with(WORLD).await;
    world.add_user("boss@example.org", &["superadmin"]).await;
    world.add_user("help@example.org", &["helper"]).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let help = Api::of(&world).signed_in("help").await;
    let (boss_id, ada_id) = (id_of(&world, "boss").await, id_of(&world, "ada").await);
    let own_id = id_of(&world, "help").await;
    let user = |id: &str, what: &str| format!("/auth/admin/users/{id}{what}");
    let superadmin = json!({ "roles": ["superadmin"] });
    let all = json!({ "grants": [{ "permission": "*:*" }] });
    for (path, body) in [
        (user(&ada_id, "/roles"), superadmin.clone()),
        (user(&own_id, "/roles"), superadmin),
        (user(&own_id, "/grants"), all),
    ] {
        assert_eq!(help.put(&path, body).await.expect(403).problem(), "beyond-your-rights");
    }
    let lock = help.post(&user(&boss_id, "/lock"), json!({})).await.expect(403);
    assert_eq!(lock.problem(), "beyond-your-rights");
    let email = json!({ "email": "evil@example.org" });
    help.patch(&user(&boss_id, ""), email).await.expect(403);
    help.delete(&user(&boss_id, "/second-factor")).await.expect(403);
    help.delete(&user(&boss_id, "/sessions")).await.expect(403);
    let new = json!({ "email": "evil@example.org", "password": PASSWORD, "roles": ["superadmin"] });
    help.post("/auth/admin/users", new).await.expect(403);
    // What is within their rights works.
    help.put(&user(&ada_id, "/roles"), json!({ "roles": [] })).await.expect(200);

    let boss = Api::of(&world).signed_in("boss").await;
    let last = boss.post(&user(&boss_id, "/lock"), json!({})).await.expect(409);
    assert_eq!(last.problem(), "last-administrator");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_up_proves_the_address_and_waits_for_a_yes() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(WORLD, &mailbox).await;
    world.add_user("boss@example.org", &["superadmin"]).await;
    let boss = Api::of(&world).signed_in("boss").await;
    let nobody = Api::of(&world);
    let new = |email: &str| json!({ "email": email, "password": "correct horse battery staple" });
    let elsewhere = nobody.post("/auth/register", new("eve@elsewhere.net")).await.expect(403);
    assert_eq!(elsewhere.problem(), "domain-not-admitted");
    nobody.post("/auth/register", new("eve@example.org")).await.expect(202);
    let mail = mailbox.next_to("eve@example.org").await;
    let token = mail.link().split_once("token=").unwrap().1.to_owned();
    let proof = json!({ "token": token, "password": "correct horse battery staple" });
    let verified = nobody.post("/auth/verify-email", proof).await.expect(200);
    assert_eq!(verified.text_of("standing"), "awaiting_approval");
    nobody.login("eve", "correct horse battery staple").await.expect(401);
    let path = "/auth/admin/users?standing=awaiting_approval";
    let waiting = boss.get(path).await.expect(200);
    assert_eq!(
        (&waiting.body["total"], &waiting.body["items"][0]["username"]),
        (&json!(1), &json!("eve"))
    );
    let id = waiting.body["items"][0]["id"].as_str().unwrap();
    boss.post(&format!("/auth/admin/users/{id}/approve"), json!({})).await.expect(200);
    nobody.login("eve", "correct horse battery staple").await.expect(200);

    // A second registration with the address tells its owner, and nobody else.
    let repeated = nobody.post("/auth/register", new("eve@example.org")).await.expect(202);
    assert_eq!(repeated.body, json!({ "status": "accepted" }));
    loop {
        let mail = mailbox.next_to("eve@example.org").await;
        if mail.text.contains("/auth/forgot-password") {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_cannot_be_read_is_a_problem() {
    let world = World::with(WORLD).await;
    world.add_user("boss@example.org", &["superadmin"]).await;
    let boss = Api::of(&world).signed_in("boss").await;
    for path in [
        "/auth/admin/users?limit=few",
        "/auth/admin/users?q=a&q=b",
        "/auth/admin/sessions?skip=-1",
        "/auth/admin/audit?before=yesterday",
        "/auth/admin/provisioning?skip=-1",
    ] {
        assert_eq!(boss.get(path).await.expect(400).problem(), "bad-query", "{path}");
    }
    assert_eq!(boss.get("/auth/admin/users/%FF").await.expect(400).problem(), "malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_lets_one_person_in_with_its_roles() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(
        &WORLD.replace("mode: approval, domains: [example.org]", "mode: invite"),
        &mailbox,
    )
    .await;
    world.add_user("boss@example.org", &["superadmin"]).await;
    let boss = Api::of(&world).signed_in("boss").await;
    let nobody = Api::of(&world);
    let invite = json!({ "email": "eve@elsewhere.net", "roles": ["developer"] });
    let made = boss.post("/auth/admin/invitations", invite).await.expect(201);
    let mail = mailbox.next_to("eve@elsewhere.net").await;
    assert_eq!(mail.link(), made.text_of("link"));
    let token = mail.link().split_once("token=").unwrap().1.to_owned();
    let register = |email: &str, invitation: Option<&str>| {
        nobody.post("/auth/register", json!({
            "email": email, "password": "correct horse battery staple", "invitation": invitation,
        }))
    };
    assert_eq!(
        register("eve@elsewhere.net", None).await.expect(403).problem(),
        "by-invitation-only"
    );
    assert_eq!(
        register("bob@example.org", Some(&token)).await.expect(403).problem(),
        "bad-invitation"
    );
    register("eve@elsewhere.net", Some(&token)).await.expect(202);
    assert_eq!(
        register("eve@elsewhere.net", Some(&token)).await.expect(403).problem(),
        "bad-invitation"
    );
    let signed_in = nobody.login("eve", "correct horse battery staple").await.expect(200);
    let me = nobody.with_token(&signed_in.text_of("access_token")).get("/auth/me").await;
    assert_eq!(me.expect(200).body["roles"], json!(["developer"]));
}
