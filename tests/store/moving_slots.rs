//! Keys that move from one server of a cluster to another, while requests ask for them.

use stormdoor::config::RedisSettings;
use stormdoor::store::SharedState;
use stormdoor::throttle::{Key, Spend, Who};

use crate::backends;
use crate::given::NOW;
use crate::redis_cluster::RedisCluster;

/// What is left of ten.
async fn spend(shared: &SharedState, who: &str) -> Option<u32> {
    let key = Key { policy: "default".into(), who: Who::Subject(who.into()) };
    match shared.counters.spend(&key, "10/h".parse().unwrap(), 1, NOW).await {
        Ok(Spend::Granted { remaining, .. }) => Some(remaining),
        Ok(Spend::Exhausted { .. }) => Some(0),
        Err(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_loses_nothing() {
    let cluster = RedisCluster::start(3);
    // All keys are in the slot of this tag.
    let settings =
        RedisSettings { prefix: "{moving}:".to_owned(), ..backends::in_cluster(&cluster) };
    let shared = backends::a_node(&settings).await;
    assert_eq!(spend(&shared, "ada").await, Some(9));

    let slot = cluster.master(0).server.command("CLUSTER KEYSLOT {moving}");
    let slot: usize = slot.lines().next().unwrap().trim_start_matches(':').trim().parse().unwrap();
    let from = cluster.master(slot * 3 / 16384);
    let to = cluster.newcomer();
    to.must(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", from.id()));
    from.must(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", to.id()));

    // What is still there is found there. What is new belongs to the other one, of which nobody spoke before.
    assert_eq!(spend(&shared, "ada").await, Some(8));
    assert_eq!(spend(&shared, "bob").await, None);
    shared.tend().await;
    assert_eq!(spend(&shared, "bob").await, Some(9));
    assert_eq!(spend(&shared, "bob").await, Some(8));

    let keys = from.server.command(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
    let keys: Vec<&str> = keys.lines().filter(|line| line.starts_with("{moving}")).collect();
    let (port, keys) = (to.server.port(), keys.join(" "));
    from.must(&format!("MIGRATE 127.0.0.1 {port} \"\" 0 5000 KEYS {keys}"));
    assert_eq!(spend(&shared, "ada").await, Some(7));
    // The newcomer has no slots in the new map, and is still known.
    shared.tend().await;
    assert_eq!(spend(&shared, "ada").await, Some(6));

    for member in [&to, from] {
        member.must(&format!("CLUSTER SETSLOT {slot} NODE {}", to.id()));
    }
    assert_eq!(spend(&shared, "ada").await, Some(5));
    shared.tend().await;
    assert_eq!(spend(&shared, "ada").await, Some(4));
    assert_eq!(spend(&shared, "bob").await, Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_a_server_forgot_are_given_to_it_again() {
    let cluster = RedisCluster::start(3);
    let settings = RedisSettings { prefix: "{x}:".to_owned(), ..backends::in_cluster(&cluster) };
    let shared = backends::a_node(&settings).await;
    assert_eq!(spend(&shared, "ada").await, Some(9));
    for number in 0..3 {
        cluster.master(number).must("SCRIPT FLUSH");
    }
    assert_eq!(spend(&shared, "ada").await, Some(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_cluster_are_spread_over_its_servers() {
    let cluster = RedisCluster::start(3);
    let shared = backends::a_node(&backends::in_cluster(&cluster)).await;
    for number in 0..60 {
        assert_eq!(spend(&shared, &number.to_string()).await, Some(9));
    }
    for number in 0..3 {
        let keys = cluster.master(number).server.command("DBSIZE");
        let keys: u32 = keys.lines().next().unwrap().trim_start_matches(':').parse().unwrap();
        assert!(keys > 5, "{keys}");
    }
}
