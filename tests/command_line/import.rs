//! `stormdoor user import`: people of another program come with their passwords.

use std::fmt::Write as _;

use stormdoor::identity::SignInName;

use crate::gateway::Gateway;
use crate::world::{PASSWORD, World, stores};

fn argon2() -> String {
    use argon2::password_hash::{PasswordHasher, SaltString};
    let salt = SaltString::encode_b64(b"somesaltsomesalt").unwrap();
    let argon2 = argon2::Argon2::new(
        argon2::Algorithm::Argon2i,
        argon2::Version::V0x13,
        argon2::Params::new(32, 2, 1, None).unwrap(),
    );
    argon2.hash_password(PASSWORD.as_bytes(), &salt).unwrap().to_string()
}

/// As another program would have written it, spreadsheet's byte order mark and all.
fn file(world: &World, lines: &[String]) -> String {
    let mut text = "\u{feff}email,username,full_name,password_hash,roles\n".to_owned();
    for line in lines {
        writeln!(text, "{line}").unwrap();
    }
    let path = world.path("people.csv");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_people_sign_in_as_before_and_get_a_hash_of_ours() {
    let world = World::new();
    let bcrypt = bcrypt::hash(PASSWORD, 4).unwrap().replacen("$2b$", "$2y$", 1);
    let path = file(
        &world,
        &[
            format!("Ada@example.org,,\"Lovelace, Ada\",{bcrypt},developer;viewer"),
            format!("ben@example.org,benjamin,,\"{}\",", argon2()),
        ],
    );
    let said = world.run(&["user", "import", &path]);
    assert_eq!((said.code, said.err.as_str()), (0, "2 users were imported, 0 refused\n"));

    let ada = world.json(&["user", "show", "ada", "--format", "json"]);
    assert_eq!(ada["full_name"], "Lovelace, Ada");
    assert_eq!(ada["roles"], serde_json::json!(["developer", "viewer"]));
    assert_eq!(ada["email_verified"], true);
    assert_eq!(world.recorded(), ["user_imported", "user_imported"]);

    let gateway = Gateway::start(&world);
    for email in ["ada@example.org", "ben@example.org"] {
        assert_eq!(gateway.try_password(email, "wrong").await, 401);
        gateway.sign_in(email).await;
        gateway.sign_in(email).await;
        let stores = stores(&world.data()).await;
        let name = SignInName::Email(email.parse().unwrap());
        let user = stores.users.find_by_name(&name).await.unwrap().unwrap();
        let hash = user.password_hash.expose_for_store();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        stores.close().await;
    }
}

#[test]
fn refused_lines_are_told_without_their_hashes_and_the_others_imported() {
    let world = World::new();
    world.add("taken@example.org", "viewer");
    let good = bcrypt::hash(PASSWORD, 4).unwrap();
    let costly = good.replacen("$04$", "$17$", 1);
    let people = [
        (format!("ada@example.org,,,{good},"), None),
        (format!("ADA@example.org,other,,{good},"), Some("ada@example.org is taken further up")),
        (format!("ada@example.com,,,{good},"), Some("username ada is taken further up")),
        (format!("taken@example.org,free,,{good},"), Some("email taken@example.org is taken by")),
        (format!("free@example.org,taken,,{good},"), Some("username taken is taken by")),
        (format!("a@example.org,,,{costly},"), Some("above 16")),
        (format!("b@example.org,,,{},", argon2()), Some("quotes")),
        (format!("c@example.org,,,{good},nobody"), Some("no role \"nobody\"")),
        (format!("nonsense,,,{good},"), Some("email")),
        ("d@example.org,,,password,".to_owned(), Some("not a hash")),
        (format!("eve@example.org,,,{good},"), None),
    ];
    let lines: Vec<String> = people.iter().map(|(line, _)| line.clone()).collect();
    let path = file(&world, &lines);

    let trial = world.run(&["user", "import", &path, "--dry-run"]);
    assert_eq!(trial.code, 65);
    assert!(trial.err.contains("2 users would be imported, 9 refused"), "{}", trial.err);
    assert_eq!(world.json(&["user", "list", "--format", "json"])["total"], 1);

    let real = world.run(&["user", "import", &path]);
    assert_eq!(real.code, 65);
    assert!(real.err.contains("2 users were imported, 9 refused"), "{}", real.err);
    for (number, (_, complaint)) in (2..).zip(&people) {
        let told = real.err.lines().find(|line| line.starts_with(&format!("line {number}: ")));
        match (told, complaint) {
            (None, None) => {}
            (Some(told), Some(complaint)) => assert!(told.contains(complaint), "{told}"),
            other => panic!("line {number}: {other:?}"),
        }
        assert!(trial.err.contains(told.unwrap_or_default()), "{}", trial.err);
    }
    for secret in [&good[7..], "$argon2i$v=", "m=32", "somesalt"] {
        assert!(!real.err.contains(secret), "{}", real.err);
    }
    assert_eq!(world.json(&["user", "list", "--format", "json"])["total"], 3);

    let again = world.run(&["user", "import", &path]);
    assert!(again.err.contains("0 users were imported, 11 refused"), "{}", again.err);
}

#[test]
fn a_file_that_is_none_is_refused_as_a_whole() {
    let world = World::new();
    world.add("ada@example.org", "viewer");
    std::fs::write(world.path("semicolons.csv"), "email;password_hash\na;b\n").unwrap();
    let complaint = world.refused(65, &["user", "import", "semicolons.csv"]);
    assert!(complaint.contains("commas"), "{complaint}");
    let complaint = world.refused(65, &["user", "import", "missing.csv"]);
    assert!(complaint.contains("missing.csv"), "{complaint}");
}
