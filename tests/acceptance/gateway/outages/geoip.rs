//! The list of where addresses are: nice to have, and never more than that.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{ALL_WELL, APPS, Ada};
use crate::world::World;
use crate::world::places::berlin;

impl Ada {
    /// Where she is signed in, as she is told.
    async fn place(&self) -> Value {
        let request = self.auth(reqwest::Method::GET, "/auth/sessions").bearer_auth(&self.known);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["sessions"][0]["place"].clone()
    }
}

fn section(file: &Path) -> String {
    format!("{APPS}geoip: {{ file: \"{}\" }}\n", file.display())
}

fn here() -> Vec<u8> {
    berlin(Ipv4Addr::new(127, 0, 0, 0))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_at_start_or_with_nonsense_in_it_everything_goes_on_but_no_place_is_known() {
    let folder = tempfile::tempdir().unwrap();
    for content in [None, Some(&b"no list at all"[..]), Some(&here()[..300])] {
        let file = folder.path().join("cities.mmdb");
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let world = World::with(&section(&file)).await;
        let mut ada = Ada::at(&world).await;
        assert_eq!(ada.ask().await, ALL_WELL, "{content:?}");
        assert_eq!(ada.place().await, Value::Null);
        let (status, report) = ada.readiness().await;
        assert_eq!((status, &report["status"]), (200, &json!("degraded")), "{report}");
        let said = report["checks"]["geoip"]["detail"].as_str().unwrap();
        assert!(said.contains("cities.mmdb: "), "{said}");

        std::fs::write(&file, here()).unwrap();
        world.reload(&section(&file)).await;
        assert_eq!(ada.place().await, "Berlin, Germany");
        ada.until(200, "geoip", "ok").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_goes_or_is_spoilt_under_load_is_used_on_and_keeps_nothing_else_from_a_reload()
{
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cities.mmdb");
    std::fs::write(&file, here()).unwrap();
    let world = World::with(&section(&file)).await;
    let mut ada = Ada::at(&world).await;
    let load = ada.load();
    for (number, content) in
        [None, Some(&b"no list at all"[..]), Some(&here()[..300])].iter().enumerate()
    {
        drop(std::fs::remove_file(&file));
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let path = format!("/new{number}/**");
        let more = section(&file)
            .replace("routes: [", &format!("routes: [ {{ path: {path}, access: public }},"));
        world.reload(&more).await;
        let url = world.url("whoami.localhost", &format!("/new{number}/x"));
        assert_eq!(super::status(ada.client.get(url)).await, 200, "the rest is in force");
        ada.until(200, "geoip", "warn").await;
        assert_eq!(ada.ask().await, ALL_WELL, "{content:?}");
        assert_eq!(ada.place().await, "Berlin, Germany", "{content:?}");
    }
    load.was_served().await;
    world.reload(APPS).await;
    let (_, report) = ada.readiness().await;
    assert_eq!((&report["checks"]["geoip"], ada.place().await), (&Value::Null, Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_list_is_read_slowly_nobody_waits_and_one_that_never_ends_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cities.mmdb");
    std::fs::write(&file, here()).unwrap();
    let world = World::with(&section(&file)).await;
    let mut ada = Ada::at(&world).await;
    std::fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let elsewhere = berlin(Ipv4Addr::new(10, 0, 0, 0));
    let slowly = {
        let file = file.clone();
        move || {
            std::thread::sleep(Duration::from_secs(2));
            std::fs::write(file, elsewhere).unwrap();
        }
    };
    let writing = std::thread::spawn(slowly);
    let more = section(&file);
    let (got, ()) = tokio::join!(ada.ask(), world.reload(&more));
    assert_eq!(got, ALL_WELL);
    writing.join().unwrap();
    assert_eq!(ada.place().await, Value::Null, "the new list is in force");
    ada.until(200, "geoip", "ok").await;

    // Nobody writes.
    tokio::join!(async { assert_eq!(ada.ask().await, ALL_WELL) }, world.reload(&more));
    ada.until(200, "geoip", "warn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_damage_to_a_list_is_more_than_a_place_that_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cities.mmdb");
    let whole = here();
    let mut read = 0;
    for at in 0..whole.len() {
        for damage in [0xff, 0x01] {
            let mut damaged = whole.clone();
            damaged[at] ^= damage;
            std::fs::write(&file, damaged).unwrap();
            let Ok(list) = stormdoor::geoip::open(&file).await else { continue };
            read += 1;
            for address in [[127, 0, 0, 1], [127, 255, 0, 1], [0, 0, 0, 0], [255, 0, 0, 1]] {
                let _place = list.find(IpAddr::from(address));
            }
        }
    }
    assert!(read > whole.len(), "most damage is found late: {read}");
}

#[test]
fn check_tells_of_a_list_that_is_missing_and_looks_into_one_when_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, "public_url: https://localhost\ngeoip: { file: cities.mmdb }\n")
        .unwrap();
    let check = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stormdoor"));
        command.arg("check").arg("--config").arg(&config).args(more);
        let output = command.arg("--data").arg(folder.path().join("data")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = check(&[]);
    assert_eq!(code, Some(0), "it is no reason not to start");
    assert!(said.contains("cities.mmdb: there is no such file; no place is known"), "{said}");
    std::fs::write(folder.path().join("cities.mmdb"), "no list").unwrap();
    let (code, said) = check(&["--online"]);
    assert_eq!(code, Some(78));
    assert!(said.contains("cities.mmdb: not a MaxMind DB, or not a whole one"), "{said}");
}
