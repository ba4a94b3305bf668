//! The disk: full, or with damaged records on it. A limit to the size of files is met like the end of a disk, and needs no
//! rights.

use std::process::Command;

use serde_json::Value;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::{ALL_WELL, Ada, Got, NO_RECORDS, status};
use crate::world::PASSWORD;
use crate::world::node::{Node, client_at};

/// What is written is not, and what is read is.
const READ_ONLY: Got = Got { device: 200, ..NO_RECORDS };

/// The exit code when the store cannot be used.
const NO_STORE: i32 = 69;

/// The system's signal for a file that grew too large is to be an error like any other, also to the next program.
const NO_SIGNAL: &str = "trap '' XFSZ";

async fn at(node: &Node) -> Ada {
    let client = client_at(node.https, std::slice::from_ref(node));
    Ada::of(client, node.https.port(), node.operations).await
}

fn with_ada(node: &Node) {
    node.add_user("ada@example.org", "reader", PASSWORD);
}

/// Lets files be written up to `bytes`.
fn limit(node: &Node, bytes: &str) {
    let mut command = Command::new("prlimit");
    command.arg(format!("--pid={}", node.id())).arg(format!("--fsize={bytes}:"));
    assert!(command.status().unwrap().success());
}

async fn integrity(node: &Node) -> String {
    let options = SqliteConnectOptions::new().filename(node.path("data/stormdoor.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_disk_full_under_load_what_is_confirmed_is_kept_and_nothing_else_is_written() {
    let mut node = Node::prepare("");
    node.start_by(NO_SIGNAL);
    node.wait_until_ready().await;
    with_ada(&node);
    let mut ada = at(&node).await;
    let load = ada.load();
    let mut confirmed = String::new();
    for number in 0..30 {
        if number == 20 {
            limit(&node, "0");
        }
        let name = format!("Ada the {number}th");
        match status(ada.change(&name)).await {
            200 => confirmed = name,
            got => assert!(got == 503 && number >= 20, "{got} for {number}"),
        }
    }
    assert_eq!(confirmed, "Ada the 19th");
    assert_eq!(ada.ask().await, READ_ONLY);
    ada.until(503, "store", "fail").await;
    load.was_served().await;
    limit(&node, "unlimited");
    ada.until(200, "store", "ok").await;
    assert_eq!(name_of(&ada).await, confirmed);
    assert_eq!(ada.ask().await, ALL_WELL);

    // Full at the moment of a power cut, and at the start after it.
    assert_eq!(status(ada.change("Ada the last")).await, 200);
    limit(&node, "0");
    assert_eq!(status(ada.change("nobody")).await, 503);
    node.kill();
    assert_eq!(integrity(&node).await, "ok");
    node.start_by(NO_SIGNAL);
    node.wait_until_ready().await;
    assert_eq!(name_of(&ada).await, "Ada the last");
    assert_eq!(ada.ask().await, ALL_WELL);
}

async fn name_of(ada: &Ada) -> String {
    let request = ada.auth(reqwest::Method::GET, "/auth/me").bearer_auth(&ada.known);
    let me: Value = request.send().await.unwrap().json().await.unwrap();
    me["full_name"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_disk_full_at_start_it_says_so_and_ends_and_starts_once_there_is_room() {
    let mut node = Node::start("").await;
    node.kill();
    // A command that ends tidily, and leaves nothing but the records.
    with_ada(&node);
    let output = node.output_by(&format!("{NO_SIGNAL}; ulimit -f 0"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(NO_STORE), "{said}");
    assert!(said.contains("stormdoor.db: cannot open the database"), "{said}");
    assert!(!said.contains("panic"), "{said}");
    node.start_again();
    node.wait_until_ready().await;
    assert_eq!(at(&node).await.ask().await, ALL_WELL);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_disk_full_under_the_logs_lines_are_lost_and_counted_and_everything_goes_on() {
    let mut node = Node::prepare("");
    node.configure("access_log: off, level: warn", "access_log: /dev/full, level: debug");
    node.start_by("exec 2>/dev/full");
    node.wait_until_ready().await;
    with_ada(&node);
    let mut ada = at(&node).await;
    assert_eq!(ada.ask().await, ALL_WELL);
    let (status, report) = ada.readiness().await;
    assert_eq!((status, &report["status"]), (200, &"ready".into()), "{report}");
    let counted = |line: &str| {
        line.strip_prefix("stormdoor_access_log_dropped_total ").is_some_and(|count| count != "0")
    };
    ada.until_metrics("lost lines", |text| text.lines().any(counted)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nonsense_on_the_disk_tokens_go_on_and_whoever_needs_records_gets_503() {
    let mut node = Node::start("").await;
    with_ada(&node);
    let mut ada = at(&node).await;
    let load = ada.load();
    for name in ["data/stormdoor.db", "data/stormdoor.db-wal"] {
        let file = std::fs::OpenOptions::new().write(true).open(node.path(name)).unwrap();
        let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xa5; length], 0).unwrap();
    }
    // What was read before is remembered until something is written.
    let mut changes = 0;
    while status(ada.change(&format!("{changes}"))).await != 503 {
        changes += 1;
        assert!(changes < 50);
    }
    assert_eq!(ada.ask().await, NO_RECORDS);
    ada.until(503, "store", "fail").await;
    load.was_served().await;
    node.kill();
    let output = node.output_by("true");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(NO_STORE), "{said}");
    assert!(said.contains("stormdoor.db: cannot open the database"), "{said}");
}
