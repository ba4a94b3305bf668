//! Real programs, with a device password of ours, through the gateway to the stand-in: the scripts in `tests/clients`.

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;
use tokio::process::Command;

use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::{Generation, OidcProvider, ProviderTrust, Settings};
use crate::world::World;
use crate::world::api::Api;

const SECRET: &str = "a-secret-of-more-than-32-bytes-for-nextcloud";

/// Runs a script as ada. It says what is missing when its program is.
async fn run(script: &str) {
    let nextcloud = NextcloudStandIn::start(Generation::V34, Settings::default()).await.unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // By address and without TLS: cadaver takes no certificate of ours, and names would need a resolver.
    let world = World::from_yaml(&format!(
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
  cloud:
    host: 127.0.0.1
    upstream: "{}"
    preset: nextcloud
    identity: nextcloud
    nextcloud: {{ rate_limit: unlimited }}
nextcloud: {{ app: cloud, oidc: {{ client_secret: {SECRET} }} }}
"#,
        nextcloud.url()
    ))
    .await;
    let discovery = format!("https://localhost:{port}/.well-known/openid-configuration");
    nextcloud.connect_oidc(OidcProvider {
        resolve: Some(("localhost".to_owned(), world.https())),
        trust: ProviderTrust::Anybody,
        ..OidcProvider::at(&discovery, "stormdoor", SECRET)
    });
    world.add_user("ada@example.org", &["viewer"]).await;
    let ada = Api::of(&world).signed_in("ada").await;
    let device = ada.post("/auth/devices", json!({ "name": script })).await.expect(201);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let output = Command::new("bash")
        .arg(path)
        .env("BASE_URL", format!("http://127.0.0.1:{}", world.http().port()))
        .env("USER_NAME", "ada")
        .env("PASSWORD", device.text_of("secret"))
        .env_remove("CA_FILE")
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let how = "install what ./test installs: cadaver, curl, python3 and rclone";
    assert_ne!(output.status.code(), Some(2), "{said}; {how}");
    assert!(output.status.success(), "{script}: {said}");
    let seen = nextcloud.seen();
    let for_ada = seen.iter().filter(|seen| seen.acted_as.as_deref() == Some("ada")).count();
    assert!(for_ada > 5, "{script} made {for_ada} requests as ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_uploads_in_pieces_reads_ranges_and_leaves_nothing_that_broke_off() {
    run("uploads.sh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rclone_copies_a_tree_there_and_back() {
    run("rclone.sh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cadaver_puts_locks_moves_and_gets() {
    run("cadaver.sh").await;
}
