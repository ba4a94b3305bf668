//! The table of section 1.1, and the header of section 1.2.

use serde_json::json;

use crate::caller::{ADMIN, Ask, PASSWORD, create, started};
use crate::nextcloud_stand_in::settings::Generation::{V29, V34};

#[tokio::test]
async fn statuses_follow_the_codes_as_the_table_says() {
    let stand_in = started(V34).await;
    stand_in.add_user("plain", "a long enough word");
    for (method, path, user, v1, v2) in [
        ("GET", "cloud/users", ADMIN, (200, 100), (200, 200)),
        ("PUT", "cloud/users/nobody/enable", ADMIN, (200, 101), (400, 101)),
        ("GET", "cloud/users/nobody", ADMIN, (200, 404), (404, 404)),
        ("DELETE", "cloud/users/nobody", ADMIN, (200, 998), (404, 998)),
        ("GET", "cloud/users", "plain", (200, 403), (403, 403)),
        ("GET", "cloud/users/admin", "plain", (200, 998), (404, 998)),
        ("GET", "cloud/users", "wrong", (401, 997), (401, 997)),
    ] {
        for (version, wanted) in [("v1.php", v1), ("v2.php", v2)] {
            let password = if user == ADMIN { PASSWORD } else { "a long enough word" };
            let ask = Ask::api(&stand_in, method, &format!("{version}/{path}"));
            let said = ask.basic(user, password).send().await;
            assert_eq!(said.both(), wanted, "{method} {path} as {user} by {version}");
        }
    }
}

#[tokio::test]
async fn an_exception_is_996_with_http_200_in_version_1_and_500_in_version_2() {
    use crate::nextcloud_stand_in::faults::Fault;
    let stand_in = started(V34).await;
    for (version, wanted) in [("v1.php", (200, 996)), ("v2.php", (500, 996))] {
        stand_in.fail_next(Fault::ErrorAfter);
        let said = Ask::ocs(&stand_in, "GET", &format!("{version}/cloud/users")).send().await;
        assert_eq!(said.both(), wanted);
    }
}

#[tokio::test]
async fn version_1_has_two_more_fields_and_empty_data_is_a_list() {
    let stand_in = started(V34).await;
    let said =
        Ask::ocs(&stand_in, "POST", "v1.php/cloud/groups").form(&[("groupid", "a")]).send().await;
    assert_eq!(
        said.json(),
        json!({"ocs": {"meta": {"status": "ok", "statuscode": 100, "message": "OK",
               "totalitems": "", "itemsperpage": ""}, "data": []}})
    );
}

#[tokio::test]
async fn json_is_told_by_the_query_and_on_34_by_accept_too() {
    for (generation, target, accept, password, is_json) in [
        (V34, "/ocs/v2.php/cloud/users", "*/*", PASSWORD, false),
        (V34, "/ocs/v2.php/cloud/users?format=json", "*/*", PASSWORD, true),
        (V34, "/ocs/v2.php/cloud/users", "application/json", PASSWORD, true),
        (V34, "/ocs/v2.php/cloud/users", "application/json", "wrong", true),
        (V29, "/ocs/v2.php/cloud/users", "application/json", PASSWORD, true),
        (V29, "/ocs/v2.php/cloud/users", "application/json", "wrong", false),
        (V29, "/ocs/v2.php/cloud/users?format=json", "*/*", "wrong", true),
    ] {
        let stand_in = started(generation).await;
        let ask = Ask::new(&stand_in, "GET", target).with("OCS-APIRequest", "true");
        let said = ask.with("Accept", accept).basic(ADMIN, password).send().await;
        let case = format!("{generation:?} {target} {accept} {password}");
        assert_eq!(said.text.starts_with('{'), is_json, "{case}: {}", said.text);
        assert_eq!(said.text.starts_with("<?xml"), !is_json, "{case}");
    }
}

#[tokio::test]
async fn some_errors_have_no_envelope() {
    let stand_in = started(V34).await;
    let said = Ask::ocs(&stand_in, "PUT", "v1.php/cloud/users").send().await;
    assert_eq!((said.status, said.text.as_str()), (405, ""), "a wrong method");
    let ask = Ask::ocs(&stand_in, "POST", "v2.php/cloud/users");
    let said = ask.with("Content-Type", "application/json").body("{").send().await;
    assert_eq!((said.status, said.text.as_str()), (400, ""), "bad JSON");
    for version in ["v1", "v2"] {
        let target = format!("/ocs/{version}.php/cloud/users?format=json");
        let said = Ask::new(&stand_in, "GET", &target).basic(ADMIN, PASSWORD).send().await;
        assert_eq!(said.status, 412);
        assert_eq!(said.json(), json!({"message": "CSRF check failed"}));
    }
}

#[tokio::test]
async fn a_bearer_token_needs_no_ocs_api_request() {
    let stand_in = started(V34).await;
    let token = stand_in.add_app_password("admin", "test");
    let ask = Ask::new(&stand_in, "GET", "/ocs/v2.php/cloud/user?format=json");
    assert_eq!(ask.bearer(&token).send().await.both(), (200, 200));
}

#[tokio::test]
async fn ids_that_look_like_integers_come_back_as_numbers() {
    let stand_in = started(V34).await;
    for id in ["0", "123", "a b", "007"] {
        stand_in.add_user(id, "x");
    }
    let said = Ask::ocs(&stand_in, "GET", "v2.php/cloud/users").send().await;
    assert_eq!(said.data(), json!({"users": [0, "007", 123, "a b", "admin"]}));
}

#[tokio::test]
async fn the_limit_of_a_list_counts_for_each_backend() {
    let stand_in = started(V34).await;
    for id in ["a", "b", "c"] {
        stand_in.add_user(id, "x");
        stand_in.add_user(&format!("{id}-oidc"), "x");
        stand_in
            .change_user(&format!("{id}-oidc"), |user| "user_oidc".clone_into(&mut user.backend));
    }
    let said = Ask::ocs(&stand_in, "GET", "v2.php/cloud/users?limit=2").send().await;
    assert_eq!(said.data(), json!({"users": ["a", "admin", "a-oidc", "b-oidc"]}));
}

#[tokio::test]
async fn fields_may_come_as_json() {
    let stand_in = started(V34).await;
    stand_in.add_group("staff");
    let body = json!({"userid": "bob", "password": "a long enough word", "groups": ["staff"]});
    let ask = Ask::ocs(&stand_in, "POST", "v2.php/cloud/users");
    let said = ask.with("Content-Type", "application/json").body(body.to_string()).send().await;
    assert_eq!(said.both(), (200, 200));
    assert_eq!(stand_in.groups_of("bob"), ["staff"]);
}

#[tokio::test]
async fn an_id_in_a_path_is_percent_encoded_and_its_case_does_not_matter() {
    let stand_in = started(V34).await;
    create(
        &stand_in,
        "v2.php",
        &[("userid", "Mail@example.test"), ("password", "a long enough word")],
    )
    .await;
    let said = Ask::ocs(&stand_in, "GET", "v2.php/cloud/users/mail%40example.test").send().await;
    assert_eq!(said.data()["id"], "Mail@example.test");
}
