//! A master that is killed, and the replica that takes its place: found by a sentinel, or by the cluster itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stormdoor::config::{
    HostAndPort, LimitsMode, LimitsOnOutage, RedisServer as Where, RedisSettings,
};
use stormdoor::store::SharedState;
use stormdoor::throttle::{Counters, Key, Who};
use tokio::sync::watch;

use crate::backends;
use crate::given::NOW;
use crate::redis_cluster::RedisCluster;
use crate::redis_server::{MASTER, RedisServer, wait_until};

/// A node that keeps its connections up until the sender is gone.
fn kept(shared: SharedState) -> (Arc<dyn Counters>, watch::Sender<bool>) {
    let (sender, ended) = watch::channel(false);
    let counters = Arc::clone(&shared.counters);
    tokio::spawn(shared.keep(ended));
    (counters, sender)
}

/// Longest that one answer takes: the timeout of the settings, and what a busy machine adds.
const SOON: Duration = Duration::from_millis(1500);

/// Whether there was an answer, which is there soon in any case.
async fn answers(counters: &Arc<dyn Counters>, who: &str) -> bool {
    let key = Key { policy: "default".into(), who: Who::Subject(who.into()) };
    let start = Instant::now();
    let answer = counters.spend(&key, "1000000/h".parse().unwrap(), 1, NOW).await;
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    answer.is_ok()
}

/// How long it takes until `counters` answer again after they did not.
async fn outage(counters: &Arc<dyn Counters>, mut meanwhile: impl AsyncFnMut()) -> Duration {
    let start = Instant::now();
    let mut refused = 0;
    loop {
        assert!(start.elapsed() < Duration::from_secs(20), "no new master within 20 s");
        meanwhile().await;
        if answers(counters, "ada").await {
            if refused > 0 {
                return start.elapsed();
            }
        } else {
            refused += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_that_a_sentinel_promotes_is_followed() {
    let (master, replica) = (RedisServer::start(), RedisServer::start());
    replica.command(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    wait_until("the replica is up to date", || {
        replica.command("INFO replication").contains("master_link_status:up")
    });
    let sentinel = RedisServer::start_sentinel(master.port());
    wait_until("the sentinel knows the replica", || {
        let known = sentinel.command(&format!("SENTINEL REPLICAS {MASTER}"));
        known.contains(&replica.port().to_string())
    });
    let place = HostAndPort { host: "127.0.0.1".to_owned(), port: sentinel.port() };
    let refuses = RedisSettings {
        server: Where::Sentinels { sentinels: vec![place], master: MASTER.to_owned() },
        ..backends::redis_settings(LimitsMode::Exact)
    };
    let goes_on = RedisSettings { limits_on_outage: LimitsOnOutage::Local, ..refuses.clone() };
    let (refusing, _one) = kept(backends::a_node(&refuses).await);
    let (going_on, _two) = kept(backends::a_node(&goes_on).await);
    assert!(answers(&refusing, "ada").await && answers(&going_on, "ada").await);

    master.kill();
    let lasted = outage(&refusing, async || assert!(answers(&going_on, "bob").await)).await;
    println!("followed after {lasted:?}");
    assert!(replica.command("ROLE").contains("master"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_in_a_cluster_is_followed_and_other_keys_notice_nothing() {
    let cluster = RedisCluster::start(3);
    let replica = cluster.replica_of(0);
    // Prefixes with tags, so that all keys of a node are at one server.
    let servers = BTreeMap::from([("{bar}:", 0), ("{foo}:", 2)]);
    for (prefix, number) in &servers {
        let slot = cluster.master(0).server.command(&format!("CLUSTER KEYSLOT {prefix}"));
        let slot: usize = slot.lines().next().unwrap().trim_start_matches(':').parse().unwrap();
        assert_eq!(slot * 3 / 16384, *number);
    }
    let settings = |prefix: &str| RedisSettings {
        prefix: prefix.to_owned(),
        ..backends::in_cluster(&cluster)
    };
    let (lost, _one) = kept(backends::a_node(&settings("{bar}:")).await);
    let (others, _two) = kept(backends::a_node(&settings("{foo}:")).await);
    assert!(answers(&lost, "ada").await && answers(&others, "ada").await);

    cluster.master(0).server.kill();
    let lasted = outage(&lost, async || assert!(answers(&others, "bob").await)).await;
    println!("followed after {lasted:?}");
    assert!(replica.server.command("ROLE").contains("master"));
    assert!(answers(&others, "bob").await);
}
