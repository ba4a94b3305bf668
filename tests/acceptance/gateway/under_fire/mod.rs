//! Three gateway processes behind haproxy, on one PostgreSQL and one Redis, all of which are killed (SIGKILL) and started
//! again in turn while people sign in, refresh, use apps, and are locked and given other roles.
//!
//! No answer may be wrong, whatever is down: see [`ledger`]. How many requests were served in each phase is printed.
//! `STORMDOOR_UNDER_FIRE=300 cargo test --test acceptance under_fire -- --nocapture` goes on for 300 seconds.

mod ledger;
mod traffic;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future;
use tokio::task::block_in_place;

use self::ledger::Ledger;
use self::traffic::Traffic;
use crate::redis_server::RedisServer;
use crate::server::{self, Server};
use crate::world::PASSWORD;
use crate::world::node::{Balancer, Node, client_at};

/// What may die.
#[derive(Clone, Copy)]
enum Victim {
    Node(usize),
    Postgres,
    Redis,
}

const VICTIMS: [Victim; 5] =
    [Victim::Node(0), Victim::Redis, Victim::Node(1), Victim::Postgres, Victim::Node(2)];

impl Victim {
    fn name(self) -> String {
        match self {
            Self::Node(number) => format!("node {number}"),
            Self::Postgres => "PostgreSQL".to_owned(),
            Self::Redis => "Redis".to_owned(),
        }
    }
}

/// Where everything runs.
struct Site {
    nodes: Vec<Node>,
    postgres: Server,
    redis: Option<RedisServer>,
    redis_port: u16,
}

impl Site {
    async fn start(nodes: usize) -> Self {
        let (postgres, redis) = (Server::of_ones_own(), RedisServer::start());
        let store = server::section(&postgres.url(), "door");
        let store = store.replace(" }", ", sealing_key_file: shared.key }");
        let more = format!("{store}shared_state: {{ kind: redis, url: \"{}\" }}\n", redis.url());
        let nodes = future::join_all((0..nodes).map(|_| Node::start(&more))).await;
        nodes[0].add_user("boss@example.org", "superadmin", PASSWORD);
        Self { nodes, postgres, redis_port: redis.port(), redis: Some(redis) }
    }

    fn kill(&mut self, victim: Victim, ledger: &Ledger) {
        match victim {
            Victim::Node(number) => self.nodes[number].kill(),
            Victim::Postgres => {
                ledger.store_goes();
                block_in_place(|| self.postgres.kill_hard());
            }
            Victim::Redis => self.redis = None,
        }
    }

    async fn start_again(&mut self, victim: Victim, ledger: &Ledger) {
        match victim {
            Victim::Node(number) => {
                self.nodes[number].start_again();
                self.nodes[number].wait_until_ready().await;
            }
            Victim::Postgres => {
                block_in_place(|| self.postgres.start());
                ledger.store_is_back();
            }
            Victim::Redis => {
                let port = self.redis_port;
                self.redis = Some(block_in_place(|| RedisServer::start_on(port)));
            }
        }
    }

    async fn leaders(&self) -> usize {
        let asked = future::join_all(self.nodes.iter().map(Node::leads)).await;
        asked.into_iter().filter(|leads| *leads == Some(true)).count()
    }
}

/// Lets a phase go on for `length`, and counts leaders meanwhile.
async fn go_on(site: &Site, ledger: &Ledger, length: Duration) {
    let until = Instant::now() + length;
    while Instant::now() < until {
        if site.leaders().await > 1 {
            ledger.wrong("two nodes lead".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_no_answer_is_wrong() {
    let seconds = stormdoor::config::system_environment("STORMDOOR_UNDER_FIRE");
    let seconds = seconds.map(|text| text.parse::<u64>().expect("seconds"));
    let (length, phase) = match seconds {
        Some(seconds) => (Duration::from_secs(seconds), Duration::from_secs(6)),
        None => (Duration::from_secs(25), Duration::from_secs(2)),
    };
    let mut site = Site::start(3).await;
    let balancer = Balancer::before(&site.nodes).await;
    let ledger = Arc::new(Ledger::default());
    ledger.phase("all well");
    let traffic = Traffic::begin(balancer.address, &site.nodes, &ledger).await;

    let began = Instant::now();
    go_on(&site, &ledger, phase).await;
    for victim in VICTIMS.into_iter().cycle() {
        ledger.phase(&format!("{} down", victim.name()));
        site.kill(victim, &ledger);
        go_on(&site, &ledger, phase).await;
        ledger.phase(&format!("{} back", victim.name()));
        site.start_again(victim, &ledger).await;
        go_on(&site, &ledger, phase).await;
        if began.elapsed() >= length {
            break;
        }
    }
    ledger.phase("afterwards");
    for node in &site.nodes {
        node.wait_until_ready().await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    traffic.end().await;
    ledger.check_records(site.postgres.folder()).await;

    println!("{ledger}");
    let logs = || site.nodes.iter().map(Node::log).collect::<Vec<_>>().join("\n");
    let wrong = ledger.wrong_answers();
    assert!(wrong.is_empty(), "{wrong:#?}\n{ledger}\n{}", logs());
    assert!(ledger.is_about_something(), "{ledger}\n{}", logs());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leader_dies_another_node_leads_within_half_a_minute() {
    let mut site = Site::start(2).await;
    let began = Instant::now();
    while site.leaders().await != 1 {
        assert!(began.elapsed() < Duration::from_secs(10), "nobody leads");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let first = usize::from(site.nodes[0].leads().await != Some(true));
    site.nodes[first].kill();
    let began = Instant::now();
    while site.nodes[1 - first].leads().await != Some(true) {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody took over");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("another node led after {:?}", began.elapsed());
    // Back, it is one of those who follow.
    site.nodes[first].start_again();
    site.nodes[first].wait_until_ready().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(site.nodes[first].leads().await, Some(false));
    assert_eq!(site.nodes[1 - first].leads().await, Some(true));
}

/// A measurement: `cargo test --test acceptance how_long_a_sign_out -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of a minute or more"]
async fn how_long_a_sign_out_takes_to_reach_another_node() {
    const SIGN_OUTS: usize = 1000;
    let site = Site::start(2).await;
    let here = client_at(site.nodes[0].https, &site.nodes);
    let there = client_at(site.nodes[1].https, &site.nodes);
    let mut took = Vec::with_capacity(SIGN_OUTS);
    while took.len() < SIGN_OUTS {
        let signed_in = traffic::sign_in(&here, "boss@example.org").await.expect("a sign-in");
        let opens = async || traffic::whoami(&there, &signed_in.access).await == Some(200);
        assert!(opens().await);
        assert!(traffic::sign_out(&here, &signed_in.access).await.is_some_and(|s| s < 300));
        let confirmed = Instant::now();
        while opens().await {}
        took.push(confirmed.elapsed());
    }
    took.sort_unstable();
    let at = |part: usize| took[(took.len() - 1) * part / 100];
    println!("{SIGN_OUTS}: median {:?}, 99 of 100 {:?}, worst {:?}", at(50), at(99), at(100));
    assert!(at(100) < Duration::from_secs(1));
}
