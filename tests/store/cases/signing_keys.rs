use futures::future;
use stormdoor::identity::StoreError;
use stormdoor::identity::token::Algorithm;
use stormdoor::identity::token::SigningKey;
use stormdoor::secret::Secret;
use stormdoor::store::Stores;

use crate::given::{HOUR, NOW};

fn key(kid: &str, algorithm: Algorithm) -> SigningKey {
    SigningKey {
        kid: kid.to_owned(),
        algorithm,
        private: Secret::new(vec![0, 1, 255]),
        created_at: NOW,
        retired_at: None,
    }
}

pub async fn a_key_is_read_back_as_it_was(stores: &Stores) {
    stores.signing_keys.insert_first(&key("one", Algorithm::EdDsa)).await.unwrap();
    let [found] = stores.signing_keys.all().await.unwrap().try_into().unwrap();
    assert_eq!((found.kid.as_str(), found.algorithm), ("one", Algorithm::EdDsa));
    assert_eq!(found.private.expose(), &[0, 1, 255]);
    assert_eq!((found.created_at, found.retired_at), (NOW, None));
    let again = stores.signing_keys.rotate(&key("one", Algorithm::Es256)).await;
    assert!(matches!(again, Err(StoreError::Conflict { field: "kid", .. })));
    assert_eq!(stores.signing_keys.all().await.unwrap()[0].retired_at, None, "nothing was changed");
    assert!(stores.events.latest(9).await.unwrap().is_empty(), "nor is the first one news");
}

pub async fn nodes_that_start_together_agree_on_one_key(stores: &Stores) {
    let attempts = (0..8).map(|node| {
        let stores = stores.clone();
        let key = key(&format!("node-{node}"), Algorithm::EdDsa);
        tokio::spawn(async move { stores.signing_keys.insert_first(&key).await.unwrap().kid })
    });
    let kids = future::try_join_all(attempts).await.unwrap();
    assert!(kids.iter().all(|kid| kid == &kids[0]), "{kids:?}");
    assert_eq!(stores.signing_keys.all().await.unwrap().len(), 1);

    let other = key("other", Algorithm::Es256);
    let other = stores.signing_keys.insert_first(&other).await.unwrap();
    assert_eq!(other.kid, "other", "one key per algorithm");
    let [told] = stores.events.latest(9).await.unwrap().try_into().unwrap();
    assert_eq!((told.kind.as_str(), &told.details["kid"]), ("signing_key_made", &"other".into()));
}

pub async fn a_rotation_retires_the_others_and_is_told(stores: &Stores) {
    let keys = &stores.signing_keys;
    let second = SigningKey { created_at: NOW + HOUR, ..key("two", Algorithm::EdDsa) };
    keys.insert_first(&key("one", Algorithm::EdDsa)).await.unwrap();
    keys.insert_first(&key("other", Algorithm::Es256)).await.unwrap();
    let seen = stores.events.latest(1).await.unwrap()[0].number;
    keys.rotate(&second).await.unwrap();

    let all = keys.all().await.unwrap();
    let retired = all.iter().map(|key| (key.kid.as_str(), key.retired_at)).collect::<Vec<_>>();
    let at = Some(NOW + HOUR);
    assert_eq!(retired, [("two", None), ("one", at), ("other", at)]);
    let [told] = stores.events.after(seen, 9).await.unwrap().try_into().unwrap();
    assert_eq!((told.kind.as_str(), &told.details["kid"]), ("signing_key_made", &"two".into()));
    assert!(told.by_operator() && told.at == NOW + HOUR);

    let third = SigningKey { created_at: NOW + 2 * HOUR, ..key("three", Algorithm::EdDsa) };
    keys.rotate(&third).await.unwrap();
    let first = keys.all().await.unwrap().into_iter().find(|key| key.kid == "one").unwrap();
    assert_eq!(first.retired_at, at, "it was retired before");
}

pub async fn a_key_is_removed_when_it_was_retired_long_enough(stores: &Stores) {
    let keys = &stores.signing_keys;
    keys.insert_first(&key("one", Algorithm::EdDsa)).await.unwrap();
    assert!(!keys.remove("one", NOW + HOUR).await.unwrap(), "not retired");
    keys.rotate(&key("two", Algorithm::EdDsa)).await.unwrap();
    assert!(!keys.remove("one", NOW).await.unwrap(), "retired too lately");
    assert!(keys.remove("one", NOW + HOUR).await.unwrap());
    assert_eq!(keys.all().await.unwrap().len(), 1);
}
