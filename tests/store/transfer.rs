//! Records that move between kinds of stores.

use std::collections::BTreeSet;
use std::path::Path;

use stormdoor::identity::device::{Device, Scope};
use stormdoor::identity::letter::{Letter, LetterKind};
use stormdoor::identity::token::{Algorithm, SigningKey};
use stormdoor::identity::{DeviceId, EventKind, Purpose, RefreshKey, SecretText, random};
use stormdoor::store::transfer::{self, TABLES, TransferError};
use stormdoor::store::{self, Stores};

use crate::given::{self, NOW};
use crate::{backends, server};

/// Something in most tables.
async fn fill(stores: &Stores) {
    let ada = given::a_signed_in_user(stores, "ada").await;
    let mut odd = given::user("odd");
    odd.full_name = Some("\\ \" ' ü \u{1F980}\n".into());
    given::insert(stores, &odd, EventKind::Registered).await.unwrap();
    stores.refresh_tokens.key(RefreshKey::generate()).await.unwrap();
    let successor = ada.successor(NOW);
    stores.refresh_tokens.redeem(&ada.token.digest(), &successor, NOW).await.unwrap();
    stores.second_factors.offer_totp(ada.user.id, &[0, 255, 7]).await.unwrap();
    let noted = given::noted(EventKind::SignedIn);
    assert!(stores.second_factors.confirm_totp(ada.user.id, 3, None, &noted).await.unwrap());
    let device = Device {
        id: DeviceId::from_uuid(random::uuid_v7(NOW)),
        user: ada.user.id,
        name: "phone".into(),
        scope: Scope::Dav,
        created_at: NOW,
        last_used_at: None,
        last_address: None,
        expires_at: Some(NOW),
    };
    let digest = SecretText::generate().digest(Purpose::Device);
    stores.devices.insert(&device, &digest, &given::event(EventKind::SignedIn)).await.unwrap();
    let to = "ada@example.org".parse().unwrap();
    let letter = Letter { to, name: None, kind: LetterKind::PasswordChanged };
    stores.letters.put(&letter, NOW).await.unwrap();
    let key = SigningKey::generate(Algorithm::EdDsa, NOW).unwrap();
    stores.signing_keys.rotate(&key).await.unwrap();
}

async fn written(stores: &Stores) -> Vec<u8> {
    let mut lines = Vec::new();
    transfer::write(stores, &mut lines, || {}).await.unwrap();
    lines
}

/// Rows have no order.
fn lines(written: &[u8]) -> BTreeSet<&str> {
    std::str::from_utf8(written).unwrap().lines().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_move_to_postgres_and_back_and_are_the_same() {
    let (first, last) = (backends::sqlite().await, backends::sqlite().await);
    let between = backends::postgres().await;
    fill(&first).await;

    let from_sqlite = written(&first).await;
    let counts = transfer::read(&between, &*from_sqlite, |_| {}).await.unwrap();
    assert_eq!(counts, first.counts().await.unwrap());
    assert!(counts.iter().filter(|count| **count > 0).count() > 8, "{counts:?}");
    let from_postgres = written(&between).await;
    assert_eq!(lines(&from_sqlite), lines(&from_postgres));

    transfer::read(&last, &*from_postgres, |_| {}).await.unwrap();
    assert_eq!(lines(&from_sqlite), lines(&written(&last).await));

    // The numbers go on behind those that were taken.
    let newest = between.events.latest(1).await.unwrap()[0].number;
    between.events.record(&given::event(EventKind::SignedOut)).await.unwrap();
    assert_eq!(between.events.latest(1).await.unwrap()[0].number, newest + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_records_takes_none() {
    let first = backends::sqlite().await;
    fill(&first).await;
    let lines = written(&first).await;
    for full in [backends::postgres().await, backends::sqlite().await.stores.clone()] {
        given::a_user(&full, "bob").await;
        let before = full.counts().await.unwrap();
        let error = transfer::read(&full, &*lines, |_| {}).await.unwrap_err();
        assert!(matches!(error, TransferError::NotEmpty("users")), "{error:?}");
        assert_eq!(full.counts().await.unwrap(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_damaged_changes_nothing() {
    let first = backends::sqlite().await;
    fill(&first).await;
    let good = String::from_utf8(written(&first).await).unwrap();
    let without = |nth: usize| {
        let lines = good.lines().enumerate().filter(|(number, _)| *number != nth);
        lines.map(|(_, line)| line).collect::<Vec<_>>().join("\n")
    };
    let count = good.lines().count();
    let empty = backends::postgres().await;
    let other_version = good.replacen("epoch", "era", 1);
    for (damaged, complaint) in [
        (good[..good.len() / 2].to_owned(), "line"),
        (without(0), "no export"),
        (without(2), "as many"),
        (without(count - 1), "ends here"),
        (good.replacen("[\"users\",[\"", "[\"users\",[7,\"", 1), "line 2"),
        (good.replacen("[\"audit\",[", "[\"audits\",[", 1), "unknown table"),
        (other_version, "another version"),
        (String::new(), "ends here"),
    ] {
        let error = transfer::read(&empty, damaged.as_bytes(), |_| {}).await.unwrap_err();
        assert!(error.to_string().contains(complaint), "{complaint}: {error}");
        assert_eq!(empty.counts().await.unwrap(), vec![0; TABLES.len()], "{complaint}");
    }
    transfer::read(&empty, good.as_bytes(), |_| {}).await.unwrap();
}

#[tokio::test]
async fn every_column_of_postgres_is_moved() {
    let (url, schema) = server::place();
    let config = backends::postgres_at(&url, &schema);
    let _stores = store::open(&config, Path::new("")).await.unwrap();
    let mut beside = backends::beside(&config).await;
    let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns \
               WHERE table_schema = $1 AND table_name NOT IN ('_sqlx_migrations', 'leases')";
    let found: Vec<String> =
        sqlx::query_scalar(sql).bind(&schema).fetch_all(&mut beside).await.unwrap();
    let own = |name| if name == "user" { "user_id" } else { name };
    let moved = TABLES.iter().flat_map(|table| {
        table.columns.iter().map(move |(column, _)| format!("{}.{}", table.name, own(column)))
    });
    // Which process wrote it means nothing to another.
    let moved: BTreeSet<_> = moved.chain(["audit.node".to_owned()]).collect();
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), moved);
}
