//! Moving all records to another store.

use std::os::unix::fs::PermissionsExt;

use crate::server;
use crate::world::World;

fn on_postgres(world: &World) {
    let (url, schema) = server::place();
    let path = world.path("config.yaml");
    let sqlite = std::fs::read_to_string(&path).unwrap();
    let text = format!("{sqlite}{}", server::section(&url, &schema));
    std::fs::write(world.path("postgres.yaml"), text).unwrap();
}

#[test]
fn records_move_from_sqlite_to_postgres_with_everything_in_them() {
    let world = World::new();
    on_postgres(&world);
    let ada = world.add("ada@example.org", "superadmin");
    world.add("ben@example.org", "viewer");

    let said = world.run(&["db", "export", "records.jsonl"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("2 users") && said.err.contains("rows were written"), "{said:?}");
    let mode = world.path("records.jsonl").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let to = ["--config", "postgres.yaml"];
    let said = world.run(&[&to[..], &["db", "import", "records.jsonl"]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("2 users") && said.err.contains("rows were taken"), "{said:?}");
    assert_eq!(world.json(&["user", "show", "ada@example.org", "--format", "json"])["id"], *ada);
    let shown = [&to[..], &["user", "show", "ada@example.org", "--format", "json"]].concat();
    assert_eq!(world.json(&shown)["id"], *ada);

    // The same again would be twice, and a file is never written over.
    let err = world.refused(65, &[&to[..], &["db", "import", "records.jsonl"]].concat());
    assert!(err.contains("records already") && err.contains("nothing was changed"), "{err}");
    let err = world.refused(1, &[&to[..], &["db", "export", "records.jsonl"]].concat());
    assert!(err.contains("records.jsonl"), "{err}");
}

#[test]
fn a_file_that_is_cut_off_is_refused() {
    let world = World::new();
    on_postgres(&world);
    world.add("ada@example.org", "superadmin");
    world.ok(&["db", "export", "records.jsonl"]);
    let whole = std::fs::read_to_string(world.path("records.jsonl")).unwrap();
    let cut = whole.lines().count() - 1;
    let lines: Vec<_> = whole.lines().take(cut).collect();
    std::fs::write(world.path("cut.jsonl"), lines.join("\n")).unwrap();
    let err = world.refused(65, &["--config", "postgres.yaml", "db", "import", "cut.jsonl"]);
    assert!(err.contains("before its last line"), "{err}");
}

#[test]
fn a_command_does_not_wait_for_a_database_that_is_down() {
    let world = World::new();
    let server = server::Server::of_ones_own();
    let text = std::fs::read_to_string(world.path("config.yaml")).unwrap();
    let text = format!("{text}{}", server::section(&server.url(), "door"));
    std::fs::write(world.path("config.yaml"), text).unwrap();
    assert_eq!(world.json(&["user", "list", "--format", "json"])["total"], 0);
    server.kill();
    let began = std::time::Instant::now();
    let err = world.refused(69, &["user", "list"]);
    assert!(err.contains("PostgreSQL at /") && err.contains("no connection"), "{err}");
    assert!(began.elapsed() < std::time::Duration::from_secs(12), "{:?}", began.elapsed());
}

#[test]
fn there_is_nothing_to_export_where_no_store_is() {
    let err = World::new().refused(69, &["db", "export", "records.jsonl"]);
    assert!(err.contains("no store"), "{err}");
}
