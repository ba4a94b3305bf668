//! The way to the relay is protected, or nothing goes there.

use std::sync::Arc;
use std::time::Duration;

use rcgen::generate_simple_self_signed;
use rustls::pki_types::PrivateKeyDer;
use stormdoor::config::{MailCredentials, MailFrom, MailSecurity, MailServer, MailSettings};
use stormdoor::identity::LetterId;
use stormdoor::mail::{Mailer, Refusal, trial};
use stormdoor::secret::Secret;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

/// A relay for `localhost` with a certificate of its own that tells every line it was sent.
struct Relay {
    port: u16,
    ca: TempDir,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Relay {
    async fn start(security: MailSecurity) -> Self {
        stormdoor::edge::install_crypto();
        let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let ca = tempfile::tempdir().unwrap();
        std::fs::write(ca.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, tell) = (acceptor.clone(), tell.clone());
                tokio::spawn(async move {
                    match security {
                        MailSecurity::Plain => drop(talk(stream, &tell, "220 hi", "").await),
                        MailSecurity::Tls => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            drop(talk(stream, &tell, "220 hi", "AUTH PLAIN").await);
                        }
                        MailSecurity::StartTls => {
                            let talked = talk(stream, &tell, "220 hi", "STARTTLS").await;
                            let Ok(Some(stream)) = talked else { return };
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            drop(talk(stream, &tell, "", "AUTH PLAIN").await);
                        }
                    }
                });
            }
        });
        Self { port, ca, lines }
    }

    /// Sends a mail by way of `host`, trusting the relay's certificate or the system's authorities.
    async fn send(&self, security: MailSecurity, host: &str, trusted: bool) -> Result<(), Refusal> {
        let settings = MailSettings {
            server: MailServer { security, host: host.to_owned(), port: self.port },
            credentials: Some(MailCredentials {
                user: "door".into(),
                password: Secret::new("canary".into()),
            }),
            from: MailFrom { name: None, address: "door@example.org".parse().unwrap() },
            ca_file: trusted.then(|| self.ca.path().join("ca.pem")),
            timeout: Duration::from_secs(5),
        };
        let mailer = Mailer::new(&settings, "localhost").unwrap();
        let mail = trial(&"ana@example.org".parse().unwrap(), "localhost").unwrap();
        mailer
            .send(
                &mail,
                LetterId::from_uuid(Uuid::nil()),
                stormdoor::clock::Timestamp::from_secs(0),
            )
            .await
    }

    /// What was heard so far, from all connections.
    fn heard(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.lines.try_recv().ok()).collect()
    }
}

/// Speaks SMTP until the end, or until STARTTLS: then the stream comes back.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    tell: &mpsc::UnboundedSender<String>,
    greeting: &str,
    extension: &str,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    if !greeting.is_empty() {
        stream.write_all(format!("{greeting}\r\n").as_bytes()).await?;
    }
    let mut in_data = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        tell.send(line.clone()).unwrap();
        let command = line.split([' ', ':']).next().unwrap_or_default().to_owned();
        let answer = match (in_data, command.as_str()) {
            (true, _) if line == "." => {
                in_data = false;
                "250 taken".to_owned()
            }
            (true, _) => continue,
            (_, "EHLO") if extension.is_empty() => "250 localhost".to_owned(),
            (_, "EHLO") => format!("250-localhost\r\n250 {extension}"),
            (_, "STARTTLS") => "220 go".to_owned(),
            (_, "AUTH") => "235 welcome".to_owned(),
            (_, "DATA") => {
                in_data = true;
                "354 go on".to_owned()
            }
            (_, "QUIT") => "221 bye".to_owned(),
            _ => "250 ok".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        if command == "STARTTLS" {
            return Ok(Some(stream.into_inner()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_over_tls_to_a_relay_that_can_be_verified() {
    for security in [MailSecurity::Tls, MailSecurity::StartTls] {
        let mut relay = Relay::start(security).await;
        relay.send(security, "localhost", true).await.expect("sent");
        assert!(relay.heard().iter().any(|line| line.starts_with("AUTH PLAIN")), "signed in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_cannot_be_verified_hears_neither_password_nor_mail() {
    for security in [MailSecurity::Tls, MailSecurity::StartTls] {
        let mut relay = Relay::start(security).await;
        for (host, trusted) in [("localhost", false), ("127.0.0.1", true)] {
            let refusal = relay.send(security, host, trusted).await.expect_err("not sent");
            assert!(!refusal.permanent, "{refusal:?}");
            assert!(refusal.summary.starts_with("connecting: "), "{refusal:?}");
        }
        let heard = relay.heard();
        let secret = |line: &&String| line.starts_with("AUTH") || line.starts_with("MAIL");
        assert_eq!(heard.iter().find(secret), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_from_which_starttls_was_struck_gets_nothing() {
    let mut relay = Relay::start(MailSecurity::Plain).await;
    let refusal =
        relay.send(MailSecurity::StartTls, "localhost", true).await.expect_err("not sent");
    assert!(!refusal.permanent, "{refusal:?}");
    assert!(
        relay.heard().iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL"))
    );
}
