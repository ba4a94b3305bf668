//! The table of section 1.3.

use crate::caller::{Ask, create, started};
use crate::nextcloud_stand_in::settings::Generation::{V29, V34};

const STRONG: &str = "a long enough word";

/// Fields; HTTP status and `statuscode` of version 1; of version 2 on 34; of version 2 on 29; whether the account is
/// there afterwards.
type Row = (&'static [(&'static str, &'static str)], (u16, u64), (u16, u64), (u16, u64), bool);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (&[("userid", "alice"), ("password", STRONG)], (200, 100), (200, 200), (200, 200), true),
    (&[("userid", "Admin"), ("password", STRONG)], (200, 102), (400, 102), (400, 102), true),
    (&[("userid", ""), ("password", STRONG)], (200, 101), (400, 101), (400, 101), false),
    (&[("userid", "a+b"), ("password", STRONG)], (200, 101), (400, 101), (400, 101), false),
    (&[("userid", "a/b"), ("password", STRONG)], (200, 101), (400, 101), (400, 101), false),
    (&[("userid", " a"), ("password", STRONG)], (200, 101), (400, 101), (400, 101), false),
    (&[("userid", ".."), ("password", STRONG)], (200, 101), (400, 101), (400, 101), false),
    (&[("userid", ".htaccess"), ("password", STRONG)], (200, 101), (400, 101), (400, 101), false),
    (&[("userid", "a b@c.d'-_"), ("password", STRONG)], (200, 100), (200, 200), (200, 200), true),
    (&[("userid", "weak"), ("password", "short")], (200, 107), (400, 107), (400, 107), false),
    (&[("userid", "weak"), ("password", "password123")], (200, 107), (400, 107), (400, 107), false),
    (&[("userid", "nomail")], (200, 108), (400, 108), (400, 108), false),
    (&[("userid", "mailed"), ("email", "m@example.test")], (200, 100), (200, 200), (200, 200), true),
    (&[("userid", "g"), ("password", STRONG), ("groups[]", "nowhere")], (200, 104), (400, 104), (400, 104), false),
    (&[("userid", "q"), ("password", STRONG), ("quota", "much")], (200, 101), (400, 101), (400, 102), true),
    (&[("userid", "l"), ("password", STRONG), ("language", "xx")], (200, 101), (400, 101), (400, 101), true),
    (&[("userid", "e"), ("password", STRONG), ("email", "no address")], (200, 100), (200, 200), (200, 200), true),
    (&[("userid", "d"), ("password", STRONG), ("email", "m@example.test")], (200, 100), (200, 200), (200, 200), true),
];

#[tokio::test]
async fn creates_are_answered_as_the_table_says_and_leave_what_it_says() {
    for (generation, version) in [(V34, "v1.php"), (V34, "v2.php"), (V29, "v2.php")] {
        let stand_in = started(generation).await;
        for (fields, v1, v2, v2_of_29, exists) in ROWS {
            let wanted = match (generation, version) {
                (V29, _) => v2_of_29,
                (_, "v1.php") => v1,
                _ => v2,
            };
            let said = create(&stand_in, version, fields).await;
            assert_eq!(said.both(), *wanted, "{generation:?} {version} {fields:?}: {said:?}");
            let id = fields[0].1;
            let there = stand_in.user(id).is_some();
            assert_eq!(there, *exists, "{generation:?} {version} {fields:?}");
        }
    }
}

#[tokio::test]
async fn a_create_without_the_parameter_userid_has_no_envelope_on_34_and_is_an_exception_on_29() {
    let fields = [("password", STRONG)];
    let said = create(&started(V34).await, "v2.php", &fields).await;
    assert_eq!((said.status, said.text.as_str()), (400, ""));
    let said = create(&started(V29).await, "v2.php", &fields).await;
    assert_eq!(said.both(), (500, 996));
}

#[tokio::test]
async fn a_new_user_is_told_by_id_and_can_be_read() {
    let stand_in = started(V34).await;
    stand_in.add_group("staff");
    let fields = [
        ("userid", "alice"),
        ("password", STRONG),
        ("displayName", "Alice Example"),
        ("email", "alice@example.test"),
        ("quota", "5 GB"),
        ("language", "de"),
        ("groups[]", "staff"),
    ];
    let said = create(&stand_in, "v2.php", &fields).await;
    assert_eq!(
        said.json()["ocs"]["meta"],
        serde_json::json!({"status": "ok", "statuscode": 200, "message": "OK"})
    );
    assert_eq!(said.data(), serde_json::json!({"id": "alice"}));
    assert_eq!(said.header("x-user-id"), "admin");
    let read = Ask::ocs(&stand_in, "GET", "v2.php/cloud/users/alice").send().await;
    let data = read.data();
    assert_eq!(data["displayname"], "Alice Example");
    assert_eq!(data["email"], "alice@example.test");
    assert_eq!(data["quota"]["quota"], 5_368_709_120_i64);
    assert_eq!(data["groups"], serde_json::json!(["staff"]));
    assert_eq!(data["language"], "de");
}
