//! Signing in: what tells a known name from an unknown one (nothing should), and what many at a time cost.
//!
//! `cargo bench --bench sign_in`. The hashes have the parameters that ship. The two rows of each group must not differ by more
//! than their own spread: whoever could tell them apart could list who has an account.

#![expect(missing_docs, reason = "criterion's macro writes a public function")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use stormdoor::assembly::open_records;
use stormdoor::config;
use stormdoor::identity::admin::By;
use stormdoor::identity::password::Password;
use stormdoor::identity::service::NewUser;
use stormdoor::identity::sign_in::{Into, SignIn};
use stormdoor::identity::{Client, Identity};
use tokio::runtime::Runtime;

const PASSWORD: &str = "correct-horse-battery-staple-42";

const CONFIG: &str = r#"
public_url: https://localhost
mail: { url: "smtp://127.0.0.1:9", from: door@example.org }
accounts: { registration: { mode: open }, lockout: { after: 100, first: 1s, max: 1s } }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: public } ] } }
"#;

fn client(number: u64) -> Client {
    // Another network each time, so that no lock after failures gets in the way.
    let [.., a, b, c] = number.to_be_bytes();
    Client::new([10, a, b, c].into(), Some("bench"), "request")
}

fn new_user(email: &str) -> NewUser {
    let password = Password::new(PASSWORD.to_owned()).expect("short enough");
    NewUser { email: email.to_owned(), username: None, full_name: None, password }
}

async fn try_to_sign_in(identity: &Identity, name: &str, password: &str, number: u64) -> bool {
    let password = Password::new(password.to_owned()).expect("short enough");
    let sign_in = SignIn { name: name.to_owned(), password, into: Into::Tokens };
    identity.sign_in(sign_in, &client(number)).await.is_ok()
}

fn bench(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let config = config::parse(CONFIG, "bench.yaml", folder.path(), &|_| None);
    let config = config.expect("a good configuration");
    let rooms = runtime.block_on(open(&config, folder.path()));
    let identity = &rooms;
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };

    let mut group = criterion.benchmark_group("refused sign-in");
    group.sample_size(60);
    // Unknown names share buckets that nobody can lift, so each is tried once.
    for (row, known) in [("known name", true), ("unknown name", false)] {
        group.bench_function(row, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    // The bucket of the account would lock; who is timed must not be locked.
                    runtime.block_on(forgive(identity));
                    let number = next();
                    let name = if known { "ada".to_owned() } else { format!("nobody{number}") };
                    let begun = Instant::now();
                    let done = runtime.block_on(try_to_sign_in(identity, &name, "wrong", number));
                    took += begun.elapsed();
                    assert!(!done);
                }
                took
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("forgotten password");
    group.sample_size(60);
    for (row, known) in [("known address", true), ("unknown address", false)] {
        group.bench_function(row, |bencher| {
            bencher.iter(|| {
                let name = if known { "ada".to_owned() } else { format!("nobody{}", next()) };
                let (email, client) = (format!("{name}@example.org"), client(next()));
                runtime.block_on(identity.forgot_password(&email, &client))
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("signing up");
    group.sample_size(60);
    for (row, known) in [("taken address", true), ("free address", false)] {
        group.bench_function(row, |bencher| {
            bencher.iter(|| {
                let name = if known { "ada".to_owned() } else { format!("somebody{}", next()) };
                let (new, client) = (new_user(&format!("{name}@example.org")), client(next()));
                runtime.block_on(identity.register(new, None, &client))
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("200 sign-ins at a time");
    group.sample_size(10);
    group.bench_function("all of them", |bencher| {
        bencher.iter(|| {
            let attempts = (0..200).map(|_| {
                let (identity, number) = (Arc::clone(identity), next());
                runtime
                    .spawn(async move { try_to_sign_in(&identity, "ada", PASSWORD, number).await })
            });
            let attempts: Vec<_> = attempts.collect();
            let answered = runtime.block_on(futures::future::join_all(attempts));
            answered.into_iter().filter(|answer| matches!(answer, Ok(true))).count()
        });
    });
    group.finish();
}

async fn open(config: &config::Config, data: &Path) -> Arc<Identity> {
    let rooms = open_records(config, data).await.expect("an empty store");
    let identity = Arc::clone(&rooms.identity);
    let added = identity.add_user(new_user("ada@example.org"), vec![], &By::Operator).await;
    added.expect("the first user");
    identity
}

/// Lifts the lock of the account, as an operator may.
async fn forgive(identity: &Identity) {
    let query = stormdoor::identity::user::UserQuery { limit: 1, ..Default::default() };
    let (users, _) = identity.list_users(&query).await.expect("the store answers");
    for user in users {
        identity.lift_lock(user.id, &By::Operator).await.expect("a user");
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
