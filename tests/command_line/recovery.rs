//! `stormdoor admin recover`: the way back in.

use serde_json::json;
use stormdoor::clock::{Clock, SystemClock};
use stormdoor::identity::event::{Event, EventKind};
use stormdoor::identity::user::{Change, Update};
use stormdoor::identity::{Email, SignInName, Standing};

use crate::gateway::Gateway;
use crate::world::{World, stores};

/// Locks somebody out as no command would: the last administrator, who gets a role that the configuration does not know.
async fn lock_out(world: &World, email: &str) {
    let stores = stores(&world.data()).await;
    let name = SignInName::Email(email.parse::<Email>().unwrap());
    let user = stores.users.find_by_name(&name).await.unwrap().unwrap();
    for change in
        [Change::Standing(Standing::Disabled), Change::Roles(vec!["viewer".into(), "gone".into()])]
    {
        let event = Event {
            at: SystemClock.now(),
            kind: EventKind::UserDisabled,
            subject: Some(user.id),
            session: None,
            actor: None,
            client: None,
        };
        let letters = Vec::new();
        let update = Update { change, epoch: None, redeem: None, keep: None, event, letters };
        stores.users.update(user.id, &update).await.unwrap();
    }
    stores.second_factors.offer_totp(user.id, b"sealed").await.unwrap();
    stores.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_comes_back_by_a_link_that_works_once() {
    let world = World::new();
    world.add("ada@example.org", "superadmin");
    let gateway = Gateway::start(&world);
    let (old, _) = gateway.sign_in("ada@example.org").await;
    lock_out(&world, "ada@example.org").await;

    let said = world.run(&["admin", "recover", "ada", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("role superadmin given"), "{said:?}");
    assert!(said.err.contains("second factors removed"), "{said:?}");
    let link = said.out.trim();
    let token = link.strip_prefix("https://localhost/auth/reset-password?token=").expect(link);

    let fresh = "another-horse-battery-staple-43";
    let body = json!({ "token": token, "password": fresh });
    assert_eq!(gateway.post("/auth/password/reset", &body).await.status(), 204);
    assert_ne!(gateway.post("/auth/password/reset", &body).await.status(), 204);
    assert_eq!(gateway.try_password("ada@example.org", fresh).await, 200);
    gateway.soon("/", &old, 401).await;

    let shown = world.json(&["user", "show", "ada", "--format", "json"]);
    assert_eq!(shown["roles"], json!(["superadmin", "viewer"]));
    let recorded = world.recorded();
    for kind in [
        "password_reset",
        "recovered",
        "roles_changed",
        "second_factor_reset",
        "unlocked",
        "user_enabled",
    ] {
        assert!(recorded.iter().any(|found| found == kind), "{kind} in {recorded:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_an_administrator_while_there_is_one() {
    let world = World::new();
    world.add("ada@example.org", "admin");
    world.add("ben@example.org", "viewer");

    let complaint = world.refused(64, &["admin", "recover", "ben"]);
    assert!(complaint.contains("--yes"), "{complaint}");
    let said = world.run(&["admin", "recover", "ben", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("roles not changed"), "{said:?}");
    assert_eq!(
        world.json(&["user", "show", "ben", "--format", "json"])["roles"],
        json!(["viewer"])
    );
}
