//! Commands on users, devices and invitations, and how they fail.

use serde_json::json;

use crate::world::{PASSWORD, World};

#[test]
fn everybody_is_found_by_id_name_and_address() {
    let world = World::new();
    let id = world.add("ada@example.org", "viewer");
    for who in [id.as_str(), "ada", "ADA", "ada@example.org", "Ada@Example.org"] {
        assert_eq!(world.json(&["user", "show", who, "--format", "json"])["id"], id, "{who}");
    }
    let text = world.ok(&["user", "show", "ada"]);
    assert!(text.contains("standing        active"), "{text}");
}

#[test]
fn whoever_is_nobody_is_told_where_to_look() {
    let world = World::new();
    world.add("ada@example.org", "viewer");
    for command in [
        vec!["user", "show", "bob"],
        vec!["user", "lock", "bob@example.org"],
        vec!["session", "list", "bob"],
        vec!["device", "list", "no body"],
        vec!["audit", "list", "--user", "bob"],
        vec!["admin", "recover", "bob", "--yes"],
    ] {
        let complaint = world.refused(65, &command);
        assert!(complaint.contains("user list"), "{complaint}");
    }
}

#[test]
fn exit_codes_tell_usage_data_and_outage_apart() {
    let world = World::new();
    let complaint = world.refused(69, &["user", "list"]);
    assert!(complaint.contains("data/stormdoor.db") && complaint.contains("--data"), "{complaint}");
    assert!(!world.data().exists(), "a look makes no store");

    world.add("ada@example.org", "viewer");
    for usage in [
        vec!["user", "lock"],
        vec!["user", "frobnicate"],
        vec!["user", "role", "ada"],
        vec!["user", "role", "ada", "--add", "a", "--remove", "b"],
        vec!["user", "email", "ada", "nonsense"],
        vec!["user", "grant", "ada", "nonsense"],
        vec!["user", "grant", "ada", "a:b", "--for", "8h", "--until", "2036-01-31T12:00:00Z"],
        vec!["user", "grant", "ada", "a:b", "--until", "tomorrow"],
        vec!["user", "list", "--standing", "sitting"],
        vec!["user", "password", "ada"],
        vec!["session", "end", "nonsense"],
    ] {
        world.refused(64, &usage);
    }
    for data in [
        vec!["user", "role", "ada", "--add", "nobody"],
        vec!["user", "role", "ada", "--remove", "admin"],
        vec!["user", "revoke-grant", "ada", "a:b"],
        vec!["user", "grant", "ada", "a:b", "--until", "2020-01-31T12:00:00Z"],
        vec!["user", "restore", "ada"],
        vec!["user", "erase", "ada", "--yes"],
        vec!["device", "add", "ada", "x", "--permissions", "system:admin"],
        vec!["invite", "add", "ada@example.org"],
        vec!["invite", "revoke", "bob@example.org"],
    ] {
        world.refused(65, &data);
    }
    let weak = world.run_with(&["user", "password", "ada", "--password-stdin"], "password");
    assert_eq!(weak.code, 65, "{weak:?}");
    let add = ["user", "add", "ada@example.org", "--password-stdin"];
    assert_eq!(world.run_with(&add, PASSWORD).code, 65);

    std::fs::write(world.data().join("stormdoor.db"), "x".repeat(4096)).unwrap();
    world.refused(69, &["user", "list"]);
    std::fs::write(world.path("config.yaml"), "nonsense: 1\n").unwrap();
    world.refused(78, &["user", "list"]);
}

#[test]
fn somebody_goes_through_every_standing() {
    let world = World::new();
    world.add("ada@example.org", "viewer");
    let standing = || world.json(&["user", "show", "ada", "--format", "json"])["standing"].clone();
    for (command, then) in [
        ("lock", "disabled"),
        ("lock", "disabled"),
        ("unlock", "active"),
        ("approve", "active"),
        ("delete", "deleted"),
        ("delete", "deleted"),
        ("restore", "active"),
    ] {
        world.ok(&["user", command, "ada"]);
        assert_eq!(standing(), then, "after {command}");
    }
    world.ok(&["user", "delete", "ada"]);
    for (command, hint) in [("unlock", "restore"), ("approve", "restore"), ("lock", "removed")] {
        let complaint = world.refused(65, &["user", command, "ada"]);
        assert!(complaint.contains(hint), "{complaint}");
    }
    assert!(world.refused(64, &["user", "erase", "ada"]).contains("--yes"));
    world.ok(&["user", "erase", "ada", "--yes"]);
    assert_eq!(world.json(&["user", "list", "--format", "json"])["total"], 0);
}

#[test]
fn the_last_administrator_stays() {
    let world = World::new();
    world.add("ada@example.org", "admin");
    for command in [
        vec!["user", "lock", "ada"],
        vec!["user", "delete", "ada"],
        vec!["user", "role", "ada", "--remove", "admin"],
    ] {
        let complaint = world.refused(65, &command);
        assert!(complaint.contains("last administrator"), "{complaint}");
    }
}

#[test]
fn names_addresses_and_rights_change() {
    let world = World::new();
    world.add("ada@example.org", "viewer");
    world.add("ben@example.org", "viewer");
    world.ok(&["user", "rename", "ada", "Ada Lovelace"]);
    world.ok(&["user", "email", "ada", "lovelace@example.org"]);
    world.ok(&["user", "role", "ada", "--add", "developer"]);
    world.ok(&["user", "grant", "ada", "wiki:edit"]);
    world.ok(&["user", "grant", "ada", "wiki:edit", "--until", "2096-01-31T12:00:00Z"]);
    let ada = world.json(&["user", "show", "lovelace@example.org", "--format", "json"]);
    assert_eq!(ada["full_name"], "Ada Lovelace");
    assert_eq!(ada["roles"], json!(["viewer", "developer"]));
    let until = "2096-01-31T12:00:00Z";
    assert_eq!(ada["grants"], json!([{ "permission": "wiki:edit", "until": until }]));

    world.ok(&["user", "revoke-grant", "ada", "wiki:edit"]);
    world.ok(&["user", "role", "ada", "--set", "developer,viewer,developer"]);
    let ada = world.json(&["user", "show", "ada", "--format", "json"]);
    assert_eq!((&ada["roles"], &ada["grants"]), (&json!(["developer", "viewer"]), &json!([])));
    assert!(world.refused(65, &["user", "email", "ada", "ben@example.org"]).contains("account"));
    let complaint = world.refused(65, &["user", "role", "ada", "--add", "nobody"]);
    assert!(complaint.contains("there are") && complaint.contains("superadmin"), "{complaint}");
}

#[test]
fn lists_are_for_people_and_for_programs() {
    let world = World::new();
    world.add("ada@example.org", "admin");
    world.add("ben@example.org", "viewer");
    world.ok(&["user", "lock", "ben"]);
    let found = |args: &[&str]| {
        let listed = world.json(&[&["user", "list", "--format", "json"], args].concat());
        let users = listed["items"].as_array().unwrap().iter();
        users.map(|user| user["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), ["ada", "ben"]);
    assert_eq!(found(&["--standing", "disabled"]), ["ben"]);
    assert_eq!(found(&["--role", "admin"]), ["ada"]);
    assert_eq!(found(&["--search", "BEN@"]), ["ben"]);
    let some = world.run(&["user", "list", "--limit", "1"]);
    assert_eq!(some.out.lines().count(), 2, "{}", some.out);
    assert!(some.err.contains("1 of 2"), "{}", some.err);
    let none = world.run(&["user", "list", "--search", "nobody"]);
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (0, "", "no such users\n"));

    let log = world.ok(&["audit", "list", "--kind", "user_disabled"]);
    assert!(log.lines().count() == 2 && log.contains("ben") && log.contains("operator"), "{log}");
}

#[test]
fn what_is_kept_about_somebody_is_exported_in_any_standing() {
    let world = World::new();
    world.add("ada@example.org", "viewer");
    world.ok(&["device", "add", "ada", "phone"]);
    world.ok(&["user", "lock", "ada"]);
    let export = world.json(&["user", "export", "ada"]);
    assert_eq!(export["account"]["email"], "ada@example.org");
    assert_eq!(export["devices"][0]["name"], "phone");
    assert!(!export.to_string().contains("$argon2"));
}

#[test]
fn invitations_come_and_go() {
    let world = World::new();
    world.add("ada@example.org", "admin");
    let link = world.ok(&["invite", "add", "ben@example.org", "--role", "developer"]);
    assert!(link.starts_with("https://localhost/auth/sign-up?token="), "{link}");
    let listed = world.json(&["invite", "list", "--format", "json"]);
    assert_eq!(listed["items"][0]["email"], "ben@example.org");
    assert_eq!(listed["items"][0]["roles"], json!(["developer"]));
    world.ok(&["invite", "revoke", "ben@example.org"]);
    assert_eq!(world.run(&["invite", "list"]).err, "no open invitations\n");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let world = World::new();
    world.add("ada@example.org", "viewer");
    let mut child = world
        .command()
        .args(["user", "list"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
