//! Us as an OpenID provider: a client, a browser and an attacker, as Nextcloud's `user_oidc` would have them.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use ring::digest::{SHA256, SHA512, digest};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use stormdoor::clock::{Clock, ManualClock, SystemClock};
use stormdoor::identity::admin::By;
use stormdoor::identity::event::EventQuery;

use crate::world::api::Api;
use crate::world::authenticator;
use crate::world::browser::{Browser, Page};
use crate::world::{PASSWORD, World};

const SECRET: &str = "a-secret-of-more-than-32-bytes-+%-";

/// The client's host answers with what it was asked.
const CLOUD: &str = r#"
roles: { keeper: { permissions: ["files:read"], second_factor: required } }
apps:
  cloud: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /private/**, access: signed_in }, { path: /**, access: public } ] }
nextcloud: { app: cloud, reserved: [root], oidc: { client_secret: "a-secret-of-more-than-32-bytes-+%-" } }
"#;

const CALLBACK: &str = "https://whoami.localhost/index.php/apps/user_oidc/code";

const VERIFIER: &str = "a-verifier-of-43-to-128-characters.and~more_0";

/// As awkward as it may be.
const STATE: &str = "S t/a+te=&%41?#\"<>";

const NONCE: &str = "N+o n/c=e&%20";

const SIGN_IN: &[(&str, &str)] = &[("username", "ana"), ("password", PASSWORD)];

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))
}

/// The path of a good authorization request, with `changes` made: another value, or an empty one for none.
fn authorize(changes: &[(&str, &str)]) -> String {
    let challenge = challenge();
    let good = [
        ("client_id", "stormdoor"),
        ("response_type", "code"),
        ("scope", "openid email profile"),
        ("redirect_uri", CALLBACK),
        ("claims", r#"{"id_token":{"email":null,"quota":null},"userinfo":{"email":null}}"#),
        ("state", STATE),
        ("nonce", NONCE),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let kept = good.into_iter().filter(|(name, _)| changes.iter().all(|(other, _)| other != name));
    let set = changes.iter().copied().filter(|(_, value)| !value.is_empty());
    query("/auth/openid/authorize", kept.chain(set))
}

fn query<'a>(path: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut url = Url::parse("https://x").unwrap();
    url.query_pairs_mut().extend_pairs(pairs);
    format!("{path}?{}", url.query().unwrap())
}

/// What came back to the client.
fn answered(page: &Page, name: &str) -> Option<String> {
    assert_eq!(page.url.host_str(), Some("whoami.localhost"), "{page:?}");
    let found = page.url.query_pairs().find(|(found, _)| found == name);
    found.map(|(_, value)| value.into_owned())
}

async fn world() -> World {
    let world = World::with(CLOUD).await;
    world.add_user("ana@example.org", &["viewer"]).await;
    world
}

async fn signed_in(world: &World) -> Browser {
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in").await;
    let page = browser.submit(&page, SIGN_IN).await;
    assert_eq!(page.path(), "/auth/account", "{page:?}");
    browser
}

/// A code for somebody who is signed in.
async fn code(browser: &mut Browser) -> String {
    let page = browser.open("localhost", &authorize(&[])).await;
    answered(&page, "code").unwrap_or_else(|| panic!("no code: {page:?}"))
}

/// A good token request, with `changes` made.
async fn redeem(world: &World, code: &str, changes: &[(&str, &str)]) -> (u16, Value) {
    let good = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", "stormdoor"),
        ("client_secret", SECRET),
    ];
    let kept = good.into_iter().filter(|(name, _)| changes.iter().all(|(other, _)| other != name));
    let set = changes.iter().copied().filter(|(_, value)| !value.is_empty());
    let body = query("", kept.chain(set));
    post_form(world, "/auth/openid/token", &body[1..], None).await
}

async fn post_form(
    world: &World,
    path: &str,
    body: &str,
    basic: Option<(&str, &str)>,
) -> (u16, Value) {
    let mut request = world
        .client()
        .post(world.url("localhost", path))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.to_owned());
    if let Some((name, password)) = basic {
        request = request.basic_auth(name, Some(password));
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    assert!(status >= 300 || answer.headers()["cache-control"] == "no-store");
    (status, answer.json().await.unwrap())
}

async fn userinfo(world: &World, token: &str) -> (u16, Value) {
    let request = world.client().get(world.url("localhost", "/auth/openid/userinfo"));
    let answer = request.bearer_auth(token).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// The claims of an ID token, after its signature was verified with the published keys.
async fn verified(world: &World, token: &str) -> Value {
    let jwks = Api::of(world).get("/.well-known/jwks.json").await.expect(200).body;
    let parts: Vec<&str> = token.split('.').collect();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let header: Value = serde_json::from_slice(&decode(parts[0])).unwrap();
    assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some("EdDSA"), Some("JWT")));
    let mut keys = jwks["keys"].as_array().unwrap().iter();
    let key = keys.find(|key| key["kid"] == header["kid"]).expect("a published key");
    let point = decode(key["x"].as_str().unwrap());
    let signed = format!("{}.{}", parts[0], parts[1]);
    let key = UnparsedPublicKey::new(&ED25519, point);
    key.verify(signed.as_bytes(), &decode(parts[2])).expect("a good signature");
    serde_json::from_slice(&decode(parts[1])).unwrap()
}

fn text<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer[key].as_str().unwrap_or_else(|| panic!("{key} in {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_for_a_client_which_learns_who_it_is() {
    let world = world().await;
    let mut browser = world.browser();

    let page = browser.open("localhost", &authorize(&[("login_hint", "ana")])).await;
    assert!(page.path().starts_with("/auth/sign-in?openid="), "{}", page.path());
    assert!(page.text.contains("value=\"ana\""), "the hint is filled in");
    let page = browser.submit(&page, SIGN_IN).await;

    assert_eq!(page.url.path(), "/index.php/apps/user_oidc/code", "{page:?}");
    assert_eq!(answered(&page, "state").as_deref(), Some(STATE));
    assert_eq!(answered(&page, "iss").as_deref(), Some("https://localhost"));
    let code = answered(&page, "code").expect("a code");
    assert_eq!(code.len(), 43);

    let (status, tokens) = redeem(&world, &code, &[]).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(text(&tokens, "token_type"), "Bearer");
    assert_eq!(
        (&tokens["expires_in"], text(&tokens, "scope")),
        (&json!(300), "openid profile email")
    );
    let claims = verified(&world, text(&tokens, "id_token")).await;
    let now = SystemClock.now().as_secs();
    for (name, expected) in [
        ("iss", json!("https://localhost")),
        ("sub", json!("ana")),
        ("aud", json!("stormdoor")),
        ("azp", json!("stormdoor")),
        ("nonce", json!(NONCE)),
        ("name", json!("ana")),
        ("preferred_username", json!("ana")),
        ("email", json!("ana@example.org")),
        ("email_verified", json!(true)),
        ("amr", json!(["pwd"])),
        ("acr", json!("urn:stormdoor:acr:one-factor")),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    let seconds = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!(seconds("exp") - seconds("iat"), 300);
    assert!((seconds("auth_time")..=now).contains(&seconds("iat")));
    let access = text(&tokens, "access_token");
    let half = &digest(&SHA512, access.as_bytes()).as_ref()[..32].to_vec();
    assert_eq!(text(&claims, "at_hash"), URL_SAFE_NO_PAD.encode(half));

    let (status, known) = userinfo(&world, access).await;
    let expected = json!({ "name": "ana", "preferred_username": "ana", "email": "ana@example.org", "email_verified": true, "sub": "ana" });
    assert_eq!((status, known), (200, expected));
    // Neither opens anything else.
    for token in [access, text(&tokens, "id_token")] {
        let app = Api::of(&world).with_token(token);
        app.raw_get(&world.url("whoami.localhost", "/private/x")).await.expect(401);
        app.get("/auth/me").await.expect(401);
    }
    assert_eq!(userinfo(&world, text(&tokens, "id_token")).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_discovery_document_says_what_is_so() {
    let world = world().await;
    let document = Api::of(&world).get("/.well-known/openid-configuration").await.expect(200).body;
    assert_eq!(document["issuer"], "https://localhost");
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["response_types_supported"], json!(["code"]));
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["EdDSA"]));
    for name in ["authorization", "token", "userinfo", "end_session"] {
        let url = text(&document, &format!("{name}_endpoint")).to_owned();
        let path = url.strip_prefix("https://localhost").expect("our own address");
        let answer = Api::of(&world).get(path).await;
        assert_ne!(answer.status, 404, "{url}");
    }

    let shared = CLOUD.split_once("nextcloud:").unwrap().0;
    let shared = format!(
        "tokens: {{ algorithm: HS256, secret: 0123456789abcdef0123456789abcdef }}\n{shared}"
    );
    let world = World::with(&shared).await;
    Api::of(&world).get("/.well-known/openid-configuration").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_signed_in_is_asked_only_for_what_is_needed() {
    let world = world().await;
    let mut nobody = world.browser();
    let page = nobody.open("localhost", &authorize(&[("prompt", "none")])).await;
    assert_eq!(answered(&page, "error").as_deref(), Some("login_required"));
    assert_eq!(answered(&page, "state").as_deref(), Some(STATE));
    assert_eq!(answered(&page, "iss").as_deref(), Some("https://localhost"));

    let mut browser = signed_in(&world).await;
    for silent in [&[][..], &[("prompt", "none")], &[("prompt", "consent")], &[("max_age", "600")]]
    {
        let page = browser.open("localhost", &authorize(silent)).await;
        assert!(answered(&page, "code").is_some(), "{silent:?}");
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for again in [("prompt", "login"), ("prompt", "select_account"), ("max_age", "0")] {
        let page = browser.open("localhost", &authorize(&[again])).await;
        assert!(page.path().starts_with("/auth/sign-in?openid="), "{again:?} {}", page.path());
        // The page between must not be got round.
        let (_, sealed) =
            page.path().split_once("openid=").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let sealed = sealed.split('&').next().unwrap().to_owned();
        let round =
            browser.open("localhost", &format!("/auth/openid/continue?openid={sealed}")).await;
        assert!(round.path().starts_with("/auth/sign-in?openid="), "{again:?}");
        let page = browser.submit(&page, SIGN_IN).await;
        assert!(answered(&page, "code").is_some(), "{again:?}");
    }
    let old = [("prompt", "none"), ("max_age", "0")];
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let page = browser.open("localhost", &authorize(&old)).await;
    assert_eq!(answered(&page, "error").as_deref(), Some("login_required"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_stands_before_the_code() {
    let world = World::with(CLOUD).await;
    world.add_user("ana@example.org", &["keeper"]).await;
    let mut browser = world.browser();
    let page = browser.open("localhost", &authorize(&[])).await;
    let page = browser.submit(&page, SIGN_IN).await;
    assert!(page.path().starts_with("/auth/sign-in/enrol?openid="), "{}", page.path());
    // Half a sign-in is none.
    let half = browser.open("localhost", &authorize(&[("prompt", "none")])).await;
    assert_eq!(answered(&half, "error").as_deref(), Some("login_required"));

    let page = browser.submit(&page, &[]).await;
    let secret = page.between("<p class=\"secret\"><code>", "</code>").remove(0).replace(' ', "");
    let shown = authenticator::code(&secret, SystemClock.now());
    let page = browser.submit(&page, &[("code", &shown)]).await;
    let onward = page.between("class=\"button\" href=\"", "\"").remove(0);
    let page = browser.open("localhost", &onward).await;
    let code = answered(&page, "code").expect("a code");
    let (_, tokens) = redeem(&world, &code, &[]).await;
    let claims = verified(&world, text(&tokens, "id_token")).await;
    assert_eq!(claims["acr"], "urn:stormdoor:acr:two-factors");
    assert!(claims["amr"].as_array().unwrap().contains(&json!("mfa")), "{claims}");

    // The next sign-in asks for it.
    let mut another = world.browser();
    let page = another.open("localhost", &authorize(&[])).await;
    let page = another.submit(&page, SIGN_IN).await;
    assert!(page.path().starts_with("/auth/sign-in/second-factor?openid="), "{}", page.path());
    let shown = authenticator::code(&secret, SystemClock.now() + Duration::from_secs(30));
    let page = another.submit(&page, &[("code", &shown)]).await;
    assert!(answered(&page, "code").is_some(), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_the_second_factor_that_a_role_demands_now_steps_up() {
    let world = world().await;
    let mut browser = signed_in(&world).await;
    // The role that Ana has is stricter from now on.
    let strict = CLOUD
        .replace("keeper: {", "viewer: { permissions: [], second_factor: required }, keeper: {");
    world.reload(&strict).await;
    let page = browser.open("localhost", &authorize(&[])).await;
    assert!(page.path().starts_with("/auth/step-up?openid="), "{}", page.path());
    let page = browser.open("localhost", &authorize(&[("prompt", "none")])).await;
    assert_eq!(answered(&page, "error").as_deref(), Some("interaction_required"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_answered_is_sent_nowhere() {
    let world = world().await;
    let mut browser = signed_in(&world).await;
    for change in [
        ("client_id", ""),
        ("client_id", "other"),
        ("redirect_uri", ""),
        ("redirect_uri", "https://whoami.localhost/index.php/apps/user_oidc/code/"),
        ("redirect_uri", "https://whoami.localhost/index.php/apps/user_oidc/code?x=y"),
        ("redirect_uri", "https://whoami.localhost/index.php/apps/user_oidc/../code"),
        ("redirect_uri", "https://evil.example/index.php/apps/user_oidc/code"),
        ("redirect_uri", "https://whoami.localhost@evil.example/index.php/apps/user_oidc/code"),
        ("redirect_uri", "http://whoami.localhost/index.php/apps/user_oidc/code"),
        ("redirect_uri", "javascript:alert(1)"),
    ] {
        let page = browser.open("localhost", &authorize(&[change])).await;
        assert_eq!(page.status, 400, "{change:?}");
        assert_eq!(page.url.host_str(), Some("localhost"), "{change:?}");
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "email"), "invalid_scope"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("request", "a.b.c"), "request_not_supported"),
        (("request_uri", "https://x.example/r"), "request_uri_not_supported"),
        (("prompt", "none login"), "invalid_request"),
    ] {
        let page = browser.open("localhost", &authorize(&[change])).await;
        assert_eq!(answered(&page, "error").as_deref(), Some(error), "{change:?}");
        assert_eq!(answered(&page, "state").as_deref(), Some(STATE), "{change:?}");
        assert_eq!(answered(&page, "code"), None);
    }
    for sealed in ["", "x", "eyJjbGllbnQiOiJzdG9ybWRvb3IifQ"] {
        let path = format!("/auth/openid/continue?openid={sealed}");
        assert_eq!(browser.open("localhost", &path).await.status, 410, "{sealed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_its_own_client_address_and_verifier_only() {
    let world = world().await;
    let mut browser = signed_in(&world).await;
    let other = "another-verifier-of-43-to-128-characters-0000";
    for (change, status, error) in [
        (("client_secret", ""), 401, "invalid_client"),
        (("client_secret", "wrong"), 401, "invalid_client"),
        (("client_id", "other"), 401, "invalid_client"),
        (("grant_type", ""), 400, "invalid_request"),
        (("grant_type", "password"), 400, "unsupported_grant_type"),
        (("grant_type", "refresh_token"), 400, "unsupported_grant_type"),
        (("code", ""), 400, "invalid_request"),
        (("code", "not-a-code"), 400, "invalid_grant"),
        (("redirect_uri", ""), 400, "invalid_request"),
        (("redirect_uri", "https://whoami.localhost/apps/user_oidc/code"), 400, "invalid_grant"),
        (("code_verifier", ""), 400, "invalid_grant"),
        (("code_verifier", other), 400, "invalid_grant"),
    ] {
        let code = code(&mut browser).await;
        let (found, answer) = redeem(&world, &code, &[change]).await;
        assert_eq!((found, text(&answer, "error")), (status, error), "{change:?}");
        if error == "invalid_grant" && change.0 != "code" {
            let (again, _) = redeem(&world, &code, &[]).await;
            assert_eq!(
                again, 400,
                "a code that was tried with something wrong is spent: {change:?}"
            );
        }
    }
    // By HTTP Basic, encoded as the standard says and as most clients do.
    for secret in [SECRET, "a-secret-of-more-than-32-bytes-%2B%25-"] {
        let code = code(&mut browser).await;
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let body = query("", pairs.into_iter());
        let basic = Some(("stormdoor", secret));
        let (status, answer) = post_form(&world, "/auth/openid/token", &body[1..], basic).await;
        assert_eq!(status, 200, "{answer}");
    }
    // For another client.
    let code = code(&mut browser).await;
    let renamed = CLOUD.replace("oidc: {", "oidc: { client_id: other,");
    world.reload(&renamed).await;
    let (status, answer) = redeem(&world, &code, &[("client_id", "other")]).await;
    assert_eq!((status, text(&answer, "error")), (400, "invalid_grant"));
    let metrics = format!("http://{}/metrics", world.operations());
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("stormdoor_openid_total{result=\"invalid_client\",step=\"token\"} 3"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_once_and_what_it_gave_ends_when_it_is_shown_again() {
    let world = world().await;
    let mut browser = signed_in(&world).await;
    let code = code(&mut browser).await;
    let (_, tokens) = redeem(&world, &code, &[]).await;
    let access = text(&tokens, "access_token");
    assert_eq!(userinfo(&world, access).await.0, 200);

    let (status, answer) = redeem(&world, &code, &[]).await;

    assert_eq!((status, text(&answer, "error")), (400, "invalid_grant"));
    assert_eq!(userinfo(&world, access).await.0, 401);
    let query = EventQuery { limit: 10, ..EventQuery::default() };
    let events = world.gateway.identity().recorded(&query).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| &*event.kind).collect();
    assert!(kinds.contains(&"code_replayed") && kinds.contains(&"client_signed_in"), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_who_show_one_code_at_the_same_time_one_gets_it() {
    let world = world().await;
    let mut browser = signed_in(&world).await;
    let code = code(&mut browser).await;
    let answers = futures::future::join_all((0..50).map(|_| redeem(&world, &code, &[]))).await;
    let won: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|(status, _)| [200, 400].contains(status)));
    assert_eq!(
        userinfo(&world, text(&won[0].1, "access_token")).await.0,
        401,
        "it is known to others"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_tokens_end_with_their_time_and_with_the_session() {
    let clock = ManualClock::at(SystemClock.now());
    let world = World::with_clock(CLOUD, clock.clone()).await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = signed_in(&world).await;
    let late = code(&mut browser).await;
    clock.advance(Duration::from_secs(61));
    let (status, answer) = redeem(&world, &late, &[]).await;
    assert_eq!((status, text(&answer, "error")), (400, "invalid_grant"));

    let (_, tokens) = redeem(&world, &code(&mut browser).await, &[]).await;
    let access = text(&tokens, "access_token");
    clock.advance(Duration::from_secs(299));
    assert_eq!(userinfo(&world, access).await.0, 200);
    clock.advance(Duration::from_secs(2));
    assert_eq!(userinfo(&world, access).await.0, 401);

    let (_, tokens) = redeem(&world, &code(&mut browser).await, &[]).await;
    let unused = code(&mut browser).await;
    let page = browser.open("localhost", "/auth/sign-out").await;
    browser.submit(&page, &[]).await;
    assert_eq!(userinfo(&world, text(&tokens, "access_token")).await.0, 401);
    assert_eq!(redeem(&world, &unused, &[]).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_can_have_no_account_there_is_told_so() {
    let world = World::with(CLOUD).await;
    let password = stormdoor::identity::password::Password::new(PASSWORD.to_owned()).unwrap();
    let new = stormdoor::identity::service::NewUser {
        email: "root@example.org".to_owned(),
        username: Some("root".to_owned()),
        full_name: None,
        password,
    };
    let identity = world.gateway.identity();
    identity.add_user(new, vec!["viewer".into()], &By::Operator).await.unwrap();
    let mut browser = world.browser();
    let page = browser.open("localhost", &authorize(&[])).await;
    let typed = [("username", "root"), ("password", PASSWORD)];
    let page = browser.submit(&page, &typed).await;
    assert_eq!(page.url.host_str(), Some("localhost"));
    assert!(page.text.contains("You have no account there"), "{}", page.text);
    assert!(page.text.contains("error=access_denied"), "{}", page.text);
    let page = browser.open("localhost", &authorize(&[("prompt", "none")])).await;
    assert_eq!(answered(&page, "error").as_deref(), Some("access_denied"));
}

/// The path that `user_oidc` leads to, which encodes nothing.
fn end(more: &str) -> String {
    let back = "post_logout_redirect_uri=https://whoami.localhost/&client_id=stormdoor";
    format!("/auth/openid/end-session?{back}{more}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_shows_an_id_token_of_the_session_ends_it() {
    let world = world().await;
    let mut browser = signed_in(&world).await;
    let (_, tokens) = redeem(&world, &code(&mut browser).await, &[]).await;
    let hint = text(&tokens, "id_token");

    // Of another browser's session: asked.
    let mut other = signed_in(&world).await;
    let page = other.open("localhost", &end(&format!("&id_token_hint={hint}"))).await;
    assert_eq!(page.url.path(), "/auth/sign-out");
    assert_eq!(other.open("localhost", "/auth/account").await.path(), "/auth/account");

    let page = browser.open("localhost", &end(&format!("&id_token_hint={hint}&state=a%26b"))).await;
    assert_eq!((page.url.path(), answered(&page, "state").as_deref()), ("/", Some("a&b")));
    let page = browser.open("localhost", "/auth/account").await;
    assert!(page.path().starts_with("/auth/sign-in"), "{}", page.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_proof_a_client_only_gets_the_question_asked() {
    let world = world().await;
    let mut browser = signed_in(&world).await;
    for path in [end(""), end("&id_token_hint=a.b.c"), "/auth/openid/end-session".to_owned()] {
        let page = browser.open("localhost", &path).await;
        assert_eq!((page.url.path(), page.status), ("/auth/sign-out", 200), "{path}");
        assert_eq!(browser.open("localhost", "/auth/account").await.path(), "/auth/account");
    }
    let page = browser.open("localhost", &end("&state=x%20y")).await;
    let page = browser.submit(&page, &[]).await;
    assert_eq!(answered(&page, "state").as_deref(), Some("x y"));
    assert!(browser.cookie("localhost", "__Host-stormdoor").is_none());

    // Nobody is led anywhere else, signed in or not.
    let elsewhere = "/auth/openid/end-session?client_id=stormdoor&post_logout_redirect_uri=https://evil.example/";
    let page = browser.open("localhost", elsewhere).await;
    assert_eq!((page.url.host_str(), page.url.path()), (Some("localhost"), "/auth/sign-out"));
    let mut browser = signed_in(&world).await;
    let page = browser.open("localhost", elsewhere).await;
    let page = browser.submit(&page, &[]).await;
    assert_eq!((page.url.host_str(), page.url.path()), (Some("localhost"), "/auth/sign-out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_a_client_begins_anew_as_a_navigation() {
    let world = world().await;
    for path in ["/auth/openid/authorize", "/auth/openid/end-session"] {
        let answer = world
            .client()
            .post(world.url("localhost", path))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "cross-site")
            .body("client_id=stormdoor&state=a%26b+c")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 303);
        let location = answer.headers()["location"].to_str().unwrap();
        assert_eq!(location, format!("{path}?client_id=stormdoor&state=a%26b%20c"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secrets_are_counted_and_refused_for_a_while() {
    let world = world().await;
    let mut browser = signed_in(&world).await;
    let mut locked = false;
    for _ in 0..200 {
        let (status, _) = redeem(&world, "code", &[("client_secret", "wrong")]).await;
        locked = status == 429;
        if locked {
            break;
        }
        assert_eq!(status, 401);
    }
    assert!(locked, "secrets can be guessed for ever");
    let code = code(&mut browser).await;
    assert_eq!(redeem(&world, &code, &[]).await.0, 429);
}
