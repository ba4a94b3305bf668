//! What nobody may read: canaries in every slot for a secret, looked for in the logs at their most talkative, in metrics,
//! answers and mail. And answers that must not tell who has an account.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::api::Api;
use crate::world::authenticator::code;
use crate::world::browser::Browser;
use crate::world::mailbox::Mailbox;
use crate::world::program::Program;
use crate::world::{PASSWORD, World};

const OPEN: &str = r"
accounts: { registration: { mode: open }, password: { argon2: { memory_kib: 64, passes: 1 } } }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - { path: /dav/**, access: signed_in, accept: [session, device, api_token] }
      - { path: /**, access: signed_in }
";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_log_at_trace_level() {
    let apps = OPEN.split_once("apps:").unwrap().1;
    let program = Program::talkative(&format!("apps:{apps}")).await;
    let mut secrets = BTreeSet::new();
    program.add_user("ada@example.org", PASSWORD).await;
    secrets.insert(PASSWORD.to_owned());
    let api = Api::at(program.client(), &program.url("localhost", ""));
    let tokens = api.login("ada", PASSWORD).await.expect(200);
    api.login("ada", "canary-wrong-password-7").await.expect(401);
    secrets.insert("canary-wrong-password-7".to_owned());
    for name in ["access_token", "refresh_token"] {
        secrets.insert(tokens.text_of(name));
    }
    let ada = api.with_token(&tokens.text_of("access_token"));
    let offer = ada.post("/auth/second-factor/totp/enrol", json!({})).await.expect(200);
    let secret = offer.text_of("secret");
    secrets.insert(secret.clone());
    let now = stormdoor::clock::Clock::now(&stormdoor::clock::SystemClock);
    let confirm = json!({ "code": code(&secret, now) });
    let made = ada.post("/auth/devices", json!({ "name": "phone" })).await.expect(201);
    secrets.insert(made.text_of("secret"));
    let token = json!({ "name": "script", "permissions": ["conversation:read"] });
    let script = ada.post("/auth/devices", token).await.expect(201).text_of("secret");
    secrets.insert(script.clone());
    let codes = ada.post("/auth/second-factor/totp/confirm", confirm).await.expect(200);
    for code in codes.body["recovery_codes"].as_array().unwrap() {
        secrets.insert(code.as_str().unwrap().to_owned());
    }
    let pending = api.login("ada", PASSWORD).await.expect(202).text_of("pending_token");
    secrets.insert(pending.clone());
    let recovery = codes.body["recovery_codes"][0].clone();
    let given = json!({ "pending_token": pending, "recovery_code": recovery });
    api.post("/auth/login/second-factor", given).await.expect(200);
    let refresh = json!({ "refresh_token": tokens.text_of("refresh_token") });
    let next = api.post("/auth/refresh", refresh.clone()).await.expect(200);
    secrets.insert(next.text_of("access_token"));
    secrets.insert(next.text_of("refresh_token"));
    api.with_token(&script).raw_get(&program.url("whoami.localhost", "/dav/x?canary-query")).await;
    secrets.insert("canary-query".to_owned());
    // Refused bodies must not be quoted either.
    let broken =
        api.post("/auth/login", json!({ "username": 7, "password": ["canary-in-a-list"] }));
    broken.await.expect(400);
    secrets.insert("canary-in-a-list".to_owned());

    // A refusal of the gate's, which is told at debug.
    let refused = program.url("whoami.localhost", "/dav/x");
    api.with_token("canary-as-a-token").raw_get(&refused).await.expect(401);
    secrets.insert("canary-as-a-token".to_owned());

    let log = program.log();
    assert!(log.contains("\"level\":\"DEBUG\""), "the log is not at its most talkative");
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "the log has {secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_code_and_no_token_of_a_client_is_in_a_log() {
    let secret = "canary-secret-of-more-than-32-bytes";
    let program = Program::talkative(&format!(
        r#"
apps:
  cloud: {{ host: whoami.localhost, upstream: "builtin:whoami", routes: [ {{ path: /private/**, access: signed_in }}, {{ path: /**, access: public }} ] }}
nextcloud: {{ app: cloud, oidc: {{ client_secret: {secret}, pkce: optional }} }}
"#
    ))
    .await;
    program.add_user("ada@example.org", PASSWORD).await;
    let mut browser = Browser::at(program.client(), program.https.port());
    let callback = "https://whoami.localhost/apps/user_oidc/code";
    let path = format!(
        "/auth/openid/authorize?client_id=stormdoor&response_type=code&scope=openid&redirect_uri={callback}&state=canary-state"
    );
    let page = browser.open("localhost", &path).await;
    let page = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
    let code = page.url.query_pairs().find(|(name, _)| name == "code").expect("a code").1;
    let redeem = || {
        let form = format!("grant_type=authorization_code&code={code}&redirect_uri={callback}");
        program
            .client()
            .post(program.url("localhost", "/auth/openid/token"))
            .basic_auth("stormdoor", Some(secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
    };
    let tokens: Value = redeem().await.unwrap().json().await.unwrap();
    assert_eq!(redeem().await.unwrap().status(), 400, "shown again");
    let (access, id_token) =
        (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());
    let api = Api::at(program.client(), &program.url("localhost", ""));
    api.with_token(access).get("/auth/openid/userinfo").await.expect(401);
    // A refusal of the gate's, which is told at debug.
    for token in [access, id_token] {
        let app = program.url("whoami.localhost", "/private/x");
        api.with_token(token).raw_get(&app).await.expect(401);
    }
    let page = browser
        .open("localhost", &format!("/auth/openid/end-session?id_token_hint={id_token}"))
        .await;
    assert_eq!(page.path(), "/auth/sign-out");

    let log = program.log();
    assert!(log.contains("\"level\":\"DEBUG\""), "the log is not at its most talkative");
    for hidden in [secret, &code, access, id_token, "canary-state", PASSWORD] {
        assert!(!log.contains(hidden), "the log has {hidden}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_metrics_hold_no_secret_of_the_account() {
    let world = World::with(OPEN).await;
    world.add_user("ada@example.org", &["superadmin"]).await;
    let ada = Api::of(&world).signed_in("ada").await;
    let made = ada.post("/auth/devices", json!({ "name": "phone" })).await.expect(201);
    let secret = made.text_of("secret");
    let mut seen = String::new();
    for path in [
        "/auth/me",
        "/auth/me/export",
        "/auth/sessions",
        "/auth/devices",
        "/auth/second-factor",
        "/auth/admin/users",
        "/auth/admin/sessions",
        "/auth/admin/audit",
        "/auth/openapi.json",
    ] {
        seen += &ada.get(path).await.expect(200).text;
    }
    let metrics = format!("http://{}/metrics", world.operations());
    seen += &reqwest::get(metrics).await.unwrap().text().await.unwrap();
    for hidden in [PASSWORD, secret.as_str(), "$argon2id$"] {
        assert!(!seen.contains(hidden), "{hidden} is told");
    }
}

/// An answer without what differs in every answer.
fn stripped(mut body: Value) -> String {
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    body.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_tells_who_has_an_account() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(OPEN, &mailbox).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    world.add_user("locked@example.org", &["viewer"]).await;
    let identity = world.gateway.identity();
    let query = stormdoor::identity::user::UserQuery {
        search: Some("locked".into()),
        limit: 1,
        ..Default::default()
    };
    let locked = identity.list_users(&query).await.unwrap().0[0].id;
    let (standing, by) =
        (stormdoor::identity::Standing::Disabled, stormdoor::identity::admin::By::Operator);
    identity.set_standing(locked, standing, &by).await.unwrap();
    let nobody = Api::of(&world);
    let emails = ["ada@example.org", "nobody@example.org", "locked@example.org"];
    type Asked = fn(&str) -> (&'static str, Value);
    let asked: [Asked; 3] = [
        |email| ("/auth/login", json!({ "email": email, "password": "wrong password for all" })),
        |email| ("/auth/password/forgot", json!({ "email": email })),
        |email| ("/auth/register", json!({ "email": email, "password": PASSWORD })),
    ];
    for asked in asked {
        let mut answers = BTreeSet::new();
        for email in emails {
            let (path, body) = asked(email);
            let answer = nobody.post(path, body).await;
            answers.insert((answer.status.as_u16(), stripped(answer.body)));
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
    }
    // The right password of a locked account is as wrong as any.
    let right = nobody.login("locked", PASSWORD).await.expect(401);
    let wrong = nobody.login("nobody-at-all", PASSWORD).await.expect(401);
    assert_eq!(stripped(right.body), stripped(wrong.body));
}
