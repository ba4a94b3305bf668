//! Section 1.7: who may call, and with which credential.

use crate::caller::{ADMIN, Ask, PASSWORD, started};
use crate::nextcloud_stand_in::settings::Generation::{V29, V34};

#[tokio::test]
async fn a_plain_user_may_read_and_edit_little_more_than_themselves() {
    let stand_in = started(V34).await;
    stand_in.add_user("plain", "a long enough word");
    for (method, path, form, wanted) in [
        ("GET", "users", &[][..], (403, 403)),
        ("POST", "users", &[("userid", "x"), ("password", "a long enough word")], (403, 403)),
        ("DELETE", "users/admin", &[], (403, 403)),
        ("PUT", "users/admin/disable", &[], (403, 403)),
        ("POST", "groups", &[("groupid", "g")], (403, 403)),
        ("GET", "users/admin", &[], (404, 998)),
        ("GET", "users/plain", &[], (200, 200)),
        ("GET", "user", &[], (200, 200)),
        ("PUT", "users/plain", &[("key", "email"), ("value", "p@example.test")], (200, 200)),
        ("PUT", "users/plain", &[("key", "quota"), ("value", "none")], (400, 113)),
    ] {
        let ask = Ask::api(&stand_in, method, &format!("v2.php/cloud/{path}")).form(form);
        let said = ask.basic("plain", "a long enough word").send().await;
        assert_eq!(said.both(), wanted, "{method} {path}");
    }
}

#[tokio::test]
async fn an_app_password_of_an_administrator_writes_on_29_but_only_reads_on_34() {
    for (generation, wanted) in [(V34, (403, 403)), (V29, (200, 200))] {
        let stand_in = started(generation).await;
        stand_in.add_user("alice", "a long enough word");
        let token = stand_in.add_app_password(ADMIN, "gateway");
        let read = Ask::api(&stand_in, "GET", "v2.php/cloud/users").basic(ADMIN, &token);
        assert_eq!(read.send().await.both(), (200, 200), "{generation:?}");
        for (method, path) in [
            ("PUT", "users/alice/disable"),
            ("POST", "users/alice/welcome"),
            ("POST", "groups"),
            ("DELETE", "users/alice"),
        ] {
            let ask = Ask::api(&stand_in, method, &format!("v2.php/cloud/{path}"));
            let said = ask.basic(ADMIN, &token).form(&[("groupid", "g")]).send().await;
            assert_eq!(said.both(), wanted, "{generation:?} {method} {path}");
            if generation == V34 {
                assert!(said.text.contains("Password confirmation is required"));
            }
        }
        assert_eq!(stand_in.user("alice").is_some(), generation == V34);
    }
}

#[tokio::test]
async fn wrong_credentials_are_challenged() {
    let stand_in = started(V34).await;
    let said = Ask::api(&stand_in, "GET", "v2.php/cloud/users").basic(ADMIN, "wrong").send().await;
    assert_eq!(said.both(), (401, 997));
    assert!(said.header("www-authenticate").starts_with("Basic"));
    assert_eq!(said.header("x-user-id"), "");
}

#[tokio::test]
async fn with_two_factors_only_app_passwords_are_basic_logins() {
    let stand_in = started(V34).await;
    stand_in.change_user(ADMIN, |admin| admin.two_factor = true);
    let token = stand_in.add_app_password(ADMIN, "gateway");
    let ask =
        |password: &str| Ask::api(&stand_in, "GET", "v2.php/cloud/users").basic(ADMIN, password);
    assert_eq!(ask(PASSWORD).send().await.both(), (401, 997));
    assert_eq!(ask(&token).send().await.both(), (200, 200));
    let said = Ask::new(&stand_in, "PROPFIND", "/remote.php/dav/files/admin")
        .basic(ADMIN, PASSWORD)
        .send()
        .await;
    assert_eq!(said.status, 401);
    assert!(said.text.contains("PasswordLoginForbidden"));
}

#[tokio::test]
async fn an_email_address_is_a_login_name_and_of_two_accounts_the_later_has_it() {
    let stand_in = started(V34).await;
    for id in ["first", "later"] {
        stand_in.add_user(id, "the same long word");
        stand_in.change_user(id, |user| user.email = Some("both@example.test".to_owned()));
    }
    let ask = Ask::api(&stand_in, "GET", "v2.php/cloud/user");
    let said = ask.basic("both@example.test", "the same long word").send().await;
    assert_eq!(said.data()["id"], "later");
}

#[tokio::test]
async fn the_password_policy_can_be_asked_by_anybody_who_is_signed_in() {
    let stand_in = started(V34).await;
    stand_in.add_user("plain", "a long enough word");
    let path = "v2.php/apps/password_policy/api/v1/validate";
    for (password, passed) in [("short", false), ("a long enough word", true)] {
        let ask = Ask::api(&stand_in, "POST", path).basic("plain", "a long enough word");
        let said = ask.form(&[("password", password)]).send().await;
        assert_eq!(said.data()["passed"], passed);
    }
    let said = Ask::ocs(&stand_in, "GET", "v2.php/cloud/capabilities").send().await;
    assert_eq!(said.data()["capabilities"]["password_policy"]["minLength"], 10);
}
