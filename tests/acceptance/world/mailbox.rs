//! A relay that catches mail: real SMTP on a port of its own, with scripted refusals.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How long a test waits for a mail.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes every mail, unless told otherwise.
pub(crate) struct Mailbox {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
}

#[derive(Default)]
struct Inside {
    caught: Mutex<Vec<Caught>>,
    script: Mutex<VecDeque<Answer>>,
    attempts: Mutex<u32>,
    changed: Notify,
}

/// What the relay does with one attempt.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Takes it.
    Take,
    /// Answers `RCPT` with this line, such as `451 4.7.1 later`.
    Refuse(&'static str),
    /// Never answers `RCPT`.
    Silence,
}

/// A mail as it was caught.
#[derive(Clone, Debug)]
pub(crate) struct Caught {
    /// The recipient of the envelope.
    pub(crate) to: String,
    /// The message, without dot-stuffing.
    pub(crate) raw: String,
    /// The decoded plain part.
    pub(crate) text: String,
    /// The decoded HTML part.
    pub(crate) html: String,
}

impl Mailbox {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inside = Arc::new(Inside::default());
        let shared = Arc::clone(&inside);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inside = Arc::clone(&shared);
                // A client that hangs up is not this relay's trouble.
                tokio::spawn(async move { drop(serve(stream, &inside).await) });
            }
        });
        Self { address, inside }
    }

    /// The section of the configuration that sends mail here.
    pub(crate) fn section(&self) -> String {
        let address = self.address;
        format!(
            "mail: {{ url: \"smtp://{address}\", from: \"Door <door@example.org>\", timeout: 2s }}\n"
        )
    }

    /// What happens to the next attempts, in turn; those after them are taken.
    pub(crate) fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inside.script.lock().unwrap().extend(answers);
    }

    /// Waits for a mail to `address` and takes it out.
    pub(crate) async fn next_to(&self, address: &str) -> Caught {
        self.until(&format!("a mail to {address}"), |inside| {
            let mut caught = inside.caught.lock().unwrap();
            let index = caught.iter().position(|mail| mail.to == address)?;
            Some(caught.remove(index))
        })
        .await
    }

    /// Waits until `count` mails were offered in all, taken or not.
    pub(crate) async fn attempts(&self, count: u32) {
        self.until(&format!("{count} attempts"), |inside| {
            (*inside.attempts.lock().unwrap() >= count).then_some(())
        })
        .await;
    }

    /// How many mails were offered so far, taken or not.
    pub(crate) fn attempted(&self) -> u32 {
        *self.inside.attempts.lock().unwrap()
    }

    async fn until<T>(&self, what: &str, found: impl Fn(&Inside) -> Option<T>) -> T {
        let wait = async {
            loop {
                let changed = self.inside.changed.notified();
                tokio::pin!(changed);
                // From here on no change is missed.
                changed.as_mut().enable();
                if let Some(found) = found(&self.inside) {
                    return found;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"))
    }
}

impl Caught {
    /// The first link of the plain part.
    pub(crate) fn link(&self) -> &str {
        let mut words = self.text.split_whitespace();
        words.find(|word| word.starts_with("https://")).expect("a link")
    }

    /// A header of the message, unfolded.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let (head, _) = split(&self.raw);
        header(head, name)
    }
}

async fn serve(stream: TcpStream, inside: &Inside) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut to = String::new();
    writer.write_all(b"220 mailbox.test ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let command = line.to_ascii_uppercase();
        let answer = if command.starts_with("EHLO ") {
            "250-mailbox.test\r\n250 8BITMIME"
        } else if command.starts_with("MAIL FROM:<") {
            "250 2.1.0 ok"
        } else if command.starts_with("RCPT TO:<") {
            *inside.attempts.lock().unwrap() += 1;
            let answer = inside.script.lock().unwrap().pop_front().unwrap_or(Answer::Take);
            inside.changed.notify_waiters();
            match answer {
                Answer::Take => {
                    to = between(&line, '<', '>').to_owned();
                    "250 2.1.5 ok"
                }
                Answer::Refuse(line) => line,
                Answer::Silence => std::future::pending().await,
            }
        } else if command == "DATA" {
            writer.write_all(b"354 go on\r\n").await?;
            let mut raw = String::new();
            while let Some(line) = lines.next_line().await? {
                if line == "." {
                    break;
                }
                raw.push_str(line.strip_prefix('.').unwrap_or(&line));
                raw.push_str("\r\n");
            }
            let (text, html) = parts(&raw);
            let caught = Caught { to: std::mem::take(&mut to), raw, text, html };
            inside.caught.lock().unwrap().push(caught);
            inside.changed.notify_waiters();
            "250 2.0.0 taken"
        } else if command == "QUIT" {
            return writer.write_all(b"221 2.0.0 bye\r\n").await;
        } else {
            "502 5.5.1 not here"
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

/// The decoded plain and HTML parts of a multipart message.
fn parts(raw: &str) -> (String, String) {
    let (head, body) = split(raw);
    let kind = header(head, "content-type").unwrap_or_default();
    let boundary = kind.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next());
    let delimiter = format!("--{}", boundary.expect("a multipart message"));
    let (mut text, mut html) = (String::new(), String::new());
    for part in body.split(&delimiter).skip(1) {
        let part = part.strip_prefix("\r\n").unwrap_or(part);
        let (head, body) = split(part);
        let kind = header(head, "content-type").unwrap_or_default();
        let encoding = header(head, "content-transfer-encoding").unwrap_or_default();
        let decoded = decode(body.strip_suffix("\r\n").unwrap_or(body), &encoding);
        if kind.starts_with("text/plain") {
            text = decoded;
        } else if kind.starts_with("text/html") {
            html = decoded;
        }
    }
    (text, html)
}

fn decode(body: &str, encoding: &str) -> String {
    let bytes = match encoding.to_ascii_lowercase().as_str() {
        "base64" => {
            let packed: String = body.split_whitespace().collect();
            STANDARD.decode(packed).expect("base64")
        }
        "quoted-printable" => quoted_printable(body),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n")
}

/// RFC 2045 §6.7.
fn quoted_printable(body: &str) -> Vec<u8> {
    let joined = body.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'=').then(|| after.get(..2)).flatten();
        let value = escaped.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    bytes
}

fn split(message: &str) -> (&str, &str) {
    message.split_once("\r\n\r\n").unwrap_or((message, ""))
}

fn header(head: &str, name: &str) -> Option<String> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn between(text: &str, open: char, close: char) -> &str {
    let inside = text.split_once(open).and_then(|(_, rest)| rest.split_once(close));
    inside.map_or("", |(inside, _)| inside)
}
