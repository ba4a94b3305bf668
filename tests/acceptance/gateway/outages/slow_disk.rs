//! The disk, slow: somebody else holds what writers wait for, and nobody takes what is written.

use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use tokio::io::AsyncReadExt;

use super::{ALL_WELL, APPS, Ada, Got, NO_RECORDS, status};
use crate::world::World;

/// Holds the write lock of the records of `world` for `time`.
async fn hold(world: &World, time: Duration) {
    let options = SqliteConnectOptions::new().filename(world.data.path().join("stormdoor.db"));
    let options = options.busy_timeout(Duration::from_secs(10));
    let mut holder = SqliteConnection::connect_with(&options).await.unwrap();
    holder.execute("BEGIN IMMEDIATE").await.unwrap();
    tokio::time::sleep(time).await;
    holder.execute("COMMIT").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_slow_disk_whoever_writes_waits_ten_seconds_at_most_and_nobody_else_does() {
    let world = World::with(APPS).await;
    let mut ada = Ada::at(&world).await;
    let (got, ()) = tokio::join!(ada.ask(), hold(&world, Duration::from_secs(2)));
    assert_eq!(got, ALL_WELL, "writers wait their turn");

    // Five for the turn, and five for the lock.
    let began = Instant::now();
    let asking = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let got = ada.ask().await;
        assert!(began.elapsed() < Duration::from_secs(13), "{:?}", began.elapsed());
        ada.until(503, "store", "fail").await;
        got
    };
    let (got, ()) = tokio::join!(asking, hold(&world, Duration::from_secs(11)));
    assert_eq!(got, Got { device: 200, ..NO_RECORDS });
    ada.until(200, "store", "ok").await;
    assert_eq!(ada.ask().await, ALL_WELL);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_the_access_log_slowly_or_not_at_all_holds_up_no_request_and_no_stop() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("access.log");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // One that is open for reading and writing needs nobody at the other end.
    let mut reader =
        tokio::net::unix::pipe::OpenOptions::new().read_write(true).open_receiver(&pipe).unwrap();
    let yaml = format!(
        r#"
public_url: https://localhost
listeners: {{ https: {{ address: "127.0.0.1:0" }}, http: {{ address: off }}, operations: {{ address: "127.0.0.1:0" }}, drain: 1s }}
accounts: {{ password: {{ argon2: {{ memory_kib: 64, passes: 1 }} }} }}
observe: {{ access_log: "{}", level: warn }}
{APPS}"#,
        pipe.display()
    );
    let world = World::from_yaml(&yaml).await;
    let mut ada = Ada::at(&world).await;
    let mut first = [0; 12];
    reader.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"{\"timestamp\"");

    // More than a pipe holds.
    let url = world.url("whoami.localhost", &format!("/{}", "x".repeat(2000)));
    for _ in 0..60 {
        assert_eq!(status(ada.client.get(&url).bearer_auth(&ada.known)).await, 200);
    }
    assert_eq!(ada.ask().await, ALL_WELL);
    assert_eq!(ada.readiness().await.0, 200);
    let began = Instant::now();
    world.gateway.stop(Duration::from_secs(1)).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}
