use std::time::Duration;

use stormdoor::clock::Timestamp;
use stormdoor::identity::provisioning::{Backlog, Claim, Entry, Settled, Stage, State, Taken};
use stormdoor::identity::user::Change;
use stormdoor::identity::{CloudId, EventKind, Standing, User, UserId};
use stormdoor::store::Stores;

use crate::given::{HOUR, NOW, a_user, event, set_standing, update};

const LEASE: Duration = Duration::from_mins(2);
const SECOND: Duration = Duration::from_secs(1);

async fn take(stores: &Stores, now: Timestamp) -> Vec<Taken> {
    stores.provisioning.take_due(now, LEASE, 10).await.unwrap()
}

async fn take_only(stores: &Stores, now: Timestamp) -> Taken {
    let [only] = take(stores, now).await.try_into().unwrap();
    only
}

async fn settle(stores: &Stores, taken: &Taken, settled: Settled) {
    stores.provisioning.settle(taken, &settled, None).await.unwrap();
}

async fn entry(stores: &Stores, user: UserId) -> Entry {
    stores.provisioning.find(user).await.unwrap().unwrap()
}

async fn change(stores: &Stores, user: &User, change: Change) {
    stores.users.update(user.id, &update(change, EventKind::ProfileChanged)).await.unwrap();
}

async fn a_settled_user(stores: &Stores, name: &str) -> User {
    let user = a_user(stores, name).await;
    let taken = take_only(stores, NOW).await;
    let id = CloudId::from_store(name);
    assert_eq!(stores.provisioning.claim(&taken, &id).await.unwrap(), Claim::Held);
    settle(stores, &taken, Settled::Done(Stage::Enabled)).await;
    user
}

pub async fn what_shows_elsewhere_has_the_user_looked_at(stores: &Stores) {
    let user = a_user(stores, "ana").await;
    let first = entry(stores, user.id).await;
    assert_eq!((first.state, first.stage, first.generation), (State::Waiting, Stage::Absent, 1));
    assert_eq!((first.reason.as_str(), first.since, first.cloud), ("registered", NOW, None));
    let taken = take_only(stores, NOW).await;
    settle(stores, &taken, Settled::Done(Stage::Enabled)).await;
    assert_eq!(take(stores, NOW + HOUR).await.len(), 0);
    for (changed, waits) in [
        (Change::FullName(Some("Ana".into())), true),
        (Change::Roles(vec!["viewer".into()]), true),
        (Change::Email("other@example.org".parse().unwrap()), true),
        (Change::Grants(vec![]), false),
        (Change::SignOutEverywhere, false),
        (Change::Standing(Standing::Disabled), true),
        (Change::Standing(Standing::Active), true),
    ] {
        let told = format!("{changed:?}");
        change(stores, &user, changed).await;
        let taken = take(stores, NOW).await;
        assert_eq!(taken.len(), usize::from(waits), "{told}");
        for taken in &taken {
            settle(stores, taken, Settled::Done(Stage::Enabled)).await;
        }
    }
}

pub async fn what_is_taken_is_nobody_elses_until_its_lease_is_over(stores: &Stores) {
    let user = a_user(stores, "ana").await;
    let first = take_only(stores, NOW).await;
    change(stores, &user, Change::FullName(None)).await;
    assert_eq!(take(stores, NOW + LEASE - SECOND).await.len(), 0, "also after another change");
    let second = take_only(stores, NOW + LEASE).await;
    assert!(second.turn > first.turn && second.entry.generation == 2);
    let ada = CloudId::from_store("ana");
    assert_eq!(stores.provisioning.claim(&first, &ada).await.unwrap(), Claim::Lost);
    assert!(!stores.provisioning.reached(&first, Stage::Creating, None).await.unwrap());
    settle(stores, &first, Settled::Done(Stage::Enabled)).await;
    let entry = entry(stores, user.id).await;
    assert_eq!(
        (entry.state, entry.stage),
        (State::Waiting, Stage::Absent),
        "the late one says nothing"
    );
    assert!(stores.provisioning.reached(&second, Stage::Creating, None).await.unwrap());
}

pub async fn a_change_during_a_look_is_looked_at_afterwards(stores: &Stores) {
    let user = a_user(stores, "ana").await;
    for settled in [
        Settled::Done(Stage::Enabled),
        Settled::Later { at: NOW + HOUR, why: Some("create:107".into()) },
        Settled::Failed { why: "create:107".into() },
    ] {
        let taken = take_only(stores, NOW).await;
        change(stores, &user, Change::FullName(None)).await;
        settle(stores, &taken, settled).await;
    }
    let entry = entry(stores, user.id).await;
    assert_eq!((entry.state, entry.generation, entry.attempts), (State::Waiting, 4, 0));
    assert_eq!((entry.due_at, entry.since), (NOW, NOW));
}

pub async fn what_failed_waits_for_its_next_try_or_an_operator(stores: &Stores) {
    let user = a_user(stores, "ana").await;
    let taken = take_only(stores, NOW).await;
    settle(stores, &taken, Settled::Later { at: NOW + HOUR, why: Some("edit:101".into()) }).await;
    let found = entry(stores, user.id).await;
    assert_eq!((found.attempts, found.last_error.as_deref()), (1, Some("edit:101")));
    assert_eq!(take(stores, NOW + HOUR - SECOND).await.len(), 0);
    let taken = take_only(stores, NOW + HOUR).await;
    settle(stores, &taken, Settled::Later { at: NOW + HOUR, why: None }).await;
    assert_eq!(entry(stores, user.id).await.attempts, 1, "waiting for its turn is no attempt");
    let taken = take_only(stores, NOW + HOUR).await;
    settle(stores, &taken, Settled::Failed { why: "edit:101".into() }).await;
    assert_eq!(take(stores, NOW + 48 * HOUR).await.len(), 0);
    let failed = stores.provisioning.list(State::Failed, 0, 10).await.unwrap();
    assert_eq!((failed.0.len(), failed.1), (1, 1));
    let backlog = stores.provisioning.backlog().await.unwrap();
    assert_eq!(backlog, Backlog { waiting: 0, oldest: None, failed: 1 });
    assert_eq!(stores.provisioning.last_retry().await.unwrap(), None);
    let retried = event(EventKind::ProvisioningRetried);
    assert!(stores.provisioning.retry(user.id, &retried).await.unwrap());
    assert_eq!(stores.provisioning.last_retry().await.unwrap(), Some(NOW));
    assert_eq!(take_only(stores, NOW).await.entry.attempts, 0);
    let nobody = UserId::from_uuid(uuid::Uuid::nil());
    assert!(!stores.provisioning.retry(nobody, &retried).await.unwrap());
}

pub async fn a_name_in_nextcloud_is_one_users_for_ever(stores: &Stores) {
    let ana = a_settled_user(stores, "ana").await;
    let other = a_user(stores, "other").await;
    let taken = take_only(stores, NOW).await;
    let id = CloudId::from_store("ana");
    assert_eq!(stores.provisioning.claim(&taken, &id).await.unwrap(), Claim::TakenByAnother);
    set_standing(stores, ana.id, Standing::Deleted).await;
    assert!(stores.users.erase(ana.id, &event(EventKind::UserErased)).await.unwrap());
    assert_eq!(stores.provisioning.claim(&taken, &id).await.unwrap(), Claim::TakenByAnother);
    settle(stores, &taken, Settled::Done(Stage::Absent)).await;

    let erased = take_only(stores, NOW).await;
    assert_eq!((erased.entry.user, erased.entry.cloud.as_ref()), (ana.id, Some(&id)));
    assert_eq!(erased.entry.reason, "user_erased");
    settle(stores, &erased, Settled::Gone).await;
    assert_eq!(stores.provisioning.find(ana.id).await.unwrap(), None);
    change(stores, &other, Change::FullName(None)).await;
    let taken = take_only(stores, NOW).await;
    assert_eq!(
        stores.provisioning.claim(&taken, &id).await.unwrap(),
        Claim::Held,
        "it is free again"
    );
}

pub async fn whoever_was_never_there_is_forgotten_when_erased(stores: &Stores) {
    let user = a_user(stores, "ana").await;
    let taken = take_only(stores, NOW).await;
    assert!(stores.users.erase(user.id, &event(EventKind::UserErased)).await.unwrap());
    assert_eq!(stores.provisioning.find(user.id).await.unwrap(), None);
    let id = CloudId::from_store("ana");
    assert_eq!(stores.provisioning.claim(&taken, &id).await.unwrap(), Claim::Lost);
    settle(stores, &taken, Settled::Done(Stage::Enabled)).await;
    assert_eq!(stores.provisioning.find(user.id).await.unwrap(), None);
}

pub async fn everybody_can_be_looked_at_again_in_the_order_of_their_waiting(stores: &Stores) {
    for name in ["ana", "ben", "cy"] {
        a_settled_user(stores, name).await;
    }
    let ben = a_user(stores, "dora").await;
    let marked = stores.provisioning.mark_all("sync", NOW + HOUR).await.unwrap();
    assert_eq!(marked, 4);
    let taken = take(stores, NOW + HOUR).await;
    assert_eq!(taken.len(), 4);
    assert_eq!(taken[0].entry.user, ben.id, "who waits longest comes first");
    let backlog = stores.provisioning.backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.oldest), (4, Some(NOW)));
}

pub async fn two_takers_never_take_the_same(stores: &Stores) {
    for number in 0..6 {
        a_user(stores, &format!("ana{number}")).await;
    }
    let one = || stores.provisioning.take_due(NOW, LEASE, 1);
    let taken = futures::future::join_all((0..8).map(|_| one())).await;
    let mut users: Vec<_> =
        taken.into_iter().flat_map(|taken| taken.unwrap()).map(|taken| taken.entry.user).collect();
    assert_eq!(users.len(), 6);
    users.sort();
    users.dedup();
    assert_eq!(users.len(), 6);
}
