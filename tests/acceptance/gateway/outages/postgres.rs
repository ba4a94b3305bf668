//! PostgreSQL.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{ALL_WELL, APPS, Ada, NO_RECORDS};
use crate::flaky::{Flaky, Mood};
use crate::server::{self, Server};
use crate::world::World;
use crate::world::node::Node;

/// How long a request waits for the store, as configured, and what a busy machine adds.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A server, and something before it that may misbehave.
async fn server() -> (Server, Flaky) {
    let server = Server::of_ones_own();
    let flaky = Flaky::before_socket(&server.folder().join(".s.PGSQL.5432")).await;
    (server, flaky)
}

fn section(address: SocketAddr) -> String {
    let url = format!("postgres://stormdoor@{address}/postgres?sslmode=disable");
    server::section(&url, "door").replace(" }", ", timeout: 2s }")
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgresql_gone_slow_or_mad_under_load_tokens_go_on_and_who_needs_records_gets_503() {
    let (_server, flaky) = server().await;
    let world = World::with(&format!("{}{APPS}", section(flaky.address))).await;
    let mut ada = Ada::at(&world).await;
    let load = ada.load();
    for mood in [Mood::Dead, Mood::Slow, Mood::Nonsense] {
        flaky.be(mood);
        let began = Instant::now();
        assert_eq!(ada.ask().await, NO_RECORDS, "{mood:?}");
        assert!(began.elapsed() < TIMEOUT, "{mood:?}: {:?}", began.elapsed());
        ada.until(503, "store", "fail").await;
        flaky.be(Mood::Well);
        ada.until(200, "store", "ok").await;
        assert_eq!(ada.ask().await, ALL_WELL, "after {mood:?}");
    }
    load.was_served().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgresql_down_at_start_nobody_is_let_wait_at_a_door_that_may_never_open() {
    let (_server, flaky) = server().await;
    flaky.be(Mood::Dead);
    let mut node = Node::prepare(&section(flaky.address));
    node.start_again();
    until_said(&node, "the store does not answer yet").await;
    for address in [node.https, node.operations] {
        let refused = tokio::net::TcpStream::connect(address).await;
        assert!(refused.is_err(), "a load balancer would send requests here");
    }
    flaky.be(Mood::Well);
    node.wait_until_ready().await;
}

async fn until_said(node: &Node, words: &str) {
    let began = Instant::now();
    while !node.log().contains(words) {
        assert!(began.elapsed() < Duration::from_secs(20), "never {words:?}: {}", node.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
