//! `stormdoor doctor nextcloud`: every broken part of a set-up has its line, with what mends it; a good one has none.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use stormdoor::clock::{Clock, SystemClock};
use tempfile::TempDir;
use tokio::process::Command;

use super::given::{SERVICE_PASSWORD, trusting, until};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::faults::Fault;
use crate::nextcloud_stand_in::settings::{Generation, OidcProvider, ProviderTrust, Settings};
use crate::world::World;

const SECRET: &str = "a-secret-of-more-than-32-bytes-for-nextcloud";

/// The lines of a report, by check.
struct Report {
    code: Option<i32>,
    lines: Vec<Value>,
    told: String,
}

impl Report {
    async fn of(config: &Path, data: &Path, words: &[&str]) -> Self {
        let output = Command::new(env!("CARGO_BIN_EXE_stormdoor"))
            .args(["doctor", "nextcloud", "--json", "--occ", "occ"])
            .args(words)
            .arg("--config")
            .arg(config)
            .arg("--data")
            .arg(data)
            .output()
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
        Self { code: output.status.code(), lines, told }
    }

    /// Verdict, what was found, what mends it; of the first line about `check`.
    fn line(&self, check: &str) -> (&str, &str, &str) {
        let line = self.lines.iter().find(|line| line["check"] == check);
        let line = line.unwrap_or_else(|| panic!("{check} in {:#?}", self.lines));
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        (text("verdict"), text("found"), text("mend"))
    }

    /// Checks with this verdict.
    fn with(&self, verdict: &str) -> Vec<&str> {
        let lines = self.lines.iter().filter(|line| line["verdict"] == verdict);
        lines.map(|line| line["check"].as_str().unwrap()).collect()
    }
}

fn configuration(port: u16, url: &str, password: &str, timeout: &str, app: &str) -> String {
    format!(
        r#"
public_url: https://localhost:{port}
listeners:
  https: {{ address: "127.0.0.1:{port}" }}
  http: {{ address: "127.0.0.1:0", redirect: false }}
  operations: {{ address: "127.0.0.1:0" }}
  drain: 5s
observe: {{ access_log: off, level: warn }}
accounts: {{ password: {{ argon2: {{ memory_kib: 64, passes: 1 }} }} }}
rate_limits: {{ default: unlimited }}
apps:
  cloud: {{ host: cloud.localhost, upstream: "{url}", preset: nextcloud{app} }}
nextcloud:
  app: cloud
  admin_user: admin
  admin_password: {password}
  oidc: {{ client_secret: {SECRET} }}
  provisioning: {{ mode: on, timeout: {timeout} }}
"#
    )
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What the doctor says of a Nextcloud without a gateway in front.
async fn alone(nextcloud: &NextcloudStandIn, password: &str, timeout: &str) -> Report {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    let yaml = configuration(free_port(), &nextcloud.url(), password, timeout, "");
    std::fs::write(&config, yaml).unwrap();
    Report::of(&config, &folder.path().join("data"), &["--upload", "1MiB"]).await
}

/// Set up as `print-occ` says, as far as no port is in it.
fn good() -> Settings {
    Settings { overwrite_protocol: Some("https".to_owned()), ..trusting() }
}

/// Whether something that the doctor stored is still there.
fn is_left_behind(nextcloud: &NextcloudStandIn) -> bool {
    nextcloud.seen().iter().any(|seen| {
        let target = seen.header("destination").unwrap_or(&seen.target);
        let file = target.strip_prefix("/remote.php/dav/files/admin/");
        file.is_some_and(|file| nextcloud.file("admin", file).is_some())
    })
}

/// A gateway, Nextcloud behind it, and what the doctor says of both.
async fn together(
    generation: Generation,
    settings: Settings,
    app: &str,
) -> (Report, NextcloudStandIn) {
    let port = free_port();
    let settings = Settings { overwrite_host: Some(format!("cloud.localhost:{port}")), ..settings };
    let nextcloud = NextcloudStandIn::start(generation, settings).await.unwrap();
    let yaml = configuration(port, &nextcloud.url(), SERVICE_PASSWORD, "30s", app);
    let world = World::from_yaml(&yaml).await;
    let discovery = format!("https://localhost:{port}/.well-known/openid-configuration");
    nextcloud.connect_oidc(OidcProvider {
        resolve: Some(("localhost".to_owned(), world.https())),
        trust: ProviderTrust::Anybody,
        ..OidcProvider::at(&discovery, "stormdoor", SECRET)
    });
    let config = world.data.path().join("config.yaml");
    std::fs::write(&config, yaml).unwrap();
    let report = Report::of(&config, world.data.path(), &["--upload", "25MiB"]).await;
    (report, nextcloud)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_set_up_has_nothing_to_mend_and_nothing_is_left_behind() {
    for generation in [Generation::V29, Generation::V34] {
        let (report, nextcloud) = together(generation, good(), "").await;
        assert_eq!(report.code, Some(0), "{:#?} {}", report.lines, report.told);
        assert_eq!(report.with("fail"), Vec::<&str>::new());
        assert_eq!(report.with("skip"), Vec::<&str>::new(), "{:#?}", report.lines);
        // A gateway of this minute, without the socket.
        assert_eq!(report.with("warn"), ["push", "keys settled"], "{:#?}", report.lines);
        assert!(report.line("big upload").1.starts_with("25 MiB in 3 pieces"));
        assert!(report.line("user_oidc bearer").1.contains("for admin is taken"));
        assert!(!is_left_behind(&nextcloud));
        assert_eq!(nextcloud.user_ids(), ["admin"]);
        assert_eq!(nextcloud.app_passwords_of("admin"), Vec::<String>::new());
        assert_eq!(nextcloud.groups_of("admin"), ["admin"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_missing_or_come_twice_are_seen_through_the_gateway() {
    let twice = ("X-Robots-Tag".to_owned(), "noindex, nofollow".to_owned());
    let settings = Settings { web_server_headers: vec![twice], ..good() };
    let app = ", headers: { unset: [strict-transport-security] }";
    let (report, _nextcloud) = together(Generation::V34, settings, app).await;
    assert_eq!(report.code, Some(65), "{}", report.told);
    assert_eq!(report.with("fail"), ["HSTS", "header duplicates"], "{:#?}", report.lines);
    assert!(report.line("HSTS").2.starts_with("apps.cloud.headers: { preset: nextcloud }"));
    assert!(report.line("header duplicates").1.contains("x-robots-tag"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_that_is_broken_has_its_line() {
    type Break = fn(&NextcloudStandIn);
    let nothing: Break = |_| {};
    let bare = |settings: Settings| Settings { trusted_proxies: Vec::new(), ..settings };
    let rows: [(Settings, Break, &str, &str, &str); 11] = [
        (
            Settings { trusted_domains: Vec::new(), ..good() },
            nothing,
            "trusted domain",
            "fail",
            "occ config:system:set trusted_domains 1 --value=cloud.localhost",
        ),
        (
            bare(good()),
            nothing,
            "visitor address",
            "fail",
            "occ config:system:set trusted_proxies 0 --value=127.0.0.1",
        ),
        (
            Settings { overwrite_protocol: Some("http".to_owned()), ..trusting() },
            nothing,
            "own address",
            "fail",
            "occ config:system:set overwriteprotocol --value=https",
        ),
        (
            good(),
            |cloud| cloud.set_maintenance(true),
            "status",
            "fail",
            "occ maintenance:mode --off",
        ),
        (good(), |cloud| cloud.set_needs_upgrade(true), "status", "fail", "occ upgrade"),
        (
            good(),
            |cloud| cloud.advance(Duration::from_mins(2)),
            "clock of Nextcloud",
            "fail",
            "timedatectl",
        ),
        (
            good(),
            |cloud| cloud.fail_next_on("GET", "/status.php", Fault::Delay(Duration::from_secs(9))),
            "status",
            "fail",
            "start it",
        ),
        (
            good(),
            |cloud| cloud.fail_next_on("GET", "/status.php", Fault::Nonsense),
            "status",
            "fail",
            "correct apps.<name>.upstream",
        ),
        (
            good(),
            |cloud| cloud.fail_next_on("PUT", "/files/", Fault::DiskFull),
            "files",
            "fail",
            "raise the quota",
        ),
        (
            good(),
            |cloud| cloud.fail_next_on("PUT", "/uploads/", Fault::HangUpBefore),
            "big upload",
            "fail",
            "raise the timeouts",
        ),
        (
            Settings { push: Some("ws://127.0.0.1:7867/ws".to_owned()), ..good() },
            nothing,
            "push",
            "fail",
            "occ notify_push:setup",
        ),
    ];
    for (settings, breaks, check, verdict, mend) in rows {
        let nextcloud = NextcloudStandIn::start(Generation::V34, settings).await.unwrap();
        breaks(&nextcloud);
        let report = alone(&nextcloud, SERVICE_PASSWORD, "2s").await;
        let line = report.line(check);
        assert_eq!(line.0, verdict, "{check}: {:#?}", report.lines);
        assert!(line.2.starts_with(mend), "{line:?}");
        assert_eq!(report.code, Some(65), "{}", report.told);
        assert_eq!(report.line("gateway").0, "skip", "nobody is there");
        assert!(!is_left_behind(&nextcloud), "{check}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_password_is_told_from_a_real_one_and_a_wrong_one_is_tried_once() {
    for (generation, verdict) in [(Generation::V29, "warn"), (Generation::V34, "fail")] {
        let nextcloud = NextcloudStandIn::start(generation, good()).await.unwrap();
        let password = nextcloud.add_app_password("admin", "door");
        let report = alone(&nextcloud, &password, "5s").await;
        let line = report.line("service account");
        assert_eq!(line.0, verdict, "{line:?}");
        assert!(line.2.starts_with("put the account's real password"), "{line:?}");
        assert_eq!(report.line("files").0, "ok", "it may have files");
        assert!(!format!("{:?}{}", report.lines, report.told).contains(&password));

        nextcloud.take_seen();
        let report = alone(&nextcloud, "not the password", "5s").await;
        assert_eq!(report.line("service account").0, "fail");
        assert_eq!(report.line("files").0, "skip");
        let seen = nextcloud.take_seen();
        let shown = seen.iter().filter(|seen| seen.header("authorization").is_some());
        assert_eq!(shown.count(), 1, "more would lock the address out");
        let report = alone(&nextcloud, SERVICE_PASSWORD, "5s").await;
        assert_eq!(report.line("refused sign-ins").0, "warn", "what was refused is remembered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_shown_to_a_provider_that_is_not_set_as_it_must_be() {
    let nextcloud = NextcloudStandIn::start(Generation::V34, good()).await.unwrap();
    let discovery = "https://localhost:1/.well-known/openid-configuration";
    nextcloud.connect_oidc(OidcProvider {
        group_provisioning: true,
        ..OidcProvider::at(discovery, "stormdoor", SECRET)
    });
    let report = alone(&nextcloud, SERVICE_PASSWORD, "5s").await;
    // Beside its groups, the document that it asks for is not ours.
    assert_eq!(report.line("user_oidc provider").0, "fail");
    assert_eq!(report.line("user_oidc bearer").0, "skip");
    let tokens = nextcloud.seen().into_iter().filter(|seen| {
        seen.header("authorization").is_some_and(|value| value.starts_with("Bearer"))
    });
    assert_eq!(tokens.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_ends_in_a_line_and_soon() {
    let nextcloud = NextcloudStandIn::start(Generation::V34, good()).await.unwrap();
    let url = nextcloud.url();
    drop(nextcloud);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    let yaml = configuration(free_port(), &url, SERVICE_PASSWORD, "2s", "");
    std::fs::write(&config, yaml).unwrap();
    let began = SystemClock.now();
    let report = Report::of(&config, &folder.path().join("data"), &[]).await;
    assert!(SystemClock.now().since(began) < Duration::from_secs(30));
    assert_eq!(report.code, Some(65));
    assert_eq!(report.with("fail"), ["status"], "{:#?}", report.lines);
    assert!(report.told.contains("1 failed"), "{}", report.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_the_big_upload_leaves_nothing_or_is_told_what() {
    let slow = Fault::Delay(Duration::from_secs(20));
    let rows = [
        (("PUT", "/uploads/"), None, "skip", "stopped by the operator"),
        (("PUT", "/uploads/"), Some("/uploads/"), "warn", "/remote.php/dav/uploads/admin/"),
        (("MOVE", "/uploads/"), None, "warn", "/remote.php/dav/files/admin/"),
    ];
    for ((method, part), kept, verdict, found) in rows {
        let nextcloud = NextcloudStandIn::start(Generation::V34, good()).await.unwrap();
        nextcloud.fail_next_on(method, part, slow.clone());
        if let Some(kept) = kept {
            nextcloud.fail_next_on("DELETE", kept, Fault::Maintenance);
        }
        let faults = nextcloud.faults_left();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        let yaml = configuration(free_port(), &nextcloud.url(), SERVICE_PASSWORD, "30s", "");
        std::fs::write(&config, yaml).unwrap();
        let doctor = Command::new(env!("CARGO_BIN_EXE_stormdoor"))
            .args(["doctor", "nextcloud", "--json", "--upload", "25MiB", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(folder.path().join("data"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        until("the upload", async || nextcloud.faults_left() < faults).await;
        let id = doctor.id().unwrap().to_string();
        let asked = Command::new("kill").args(["-INT", &id]).status().await.unwrap();
        assert!(asked.success());
        let output = doctor.wait_with_output().await.unwrap();
        let lines: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let line = lines.iter().find(|line| line["check"] == "big upload").unwrap();
        assert_eq!(line["verdict"], verdict, "{method}: {line}");
        assert!(line["found"].as_str().unwrap().contains(found), "{method}: {line}");
        assert!(lines.iter().any(|line| line["check"] == "push"), "the rest is looked at");
        let seen = nextcloud.seen();
        let gone = seen.iter().find(|seen| seen.method == "DELETE" && seen.target.contains(part));
        assert_eq!(gone.unwrap().status == Some(204), kept.is_none(), "{method}: {gone:?}");
        assert!(!is_left_behind(&nextcloud), "{method}");
    }
}
