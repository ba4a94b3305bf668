//! `stormdoor mail test`: what an operator sees when mail does not work.

use std::process::Output;

use tokio::process::Command;

use crate::world::mailbox::{Answer, Mailbox};

async fn mail_test(section: &str, address: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    let app = r#"{ host: a.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: public } ] }"#;
    let yaml = format!("public_url: https://localhost\napps: {{ a: {app} }}\n{section}");
    std::fs::write(&config, yaml).unwrap();
    Command::new(env!("CARGO_BIN_EXE_stormdoor"))
        .args(["mail", "test", address, "--config"])
        .arg(&config)
        .arg("--data")
        .arg(folder.path().join("data"))
        .output()
        .await
        .unwrap()
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_sent_at_once() {
    let mailbox = Mailbox::start().await;
    let output = mail_test(&mailbox.section(), "ana@example.org").await;
    assert!(output.status.success(), "{output:?}");
    let said = format!("smtp://{} took a mail to ana@example.org\n", mailbox.address);
    assert_eq!(String::from_utf8_lossy(&output.stdout), said);
    let mail = mailbox.next_to("ana@example.org").await;
    assert_eq!(mail.header("subject").as_deref(), Some("Mail from localhost works"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_word_by_word() {
    let mailbox = Mailbox::start().await;
    mailbox.will([Answer::Refuse("550 5.1.1 <ana@example.org> nobody of this name")]);
    let output = mail_test(&mailbox.section(), "ana@example.org").await;
    let complaint = complaint(&output);
    assert!(complaint.contains("5.1.1 <ana@example.org> nobody of this name"), "{complaint}");
    assert!(complaint.contains("550"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_answer_or_is_not_there_is_named() {
    let mailbox = Mailbox::start().await;
    mailbox.will([Answer::Silence]);
    let silent = mail_test(&mailbox.section(), "ana@example.org").await;
    assert!(complaint(&silent).contains("did not finish within 2s"), "{silent:?}");

    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let section = format!("mail: {{ url: \"smtp://{nobody}\", from: door@example.org }}\n");
    let absent = mail_test(&section, "ana@example.org").await;
    assert!(complaint(&absent).contains(&format!("smtp://{nobody}")), "{absent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_without_mail_says_so() {
    let output = mail_test("", "ana@example.org").await;
    assert!(complaint(&output).contains("no section `mail`"), "{output:?}");
}
