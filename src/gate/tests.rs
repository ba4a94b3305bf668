//! The stages together, in their order.

use std::time::Duration;

use http::StatusCode;

use super::example::{Tally, TokenTable, cors_policy, headers, rate_limits};
use super::*;
use crate::clock::Timestamp;
use crate::edge::Target;
use crate::identity::Principal;
use crate::route::{AccessRule, App, BodyRules};
use crate::throttle::Allowance;

const HOST: &str = "files.example";
const ORIGIN: (&str, &str) = ("origin", "https://app.example");
const KNOWN: (&str, &str) = ("authorization", "Bearer known");
const NEW: (&str, &str) = ("authorization", "Bearer new");
const BAD: (&str, &str) = ("authorization", "Bearer bad");

fn app() -> Arc<App> {
    let app = App::example("files", HOST);
    Arc::new(App {
        cors: Some(cors_policy(&["https://app.example"])),
        body: BodyRules { max_bytes: Some(100), json: None },
        ..(*app).clone()
    })
}

fn routes() -> Vec<Route> {
    let app = app();
    let office = ["192.0.2.0/24".parse().expect("a network")].to_vec();
    vec![
        Route::example(&app, "/public/**"),
        Route { from: office, ..Route::example(&app, "/office/**") },
        Route {
            methods: vec![Method::GET],
            ..Route::example(&app, "/read/**").signed_in(&["files:read"])
        },
        Route::example(&app, "/write/**").signed_in(&["files:write"]),
        Route::example(&app, "/me").signed_in(&[]),
    ]
}

fn tokens() -> TokenTable {
    let subject = Principal::example;
    TokenTable::default().knowing("known", subject("ana")).verifying("new", subject("ben"))
}

fn gate_with(limits: &RateLimits, tokens: TokenTable) -> Gate {
    let counters = Arc::new(Tally::default());
    Gate::new(routes(), limits, &Roles::default(), counters, Arc::new(tokens), Metrics::new())
}

fn gate_of(routes: Vec<Route>, limits: &RateLimits) -> Gate {
    let (counters, tokens) = (Arc::new(Tally::default()), Arc::new(tokens()));
    Gate::new(routes, limits, &Roles::default(), counters, tokens, Metrics::new())
}

fn gate() -> Gate {
    gate_with(&rate_limits("unlimited"), tokens())
}

type Lines<'a> = &'a [(&'static str, &'a str)];

async fn ask(gate: &Gate, method: &str, path: &str, lines: Lines<'_>) -> (String, Dress) {
    ask_with(gate, &Arrival::example(method, HOST, path), lines).await
}

/// What became of it: `forward`, `answer 204`, or the status and reason of the refusal.
async fn ask_with(gate: &Gate, arrival: &Arrival, lines: Lines<'_>) -> (String, Dress) {
    let mut dress = Dress::default();
    let verdict = gate.decide(arrival, &headers(lines), &mut dress).await;
    let told = match verdict {
        Ok(Verdict::Forward(_)) => "forward".to_owned(),
        Ok(Verdict::Serve(_)) => "serve".to_owned(),
        Ok(Verdict::Answer(answer)) => format!("answer {}", answer.status.as_u16()),
        Err(refusal) => {
            format!("{} {}", refusal.problem().status.as_u16(), refusal.reason())
        }
    };
    (told, dress)
}

#[tokio::test]
async fn what_becomes_of_a_request() {
    let gate = gate();
    for (method, path, lines, told) in [
        ("GET", "/public/x", &[][..], "forward"),
        ("GET", "/public/x", &[BAD], "forward"),
        ("GET", "/nowhere", &[], "404 no_route"),
        ("POST", "/read/x", &[], "405 method_not_routed"),
        ("GET", "/read/x", &[], "401 no_credential"),
        ("GET", "/read/x", &[KNOWN], "forward"),
        ("GET", "/read/x", &[NEW], "forward"),
        ("GET", "/read/x", &[BAD], "401 signature"),
        ("GET", "/read/x", &[("authorization", "Basic YTpi")], "401 unsupported_scheme"),
        ("GET", "/read/x", &[KNOWN, NEW], "400 repeated_authorization"),
        ("GET", "/write/x", &[KNOWN], "403 permission"),
        ("PROPFIND", "/me", &[KNOWN], "forward"),
    ] {
        assert_eq!(ask(&gate, method, path, lines).await.0, told, "{method} {path} {lines:?}");
    }
    let elsewhere = Arrival::example("GET", "other.example", "/public/x");
    assert_eq!(ask_with(&gate, &elsewhere, &[]).await.0, "404 no_route");
}

#[tokio::test]
async fn a_405_says_what_is_allowed() {
    let arrival = Arrival::example("POST", HOST, "/read/x");
    let refusal = gate().decide(&arrival, &headers(&[]), &mut Dress::default()).await;
    let problem = refusal.expect_err("a refusal").problem();
    assert_eq!(
        (problem.status, problem.allow.as_deref()),
        (StatusCode::METHOD_NOT_ALLOWED, Some("GET"))
    );
}

#[tokio::test]
async fn a_client_outside_the_office_is_refused_before_it_is_counted() {
    let gate = gate_with(&rate_limits("1/min"), tokens());
    let outside = Arrival {
        client: "198.51.100.1".parse().unwrap(),
        ..Arrival::example("GET", HOST, "/office/x")
    };
    for _ in 0..3 {
        assert_eq!(ask_with(&gate, &outside, &[]).await.0, "403 network");
    }
    assert_eq!(ask(&gate, "GET", "/office/x", &[]).await.0, "forward");
}

#[tokio::test]
async fn a_preflight_is_answered_without_credentials_and_other_options_are_requests() {
    let gate = gate();
    let wants = |method| ("access-control-request-method", method);
    for (path, lines, told) in [
        ("/read/x", &[ORIGIN, wants("GET")][..], "answer 204"),
        ("/me", &[ORIGIN, wants("PUT")], "answer 204"),
        ("/me", &[("origin", "https://evil.example"), wants("PUT")], "answer 204"),
        ("/me", &[ORIGIN], "401 no_credential"),
        ("/me", &[], "401 no_credential"),
        // No route would take what it asks about.
        ("/read/x", &[ORIGIN, wants("PUT")], "405 method_not_routed"),
    ] {
        assert_eq!(ask(&gate, "OPTIONS", path, lines).await.0, told, "{path} {lines:?}");
    }
}

#[tokio::test]
async fn without_a_cors_policy_a_preflight_is_judged_as_the_options_request_it_is() {
    let app = App::example("files", HOST);
    let reading = Route { methods: vec![Method::GET], ..Route::example(&app, "/x") };
    let gate = gate_of(
        vec![reading, Route::example(&app, "/**").signed_in(&[])],
        &rate_limits("unlimited"),
    );
    let preflight = [ORIGIN, ("access-control-request-method", "GET")];
    assert_eq!(ask(&gate, "GET", "/x", &[]).await.0, "forward");
    for lines in [&preflight[..], &[]] {
        assert_eq!(ask(&gate, "OPTIONS", "/x", lines).await.0, "401 no_credential", "{lines:?}");
    }
}

#[tokio::test]
async fn a_credential_that_cannot_be_good_is_counted_like_none() {
    for lines in [&[][..], &[("authorization", "Basic YTpi")], &[("authorization", "Bearer a b")]] {
        let gate = gate_with(&rate_limits("2/min"), tokens());
        for status in ["401", "401", "429"] {
            let (told, _) = ask(&gate, "GET", "/me", lines).await;
            assert!(told.starts_with(status), "{told} {lines:?}");
        }
    }
}

#[tokio::test]
async fn a_route_that_is_called_default_does_not_spend_the_default() {
    let app = App::example("files", HOST);
    let rate_limit = Some("100/min".parse().unwrap());
    let route = Route { name: "default".into(), rate_limit, ..Route::example(&app, "/**") };
    let gate = gate_of(vec![route], &rate_limits("4/min"));
    for told in ["forward", "forward", "forward", "forward", "429 rate_limit"] {
        assert_eq!(ask(&gate, "GET", "/x", &[]).await.0, told);
    }
}

#[tokio::test]
async fn our_own_refusals_can_be_read_by_an_allowed_origin() {
    let gate = gate_with(&rate_limits("1/min"), tokens());
    for told in ["401 no_credential", "429 rate_limit"] {
        let (found, dress) = ask(&gate, "GET", "/me", &[ORIGIN]).await;
        assert_eq!(found, told);
        assert!(dress.cors.is_some() && dress.route.is_some());
        assert!(dress.budget.is_some());
    }
    let (_, dress) = ask(&gate, "GET", "/me", &[("origin", "https://evil.example")]).await;
    assert!(dress.cors.is_none());
}

#[tokio::test]
async fn a_caller_known_from_before_is_not_held_to_the_limit_of_strangers() {
    let gate = gate_with(&rate_limits("1/min"), tokens());
    assert_eq!(ask(&gate, "GET", "/me", &[NEW]).await.0, "forward");
    assert_eq!(ask(&gate, "GET", "/me", &[NEW]).await.0, "429 rate_limit");
    for _ in 0..200 {
        let (told, dress) = ask(&gate, "GET", "/me", &[KNOWN]).await;
        assert_eq!(told, "forward");
        assert_eq!(dress.subject.expect("a subject").subject.as_str(), "ana");
    }
}

#[tokio::test]
async fn every_request_of_a_caller_counts_once_whatever_becomes_of_it() {
    let limits = RateLimits {
        tiers: [("free".into(), "3/min".parse().unwrap())].into(),
        ..rate_limits("unlimited")
    };
    for (token, path) in [(KNOWN, "/me"), (KNOWN, "/write/x"), (NEW, "/me")] {
        let gate = gate_with(&limits, tokens());
        for left in [2, 1, 0] {
            let (_, dress) = ask(&gate, "GET", path, &[token]).await;
            assert_eq!(dress.budget.expect("a budget").remaining, left, "{path}");
        }
        assert_eq!(ask(&gate, "GET", path, &[token]).await.0, "429 rate_limit");
    }
}

#[tokio::test]
async fn after_too_many_bad_tokens_unknown_ones_are_not_looked_at_but_known_ones_pass() {
    let limits =
        RateLimits { failures: "2/min".parse::<Allowance>().unwrap(), ..rate_limits("unlimited") };
    let gate = gate_with(&limits, tokens());
    for told in ["401 signature", "401 signature", "429 rate_limit"] {
        assert_eq!(ask(&gate, "GET", "/me", &[BAD]).await.0, told);
    }
    assert_eq!(ask(&gate, "GET", "/me", &[NEW]).await.0, "429 rate_limit");
    assert_eq!(ask(&gate, "GET", "/me", &[KNOWN]).await.0, "forward");
    assert_eq!(ask(&gate, "GET", "/public/x", &[]).await.0, "forward");
}

#[tokio::test]
async fn a_token_that_cannot_be_checked_is_neither_good_nor_bad() {
    let limits =
        RateLimits { failures: "1/min".parse::<Allowance>().unwrap(), ..rate_limits("unlimited") };
    let gate = gate_with(&limits, tokens().failing());
    for _ in 0..3 {
        assert_eq!(ask(&gate, "GET", "/me", &[NEW]).await.0, "503 keys");
    }
}

#[tokio::test]
async fn a_credential_that_has_expired_is_not_good_because_it_is_remembered() {
    let arrival = Arrival::example("GET", HOST, "/me");
    let expired = || Principal { expires_at: arrival.received_at, ..Principal::example("ana") };
    let tokens = TokenTable::default().knowing("known", expired()).verifying("new", expired());
    let gate = gate_with(&rate_limits("unlimited"), tokens);
    assert_eq!(ask_with(&gate, &arrival, &[KNOWN]).await.0, "401 signature");
    assert_eq!(ask_with(&gate, &arrival, &[NEW]).await.0, "401 expired");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_at_once() {
    let gate = gate();
    for (content_length, told) in
        [(None, "forward"), (Some(100), "forward"), (Some(101), "413 body_too_large")]
    {
        let arrival = Arrival { content_length, ..Arrival::example("PUT", HOST, "/public/x") };
        assert_eq!(ask_with(&gate, &arrival, &[]).await.0, told);
    }
}

#[tokio::test]
async fn the_portal_is_served_and_not_forwarded() {
    let app = Arc::new(App {
        destination: Destination::Portal,
        ..(*App::example("portal", HOST)).clone()
    });
    let gate = gate_of(vec![Route::example(&app, "/**")], &rate_limits("unlimited"));
    assert_eq!(ask(&gate, "GET", "/auth/me", &[]).await.0, "serve");
}

#[test]
fn an_explanation_shows_every_route_up_to_the_one_that_decides() {
    let app = app();
    let admin = Route {
        access: AccessRule::SignedIn {
            permissions: vec!["wiki:admin".parse().unwrap()],
            roles: Vec::new(),
            scopes: Vec::new(),
            second_factor: Some(Duration::from_mins(15)),
        },
        from: vec!["192.0.2.0/24".parse().unwrap()],
        ..Route::example(&app, "/admin/**")
    };
    let health = Route { methods: vec![Method::GET], ..Route::example(&app, "/healthz") };
    let routes = vec![health, admin, Route::example(&app, "/**")];
    let gate = gate_of(routes, &rate_limits("unlimited"));
    let explain = |method: Method, path: &str, client: &str| {
        let now = Timestamp::from_secs(0);
        let caller = Principal::example("ana");
        let client = client.parse().unwrap();
        gate.explain(HOST, &Target::example(path), &method, client, Some(&caller), now).to_string()
    };
    assert_eq!(
        explain(Method::GET, "/admin/x", "192.0.2.1"),
        "\
canonical   GET files.example /admin/x
route 1     /healthz   miss  path
route 2     /admin/**  hit   signed in (yes); needs wiki:admin (no); second factor <= 15m (no); from 192.0.2.0/24 (yes)
decision    DENY 403   by /admin/**   forbidden: permission
"
    );
    assert!(explain(Method::PUT, "/healthz", "192.0.2.1").contains("miss  method\n"));
    assert!(explain(Method::GET, "/x", "192.0.2.1").ends_with("decision    ALLOW   by /**\n"));
    let denied = explain(Method::GET, "/admin/x", "198.51.100.1");
    assert!(denied.contains("DENY 403   by /admin/**   network not allowed"), "{denied}");
}
