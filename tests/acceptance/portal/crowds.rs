//! Many people behind one address: they are let in, and still nobody may guess.

use futures::future;

use crate::world::api::Api;
use crate::world::{PASSWORD, World};

const WORLD: &str = r#"
rate_limits: { default: unlimited, auth: { login: unlimited } }
accounts: { password: { argon2: { memory_kib: 64, passes: 1, parallel: 4 } } }
apps:
  whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: signed_in } ] }
"#;

/// More at once than failures lock a network: 20.
const CROWD: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn forty_people_behind_one_address_sign_in_at_one_moment() {
    let world = World::with(WORLD).await;
    for number in 0..CROWD {
        world.add_user(&format!("person{number}@example.org"), &["viewer"]).await;
    }
    let nobody = Api::of(&world);
    let names: Vec<_> = (0..CROWD).map(|number| format!("person{number}")).collect();
    let answers = future::join_all(names.iter().map(|name| nobody.login(name, PASSWORD))).await;
    let answers: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(answers, [200; CROWD]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_signs_in_with_forty_devices_at_one_moment() {
    let world = World::with(WORLD).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let nobody = Api::of(&world);
    let answers = future::join_all((0..CROWD).map(|_| nobody.login("ada", PASSWORD))).await;
    let answers: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(answers, [200; CROWD]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_forty_guesses_at_one_moment_five_are_looked_at() {
    let world = World::with(WORLD).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let nobody = Api::of(&world);
    let answers = future::join_all((0..CROWD).map(|_| nobody.login("ada", "wrong"))).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    let locked = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((looked_at, locked), (5, CROWD - 5));
}
