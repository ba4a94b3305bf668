//! Takes due letters out of the store, sends them, and writes down what came of it.
//!
//! It looks whenever this process wrote a letter, and every few seconds for letters that are due again or that another
//! process wrote. A letter that was taken and not accounted for, because the gateway died, is due again after its lease; so
//! a letter may arrive twice, with the same `Message-ID`, but never not at all.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ring::digest;
use tokio::sync::watch;

use super::{Mailer, Refusal, render};
use crate::clock::Clock;
use crate::identity::letter::{Queued, next_try};
use crate::identity::{Email, LetterId, Letters, StoreError};
use crate::observe::Metrics;

/// Between two looks, when nothing was written meanwhile.
const LOOK: Duration = Duration::from_secs(15);

/// Letters sent at a time.
const AT_A_TIME: u32 = 4;

/// Beyond the time that sending may take, before a letter counts as taken by somebody who died.
const SPARE: Duration = Duration::from_mins(1);

/// Sends letters until it is told to end.
pub struct Worker {
    /// Where they come from.
    pub letters: Arc<dyn Letters>,
    /// Who sends them; replaced when the configuration is. While there is none, letters stay where they are.
    pub mailer: Arc<ArcSwapOption<Mailer>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Worker {
    /// Runs until `ended` says so. Letters in hand are finished first.
    pub async fn run(self, mut ended: watch::Receiver<bool>) {
        loop {
            if let Some(mailer) = self.mailer.load_full() {
                while !*ended.borrow() && self.round(&mailer).await {}
            }
            self.measure().await;
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.letters.written() => {}
                _ = ended.wait_for(|ended| *ended) => return,
            }
        }
    }

    /// Sends what is due, a few at a time; whether there was anything.
    async fn round(&self, mailer: &Mailer) -> bool {
        let lease = mailer.timeout() + SPARE;
        let due = match self.letters.take_due(self.clock.now(), lease, AT_A_TIME).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "letters cannot be read");
                return false;
            }
        };
        futures::future::join_all(due.iter().map(|queued| self.deliver(mailer, queued))).await;
        !due.is_empty()
    }

    async fn deliver(&self, mailer: &Mailer, queued: &Queued) {
        let Queued { id, letter, queued_at, attempt } = queued;
        let (kind, to) = (letter.kind.name(), short_digest(&letter.to));
        let age = self.clock.now().since(*queued_at);
        let worth_for = letter.kind.worth_for();
        let sent = if age >= worth_for {
            Err(Refusal { permanent: true, summary: "too late".into(), said: String::new() })
        } else {
            match render(letter, age, mailer.service()) {
                Ok(mail) => mailer.send(&mail, *id, self.clock.now()).await,
                Err(error) => {
                    let summary = error.to_string();
                    Err(Refusal { permanent: true, summary, said: String::new() })
                }
            }
        };
        let result = match &sent {
            Ok(()) => {
                tracing::info!(kind, to, attempt, "a letter was sent");
                self.write_down(*id, || self.letters.sent(*id)).await;
                "sent"
            }
            Err(refusal) => {
                let again = next_try(*attempt, self.clock.now(), *queued_at, worth_for);
                let next = again.filter(|_| !refusal.permanent);
                let why = &*refusal.summary;
                self.write_down(*id, || self.letters.failed(*id, next, why)).await;
                if let Some(next) = next {
                    tracing::warn!(kind, to, attempt, why, %next, "a letter was not sent yet");
                    "deferred"
                } else {
                    tracing::error!(kind, to, attempt, why, "a letter is given up");
                    "given_up"
                }
            }
        };
        self.metrics.mail_sent(kind, result);
    }

    /// Tries a few times: what is not written down is sent again when the lease is over.
    async fn write_down<F>(&self, id: LetterId, write: impl Fn() -> F)
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        for pause in [1, 2, 0] {
            match write().await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, %id, "what came of a letter was not recorded"),
            }
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
    }

    async fn measure(&self) {
        match self.letters.waiting().await {
            Ok((count, oldest)) => {
                let now = self.clock.now();
                let age = oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
                self.metrics.mail_waiting(count, age);
            }
            Err(error) => tracing::warn!(%error, "letters cannot be counted"),
        }
    }
}

/// Enough to tell whether two lines are about one address, and not the address.
fn short_digest(email: &Email) -> String {
    use std::fmt::Write as _;
    let digest = digest::digest(&digest::SHA256, email.as_str().as_bytes());
    digest.as_ref().iter().take(4).fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

    use async_trait::async_trait;

    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::config::{MailFrom, MailSecurity, MailServer, MailSettings};
    use crate::identity::letter::{Letter, LetterKind};
    use crate::secret::Secret;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    /// One letter, and what was written down about it.
    #[derive(Default)]
    struct Outbox {
        taken: Mutex<bool>,
        failed: Mutex<Vec<(Option<Timestamp>, String)>>,
    }

    #[async_trait]
    impl Letters for Outbox {
        async fn put(&self, _: &Letter, _: Timestamp) -> Result<(), StoreError> {
            Ok(())
        }

        async fn take_due(
            &self,
            _: Timestamp,
            _: Duration,
            _: u32,
        ) -> Result<Vec<Queued>, StoreError> {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let link = Secret::new("https://localhost/canary".to_owned());
            let valid_for = Duration::from_hours(1);
            let letter = Letter {
                to: "ana@example.org".parse().expect("an address"),
                name: Some("Ana Canary".into()),
                kind: LetterKind::ResetPassword { link, valid_for },
            };
            let id = LetterId::from_uuid(uuid::Uuid::nil());
            let due = Queued { id, letter, queued_at: NOW, attempt: 1 };
            Ok(if std::mem::replace(&mut *taken, true) { vec![] } else { vec![due] })
        }

        async fn sent(&self, _: LetterId) -> Result<(), StoreError> {
            panic!("nobody takes it")
        }

        async fn failed(
            &self,
            _: LetterId,
            next_try: Option<Timestamp>,
            why: &str,
        ) -> Result<(), StoreError> {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.push((next_try, why.to_owned()));
            Ok(())
        }

        async fn waiting(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
            Ok((1, Some(NOW)))
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A relay that names the recipient in every refusal.
    async fn relay(answer: &'static str) -> u16 {
        use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.write_all(b"220 hi\r\n").await.expect("a client");
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                let answer = if line.starts_with("RCPT") { answer } else { "250 ok\r\n" };
                stream.write_all(answer.as_bytes()).await.expect("a client");
                line.clear();
            }
        });
        port
    }

    async fn work(port: u16) -> (Arc<Outbox>, String) {
        let log = Log::default();
        let (letters, writer) = (Arc::new(Outbox::default()), log.clone());
        let settings = MailSettings {
            server: MailServer { security: MailSecurity::Plain, host: "127.0.0.1".into(), port },
            credentials: None,
            from: MailFrom { name: None, address: "door@example.org".parse().expect("an address") },
            ca_file: None,
            timeout: Duration::from_secs(5),
        };
        let mailer = Mailer::new(&settings, "localhost").expect("a mailer");
        let worker = Worker {
            letters: Arc::clone(&letters) as Arc<dyn Letters>,
            mailer: Arc::default(),
            clock: Arc::new(ManualClock::at(NOW)),
            metrics: Metrics::new(),
        };
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        assert!(worker.round(&mailer).await);
        let lines = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (letters, String::from_utf8(lines).expect("text"))
    }

    fn only_failure(letters: &Outbox) -> (Option<Timestamp>, String) {
        let failed = letters.failed.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(failed.len(), 1);
        failed.first().cloned().expect("one")
    }

    #[tokio::test]
    async fn neither_log_nor_store_learn_who_was_refused_or_what_was_said() {
        for (answer, next, why) in [
            ("550 5.1.1 <ana@example.org> unknown\r\n", None, "sending: 550 5.1.1"),
            ("451 <ana@example.org>\r\n", Some(NOW + Duration::from_mins(1)), "sending: 451"),
        ] {
            let (letters, log) = work(relay(answer).await).await;
            assert_eq!(only_failure(&letters), (next, why.to_owned()));
            assert!(log.contains("reset_password") && log.contains(why), "{log}");
            let of_ours: Vec<_> = log.lines().filter(|line| line.contains("stormdoor")).collect();
            assert_eq!(of_ours.len(), 1, "{log}");
            for secret in ["ana@", "canary", "Canary"] {
                assert!(!log.contains(secret), "{log}");
            }
        }
    }

    #[tokio::test]
    async fn a_relay_that_is_not_there_is_tried_again() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let (letters, _) = work(port).await;
        let (next, why) = only_failure(&letters);
        assert_eq!(next, Some(NOW + Duration::from_mins(1)));
        assert_eq!(why, "connecting: no connection");
    }

    #[test]
    fn the_digest_tells_addresses_apart_and_not_what_they_are() {
        let of = |text: &str| short_digest(&text.parse().expect("an address"));
        assert_eq!(of("ana@example.org"), of("Ana@Example.org"));
        assert_ne!(of("ana@example.org"), of("bob@example.org"));
        assert_eq!(of("ana@example.org").len(), 8);
    }
}
