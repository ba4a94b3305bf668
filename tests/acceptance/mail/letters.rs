//! Letters, from the store to the reader.

use std::time::Duration;

use stormdoor::clock::{Clock, ManualClock, SystemClock};
use stormdoor::identity::letter::{Letter, LetterKind};
use stormdoor::secret::Secret;

use crate::world::World;
use crate::world::mailbox::{Answer, Mailbox};

const APP: &str = r#"
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: public } ] } }
"#;

const LINK: &str = "https://localhost/verify?token=canary&next=%2F";
const MINUTE: Duration = Duration::from_mins(1);

fn letter(to: &str, name: &str) -> Letter {
    let link = Secret::new(LINK.to_owned());
    let kind = LetterKind::VerifyEmail { link, valid_for: 30 * MINUTE };
    Letter { to: to.parse().unwrap(), name: Some(name.to_owned()), kind }
}

async fn put(world: &World, to: &str) {
    let now = world.clock.now();
    world.gateway.letters().put(&letter(to, "Ana"), now).await.unwrap();
}

async fn until_waiting(world: &World, count: u64) {
    for _ in 0..500 {
        if world.gateway.letters().waiting().await.unwrap().0 == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {count} letters");
}

/// Waits until one letter had this `result`.
async fn until_counted(world: &World, result: &str) {
    let url = format!("http://{}/metrics", world.operations());
    let line = format!("stormdoor_mail_sent_total{{kind=\"verify_email\",result=\"{result}\"}} 1");
    for _ in 0..500 {
        let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
        if text.lines().any(|found| found == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_arrives_at_once_as_text_and_as_html() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(APP, &mailbox).await;
    put(&world, "ana@example.org").await;

    let mail = mailbox.next_to("ana@example.org").await;
    assert_eq!(mail.link(), LINK);
    assert!(mail.text.starts_with("Hello Ana,\n\nConfirm that"), "{}", mail.text);
    assert!(mail.html.contains("href=\"https://localhost/verify?token=canary&#38;next"));
    assert_eq!(mail.header("from").as_deref(), Some("Door <door@example.org>"));
    assert_eq!(mail.header("to").as_deref(), Some("ana@example.org"));
    assert_eq!(mail.header("subject").as_deref(), Some("Confirm your address for localhost"));
    assert_eq!(mail.header("auto-submitted").as_deref(), Some("auto-generated"));
    assert!(mail.header("message-id").is_some_and(|id| id.ends_with("@localhost>")));
    assert!(mail.header("date").is_some());
    until_waiting(&world, 0).await;
    until_counted(&world, "sent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_and_line_ends_in_a_name_do_nothing() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(APP, &mailbox).await;
    let evil = letter("ana@example.org", "<img src=x onerror=alert(1)>\r\n.\r\nBcc: eve");
    world.gateway.letters().put(&evil, world.clock.now()).await.unwrap();

    let mail = mailbox.next_to("ana@example.org").await;
    assert!(!mail.html.contains("<img"), "{}", mail.html);
    assert!(mail.html.contains("Hello &#60;img"), "{}", mail.html);
    assert_eq!(mail.header("bcc"), None);
    assert!(mail.text.contains(LINK), "the mail did not end early: {}", mail.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_was_put_off_is_sent_later() {
    let mailbox = Mailbox::start().await;
    mailbox.will([Answer::Refuse("451 4.7.1 <ana@example.org> come back later")]);
    let clock = ManualClock::at(SystemClock.now());
    let world = World::with_mail_at(APP, &mailbox, clock.clone()).await;
    put(&world, "ana@example.org").await;
    // Only then is it written down when it is due again.
    until_counted(&world, "deferred").await;

    // A letter that is written wakes the worker; the other one is not due yet.
    clock.advance(Duration::from_secs(55));
    put(&world, "bob@example.org").await;
    mailbox.next_to("bob@example.org").await;
    until_waiting(&world, 1).await;
    assert_eq!(mailbox.attempted(), 2);

    clock.advance(Duration::from_secs(6));
    put(&world, "cyd@example.org").await;
    mailbox.next_to("ana@example.org").await;
    until_waiting(&world, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_falls_silent_holds_up_no_other_letter_for_ever() {
    let mailbox = Mailbox::start().await;
    mailbox.will([Answer::Silence]);
    let world = World::with_mail(APP, &mailbox).await;
    put(&world, "ana@example.org").await;
    mailbox.attempts(1).await;
    put(&world, "bob@example.org").await;
    mailbox.next_to("bob@example.org").await;
    until_waiting(&world, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_will_never_be_taken_is_given_up_at_once() {
    let mailbox = Mailbox::start().await;
    mailbox.will([Answer::Refuse("550 5.1.1 <ana@example.org> nobody of this name")]);
    let world = World::with_mail(APP, &mailbox).await;
    put(&world, "ana@example.org").await;
    until_waiting(&world, 0).await;
    assert_eq!(mailbox.attempted(), 1);
    until_counted(&world, "given_up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_survives_a_restart_of_the_gateway() {
    let mailbox = Mailbox::start().await;
    // Nobody sends letters yet.
    let world = World::with(APP).await;
    put(&world, "ana@example.org").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.gateway.letters().waiting().await.unwrap().0, 1);

    let world = world.restart(&format!("{APP}{}", mailbox.section())).await;
    assert_eq!(mailbox.next_to("ana@example.org").await.link(), LINK);
    until_waiting(&world, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_link_is_dead_is_not_sent() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(APP, &mailbox).await;
    let long_ago = world.clock.now() - 31 * MINUTE;
    world.gateway.letters().put(&letter("ana@example.org", "Ana"), long_ago).await.unwrap();
    put(&world, "bob@example.org").await;
    mailbox.next_to("bob@example.org").await;
    until_waiting(&world, 0).await;
    assert_eq!(mailbox.attempted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_puts_another_relay_in_force() {
    let (first, second) = (Mailbox::start().await, Mailbox::start().await);
    let world = World::with_mail(APP, &first).await;
    put(&world, "ana@example.org").await;
    first.next_to("ana@example.org").await;

    world.reload(&format!("{APP}{}", second.section())).await;
    put(&world, "ana@example.org").await;
    second.next_to("ana@example.org").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_gateway_stops_at_once() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(APP, &mailbox).await;
    let before = std::time::Instant::now();
    assert!(world.gateway.stop(Duration::from_secs(5)).await);
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}
