//! Several gateways on one Redis; and what each request gets while that is down, dies, is slow or talks nonsense.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::flaky::{Flaky, Mood};
use crate::redis_server::{RedisServer, free_port};
use crate::world::{PASSWORD, World};

/// A gateway on the Redis at `url`; strangers may ask for `/limited` within `limits`.
fn config(url: &str, limits: &str, more: &str) -> String {
    format!(
        r#"
shared_state: {{ kind: redis, url: "{url}", {more} }}
rate_limits: {{ default: unlimited, tiers: {{ free: 1000/day, premium: unlimited, admin: unlimited }}, auth: {{ login: unlimited, register: unlimited, refresh: unlimited }} }}
roles:
  careful: {{ permissions: ["conversation:read"], second_factor: required }}
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - {{ path: /limited/**, access: public, rate_limit: {limits} }}
      - {{ path: /**, access: signed_in }}
"#
    )
}

/// How many of 120 requests of one client, sent to three gateways at the same time, get through; and how often a busy
/// machine kept Redis from answering in time, which may count what nobody was granted.
async fn granted_by_three(more: &str) -> (usize, usize) {
    let redis = RedisServer::start();
    let more = format!("timeout: 1s, on_outage: refuse, {more}");
    let config = config(&redis.url(), "60/day", &more);
    let worlds =
        future::join_all([&config, &config, &config].map(|config| World::with(config))).await;
    let clients: Vec<_> = worlds.iter().map(World::client).collect();
    let late = AtomicUsize::new(0);
    let statuses = (0..120).map(async |number| {
        let (world, client) = (&worlds[number % 3], &clients[number % 3]);
        let url = world.url("whoami.localhost", "/limited/x");
        for _ in 0..20 {
            let status = client.get(&url).send().await.unwrap().status();
            if status != StatusCode::SERVICE_UNAVAILABLE {
                return status;
            }
            late.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        StatusCode::SERVICE_UNAVAILABLE
    });
    let statuses = future::join_all(statuses).await;
    let count = |wanted: StatusCode| statuses.iter().filter(|status| **status == wanted).count();
    let (granted, refused) = (count(StatusCode::OK), count(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(granted + refused, 120, "{statuses:?}");
    (granted, late.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_gateways_that_ask_grant_exactly_the_quota() {
    let (granted, late) = granted_by_three("limits: exact").await;
    assert!(granted <= 60 && granted + late >= 60, "{granted}, {late} late");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_gateways_with_slices_never_grant_more_than_the_quota_and_nearly_all_of_it() {
    let (granted, late) = granted_by_three("limits: local_share").await;
    // A quarter, and two for each other node, may be refused early; and a slice, an eighth, with each late answer.
    let early = 15 + 4 + late * 8;
    assert!(granted <= 60 && granted + early >= 60, "{granted}, {late} late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_after_failures_holds_on_every_gateway() {
    let redis = RedisServer::start();
    let config = config(&redis.url(), "unlimited", "timeout: 1s");
    let (one, other) = (World::with(&config).await, World::with(&config).await);
    // Nobody has the name on either; such names are locked like known ones.
    for world in [&one, &other, &one, &other, &one] {
        assert_eq!(sign_in(world, "nobody", "wrong-password-x").await, 401);
    }
    for world in [&one, &other] {
        assert_eq!(sign_in(world, "nobody", "wrong-password-x").await, 429);
    }
}

async fn sign_in(world: &World, name: &str, password: &str) -> u16 {
    let body = json!({ "email": format!("{name}@example.org"), "password": password });
    let url = world.url("localhost", "/auth/login");
    world.client().post(url).json(&body).send().await.unwrap().status().as_u16()
}

/// A way for Redis to be of no use.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    DownAtStart,
    Suddenly(Mood),
}

const TROUBLES: [Trouble; 4] = [
    Trouble::DownAtStart,
    Trouble::Suddenly(Mood::Dead),
    Trouble::Suddenly(Mood::Slow),
    Trouble::Suddenly(Mood::Nonsense),
];

/// A gateway in trouble, with somebody whose token it knows.
struct Troubled {
    world: World,
    token: String,
    flaky: Option<Flaky>,
    /// Where it may come back, when it was never there.
    port: u16,
    _redis: Option<RedisServer>,
}

impl Troubled {
    async fn by(trouble: Trouble, on_outage: &str) -> Self {
        let more = format!("timeout: 200ms, on_outage: {on_outage}");
        let (flaky, redis, port) = match trouble {
            Trouble::DownAtStart => (None, None, free_port()),
            Trouble::Suddenly(_) => {
                let redis = RedisServer::start();
                let flaky = Flaky::before(redis.address()).await;
                let port = flaky.address.port();
                (Some(flaky), Some(redis), port)
            }
        };
        let url = format!("redis://127.0.0.1:{port}");
        let world = World::with(&config(&url, "6/day", &more)).await;
        world.add_user("ada@example.org", &["viewer"]).await;
        world.add_user("cora@example.org", &["careful"]).await;
        let token = if flaky.is_some() || on_outage != "refuse" {
            let token = world.sign_in("ada@example.org").await;
            token["access_token"].as_str().unwrap().to_owned()
        } else {
            String::new()
        };
        let troubled = Self { world, token, flaky, port, _redis: redis };
        if flaky_known(&troubled) {
            assert_eq!(troubled.known().await, 200);
        }
        if let (Trouble::Suddenly(mood), Some(flaky)) = (trouble, &troubled.flaky) {
            flaky.be(mood);
        }
        troubled
    }

    /// What a request with a known token gets.
    async fn known(&self) -> u16 {
        let url = self.world.url("whoami.localhost", "/x");
        let request = self.world.client().get(url).bearer_auth(&self.token);
        request.send().await.unwrap().status().as_u16()
    }

    /// What a stranger's request gets.
    async fn stranger(&self) -> u16 {
        let url = self.world.url("whoami.localhost", "/limited/x");
        self.world.client().get(url).send().await.unwrap().status().as_u16()
    }

    async fn readiness(&self) -> (u16, Value) {
        let url = format!("http://{}/readyz", self.world.operations());
        let answer = reqwest::get(url).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn is_up(&self) -> bool {
        let url = format!("http://{}/metrics", self.world.operations());
        let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
        metrics.lines().any(|line| line == "stormdoor_shared_state_up 1")
    }

    async fn comes_back(mut self) {
        let mut back = None;
        match &self.flaky {
            Some(flaky) => flaky.be(Mood::Well),
            None => back = Some(RedisServer::start_on(self.port)),
        }
        let start = Instant::now();
        while !self.is_up().await {
            assert!(start.elapsed() < Duration::from_secs(20), "it never came back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.readiness().await.1["checks"]["shared_state"]["status"], "ok");
        self.flaky = None;
        drop(back);
    }
}

fn flaky_known(troubled: &Troubled) -> bool {
    !troubled.token.is_empty() && troubled.flaky.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_everything_but_one_time_values_goes_on_and_limits_hold_on_each_node() {
    for trouble in TROUBLES {
        let troubled = Troubled::by(trouble, "local").await;

        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(troubled.known().await, 200, "{trouble:?}");
        }
        // Three waited for an answer, if any did; the others were told at once.
        assert!(start.elapsed() < Duration::from_secs(5), "{trouble:?}: {:?}", start.elapsed());

        let mut strangers = Vec::new();
        for _ in 0..8 {
            strangers.push(troubled.stranger().await);
        }
        // One node: its part is all of it.
        assert_eq!(strangers, [200, 200, 200, 200, 200, 200, 429, 429], "{trouble:?}");

        assert_eq!(sign_in(&troubled.world, "ada", PASSWORD).await, 200, "{trouble:?}");
        for _ in 0..5 {
            assert_eq!(sign_in(&troubled.world, "ada", "wrong-password-x").await, 401);
        }
        assert_eq!(sign_in(&troubled.world, "ada", PASSWORD).await, 429, "{trouble:?}: locked");
        assert_eq!(sign_in(&troubled.world, "cora", PASSWORD).await, 503, "{trouble:?}");

        assert!(!troubled.is_up().await, "{trouble:?}");
        let (status, report) = troubled.readiness().await;
        assert_eq!((status, &report["status"]), (200, &json!("degraded")), "{trouble:?}");
        assert_eq!(report["checks"]["shared_state"]["status"], "warn", "{trouble:?}");
        troubled.comes_back().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_refuse_it_refuses_and_is_not_ready() {
    for trouble in TROUBLES {
        let troubled = Troubled::by(trouble, "refuse").await;
        if !troubled.token.is_empty() {
            assert_eq!(troubled.known().await, 503, "{trouble:?}");
        }
        for _ in 0..4 {
            assert_eq!(troubled.stranger().await, 503, "{trouble:?}");
        }
        assert_eq!(sign_in(&troubled.world, "ada", PASSWORD).await, 503, "{trouble:?}");
        assert_eq!(troubled.readiness().await.0, 503, "{trouble:?}");
        troubled.comes_back().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_allow_it_lets_requests_pass_uncounted_but_counts_failures_to_sign_in() {
    for trouble in TROUBLES {
        let troubled = Troubled::by(trouble, "allow").await;
        assert_eq!(troubled.known().await, 200, "{trouble:?}");
        for _ in 0..10 {
            assert_eq!(troubled.stranger().await, 200, "{trouble:?}");
        }
        for _ in 0..5 {
            assert_eq!(sign_in(&troubled.world, "nobody", "wrong-password-x").await, 401);
        }
        assert_eq!(sign_in(&troubled.world, "nobody", "wrong-password-x").await, 429);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_is_no_longer_counted() {
    let redis = RedisServer::start();
    let config = config(&redis.url(), "unlimited", "prefix: 'door:', timeout: 1s");
    let (one, other) = (World::with(&config).await, World::with(&config).await);
    let nodes = || redis.command("ZCARD door:nodes:");
    assert!(nodes().starts_with(":2\r\n"), "{}", nodes());
    other.gateway.stop(Duration::from_secs(5)).await;
    assert!(nodes().starts_with(":1\r\n"), "{}", nodes());
    one.gateway.stop(Duration::from_secs(5)).await;
}
