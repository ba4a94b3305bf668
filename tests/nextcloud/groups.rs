//! The table of section 1.6.

use serde_json::json;

use crate::caller::{Ask, started};
use crate::nextcloud_stand_in::settings::Generation::V34;

#[tokio::test]
async fn groups_are_answered_as_the_table_says() {
    let stand_in = started(V34).await;
    stand_in.add_user("alice", "a long enough word");
    for (method, path, group, wanted) in [
        ("POST", "groups", "staff", (200, 200)),
        ("POST", "groups", "staff", (400, 102)),
        ("POST", "groups", "", (400, 101)),
        ("POST", "users/alice/groups", "staff", (200, 200)),
        ("POST", "users/alice/groups", "staff", (200, 200)),
        ("POST", "users/alice/groups", "nowhere", (400, 102)),
        ("POST", "users/alice/groups", "", (400, 101)),
        ("POST", "users/nobody/groups", "staff", (400, 103)),
        ("POST", "users/alice/subadmins", "staff", (200, 200)),
        ("DELETE", "users/alice/groups", "staff", (200, 200)),
        ("DELETE", "users/alice/groups", "staff", (200, 200)),
        ("DELETE", "users/alice/groups", "nowhere", (400, 102)),
        ("DELETE", "users/admin/groups", "admin", (400, 105)),
        ("DELETE", "groups/nowhere", "", (400, 101)),
        ("DELETE", "groups/admin", "", (400, 102)),
        ("DELETE", "groups/staff", "", (200, 200)),
        ("GET", "groups/staff", "", (404, 404)),
        ("GET", "groups/staff/users", "", (404, 404)),
    ] {
        let ask = Ask::ocs(&stand_in, method, &format!("v2.php/cloud/{path}"));
        let said = ask.form(&[("groupid", group)]).send().await;
        assert_eq!(said.both(), wanted, "{method} {path} {group}");
    }
}

#[tokio::test]
async fn groups_and_their_members_are_lists_of_names() {
    let stand_in = started(V34).await;
    stand_in.add_user("alice", "a long enough word");
    stand_in.join("alice", "staff");
    for (path, data) in [
        ("groups", json!({"groups": ["admin", "staff"]})),
        ("groups?search=sta", json!({"groups": ["staff"]})),
        ("groups/staff", json!({"users": ["alice"]})),
        ("groups/staff/users", json!({"users": ["alice"]})),
        ("groups/staff/subadmins", json!([])),
        ("users/alice/groups", json!({"groups": ["staff"]})),
        ("users/alice/subadmins", json!([])),
        ("users?search=ali", json!({"users": ["alice"]})),
    ] {
        let said = Ask::ocs(&stand_in, "GET", &format!("v2.php/cloud/{path}")).send().await;
        assert_eq!(said.data(), data, "{path}");
    }
    let ask = Ask::ocs(&stand_in, "DELETE", "v2.php/cloud/users/alice/groups?groupid=staff");
    assert_eq!(ask.send().await.status, 200, "the group may stand in the query");
    assert!(stand_in.group("staff").unwrap().members.is_empty());
}
