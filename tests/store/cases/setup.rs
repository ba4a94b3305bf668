use futures::future;
use stormdoor::identity::setup::{SetupDigest, SetupOutcome, SetupState};
use stormdoor::identity::{EventKind, StoreError, User};
use stormdoor::store::Stores;

use crate::given::{self, NOW};

const CODE: SetupDigest = SetupDigest::from_bytes([1; 32]);
const OTHER: SetupDigest = SetupDigest::from_bytes([2; 32]);

async fn complete(
    stores: &Stores,
    code: SetupDigest,
    user: &User,
) -> Result<SetupOutcome, StoreError> {
    let event = given::event(EventKind::SetupClosed);
    stores.setup.complete(&code, user, &event).await
}

pub async fn only_the_latest_code_is_good(stores: &Stores) {
    let ada = given::user("ada");
    assert_eq!(stores.setup.state().await.unwrap(), SetupState::Open(None));
    assert_eq!(complete(stores, CODE, &ada).await.unwrap(), SetupOutcome::WrongCode);
    assert!(stores.setup.offer(&OTHER, NOW).await.unwrap());
    assert!(stores.setup.offer(&CODE, NOW).await.unwrap());
    assert_eq!(stores.setup.state().await.unwrap(), SetupState::Open(Some(CODE)));
    assert_eq!(complete(stores, OTHER, &ada).await.unwrap(), SetupOutcome::WrongCode);
    assert!(stores.users.find(ada.id).await.unwrap().is_none());
    assert_eq!(complete(stores, CODE, &ada).await.unwrap(), SetupOutcome::Completed);
    assert!(stores.users.find(ada.id).await.unwrap().is_some());
}

pub async fn the_setup_is_completed_once_by_thirty_two_at_a_time(stores: &Stores) {
    assert!(stores.setup.offer(&CODE, NOW).await.unwrap());
    let attempts = (0..32).map(|number| {
        let stores = stores.clone();
        tokio::spawn(async move {
            complete(&stores, CODE, &given::user(&format!("admin{number}"))).await.unwrap()
        })
    });
    let outcomes = future::try_join_all(attempts).await.unwrap();
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!(count(SetupOutcome::Completed), 1);
    assert_eq!(count(SetupOutcome::Closed), 31);
}

pub async fn a_conflict_leaves_the_setup_open(stores: &Stores) {
    given::a_user(stores, "ada").await;
    assert!(stores.setup.offer(&CODE, NOW).await.unwrap());
    let refused = complete(stores, CODE, &given::user("ada")).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    let outcome = complete(stores, CODE, &given::user("bob")).await.unwrap();
    assert_eq!(outcome, SetupOutcome::Completed);
}

pub async fn an_admin_made_otherwise_closes_it(stores: &Stores) {
    assert!(stores.setup.offer(&CODE, NOW).await.unwrap());
    let mut admin = given::user("ada");
    admin.roles = vec!["viewer".into(), "superadmin".into()];
    given::insert(stores, &admin, EventKind::UserAdded).await.unwrap();
    assert_eq!(stores.setup.state().await.unwrap(), SetupState::Closed);
    let outcome = complete(stores, CODE, &given::user("bob")).await.unwrap();
    assert_eq!(outcome, SetupOutcome::Closed);
}

pub async fn closed_is_for_ever(stores: &Stores) {
    assert!(stores.setup.offer(&CODE, NOW).await.unwrap());
    complete(stores, CODE, &given::user("ada")).await.unwrap();
    assert!(!stores.setup.offer(&OTHER, NOW).await.unwrap());
    assert_eq!(stores.setup.state().await.unwrap(), SetupState::Closed);
    let outcome = complete(stores, OTHER, &given::user("bob")).await.unwrap();
    assert_eq!(outcome, SetupOutcome::Closed);
}
