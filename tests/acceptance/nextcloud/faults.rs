//! Whatever goes wrong, the state comes out the same.

use std::time::Duration;

use stormdoor::identity::Standing;
use stormdoor::identity::admin::By;
use stormdoor::identity::event::EventQuery;
use stormdoor::identity::provisioning::State;
use stormdoor::nextcloud::{Round, Worker};

use super::given::{Cloud, LEASE, RULES, drain, trusting};
use crate::nextcloud_stand_in::faults::Fault;
use crate::nextcloud_stand_in::settings::{Generation, Settings};

const MINUTE: Duration = Duration::from_mins(1);

/// Lets time pass and works, until nobody waits.
async fn finish(cloud: &Cloud, worker: &Worker) {
    for _ in 0..60 {
        drain(worker).await;
        if worker.journal.backlog().await.unwrap().waiting == 0 {
            return;
        }
        cloud.clock.advance(LEASE);
    }
    panic!("somebody waits for ever");
}

/// A life, in which everything happens that makes a call. Returns what was there after each part of it.
async fn live(cloud: &Cloud, name: &str, mut work: impl AsyncFnMut(usize)) -> Vec<String> {
    let mut seen = Vec::new();
    let user = cloud.add(name, "viewer").await;
    work(0).await;
    seen.push(cloud.account(name));
    cloud.give(user, "developer").await;
    cloud
        .world
        .gateway
        .identity()
        .rename_user(user, Some("Other".into()), &By::Operator)
        .await
        .unwrap();
    work(1).await;
    seen.push(cloud.account(name));
    cloud.set(user, Standing::Disabled).await;
    work(2).await;
    seen.push(cloud.account(name));
    cloud.give(user, "viewer").await;
    cloud.set(user, Standing::Active).await;
    work(3).await;
    seen.push(cloud.account(name));
    cloud.erase(user).await;
    work(4).await;
    seen.push(cloud.account(name));
    assert_eq!(cloud.entry(user).await, None);
    seen.iter().map(|account| account.replace(name, "X")).collect()
}

async fn a_cloud() -> Cloud {
    Cloud::with(Generation::V34, &format!("{RULES}, remove: delete, edits: 49")).await
}

async fn undisturbed() -> Vec<String> {
    let cloud = a_cloud().await;
    let worker = cloud.worker();
    live(&cloud, "ada", async |_| finish(&cloud, &worker).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_after_any_call_leaves_nothing_that_the_next_one_does_not_finish() {
    let expected = undisturbed().await;
    let cloud = a_cloud().await;
    let (mut deaths, mut n) = (0, 0);
    loop {
        n += 1;
        let mut died = false;
        let name = format!("ada{n}");
        let lived = live(&cloud, &name, async |_| {
            cloud.nextcloud.take_seen();
            let worker = cloud.worker();
            let enough = async {
                while cloud.nextcloud.seen().len() < n {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            };
            tokio::select! {
                biased;
                () = enough => died = true,
                _ = drain(&worker) => {}
            }
            drop(worker);
            // The lease of the dead one must be over, and its edits count for another.
            cloud.clock.advance(LEASE);
            cloud.nextcloud.advance(LEASE);
            finish(&cloud, &cloud.worker()).await;
        })
        .await;
        assert_eq!(lived, expected, "dead after {n} calls");
        if !died {
            break;
        }
        deaths += 1;
    }
    assert!(deaths >= 8, "only {deaths} places to die");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_kind_of_call_changes_nothing_about_the_end() {
    let expected = undisturbed().await;
    let cloud = a_cloud().await;
    let faults = [
        Fault::HangUpBefore,
        Fault::HangUpAfter,
        Fault::ErrorAfter,
        Fault::Nonsense,
        Fault::TooMany,
        Fault::Maintenance,
        Fault::DiskFull,
        Fault::ListenerThrows,
        Fault::DatabaseStumbles,
    ];
    let calls = [
        ("GET", "/status.php"),
        ("GET", "/cloud/user?"),
        ("GET", "/cloud/users/"),
        ("POST", "/cloud/users?"),
        ("POST", "/cloud/groups"),
        ("POST", "/groups?"),
        ("PATCH", "/cloud/users/"),
        ("DELETE", "/groups?"),
        ("PUT", "/disable"),
        ("PUT", "/enable"),
        ("DELETE", "/cloud/users/"),
    ];
    let mut number = 0;
    for (method, part) in calls {
        for fault in &faults {
            number += 1;
            let is_create = (method, part) == ("POST", "/cloud/users?");
            if !is_create && matches!(fault, Fault::ListenerThrows | Fault::DatabaseStumbles) {
                continue;
            }
            let name = format!("ada{number}");
            cloud.nextcloud.fail_next_on(method, part, fault.clone());
            let worker = cloud.worker();
            let lived = live(&cloud, &name, async |_| {
                finish(&cloud, &worker).await;
                cloud.clock.advance(LEASE);
                cloud.nextcloud.advance(LEASE);
            });
            assert_eq!(lived.await, expected, "{fault:?} at {method} {part}");
            assert_eq!(cloud.nextcloud.faults_left(), 0, "{fault:?} at {method} {part} was met");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_without_nextcloud_loses_nothing_and_blocks_nobody() {
    let cloud = Cloud::with(Generation::V34, RULES).await;
    let worker = cloud.worker();
    let first = cloud.add("first", "viewer").await;
    drain(&worker).await;
    cloud.nextcloud.set_maintenance(true);
    cloud.nextcloud.take_seen();
    let names: Vec<String> = (0..6).map(|number| format!("late{number}")).collect();
    for minute in 0..60 {
        if let Some(name) = names.get(minute / 10).filter(|_| minute % 10 == 0) {
            cloud.add(name, "viewer").await;
            // Signing in here does not wait for there.
            cloud.world.sign_in(&format!("{name}@example.org")).await;
        }
        if minute == 30 {
            cloud.set(first, Standing::Disabled).await;
        }
        let Round::Paused(Some(_)) = drain(&worker).await else { panic!("minute {minute}") };
        cloud.clock.advance(MINUTE);
    }
    assert!(cloud.nextcloud.take_seen().len() < 40, "it is asked ever more rarely");
    let (_, health) = worker.health.report();
    assert_eq!(health["status"], "degraded", "and never not ready");
    let backlog = worker.journal.backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.failed), (7, 0));

    cloud.nextcloud.set_maintenance(false);
    cloud.clock.advance(10 * MINUTE);
    assert_eq!(drain(&worker).await, Round::Nothing);
    assert_eq!(worker.journal.backlog().await.unwrap().waiting, 0);
    let seen = cloud.nextcloud.take_seen();
    let read = |name: &str| {
        let target = format!("/cloud/users/{name}?");
        seen.iter().position(|seen| seen.target.contains(&target)).unwrap()
    };
    let order: Vec<usize> = names.iter().map(|name| read(name)).collect();
    assert!(order.is_sorted(), "in the order of their waiting: {order:?}");
    assert!(read("late2") < read("first") && read("first") < read("late5"));
    assert!(cloud.account("first").contains("disabled"));
    let (_, health) = worker.health.report();
    assert_eq!(health["checks"]["nextcloud"]["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_service_password_is_shown_once_and_never_again() {
    let cloud = Cloud::with(Generation::V34, RULES).await;
    let ada = cloud.add("ada", "viewer").await;
    let worker = cloud.worker_with("not the password at all");
    for _ in 0..50 {
        assert_eq!(drain(&worker).await, Round::Paused(None));
        cloud.clock.advance(Duration::from_hours(1));
    }
    let refused = || cloud.nextcloud.seen().iter().filter(|seen| seen.status == Some(401)).count();
    assert_eq!((refused(), cloud.nextcloud.seen().len()), (1, 2), "status.php and one 401");
    assert_eq!(cloud.state(ada).await, State::Waiting);
    let query = EventQuery {
        user: None,
        kind: Some("provisioning_stopped".into()),
        before: None,
        limit: 50,
    };
    let recorded = cloud.world.gateway.identity().recorded(&query).await.unwrap();
    assert_eq!(recorded.len(), 1);
    let metrics = worker.metrics.render();
    assert!(metrics.contains("stormdoor_nextcloud_stopped 1"), "{metrics}");

    // The configuration was read again, but is the same.
    let same = cloud.worker_with("not the password at all");
    let (old, new) = (worker.nextcloud.load_full().unwrap(), same.nextcloud.load_full().unwrap());
    old.hand_over_to(&new);
    assert_eq!(drain(&same).await, Round::Paused(None));
    assert_eq!(refused(), 1);
    // An operator has it tried again.
    let identity = cloud.world.gateway.identity();
    cloud.clock.advance(MINUTE);
    assert!(identity.retry_provisioning(ada, &By::Operator).await.unwrap());
    assert_eq!(drain(&same).await, Round::Paused(None));
    assert_eq!(refused(), 2);
    // Another password is another matter.
    let mended = cloud.worker();
    new.hand_over_to(&mended.nextcloud.load_full().unwrap());
    assert_eq!(drain(&mended).await, Round::Nothing);
    assert_eq!(cloud.state(ada).await, State::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_stay_below_what_nextcloud_takes() {
    let cloud = Cloud::with(Generation::V29, "edits: 20").await;
    let worker = cloud.worker();
    let mut users = Vec::new();
    for number in 0..30 {
        users.push(cloud.add(&format!("ada{number}"), "viewer").await);
    }
    drain(&worker).await;
    for user in &users {
        let identity = cloud.world.gateway.identity();
        identity.rename_user(*user, Some("Other".into()), &By::Operator).await.unwrap();
    }
    let renamed =
        || (0..30).filter(|n| cloud.account(&format!("ada{n}")).starts_with("Other")).count();
    assert_eq!(drain(&worker).await, Round::Nothing);
    assert_eq!(renamed(), 20);
    // Who needs no edit does not wait for those who do.
    cloud.add("new", "viewer").await;
    drain(&worker).await;
    assert!(cloud.account("new").contains("enabled"));
    cloud.clock.advance(11 * MINUTE);
    cloud.nextcloud.advance(11 * MINUTE);
    drain(&worker).await;
    assert_eq!(renamed(), 30);
    assert!(cloud.nextcloud.seen().iter().all(|seen| seen.status != Some(429)));
    assert_eq!(worker.journal.backlog().await.unwrap().failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nextcloud_wants_fewer_calls_it_gets_none_for_a_minute() {
    let cloud = Cloud::with(Generation::V34, RULES).await;
    let worker = cloud.worker();
    let ada = cloud.add("ada", "viewer").await;
    cloud.nextcloud.fail_next_on("GET", "/cloud/users/ada", Fault::TooMany);
    let Round::Paused(Some(_)) = drain(&worker).await else { panic!("it goes on") };
    cloud.nextcloud.take_seen();
    cloud.clock.advance(Duration::from_secs(59));
    drain(&worker).await;
    assert_eq!(cloud.nextcloud.take_seen().len(), 0);
    cloud.clock.advance(MINUTE);
    assert_eq!(drain(&worker).await, Round::Nothing);
    let entry = cloud.entry(ada).await.unwrap();
    assert_eq!((entry.state, entry.attempts), (State::Done, 0), "it was nobody's fault");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_at_once_make_everybody_once() {
    let settings = Settings { create_takes: Duration::from_millis(10), ..trusting() };
    let cloud = Cloud::with_settings(Generation::V34, settings, RULES).await;
    for number in 0..12 {
        cloud.add(&format!("ada{number}"), "viewer").await;
    }
    let (one, other) = (cloud.worker(), cloud.worker());
    tokio::join!(drain(&one), drain(&other));
    assert_eq!(one.journal.backlog().await.unwrap().waiting, 0);
    let created = cloud.nextcloud.seen();
    let created = created.iter().filter(|seen| {
        seen.method == "POST" && seen.target.contains("/cloud/users?") && seen.status == Some(200)
    });
    assert_eq!(created.count(), 12);
    assert_eq!(cloud.nextcloud.user_ids().len(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_holds_up_nobody_and_is_told_of() {
    let settings = Settings { password_min_length: 400, ..trusting() };
    let cloud = Cloud::with_settings(Generation::V34, settings, "existing: adopt").await;
    cloud.nextcloud.add_user("ben", "whatever it may be");
    let (ada, ben) = (cloud.add("ada", "viewer").await, cloud.add("ben", "viewer").await);
    let worker = cloud.worker();
    drain(&worker).await;
    assert_eq!((cloud.state(ada).await, cloud.state(ben).await), (State::Waiting, State::Done));
    for _ in 0..10 {
        cloud.clock.advance(Duration::from_hours(1));
        drain(&worker).await;
    }
    let entry = cloud.entry(ada).await.unwrap();
    assert_eq!((entry.state, entry.last_error.as_deref()), (State::Failed, Some("create:107")));
    assert_eq!(cloud.count("POST", "/cloud/users?"), 5, "and not for ever");
}
