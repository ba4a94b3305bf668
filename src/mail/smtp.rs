//! One relay: connecting, TLS, signing in, handing over one mail.
//!
//! | what went wrong | |
//! |---|---|
//! | before the mail was named: no connection, no TLS, wrong password | the operator's to repair: try again later |
//! | 4xx, silence, a broken line | try again later |
//! | 5xx to the mail itself | permanent: this mail will never be taken (RFC 5321 §4.2.1) |

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use lettre::address::AddressError;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};

use super::Mail;
use crate::clock::Timestamp;
use crate::config::{MailSecurity, MailServer, MailSettings};
use crate::identity::{Email, LetterId};

/// Hands mails to the configured relay, one connection for each: they are few, and a connection that was kept may be dead.
pub struct Mailer {
    server: MailServer,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    from: Mailbox,
    service: String,
    timeout: Duration,
}

impl Mailer {
    /// A mailer that speaks as `service`, the host of the public URL. Does not connect yet.
    ///
    /// # Errors
    ///
    /// [`MailerError`] when the private CA cannot be used, or an address not be written.
    pub fn new(settings: &MailSettings, service: &str) -> Result<Self, MailerError> {
        let server = settings.server.clone();
        let tls = match server.security {
            MailSecurity::Plain => None,
            MailSecurity::StartTls | MailSecurity::Tls => Some(tls(settings)?),
        };
        let credentials = settings.credentials.as_ref().map(|credentials| {
            Credentials::new(credentials.user.clone(), credentials.password.expose().clone())
        });
        // The configuration refuses these; lettre panics on them.
        let printable = |name: &String| name.chars().filter(|c| !c.is_control()).collect();
        let name = settings.from.name.as_ref().map(printable);
        let from = Mailbox::new(name, address(&settings.from.address)?);
        let service = service.to_owned();
        Ok(Self { server, tls, credentials, from, service, timeout: settings.timeout })
    }

    /// In whose name mails are sent.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// How long [`send`](Self::send) may take.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Hands over `mail`. Sent again, it has the same `Message-ID`, so that a reader may show it once.
    ///
    /// # Errors
    ///
    /// What the relay refused, and whether for ever.
    pub async fn send(&self, mail: &Mail, id: LetterId, now: Timestamp) -> Result<(), Refusal> {
        let message = self.message(mail, id, now).map_err(|error| Refusal {
            permanent: true,
            summary: "the mail cannot be written".into(),
            said: error.to_string(),
        })?;
        let exchange = tokio::time::timeout(self.timeout, self.exchange(&message));
        exchange.await.unwrap_or_else(|_| {
            let said = format!("{self} did not finish within {:?}", self.timeout);
            Err(Refusal { permanent: false, summary: "timeout".into(), said })
        })
    }

    async fn exchange(&self, message: &Message) -> Result<(), Refusal> {
        let mut connection = self.connect().await?;
        let sent = connection.send(message.envelope(), &message.formatted()).await;
        sent.map_err(|error| Refusal::of(Stage::Sending, &error))?;
        // It has the mail; how it says goodbye changes nothing.
        let _goodbye = connection.quit().await;
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Refusal> {
        let refused = |error: SmtpError| Refusal::of(Stage::Connecting, &error);
        let MailServer { security, host, port } = &self.server;
        let hello = ClientId::Domain(self.service.clone());
        let from_the_start = self.tls.clone().filter(|_| *security == MailSecurity::Tls);
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (host.as_str(), *port),
            Some(self.timeout),
            &hello,
            from_the_start,
            None,
        )
        .await
        .map_err(refused)?;
        if let (MailSecurity::StartTls, Some(tls)) = (security, &self.tls) {
            connection.starttls(tls.clone(), &hello).await.map_err(refused)?;
        }
        if let Some(credentials) = &self.credentials {
            let answer = connection.auth(DEFAULT_MECHANISMS, credentials).await;
            answer.map_err(|error| Refusal::of(Stage::SigningIn, &error))?;
        }
        Ok(connection)
    }

    fn message(&self, mail: &Mail, id: LetterId, now: Timestamp) -> Result<Message, MessageError> {
        let since_epoch = now.since(Timestamp::default());
        // The name of who gets it is not in a header: there is nothing to inject.
        let to = Mailbox::new(None, address(&mail.to)?);
        let message = Message::builder()
            .date(UNIX_EPOCH + since_epoch)
            .message_id(Some(format!("<{id}@{}>", self.service)))
            .from(self.from.clone())
            .to(to)
            .subject(&mail.subject)
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(
                mail.text.expose().clone(),
                mail.html.expose().clone(),
            ))?;
        Ok(message)
    }
}

/// Where it sends to, as configured. Nothing secret.
impl fmt::Display for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MailServer { security, host, port } = &self.server;
        let scheme = match security {
            MailSecurity::Plain => "smtp",
            MailSecurity::StartTls => "smtp+starttls",
            MailSecurity::Tls => "smtps",
        };
        write!(f, "{scheme}://{host}:{port}")
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mailer").field(&self.to_string()).finish()
    }
}

/// The system's authorities, or only those of the private CA. Never unverified.
fn tls(settings: &MailSettings) -> Result<TlsParameters, MailerError> {
    let mut builder = TlsParameters::builder(settings.server.host.clone());
    if let Some(path) = &settings.ca_file {
        let unusable = |what: String| MailerError::Ca { path: path.clone(), what };
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem)
            .map_err(|_| unusable("not a PEM bundle of certificates".into()))?;
        builder =
            builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    Ok(builder.build()?)
}

fn address(email: &Email) -> Result<Address, AddressError> {
    Address::new(email.local_part(), email.domain())
}

/// `Auto-Submitted: auto-generated` (RFC 3834 §5): nobody's holiday note shall answer.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Why there is no mailer, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// The sender cannot be written as SMTP wants it.
    #[error("mail.from cannot be used")]
    Address(#[from] AddressError),
    /// The private CA cannot be used.
    #[error("{}: {what}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// TLS cannot be set up.
    #[error("TLS towards the mail relay cannot be set up")]
    Tls(#[from] SmtpError),
}

#[derive(Debug, thiserror::Error)]
enum MessageError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Message(#[from] lettre::error::Error),
}

/// Why a mail was not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Whether it never will be.
    pub permanent: bool,
    /// Where and with which code, for logs and the store: no address, nothing that the relay made up.
    pub summary: String,
    /// All that is known, for the operator who asked. The relay may have named addresses in it.
    pub said: String,
}

/// How far we were.
#[derive(Clone, Copy)]
enum Stage {
    Connecting,
    SigningIn,
    Sending,
}

impl Refusal {
    fn of(stage: Stage, error: &SmtpError) -> Self {
        let doing = match stage {
            Stage::Connecting => "connecting",
            Stage::SigningIn => "signing in",
            Stage::Sending => "sending",
        };
        let code = error.status().map(u16::from);
        let what = match code {
            Some(code) => with_enhanced(code, &source_of(error)),
            None if error.is_timeout() => "timeout".to_owned(),
            None if error.is_tls() => "TLS failed".to_owned(),
            None if error.is_response() => "not SMTP".to_owned(),
            None if error.is_client() => "not supported by the relay".to_owned(),
            None => "no connection".to_owned(),
        };
        // "Sign in first" says nothing about this mail.
        let about_us = matches!(code, Some(530 | 534 | 535 | 538));
        Self {
            permanent: matches!(stage, Stage::Sending) && error.is_permanent() && !about_us,
            summary: format!("{doing}: {what}"),
            said: format!("{doing}: {error}"),
        }
    }
}

/// What the relay said beside its code.
fn source_of(error: &SmtpError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// `550 5.1.1`: with the enhanced code when the text begins with one (RFC 3463 §2).
fn with_enhanced(code: u16, text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or_default();
    let is_number =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let is_enhanced = word.split('.').count() == 3 && word.split('.').all(is_number);
    if is_enhanced { format!("{code} {word}") } else { code.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MailFrom;
    use crate::secret::Secret;

    fn mailer(from: &str) -> Mailer {
        let settings = MailSettings {
            server: MailServer { security: MailSecurity::Plain, host: "::1".into(), port: 25 },
            credentials: None,
            from: MailFrom {
                name: Some(from.to_owned()),
                address: "door@example.org".parse().expect("an address"),
            },
            ca_file: None,
            timeout: Duration::from_secs(1),
        };
        Mailer::new(&settings, "login.example.org").expect("a mailer")
    }

    fn head_of(mailer: &Mailer, mail: &Mail) -> String {
        let id = LetterId::from_uuid(uuid::Uuid::nil());
        let message = mailer.message(mail, id, Timestamp::from_secs(1_800_000_000));
        let text = String::from_utf8(message.expect("a message").formatted()).expect("ASCII");
        text.split_once("\r\n\r\n").expect("a head").0.to_owned()
    }

    fn mail(subject: &str) -> Mail {
        Mail {
            to: "ana@example.org".parse().expect("an address"),
            subject: subject.to_owned(),
            text: Secret::new("text".to_owned()),
            html: Secret::new("<p>html</p>".to_owned()),
        }
    }

    #[test]
    fn a_message_has_the_headers_that_readers_and_filters_want() {
        let head = head_of(&mailer("Example Cloud"), &mail("Hello"));
        for line in [
            "Date: Fri, 15 Jan 2027 08:00:00 +0000",
            "Message-ID: <00000000-0000-0000-0000-000000000000@login.example.org>",
            "From: \"Example Cloud\" <door@example.org>",
            "To: ana@example.org",
            "Subject: Hello",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
        ] {
            assert!(head.split("\r\n").any(|found| found == line), "{line} in\n{head}");
        }
        assert!(head.contains("Content-Type: multipart/alternative"), "{head}");
    }

    #[test]
    fn senders_of_every_kind_can_be_written() {
        for name in
            ["Café", "A \"B\" \\ C", "名前 🚪", "", " ", "a\u{7f}b\tc", "<>@,;:", "=?utf-8?q?x?="]
        {
            let head = head_of(&mailer(name), &mail("Hello"));
            assert!(head.contains("door@example.org"), "{name:?}: {head}");
            assert!(head.is_ascii(), "{name:?}: {head}");
        }
    }

    #[test]
    fn no_text_can_end_its_header() {
        let evil = "x\r\nBcc: evil@example.org\nX-Evil: 1\r\n\r\nbody";
        let head = head_of(&mailer(evil), &mail(evil));
        for line in head.split(['\r', '\n']) {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            assert!(!name.starts_with("bcc") && !name.starts_with("x-evil"), "{head}");
        }
        assert!(head.contains("Auto-Submitted"), "the head did not end early: {head}");
    }

    #[test]
    fn every_address_that_we_accept_can_be_written() {
        for text in [
            "admin@localhost",
            "o'neil@xn--bcher-kva.example",
            "ada.lovelace+door@mail.example.co.uk",
            "!#$%&'*+-/=?^_`{|}~@example.org",
            "a@1.2",
        ] {
            let email: Email = text.parse().expect(text);
            assert_eq!(
                address(&email).map(|address| address.to_string()).ok().as_deref(),
                Some(text)
            );
        }
    }

    #[test]
    fn a_summary_keeps_the_codes_and_nothing_else() {
        for (text, summary) in [
            ("5.1.1 <ana@example.org>: unknown", "550 5.1.1"),
            ("<ana@example.org> unknown", "550"),
            ("5.1.canary no", "550"),
            ("", "550"),
        ] {
            assert_eq!(with_enhanced(550, text), summary);
        }
    }
}
