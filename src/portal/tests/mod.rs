//! The auth API through its router, on a real store. `world` sets it up.

mod world;

use std::time::Duration;

use futures::FutureExt;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};

use self::world::{
    ACCESS, ANYBODY, As, Ended, PASSWORD, PlainIssuer, World, config_settings, text,
};
use super::*;
use crate::gate::Budget;
use crate::identity::admin::By;
use crate::identity::registration::RegistrationMode;
use crate::identity::seal::Sealer;
use crate::identity::user::Addition;
use crate::identity::{EndSessions, Issuer, Standing, UserId, password};
use crate::store::{self};

#[tokio::test]
async fn somebody_signs_up_signs_in_refreshes_and_signs_out() {
    let world = World::new().await;
    let new = json!({ "email": "Ada@Example.org", "password": PASSWORD, "full_name": "Ada L" });
    let accepted = world.post("/auth/register", new).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    assert_eq!(accepted.json(), json!({ "status": "accepted" }));

    let signed_in = world.login("ada@example.org", PASSWORD).await;
    assert_eq!(signed_in.status, StatusCode::OK);
    assert_eq!(signed_in.header(header::CACHE_CONTROL), Some("no-store"));
    let tokens = signed_in.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 900);
    assert_eq!(tokens["refresh_expires_in"], 604_800);

    let ada = world.bearer(&text(&tokens, "access_token"));
    let me = world.get(&ada, "/auth/me").await.json();
    assert_eq!(me["email"], "ada@example.org");
    assert_eq!((&me["username"], &me["full_name"]), (&json!("ada"), &json!("Ada L")));
    assert_eq!((&me["roles"], &me["tier"]), (&json!(["viewer"]), &json!("free")));
    assert_eq!((&me["is_admin"], &me["is_active"]), (&json!(false), &json!(true)));
    assert!(me.get("password_hash").is_none());

    let refreshed = world.refresh(&text(&tokens, "refresh_token")).await;
    assert_eq!(refreshed.status, StatusCode::OK);
    let next = text(&refreshed.json(), "refresh_token");

    let out = world.post_as(&ada, "/auth/logout", &Value::Null).await;
    assert_eq!(out.status, StatusCode::BAD_REQUEST, "null is no logout body");
    let out = world.send(&ada, Request::post("/auth/logout"), "").await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(world.ended.list(), [text(&me, "session")]);
    assert_eq!(world.refresh(&next).await.problem(), "invalid-refresh-token");

    let kinds: Vec<String> = world.recorded().await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["signed_out", "signed_in", "registered"]);
}

#[tokio::test]
async fn a_lost_answer_may_be_asked_for_again_and_a_replay_ends_the_session() {
    let world = World::new().await;
    world.add("ada").await;
    let (first, ada) = world.signed_in("ada").await;
    let session = ada.principal.and_then(|principal| principal.session).expect("a session");

    let second = text(&world.refresh(&first).await.json(), "refresh_token");
    world.clock.advance(Duration::from_millis(9_999));
    let again = text(&world.refresh(&first).await.json(), "refresh_token");
    assert_eq!(again, second, "the same successor within the grace period");
    assert_eq!(world.count("refresh_replayed").await, 0);

    world.clock.advance(Duration::from_millis(1));
    let replay = world.refresh(&first).await;
    assert_eq!(replay.status, StatusCode::UNAUTHORIZED);
    assert_eq!(replay.problem(), "invalid-refresh-token");
    assert!(replay.header(header::WWW_AUTHENTICATE).is_some());
    assert_eq!(world.count("refresh_replayed").await, 1);
    assert_eq!(world.ended.list(), [session.to_string()]);
    assert_eq!(world.refresh(&second).await.problem(), "invalid-refresh-token");
    assert_eq!(world.count("refresh_replayed").await, 1, "revoked is not replayed");
}

#[tokio::test]
async fn fifty_refreshes_at_once_get_one_successor() {
    let world = Arc::new(World::new().await);
    world.add("ada").await;
    let (first, _) = world.signed_in("ada").await;
    let attempts = (0..50).map(|_| {
        let (world, first) = (Arc::clone(&world), first.clone());
        tokio::spawn(async move { text(&world.refresh(&first).await.json(), "refresh_token") })
    });
    let mut answers = futures::future::try_join_all(attempts).await.expect("no panic");
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(world.refresh(&answers[0]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_token_is_good_for_its_time_and_a_session_for_thirty_days() {
    let world = World::new().await;
    world.add("ada").await;
    let (unused, _) = world.signed_in("ada").await;
    let (mut token, _) = world.signed_in("ada").await;
    world.clock.advance(Duration::from_hours(6 * 24));
    for _ in 0..4 {
        token = text(&world.refresh(&token).await.json(), "refresh_token");
        world.clock.advance(Duration::from_hours(6 * 24));
    }
    assert_eq!(world.refresh(&unused).await.problem(), "invalid-refresh-token");
    assert_eq!(world.refresh(&token).await.problem(), "invalid-refresh-token");
}

#[tokio::test]
async fn signing_in_by_form_name_and_address() {
    let world = World::new().await;
    world.add("ada").await;
    let form = |body: &'static str| {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let request = Request::post("/auth/login").header(header::CONTENT_TYPE, kind);
        world.send(&ANYBODY, request, body)
    };
    for body in [
        "grant_type=password&username=ada&password=correct+horse%20battery+staple",
        "username=ADA%40example.org&password=correct+horse+battery+staple&scope=x",
    ] {
        assert_eq!(form(body).await.status, StatusCode::OK, "{body}");
    }
    for (body, status, slug) in [
        ("grant_type=client_credentials&username=a&password=b", 400, "unsupported-grant-type"),
        ("username=ada&username=bob&password=x", 400, "bad-form"),
        ("username=ada", 422, "missing-field"),
    ] {
        let answer = form(body).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, slug), "{body}");
    }
    for body in [
        json!({ "email": "ada@example.org", "password": PASSWORD }),
        json!({ "username": "ada@example.org", "password": PASSWORD, "unknown": [1] }),
    ] {
        assert_eq!(world.post("/auth/login", body).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn unknown_wrong_and_locked_away_look_the_same() {
    let world = World::new().await;
    world.add("ada").await;
    let bob = world.add("bob").await;
    let (bobs, _) = world.signed_in("bob").await;
    world
        .identity
        .set_standing(bob, Standing::Disabled, &By::Operator)
        .await
        .expect("the store answers");
    assert_eq!(world.ended.list(), [bob.to_string()]);
    assert_eq!(world.refresh(&bobs).await.problem(), "invalid-refresh-token");

    let long = "x".repeat(2000);
    let mut answers = Vec::new();
    for (name, password) in [
        ("ada", "wrong horse battery staple"),
        ("nobody", PASSWORD),
        ("no/name", PASSWORD),
        ("bob", PASSWORD),
        ("ada", long.as_str()),
    ] {
        let answer = world.login(name, password).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
        answers.push((answer.text, format!("{:?}", answer.headers)));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");

    let reasons: Vec<Value> =
        world.recorded().await.into_iter().map(|event| event.details).collect();
    for reason in ["wrong_password", "unknown_name", "disabled"] {
        assert!(reasons.contains(&json!({ "reason": reason })), "{reason} in {reasons:?}");
    }
    world
        .identity
        .set_standing(bob, Standing::Active, &By::Operator)
        .await
        .expect("the store answers");
    assert_eq!(world.login("bob", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn known_and_unknown_names_are_locked_alike_and_open_again() {
    let world = World::new().await;
    world.add("ada").await;
    let (refresh_token, ada) = world.signed_in("ada").await;
    for (network, name, spellings) in [
        (1, "ada", ["ada", "ADA", "ada@example.org", "Ada@Example.Org", "ada"]),
        (2, "nobody", ["nobody", "NOBODY", "nobody", "Nobody", "nobody"]),
    ] {
        let who = As { client: [192, 0, 2, network], ..ANYBODY };
        let attempt = async |name: &str, password: &str| {
            let body = json!({ "username": name, "password": password });
            world.post_as(&who, "/auth/login", &body).await
        };
        for spelling in spellings {
            let answer = attempt(spelling, "wrong horse battery staple").await;
            assert_eq!(answer.problem(), "wrong-name-or-password");
        }
        let locked = attempt(name, PASSWORD).await;
        assert_eq!(locked.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
        assert_eq!(locked.problem(), "locked");
        assert_eq!(locked.header(header::RETRY_AFTER), Some("30"));
    }
    // Whoever is signed in notices nothing.
    assert_eq!(world.get(&ada, "/auth/me").await.status, StatusCode::OK);
    assert_eq!(world.refresh(&refresh_token).await.status, StatusCode::OK);

    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.login("ada", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn guesses_at_the_same_moment_are_all_counted() {
    let world = Arc::new(World::new().await);
    world.add("ada").await;
    let attempts = (0..18).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.login("ada", "wrong horse").await.status.as_u16() })
    });
    let statuses = futures::future::try_join_all(attempts).await.expect("no panic");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 13);
}

#[tokio::test]
async fn one_network_guessing_at_many_names_is_locked() {
    let world = World::new().await;
    for guess in 0..20 {
        let answer = world.login(&format!("user{guess}"), "wrong horse").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.login("user99", "wrong horse").await.problem(), "locked");
    let elsewhere = As { client: [198, 51, 100, 7], ..ANYBODY };
    let body = json!({ "username": "user99", "password": "wrong horse" });
    let answer = world.post_as(&elsewhere, "/auth/login", &body).await;
    assert_eq!(answer.problem(), "wrong-name-or-password");
}

#[tokio::test]
async fn registration_never_tells_who_has_an_account() {
    let world = World::new().await;
    world.add("ada").await;
    let register = async |email: &str, username: Option<&str>| {
        let body =
            json!({ "email": email, "username": username, "password": "another horse battery!" });
        let answer = world.post("/auth/register", body).await;
        (answer.status.as_u16(), answer.text, format!("{:?}", answer.headers))
    };
    let new = register("new@example.org", None).await;
    assert_eq!(new.0, 202);
    assert_eq!(register("ada@example.org", None).await, new);
    assert_eq!(register("ADA@example.org", Some("unheard-of")).await, new);
    assert_eq!(register("other@example.org", Some("ada")).await, new, "a taken name");

    assert_eq!(world.login("ada", PASSWORD).await.status, StatusCode::OK, "ada's is untouched");
    let other = world.login("other@example.org", "another horse battery!").await.json();
    let me = world.get(&world.bearer(&text(&other, "access_token")), "/auth/me").await.json();
    assert!(text(&me, "username").starts_with("ada-"), "a name nearby");
    assert_eq!(world.count("registration_repeated").await, 2);
    assert_eq!(world.count("registered").await, 2);
}

#[tokio::test]
async fn what_cannot_be_registered() {
    let world = World::with(RegistrationMode::Open { domains: vec!["example.org".into()] }).await;
    for (body, status, slug) in [
        (json!({ "email": "a@example.org" }), 422, "missing-field"),
        (json!({ "password": PASSWORD }), 422, "missing-field"),
        (json!({ "email": "no address", "password": PASSWORD }), 422, "invalid-field"),
        (
            json!({ "email": "a@example.org", "username": "a b", "password": PASSWORD }),
            422,
            "invalid-field",
        ),
        (
            json!({ "email": "a@example.org", "full_name": "a\nb", "password": PASSWORD }),
            422,
            "invalid-field",
        ),
        (json!({ "email": "a@example.net", "password": PASSWORD }), 403, "domain-not-admitted"),
        (json!({ "email": "a@example.org", "password": "short" }), 422, "weak-password"),
        (json!({ "email": "a@example.org", "password": "password12345" }), 422, "weak-password"),
        (json!({ "email": "a@example.org", "password": "x".repeat(2000) }), 422, "weak-password"),
    ] {
        let answer = world.post("/auth/register", body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, slug), "{body}");
    }
    world.identity.reconfigure(config_settings(RegistrationMode::Off)).expect("legal settings");
    let body = json!({ "email": "a@example.org", "password": PASSWORD });
    let answer = world.post("/auth/register", body).await;
    assert_eq!(answer.problem(), "registration-off");
    assert!(world.recorded().await.is_empty());
}

#[tokio::test]
async fn the_first_admin_is_made_once_with_the_latest_code() {
    let world = World::new().await;
    let void = world.setup_code().await.expect("no admin yet");
    let code = world.setup_code().await.expect("no admin yet");
    let set_up = async |code: &str, name: &str| {
        let email = format!("{name}@example.org");
        let body = json!({ "code": code, "email": email, "password": PASSWORD });
        world.post("/auth/setup", body).await
    };
    let (void, code) = (void.expose_for_terminal(), code.expose_for_terminal());
    assert_eq!(set_up(void.expose(), "eve").await.problem(), "wrong-setup-code");
    assert_eq!(set_up("0000", "eve").await.problem(), "wrong-setup-code");
    let weak = json!({ "code": code.expose(), "email": "root@example.org", "password": "short" });
    assert_eq!(world.post("/auth/setup", weak).await.problem(), "weak-password");

    let made = set_up(&code.expose().to_lowercase(), "root").await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.json()["roles"], json!(["superadmin"]));
    assert_eq!(set_up(code.expose(), "eve").await.problem(), "setup-closed");
    assert!(world.setup_code().await.is_none());
    assert_eq!(world.login("root", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(world.count("setup_closed").await, 1);
}

#[tokio::test]
async fn signing_out_ends_the_other_session_too_if_its_token_is_shown_and_is_ones_own() {
    let world = World::new().await;
    world.add("ada").await;
    world.add("bob").await;
    let (bobs, _) = world.signed_in("bob").await;
    let (_, ada) = world.signed_in("ada").await;
    let (other, _) = world.signed_in("ada").await;
    for token in [bobs.as_str(), other.as_str(), "nonsense"] {
        let answer = world.post_as(&ada, "/auth/logout", &json!({ "refresh_token": token })).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(world.refresh(&other).await.problem(), "invalid-refresh-token");
    assert_eq!(world.refresh(&bobs).await.status, StatusCode::OK);
    let stranger = world.send(&ANYBODY, Request::post("/auth/logout"), "").await;
    assert_eq!(stranger.problem(), "unauthenticated");
}

#[tokio::test]
async fn a_sign_out_outlives_a_restart() {
    let world = World::new().await;
    world.add("ada").await;
    let (_, ada) = world.signed_in("ada").await;
    world.send(&ada, Request::post("/auth/logout"), "").await;
    let restarted = async || {
        let ended = Arc::new(Ended::default());
        let mode = RegistrationMode::Off;
        Identity::start(
            world.stores.records(&store::SharedState::in_memory()),
            Sealer::new(&Sealer::generate_key()),
            Arc::new(PlainIssuer),
            Arc::clone(&ended) as Arc<dyn EndSessions>,
            Arc::new(world.clock.clone()),
            Arc::new(()),
            config_settings(mode),
        )
        .await
        .expect("the same store");
        ended.list()
    };
    assert_eq!(restarted().await, world.ended.list());
    world.clock.advance(ACCESS + Duration::from_secs(61));
    assert!(restarted().await.is_empty(), "its tokens are expired by now");
}

#[tokio::test]
async fn hanging_up_does_not_hide_a_guess_or_undo_a_sign_out() {
    let world = World::new().await;
    world.add("ada").await;
    let (refresh_token, ada) = world.signed_in("ada").await;
    // Begun, and dropped before anything could come of it.
    assert!(world.login("ada", "wrong horse").now_or_never().is_none());
    assert!(world.send(&ada, Request::post("/auth/logout"), "").now_or_never().is_none());
    for kind in ["sign_in_failed", "signed_out"] {
        let recorded = async {
            while world.count(kind).await == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), recorded).await.expect(kind);
    }
    assert_eq!(world.refresh(&refresh_token).await.problem(), "invalid-refresh-token");
}

#[tokio::test]
async fn an_outside_token_shows_what_it_says_and_has_no_session_here() {
    let world = World::new().await;
    let own = world.bearer("x/y");
    let mut principal = own.principal.as_deref().expect("a principal").clone();
    principal.issuer = Issuer::Outside("https://id.example.org".into());
    let outsider = As { principal: Some(Arc::new(principal)), ..ANYBODY };
    let me = world.get(&outsider, "/auth/me").await.json();
    assert_eq!((&me["issuer"], &me["subject"]), (&json!("https://id.example.org"), &json!("x")));
    let out = world.send(&outsider, Request::post("/auth/logout"), "").await;
    assert_eq!(out.problem(), "no-session-here");
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let world = World::new().await;
    let send = |kind: &'static str, body: String| {
        let request = Request::post("/auth/login").header(header::CONTENT_TYPE, kind);
        let world = &world;
        async move { world.send(&ANYBODY, request, &body).await }
    };
    let answer = send("application/json", "{\n  \"password\": secret".into()).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "bad-json"));
    assert_eq!(text(&answer.json(), "detail"), "not JSON, at line 2, column 15");
    let answer = send("application/json", "{\"password\": 123456789}".into()).await;
    assert_eq!(answer.problem(), "bad-json");
    assert!(!answer.text.contains("123456789"), "{}", answer.text);
    for kind in ["text/plain", "application/jsonp", ""] {
        assert_eq!(send(kind, "{}".into()).await.problem(), "unsupported-media-type", "{kind}");
    }
    let huge = format!("{{\"password\": \"{}\"}}", "x".repeat(BODY_MAX));
    assert_eq!(send("application/json", huge.clone()).await.problem(), "body-too-large");
    let form = "application/x-www-form-urlencoded";
    assert_eq!(send(form, huge).await.problem(), "body-too-large");
}

#[tokio::test]
async fn other_paths_and_methods_are_problems_too() {
    let world = World::new().await;
    assert_eq!(world.get(&ANYBODY, "/nothing").await.problem(), "not-found");
    let answer = world.get(&ANYBODY, "/auth/login").await;
    assert_eq!(answer.problem(), "method-not-allowed");
    assert_eq!(answer.header(header::ALLOW), Some("POST"));
    assert_eq!(world.get(&ANYBODY, "/").await.json()["service"], "stormdoor");
    let jwks = world.get(&ANYBODY, "/.well-known/jwks.json").await;
    assert_eq!(jwks.header(header::CONTENT_TYPE), Some("application/jwk-set+json"));
    assert_eq!(jwks.json(), json!({ "keys": [] }));
}

#[tokio::test]
async fn the_rate_limit_that_was_charged_is_told() {
    let world = World::new().await;
    let budget = Budget {
        policy: "default".into(),
        quota: "100/min".parse().expect("a quota"),
        remaining: 42,
        reset_after: Duration::from_millis(1_001),
    };
    let charged = As { budget: Some(budget), ..ANYBODY };
    let told = world.get(&charged, "/auth/rate-limit").await.json();
    let wanted = json!({
        "policy": "default", "limit": 100, "window_seconds": 60, "remaining": 42, "reset_seconds": 2,
    });
    assert_eq!(told, wanted);
    assert_eq!(world.get(&ANYBODY, "/auth/rate-limit").await.json()["limit"], Value::Null);
}

#[tokio::test]
async fn an_imported_bcrypt_hash_is_replaced_at_sign_in() {
    let world = World::new().await;
    let id = world.add("ada").await;
    let mut imported = world.identity.me(id).await.expect("the store answers").expect("ada");
    imported.id = UserId::from_uuid(uuid::Uuid::nil());
    imported.email = "bob@example.org".parse().expect("an address");
    imported.username = "bob".parse().expect("a name");
    let bcrypt = bcrypt::hash(PASSWORD, 4).expect("a legal cost");
    imported.password_hash = password::PasswordHash::from_text(bcrypt);
    let event = crate::identity::Event {
        at: world.clock.now(),
        kind: crate::identity::EventKind::UserAdded,
        subject: None,
        session: None,
        actor: None,
        client: None,
    };
    let addition = Addition::plain(imported.clone(), event);
    world.stores.users.insert(&addition).await.expect("a free name");
    for _ in 0..2 {
        assert_eq!(world.login("bob", PASSWORD).await.status, StatusCode::OK);
        let bob = world.stores.users.find(imported.id).await.expect("the store answers");
        let hash = bob.expect("bob").password_hash;
        assert!(hash.expose_for_store().starts_with("$argon2id$"));
    }
}

#[test]
fn the_gates_routes_are_those_of_the_router() {
    let public_url = crate::config::PublicUrl {
        host: "localhost".to_owned(),
        port: Some(8443),
        origin: "https://localhost:8443".to_owned(),
    };
    let quota = |text: &str| text.parse().expect("an allowance");
    let limits = crate::config::RateLimits {
        default: quota("100/min"),
        tiers: std::collections::BTreeMap::new(),
        login: quota("10/min"),
        register: quota("5/h"),
        refresh: quota("20/min"),
        failures: quota("30/min"),
    };
    let portal = Arc::new(app(&public_url));
    let table = crate::route::Table::new(routes(&portal, &limits));
    let find = |method: &http::Method, path: &str| {
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        let route = table.find("localhost", segments, method)?;
        let public = route.access == crate::route::AccessRule::Public;
        Some((public, route.rate_limit.map(|limit| limit.to_string())))
    };
    use http::Method;
    for (method, path, wanted) in [
        (Method::GET, "/", Some((true, None))),
        (Method::POST, "/auth/setup", Some((true, Some("5/h")))),
        (Method::POST, "/auth/register", Some((true, Some("5/h")))),
        (Method::POST, "/auth/login", Some((true, Some("10/min")))),
        (Method::POST, "/auth/refresh", Some((true, Some("20/min")))),
        (Method::POST, "/auth/logout", Some((false, None))),
        (Method::GET, "/auth/me", Some((false, None))),
        (Method::HEAD, "/auth/me", Some((false, None))),
        (Method::GET, "/auth/rate-limit", Some((false, None))),
        (Method::GET, "/.well-known/jwks.json", Some((true, None))),
        (Method::DELETE, "/auth/sessions/some-id", Some((false, None))),
        (Method::GET, "/auth/login", None),
        (Method::GET, "/auth", None),
        (Method::POST, "/auth/login/x", None),
        (Method::GET, "/anything", None),
    ] {
        let wanted = wanted.map(|(public, limit)| (public, limit.map(str::to_owned)));
        assert_eq!(find(&method, path), wanted, "{method} {path}");
    }
    for endpoint in endpoints::all() {
        let public = endpoint.access == super::endpoint::Access::Public;
        let found = find(&endpoint.method, &endpoint.path.replace(['{', '}'], ""));
        assert_eq!(found.map(|(public, _)| public), Some(public), "{}", endpoint.name);
    }
}
