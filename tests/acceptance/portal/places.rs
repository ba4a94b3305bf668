//! Where people are signed in from.

use std::net::Ipv4Addr;

use crate::world::World;
use crate::world::api::Api;
use crate::world::places::berlin;

const APPS: &str = r"
accounts: { password: { argon2: { memory_kib: 64, passes: 1 } } }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes: [{ path: /**, access: signed_in }]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_says_where_its_address_is() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("cities.mmdb");
    std::fs::write(&list, berlin(Ipv4Addr::new(127, 0, 0, 0))).unwrap();
    let configured = format!("{APPS}geoip: {{ file: {} }}\n", list.display());
    let world = World::with(&configured).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let ada = Api::of(&world).signed_in("ada").await;
    let place =
        async || ada.get("/auth/sessions").await.expect(200).body["sessions"][0]["place"].clone();
    assert_eq!(place().await, "Berlin, Germany");

    // Another list, in force with the next reload.
    std::fs::write(&list, berlin(Ipv4Addr::new(10, 0, 0, 0))).unwrap();
    world.reload(&configured).await;
    assert_eq!(place().await, serde_json::Value::Null);
}
