use futures::future;
use stormdoor::identity::second_factor::passkey::example::Authenticator;
use stormdoor::identity::second_factor::passkey::{CredentialId, Passkey, PublicKey};
use stormdoor::identity::second_factor::recovery::{RecoveryCode, RecoveryDigest};
use stormdoor::identity::second_factor::{Method, StoredPasskey};
use stormdoor::identity::{EventKind, PasskeyId, UserId, random};
use stormdoor::store::Stores;

use crate::given::{self, NOW};

async fn wins(attempts: impl Iterator<Item = tokio::task::JoinHandle<bool>>) -> usize {
    let outcomes = future::try_join_all(attempts).await.unwrap();
    outcomes.into_iter().filter(|won| *won).count()
}

fn codes(user: UserId) -> Vec<RecoveryDigest> {
    RecoveryCode::generate().iter().map(|code| code.digest(user)).collect()
}

fn added() -> stormdoor::identity::second_factor::Noted {
    given::noted(EventKind::SecondFactorAdded { method: Method::Totp })
}

pub async fn a_confirmed_app_is_not_replaced(stores: &Stores) {
    let ada = given::a_user(stores, "ada").await;
    let factors = &stores.second_factors;
    assert!(!factors.confirm_totp(ada.id, 1, None, &added()).await.unwrap(), "there is none");
    for sealed in [b"one".as_slice(), b"two"] {
        assert!(factors.offer_totp(ada.id, sealed).await.unwrap());
    }
    assert!(!factors.accept_step(ada.id, 9).await.unwrap(), "not confirmed yet");
    let codes = codes(ada.id);
    assert!(factors.confirm_totp(ada.id, 5, Some(&codes), &added()).await.unwrap());
    assert!(!factors.confirm_totp(ada.id, 6, None, &added()).await.unwrap(), "only once");
    assert!(!factors.offer_totp(ada.id, b"three").await.unwrap());
    let found = factors.of_user(ada.id).await.unwrap();
    let totp = found.totp.unwrap();
    assert_eq!((totp.sealed.as_slice(), totp.confirmed), (b"two".as_slice(), true));
    assert_eq!((totp.last_step, found.recovery_codes_left), (Some(5), 10));
    assert!(!factors.accept_step(ada.id, 5).await.unwrap(), "the step that confirmed it");
}

pub async fn of_fifty_uses_of_one_code_one_wins(stores: &Stores) {
    let ada = given::a_user(stores, "ada").await;
    stores.second_factors.offer_totp(ada.id, b"sealed").await.unwrap();
    stores.second_factors.confirm_totp(ada.id, 1, None, &added()).await.unwrap();
    let attempts = (0..50).map(|_| {
        let (factors, id) = (stores.second_factors.clone(), ada.id);
        tokio::spawn(async move { factors.accept_step(id, 7).await.unwrap() })
    });
    assert_eq!(wins(attempts).await, 1);
    assert!(!stores.second_factors.accept_step(ada.id, 6).await.unwrap(), "an earlier step");
}

pub async fn of_fifty_uses_of_one_recovery_code_one_wins(stores: &Stores) {
    let ada = given::a_user(stores, "ada").await;
    let codes = codes(ada.id);
    let noted = given::noted(EventKind::RecoveryCodesRenewed);
    stores.second_factors.renew_recovery_codes(ada.id, &codes, &noted).await.unwrap();
    let attempts = (0..50).map(|_| {
        let (factors, id, code) = (stores.second_factors.clone(), ada.id, codes[3]);
        tokio::spawn(async move { factors.use_recovery_code(id, &code, NOW).await.unwrap() })
    });
    assert_eq!(wins(attempts).await, 1);
    let left = stores.second_factors.of_user(ada.id).await.unwrap().recovery_codes_left;
    assert_eq!(left, 9);
}

pub async fn a_passkey_is_used_by_one_of_two_at_a_time(stores: &Stores) {
    let (ada, bob) = (given::a_user(stores, "ada").await, given::a_user(stores, "bob").await);
    let passkey = StoredPasskey {
        id: PasskeyId::from_uuid(random::uuid_v7(NOW)),
        name: "key".into(),
        passkey: Passkey {
            id: CredentialId::new(vec![1, 2, 3]).unwrap(),
            key: PublicKey::from_cose(&Authenticator::es256().cose_key()).unwrap(),
            counter: 7,
            transports: vec!["usb".into()],
            aaguid: [9; 16],
            backup_eligible: true,
            backed_up: false,
        },
        created_at: NOW,
        last_used_at: None,
    };
    let factors = &stores.second_factors;
    let noted = given::noted(EventKind::SecondFactorAdded { method: Method::Passkey });
    assert!(factors.add_passkey(ada.id, &passkey, None, &noted).await.unwrap());
    let twin = StoredPasskey { id: PasskeyId::from_uuid(random::uuid_v7(NOW)), ..passkey.clone() };
    assert!(!factors.add_passkey(bob.id, &twin, None, &noted).await.unwrap(), "somebody's already");
    let found = factors.passkey(&[1, 2, 3]).await.unwrap().unwrap();
    assert_eq!(found, (ada.id, passkey.clone()));

    let attempts = (0..50).map(|_| {
        let (factors, id) = (factors.clone(), passkey.id);
        tokio::spawn(async move { factors.passkey_used(id, 7, 8, true, NOW).await.unwrap() })
    });
    assert_eq!(wins(attempts).await, 1);

    let noted = given::noted(EventKind::SecondFactorRemoved { method: Method::Passkey });
    assert!(!factors.remove_passkey(bob.id, passkey.id, &noted).await.unwrap());
    assert!(factors.remove_passkey(ada.id, passkey.id, &noted).await.unwrap());
    assert!(factors.passkey(&[1, 2, 3]).await.unwrap().is_none());
}

pub async fn a_reset_takes_all_of_them(stores: &Stores) {
    let ada = given::a_user(stores, "ada").await;
    let noted = given::noted(EventKind::SecondFactorReset);
    assert!(!stores.second_factors.reset(ada.id, &noted).await.unwrap());
    stores.second_factors.offer_totp(ada.id, b"sealed").await.unwrap();
    let codes = codes(ada.id);
    stores.second_factors.confirm_totp(ada.id, 1, Some(&codes), &added()).await.unwrap();
    assert!(stores.second_factors.of_user(ada.id).await.unwrap().enrolled());
    assert!(stores.second_factors.reset(ada.id, &noted).await.unwrap());
    let left = stores.second_factors.of_user(ada.id).await.unwrap();
    assert_eq!((left.enrolled(), left.recovery_codes_left), (false, 0));
}
