//! `stormdoor nextcloud plan`, `sync` and `drift`: what an operator sees.

use std::path::Path;
use std::process::Output;

use tempfile::TempDir;
use tokio::process::Command;

use super::given::{RULES, SERVICE_PASSWORD, section, trusting};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::Generation;
use crate::world::PASSWORD;

struct Host {
    folder: TempDir,
    nextcloud: NextcloudStandIn,
}

impl Host {
    async fn with(password: &str) -> Self {
        let nextcloud = NextcloudStandIn::start(Generation::V34, trusting()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let section = section(&nextcloud.url(), password, &format!("mode: on, {RULES}"));
        let hashes = "accounts: { password: { argon2: { memory_kib: 64, passes: 1 } } }";
        let yaml = format!("public_url: https://localhost\n{hashes}\n{section}");
        std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
        let hash = bcrypt::hash(PASSWORD, 4).unwrap();
        let people = format!(
            "email,password_hash,roles\nada@example.org,{hash},viewer\nben@example.org,{hash},developer\n"
        );
        std::fs::write(folder.path().join("people.csv"), people).unwrap();
        let host = Self { folder, nextcloud };
        let file = host.folder.path().join("people.csv");
        let imported = host.run(&["user", "import", file.to_str().unwrap()]).await;
        assert!(imported.status.success(), "{imported:?}");
        host
    }

    async fn run(&self, words: &[&str]) -> Output {
        let folder: &Path = self.folder.path();
        Command::new(env!("CARGO_BIN_EXE_stormdoor"))
            .args(words)
            .arg("--config")
            .arg(folder.join("config.yaml"))
            .arg("--data")
            .arg(folder.join("data"))
            .output()
            .await
            .unwrap()
    }

    async fn said(&self, words: &[&str], code: i32) -> (String, String) {
        let output = self.run(words).await;
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_is_done_and_then_nothing_drifts() {
    let host = Host::with(SERVICE_PASSWORD).await;
    let (plan, _) = host.said(&["nextcloud", "plan"], 0).await;
    let rows: Vec<Vec<&str>> =
        plan.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["ada", "ada", "missing", "create"], ["ben", "ben", "missing", "create"]]);
    assert_eq!(host.nextcloud.user_ids(), ["admin"], "only said");

    let (_, told) = host.said(&["nextcloud", "sync"], 0).await;
    assert!(told.contains("34.0.1: 2 looked at, 0 wait for later, 0 failed"), "{told}");
    assert_eq!(host.nextcloud.groups_of("ben"), ["dev ops", "staff"]);
    let (_, told) = host.said(&["nextcloud", "drift"], 0).await;
    assert!(told.contains("everybody is in Nextcloud as they should be"), "{told}");

    host.nextcloud.add_user("stray", "their own password");
    host.nextcloud.change_user("ada", |ada| ada.enabled = false);
    let (drift, told) = host.said(&["nextcloud", "drift", "--json"], 65).await;
    let drift: serde_json::Value = serde_json::from_str(&drift).unwrap();
    let told_of: Vec<_> = drift
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["user_id"].as_str().unwrap(), one["difference"].as_str().unwrap()))
        .collect();
    assert_eq!(told_of, [("ada", "different"), ("stray", "extra")]);
    assert!(told.contains("0 missing, 1 different, 1 extra, 0 in conflict"), "{told}");
    host.said(&["nextcloud", "sync"], 0).await;
    host.said(&["nextcloud", "drift"], 65).await;
    host.said(&["nextcloud", "sync", "--all"], 0).await;
    let (plan, _) = host.said(&["nextcloud", "plan", "--json"], 0).await;
    assert_eq!(plan.trim(), "[]", "who is only extra is left alone");
    assert!(host.nextcloud.user("ada").unwrap().enabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_after_one_try() {
    let host = Host::with("not the password at all").await;
    for command in ["plan", "sync", "drift"] {
        let (_, told) = host.said(&["nextcloud", command], 69).await;
        assert!(told.contains("refuses the service account (401)"), "{told}");
        let refused = host.nextcloud.take_seen();
        let refused = refused.iter().filter(|seen| seen.status == Some(401)).count();
        assert_eq!(refused, 1, "{command}");
        assert!(!told.contains("not the password"), "{told}");
    }
}
