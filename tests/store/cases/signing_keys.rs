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
    stores.signing_keys.insert(&key("one", Algorithm::EdDsa)).await.unwrap();
    let [found] = stores.signing_keys.all().await.unwrap().try_into().unwrap();
    assert_eq!((found.kid.as_str(), found.algorithm), ("one", Algorithm::EdDsa));
    assert_eq!(found.private.expose(), &[0, 1, 255]);
    assert_eq!((found.created_at, found.retired_at), (NOW, None));
    let again = stores.signing_keys.insert(&key("one", Algorithm::Es256)).await;
    assert!(matches!(again, Err(StoreError::Conflict { field: "kid", .. })));
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
}

pub async fn a_key_is_retired_once_and_removed_later(stores: &Stores) {
    let keys = &stores.signing_keys;
    keys.insert(&key("one", Algorithm::EdDsa)).await.unwrap();
    assert!(!keys.remove("one", NOW + HOUR).await.unwrap(), "not retired");
    assert!(keys.retire("one", NOW).await.unwrap());
    assert!(!keys.retire("one", NOW + HOUR).await.unwrap());
    assert_eq!(keys.all().await.unwrap()[0].retired_at, Some(NOW));
    assert!(!keys.remove("one", NOW).await.unwrap(), "retired too lately");
    assert!(keys.remove("one", NOW + HOUR).await.unwrap());
    assert!(keys.all().await.unwrap().is_empty());
}
