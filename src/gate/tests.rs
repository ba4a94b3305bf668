//! The gate as a whole, without a server: requests in, verdicts out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method};

use super::*;
use crate::clock::Timestamp;
use crate::edge::{Protocol, RequestId, Scheme, Target};
use crate::identity::{Issuer, Permissions, Principal, Subject};
use crate::route::{
    App, BodyRules, CorsPolicy, HeaderPreset, HostPattern, IdentityMode, PathPattern,
    SecurityHeaders, TargetProfile,
};
use crate::store::memory;
use crate::throttle::Allowance;

/// Knows `good-<role>` as a token seen before and `new-<role>` as one that verifies; everything else is bad.
struct FakeTokens;

fn principal(role: &str) -> Arc<Principal> {
    let permission = if role == "admin" { "*:*" } else { "files:read" };
    Arc::new(Principal {
        subject: Subject::new(role.to_owned()),
        issuer: Issuer::Own,
        username: None,
        email: None,
        roles: vec![role.into()],
        groups: vec![],
        scopes: None,
        permissions: Permissions::from_iter([permission.parse().expect("a permission")]),
        tier: if role == "admin" { "admin" } else { "free" }.into(),
        rate_limit: None,
        session: None,
        token_id: None,
        issued_at: Timestamp::default(),
        expires_at: Timestamp::from_secs(1_000_000),
        second_factor_at: None,
    })
}

#[async_trait]
impl VerifyTokens for FakeTokens {
    fn cached(&self, token: &str, _now: Timestamp) -> Option<Arc<Principal>> {
        token.strip_prefix("good-").map(principal)
    }

    async fn verify(&self, token: &str, _now: Timestamp) -> Result<Arc<Principal>, VerifyError> {
        token.strip_prefix("new-").map(principal).ok_or(VerifyError::Invalid("bad_signature"))
    }
}

fn gate() -> Gate {
    let value = HeaderValue::from_static;
    let app = Arc::new(App {
        name: "app".into(),
        hosts: vec!["app.example".parse::<HostPattern>().expect("a host")],
        destination: Destination::Upstream("app".into()),
        identity: IdentityMode::None,
        cors: Some(CorsPolicy {
            origins: vec![value("https://ok.example")],
            any_origin: false,
            credentials: true,
            methods: value("GET, POST"),
            request_headers: value("authorization"),
            exposed_headers: value("x-request-id"),
            max_age: value("600"),
        }),
        headers: SecurityHeaders::of(HeaderPreset::Api),
        body: BodyRules { max_bytes: Some(10), json: None },
        targets: TargetProfile::Strict,
        websocket_idle: Duration::from_secs(60),
        body_idle: Duration::from_secs(60),
    });
    let signed_in = |permissions: &[&str]| AccessRule::SignedIn {
        permissions: permissions.iter().map(|text| text.parse().expect("a permission")).collect(),
        roles: vec![],
        scopes: vec![],
        second_factor: None,
    };
    let route = |index: usize, path: &str, access: AccessRule| Route {
        name: format!("app[{index}]").into(),
        app: Arc::clone(&app),
        path: path.parse::<PathPattern>().expect("a path"),
        methods: if index == 3 { vec![Method::POST] } else { vec![] },
        access,
        from: if index == 2 { vec!["192.0.2.0/24".parse().expect("a network")] } else { vec![] },
        deny: vec![],
        rate_limit: None,
    };
    let routes = vec![
        route(0, "/public/**", AccessRule::Public),
        route(1, "/admin/**", signed_in(&["system:admin"])),
        route(2, "/office/**", AccessRule::Public),
        route(3, "/post", signed_in(&[])),
        route(4, "/files/**", signed_in(&["files:read"])),
    ];
    let quota = |text: &str| text.parse::<Allowance>().expect("a quota");
    let limits = RateLimits {
        default: quota("3/min"),
        tiers: BTreeMap::from([
            ("free".into(), quota("5/min")),
            ("admin".into(), Allowance::Unlimited),
        ]),
        login: Allowance::Unlimited,
        register: Allowance::Unlimited,
        refresh: Allowance::Unlimited,
        failures: quota("2/min"),
    };
    let counters = Arc::new(memory::Counters::default());
    Gate::new(routes, limits, counters, Arc::new(FakeTokens), crate::observe::Metrics::new())
}

fn arrival(method: Method, path: &str, client: &str) -> Arrival {
    Arrival {
        received_at: Timestamp::from_secs(600),
        request_id: RequestId::accept("test").expect("an id"),
        client: client.parse::<IpAddr>().expect("an address"),
        scheme: Scheme::Https,
        protocol: Protocol::Http1,
        method,
        host: "app.example".into(),
        port: None,
        target: Target::parse(path, TargetProfile::Strict).expect("a target"),
        websocket: false,
        content_length: None,
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        })
        .collect()
}

async fn status(gate: &Gate, arrival: &Arrival, pairs: &[(&'static str, &str)]) -> u16 {
    let mut dress = Dress::default();
    match gate.decide(arrival, &headers(pairs), &mut dress).await {
        Ok(Verdict::Forward(_) | Verdict::Serve(_)) => 200,
        Ok(Verdict::Answer(answer)) => answer.status.as_u16(),
        Err(refusal) => refusal.problem().status.as_u16(),
    }
}

#[tokio::test]
async fn who_may_do_what() {
    for (path, authorization, expected) in [
        ("/public/x", None, 200),
        ("/public/x", Some("Bearer nonsense"), 200),
        ("/nowhere", None, 404),
        ("/files/x", None, 401),
        ("/files/x", Some("Bearer nonsense"), 401),
        ("/files/x", Some("Basic YTpi"), 401),
        ("/files/x", Some("Bearer new-viewer"), 200),
        ("/files/x", Some("Bearer good-viewer"), 200),
        ("/admin/x", Some("Bearer good-viewer"), 403),
        ("/admin/x", Some("Bearer good-admin"), 200),
        ("/post", Some("Bearer good-viewer"), 405),
        ("/office/x", None, 403),
    ] {
        let arrival = arrival(Method::GET, path, "198.51.100.1");
        let pairs: Vec<_> =
            authorization.map(|value| ("authorization", value)).into_iter().collect();
        assert_eq!(status(&gate(), &arrival, &pairs).await, expected, "{path} {authorization:?}");
    }
    let office = arrival(Method::GET, "/office/x", "192.0.2.7");
    assert_eq!(status(&gate(), &office, &[]).await, 200);
}

#[tokio::test]
async fn strangers_share_the_budget_of_their_network_and_known_callers_have_their_own() {
    let gate = gate();
    let stranger = arrival(Method::GET, "/public/x", "198.51.100.1");
    for expected in [200, 200, 200, 429] {
        assert_eq!(status(&gate, &stranger, &[]).await, expected);
    }
    let known = arrival(Method::GET, "/files/x", "198.51.100.1");
    for expected in [200, 200, 200, 200, 200, 429] {
        assert_eq!(
            status(&gate, &known, &[("authorization", "Bearer good-viewer")]).await,
            expected
        );
    }
    for _ in 0..20 {
        assert_eq!(status(&gate, &known, &[("authorization", "Bearer good-admin")]).await, 200);
    }
    let elsewhere = arrival(Method::GET, "/public/x", "198.51.100.2");
    assert_eq!(status(&gate, &elsewhere, &[]).await, 200);
}

#[tokio::test]
async fn guessing_tokens_ends_before_the_next_signature_is_computed() {
    let gate = gate();
    let guess = arrival(Method::GET, "/files/x", "198.51.100.1");
    for expected in [401, 401, 429] {
        assert_eq!(status(&gate, &guess, &[("authorization", "Bearer guess")]).await, expected);
    }
}

#[tokio::test]
async fn a_preflight_is_judged_as_the_request_it_asks_about() {
    let ask = |path| arrival(Method::OPTIONS, path, "198.51.100.1");
    let preflight = [("origin", "https://ok.example"), ("access-control-request-method", "POST")];
    assert_eq!(status(&gate(), &ask("/post"), &preflight).await, 204);
    assert_eq!(status(&gate(), &ask("/nowhere"), &preflight).await, 404);
    assert_eq!(status(&gate(), &ask("/files/x"), &[("origin", "https://ok.example")]).await, 401);
}

#[tokio::test]
async fn a_refusal_is_dressed_with_what_was_known() {
    let gate = gate();
    let mut dress = Dress::default();
    let request = arrival(Method::GET, "/files/x", "198.51.100.1");
    let pairs = headers(&[("origin", "https://ok.example")]);
    assert!(gate.decide(&request, &pairs, &mut dress).await.is_err());
    assert!(dress.route.is_some() && dress.cors.is_some());
    assert_eq!(dress.budget.map(|budget| budget.remaining), Some(2));
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_at_once() {
    let mut request = arrival(Method::POST, "/public/x", "198.51.100.1");
    request.content_length = Some(11);
    assert_eq!(status(&gate(), &request, &[]).await, 413);
}

#[test]
fn no_problem_tells_what_only_we_should_know() {
    let refusals = [
        Refusal::Malformed { reason: "cl_te", status: http::StatusCode::BAD_REQUEST },
        Refusal::BadGateway { reason: "connect_refused" },
        Refusal::Internal { reason: "portal_body" },
        Refusal::Unavailable { what: "store" },
        Refusal::Unauthenticated { reason: "bad_signature", invalid_token: true },
    ];
    for refusal in refusals {
        let body = refusal.problem().body("id");
        let parsed: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(parsed["status"], refusal.problem().status.as_u16());
        for word in ["sqlx", "panicked", "src/", "signature", "refused", "127.0.0.1"] {
            assert!(!body.contains(word), "{body}");
        }
    }
}
