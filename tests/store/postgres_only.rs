//! What PostgreSQL promises beyond the contract: several nodes on one database, and outages.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use stormdoor::identity::{EventKind, StoreError};
use stormdoor::store::{self, Stores};
use tokio::time::timeout;

use crate::given;
use crate::{backends, server};

/// Two nodes on one schema, and a connection there that is neither's.
struct Nodes {
    one: Stores,
    other: Stores,
    beside: PgConnection,
}

async fn two_nodes() -> Nodes {
    let (url, schema) = server::place();
    let config = backends::postgres_at(&url, &schema);
    let open = || async { store::open(&config, Path::new("")).await.unwrap() };
    let (one, other) = (open().await, open().await);
    let beside = backends::beside(&config).await;
    Nodes { one, other, beside }
}

async fn record(stores: &Stores) {
    stores.events.record(&given::event(EventKind::SignedOut)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_on_an_empty_database_all_come_up() {
    let (url, schema) = server::place();
    let config = backends::postgres_at(&url, &schema);
    let opened = future::join_all((0..4).map(|_| store::open(&config, Path::new("")))).await;
    for stores in opened {
        stores.unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_is_a_word_of_sql_is_a_schema_too() {
    let (url, _) = server::place();
    let config = backends::postgres_at(&url, "table");
    store::open(&config, Path::new("")).await.unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_never_finds_a_lower_number_later() {
    let Nodes { one, other, mut beside } = two_nodes().await;
    let mut early = beside.begin().await.unwrap();
    early
        .execute("INSERT INTO audit (at, kind, details) VALUES (0, 'signed_in', '{}')")
        .await
        .unwrap();
    let late = tokio::spawn(async move { record(&one).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(other.events.after(0, 10).await.unwrap().is_empty(), "the later one waits");
    assert!(!late.is_finished());
    early.commit().await.unwrap();
    late.await.unwrap();

    let found = other.events.after(0, 10).await.unwrap();
    let found: Vec<_> = found.iter().map(|event| (event.number, event.kind.as_str())).collect();
    assert_eq!(found, [(1, "signed_in"), (2, "signed_out")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_many_writers_misses_nothing() {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let Nodes { one, other, .. } = two_nodes().await;
    let writers = (0..WRITERS).map(|writer| {
        let stores = if writer % 2 == 0 { one.clone() } else { other.clone() };
        tokio::spawn(async move {
            for _ in 0..EACH {
                record(&stores).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let (mut seen, mut count) = (0, 0);
    while count < WRITERS * EACH {
        let page = other.events.after(seen, 7).await.unwrap();
        assert!(page.iter().zip(seen + 1..).all(|(event, next)| event.number == next), "{page:?}");
        count += page.len();
        seen = page.last().map_or(seen, |last| last.number);
    }
    future::try_join_all(writers).await.unwrap();
    assert!(other.events.after(seen, 7).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_is_woken_by_another_node_and_knows_its_own() {
    let Nodes { one, other, .. } = two_nodes().await;
    // The first time is because it began to listen.
    timeout(Duration::from_secs(5), other.events.appended()).await.unwrap();
    assert!(timeout(Duration::from_millis(200), other.events.appended()).await.is_err());

    // Longer than the connection is left alone.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let began = Instant::now();
    record(&one).await;
    timeout(Duration::from_secs(5), other.events.appended()).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());

    let elsewhere = async |stores: &Stores| stores.events.latest(1).await.unwrap()[0].elsewhere;
    assert!(elsewhere(&other).await);
    assert!(!elsewhere(&one).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_waits_too_long_is_an_outage() {
    let Nodes { one, mut beside, .. } = two_nodes().await;
    let ada = given::a_user(&one, "ada").await;
    let mut holder = beside.begin().await.unwrap();
    holder.execute("SELECT * FROM users FOR UPDATE").await.unwrap();
    let began = Instant::now();
    let event = given::event(EventKind::UserErased);
    let error = one.users.erase(ada.id, &event).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    holder.rollback().await.unwrap();
    assert!(one.users.erase(ada.id, &event).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_under_load_is_an_outage_until_it_is_back() {
    let server = server::Server::of_ones_own();
    let config = backends::postgres_at(&server.url(), "door");
    let stores = store::open(&config, Path::new("")).await.unwrap();
    let ada = given::a_user(&stores, "ada").await;
    timeout(Duration::from_secs(5), stores.events.appended()).await.unwrap();

    let load = (0..20).map(|_| {
        let stores = stores.clone();
        tokio::spawn(async move {
            let mut failures = 0;
            let until = Instant::now() + Duration::from_secs(4);
            while Instant::now() < until {
                match stores.users.find(ada.id).await {
                    Ok(found) => assert_eq!(found.map(|user| user.id), Some(ada.id)),
                    Err(StoreError::Unavailable(_)) => {
                        failures += 1;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            failures
        })
    });
    let load: Vec<_> = load.collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.kill();
    let began = Instant::now();
    assert!(matches!(stores.ping().await, Err(StoreError::Unavailable(_))));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let failures: usize = future::try_join_all(load).await.unwrap().into_iter().sum();
    assert!(failures > 0);

    server.start();
    stores.ping().await.unwrap();
    assert!(stores.users.find(ada.id).await.unwrap().is_some());
    // Nobody listened meanwhile, so whoever follows must look.
    timeout(Duration::from_secs(5), stores.events.appended()).await.unwrap();
    server.kill();
    let error = store::open(&config, Path::new("")).await.err().unwrap();
    assert!(error.to_string().contains("PostgreSQL at /"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_nodes_one_leads_until_its_lease_is_over_or_given_back() {
    const LONG: Duration = Duration::from_mins(1);
    let (url, schema) = server::place();
    let config = backends::postgres_at(&url, &schema);
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(store::open(&config, Path::new("")).await.unwrap());
    }
    let campaign = async |lease: Duration| {
        let asked = nodes.iter().map(|node| node.leadership.lead("upkeep", lease));
        let leads = future::try_join_all(asked).await.unwrap();
        assert_eq!(leads.iter().filter(|leads| **leads).count(), 1, "{leads:?}");
        leads.iter().position(|leads| *leads).unwrap()
    };
    let first = campaign(LONG).await;
    assert_eq!(campaign(LONG).await, first);

    // Nobody can give back what is another's.
    let other = (first + 1) % nodes.len();
    nodes[other].leadership.resign("upkeep").await.unwrap();
    assert_eq!(campaign(LONG).await, first);
    nodes[first].leadership.resign("upkeep").await.unwrap();
    assert!(nodes[other].leadership.lead("upkeep", Duration::from_millis(300)).await.unwrap());
    assert!(!nodes[first].leadership.lead("upkeep", LONG).await.unwrap());

    // Never heard of again.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(nodes[first].leadership.lead("upkeep", LONG).await.unwrap());
    assert!(!nodes[other].leadership.lead("upkeep", LONG).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_a_node_listens_again_within_a_second() {
    let server = server::Server::of_ones_own();
    let config = backends::postgres_at(&server.url(), "door");
    let stores = store::open(&config, Path::new("")).await.unwrap();
    timeout(Duration::from_secs(5), stores.events.appended()).await.unwrap();
    for _ in 0..3 {
        server.kill_hard();
        // Long enough for pauses between attempts to grow.
        tokio::time::sleep(Duration::from_secs(4)).await;
        server.start();
        timeout(Duration::from_secs(1), stores.events.appended()).await.unwrap();
    }
}

/// What a later release does to a table that this one reads: a column that may be empty, and its entry.
const LATER: [&str; 2] = [
    "ALTER TABLE users ADD COLUMN later TEXT",
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
     VALUES (9999, 'of a later release', TRUE, '\\x00', 0)",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_beside_a_later_release_and_starts_again() {
    let (url, schema) = server::place();
    let config = backends::postgres_at(&url, &schema);
    let open = || async { store::open(&config, Path::new("")).await.unwrap() };
    let (running, ada) = (open().await, given::user("ada"));
    given::insert(&running, &ada, EventKind::Registered).await.unwrap();
    for _ in 0..3 {
        assert!(running.users.find(ada.id).await.unwrap().is_some(), "a statement to remember");
    }

    let mut beside = backends::beside(&config).await;
    for sql in LATER {
        beside.execute(sql).await.unwrap();
    }
    for stores in [running, open().await] {
        assert!(stores.users.find(ada.id).await.unwrap().is_some());
        record(&stores).await;
    }
}
