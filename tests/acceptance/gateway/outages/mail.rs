//! The mail relay: nobody waits for it, and no letter is lost.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use stormdoor::clock::Clock as _;
use stormdoor::clock::{ManualClock, SystemClock};

use super::{ALL_WELL, APPS, Ada, status};
use crate::flaky::{Flaky, Mood};
use crate::world::mailbox::Mailbox;
use crate::world::{PASSWORD, World};

const ACCOUNTS: &str = "accounts: { registration: { mode: open }, password: { argon2: { memory_kib: 64, passes: 1 } } }\n";

/// Somebody signs up, which takes a letter.
async fn sign_up(ada: &Ada, name: &str) -> u16 {
    let body = json!({ "email": format!("{name}@example.org"), "password": PASSWORD });
    status(ada.auth(Method::POST, "/auth/register").json(&body)).await
}

/// The line of the metrics that says so.
fn counted(result: &str, count: usize) -> String {
    format!("stormdoor_mail_sent_total{{kind=\"verify_email\",result=\"{result}\"}} {count}")
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_mail_relay_of_no_use_in_any_way_nobody_notices_and_letters_arrive_later() {
    let mailbox = Mailbox::start().await;
    let flaky = Flaky::before(mailbox.address).await;
    flaky.be(Mood::Dead);
    let section =
        mailbox.section().replace(&mailbox.address.to_string(), &flaky.address.to_string());
    let clock = ManualClock::at(SystemClock.now());
    let world = World::with_clock(&format!("{APPS}{ACCOUNTS}{section}"), clock.clone()).await;
    let mut ada = Ada::at(&world).await;
    let load = ada.load();
    for (number, mood) in [Mood::Dead, Mood::Slow, Mood::Nonsense].into_iter().enumerate() {
        flaky.be(mood);
        let name = format!("late{number}");
        assert_eq!(sign_up(&ada, &name).await, 202, "{mood:?}");
        assert_eq!(ada.ask().await, ALL_WELL, "{mood:?}");
        ada.until_counted(&counted("deferred", number + 1)).await;
        let (status, report) = ada.readiness().await;
        assert_eq!((status, &report["status"]), (200, &json!("ready")), "{report}");

        flaky.be(Mood::Well);
        clock.advance(Duration::from_secs(61));
        // A letter that is written wakes whoever sends them.
        assert_eq!(sign_up(&ada, &format!("prompt{number}")).await, 202);
        mailbox.next_to(&format!("{name}@example.org")).await;
        mailbox.next_to(&format!("prompt{number}@example.org")).await;
        // Until the gateway knows that they arrived.
        ada.until_counted(&counted("sent", 2 * (number + 1))).await;
    }
    load.was_served().await;
}
