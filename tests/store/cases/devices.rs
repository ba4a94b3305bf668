use stormdoor::identity::device::{DEVICES_MAX, Device, Scope};
use stormdoor::identity::{DeviceId, EventKind, Purpose, SecretText, User, random};
use stormdoor::store::Stores;

use crate::given::{self, NOW};

fn device(user: &User, scope: Scope) -> Device {
    Device {
        id: DeviceId::from_uuid(random::uuid_v7(NOW)),
        user: user.id,
        name: "phone".into(),
        scope,
        created_at: NOW,
        last_used_at: None,
        last_address: None,
        expires_at: None,
    }
}

pub async fn a_device_is_found_by_its_digest_and_gone_when_removed(stores: &Stores) {
    let (ada, bob) = (given::a_user(stores, "ada").await, given::a_user(stores, "bob").await);
    let listed = vec!["files:read".parse().unwrap()];
    for scope in [Scope::Dav, Scope::Permissions(listed)] {
        let device = device(&ada, scope);
        let digest = SecretText::generate().digest(Purpose::Device);
        let event = given::event(EventKind::DeviceAdded { device: device.id });
        assert!(stores.devices.insert(&device, &digest, &event).await.unwrap());
        let found = stores.devices.by_digest(&digest).await.unwrap().unwrap();
        assert_eq!((found.device, found.user.id), (device.clone(), ada.id));

        stores.devices.used(&[(device.id, NOW, "192.0.2.9".into())]).await.unwrap();
        let found = stores.devices.of_user(ada.id).await.unwrap();
        assert_eq!((found.len(), found[0].last_used_at), (1, Some(NOW)));

        let event = given::event(EventKind::DeviceRemoved { device: device.id });
        assert!(!stores.devices.remove(bob.id, device.id, &event).await.unwrap());
        assert!(stores.devices.remove(ada.id, device.id, &event).await.unwrap());
        assert!(!stores.devices.remove(ada.id, device.id, &event).await.unwrap());
        assert!(stores.devices.by_digest(&digest).await.unwrap().is_none());
    }
}

pub async fn there_are_only_so_many_devices_of_one_user(stores: &Stores) {
    let ada = given::a_user(stores, "ada").await;
    for number in 0..=DEVICES_MAX {
        let device = device(&ada, Scope::Dav);
        let digest = SecretText::generate().digest(Purpose::Device);
        let event = given::event(EventKind::DeviceAdded { device: device.id });
        let added = stores.devices.insert(&device, &digest, &event).await.unwrap();
        assert_eq!(added, number < DEVICES_MAX, "{number}");
    }
}
