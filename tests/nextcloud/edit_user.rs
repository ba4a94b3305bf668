//! Section 1.5: edit, enable, disable, delete; and the budget of edits in 1.7.

use std::time::Duration;

use serde_json::json;

use crate::caller::{Ask, started};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::Generation::{self, V29, V34};

async fn with_alice(generation: Generation) -> NextcloudStandIn {
    let stand_in = started(generation).await;
    stand_in.add_user("alice", "a long enough word");
    stand_in
}

async fn edit(stand_in: &NextcloudStandIn, id: &str, key: &str, value: &str) -> (u16, u64) {
    let ask = Ask::ocs(stand_in, "PUT", &format!("v2.php/cloud/users/{id}"));
    ask.form(&[("key", key), ("value", value)]).send().await.both()
}

#[tokio::test]
async fn edits_are_answered_as_the_list_says() {
    for (key, value, on_34, on_29) in [
        ("email", "a@example.test", (200, 200), (200, 200)),
        ("email", "no address", (400, 101), (400, 102)),
        ("email", "", (200, 200), (200, 200)),
        ("quota", "5 GB", (200, 200), (200, 200)),
        ("quota", "none", (200, 200), (200, 200)),
        ("quota", "default", (200, 200), (200, 200)),
        ("quota", "1024", (200, 200), (200, 200)),
        ("quota", "much", (400, 101), (400, 101)),
        ("displayname", "Alice", (200, 200), (200, 200)),
        ("display", "Alice", (200, 200), (200, 200)),
        ("password", "short", (400, 107), (400, 107)),
        ("password", "another long word", (200, 200), (200, 200)),
        ("shoe size", "41", (400, 113), (400, 103)),
    ] {
        for (generation, wanted) in [(V34, on_34), (V29, on_29)] {
            let stand_in = with_alice(generation).await;
            assert_eq!(
                edit(&stand_in, "alice", key, value).await,
                wanted,
                "{generation:?} {key}={value}"
            );
        }
    }
    assert_eq!(edit(&with_alice(V34).await, "nobody", "email", "").await, (404, 998));
}

#[tokio::test]
async fn the_quota_is_told_in_bytes() {
    let stand_in = with_alice(V34).await;
    for (value, bytes) in [("none", -3_i64), ("0", 0), ("5 GB", 5_368_709_120), ("1.5 KB", 1536)] {
        assert_eq!(edit(&stand_in, "alice", "quota", value).await, (200, 200));
        let said = Ask::ocs(&stand_in, "GET", "v2.php/cloud/users/alice").send().await;
        assert_eq!(said.data()["quota"], json!({"quota": bytes, "used": 0}), "{value}");
    }
}

#[tokio::test]
async fn the_51st_edit_in_ten_minutes_is_429_without_a_body_until_they_are_over() {
    let stand_in = with_alice(V34).await;
    for _ in 0..50 {
        assert_eq!(edit(&stand_in, "alice", "display", "A").await.0, 200);
    }
    for version in ["v1.php", "v2.php"] {
        let ask = Ask::ocs(&stand_in, "PUT", &format!("{version}/cloud/users/alice"));
        let said = ask.form(&[("key", "display"), ("value", "B")]).send().await;
        assert_eq!((said.status, said.text.as_str(), said.header("retry-after")), (429, "", ""));
    }
    let said = Ask::ocs(&stand_in, "PUT", "v2.php/cloud/users/alice/disable").send().await;
    assert_eq!(said.status, 200, "other calls have no such limit");
    stand_in.advance(Duration::from_mins(10));
    assert_eq!(edit(&stand_in, "alice", "display", "C").await.0, 200);
}

#[tokio::test]
async fn a_patch_changes_all_or_nothing_on_34_and_is_unknown_on_29() {
    let stand_in = with_alice(V34).await;
    stand_in.add_group("staff");
    stand_in.join("alice", "old");
    let patch = |body: &serde_json::Value| {
        Ask::ocs(&stand_in, "PATCH", "v2.php/cloud/users/alice")
            .with("Content-Type", "application/json")
            .body(body.to_string())
    };
    let said = patch(&json!({"displayName": "A", "quota": "much"})).send().await;
    assert_eq!(said.both(), (422, 422));
    assert!(said.data()["errors"]["quota"].is_string());
    assert_eq!(stand_in.user("alice").unwrap().display_name, "alice", "nothing has changed");

    let said =
        patch(&json!({"displayName": "A", "quota": "1 GB", "groups": ["staff"]})).send().await;
    assert_eq!(said.both(), (200, 200));
    assert_eq!(said.data()["displayname"], "A");
    assert_eq!(stand_in.groups_of("alice"), ["staff"], "the whole set");

    let old = with_alice(V29).await;
    let ask = Ask::ocs(&old, "PATCH", "v2.php/cloud/users/alice").form(&[("displayName", "A")]);
    assert_eq!(ask.send().await.status, 405);
}

#[tokio::test]
async fn enable_disable_and_delete_are_answered_as_the_list_says() {
    let stand_in = with_alice(V34).await;
    for (method, path, wanted) in [
        ("PUT", "alice/disable", (200, 200)),
        ("PUT", "alice/disable", (200, 200)),
        ("PUT", "alice/enable", (200, 200)),
        ("PUT", "nobody/enable", (400, 101)),
        ("PUT", "admin/disable", (400, 101)),
        ("POST", "alice/welcome", (200, 200)),
        ("POST", "alice/wipe", (200, 200)),
        ("DELETE", "admin", (400, 101)),
        ("DELETE", "alice", (200, 200)),
        ("DELETE", "alice", (404, 998)),
    ] {
        let said = Ask::ocs(&stand_in, method, &format!("v2.php/cloud/users/{path}")).send().await;
        assert_eq!(said.both(), wanted, "{method} {path}");
    }
    assert_eq!(stand_in.user_ids(), ["admin"]);
}
