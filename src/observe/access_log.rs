//! One line per request, written by a thread of its own.
//!
//! A request formats its line into a buffer of its thread and copies it under a short lock to the batch. The writer
//! takes the whole batch by swapping it with an empty one. Nothing is allocated once the buffers have grown, and a
//! slow disk or a blocked pipe costs lines, which are counted, never requests.

use std::cell::RefCell;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::io::Write as _;
use std::mem;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Metrics;
use super::fields;
use crate::clock::Timestamp;

/// Where access lines go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// A file, appended to, made with mode 0640.
    File(PathBuf),
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
}

/// The access log. Dropping it writes what is left, if whoever reads it lets it.
#[derive(Debug)]
pub struct AccessLog {
    /// `None` when lines go nowhere.
    writer: Option<Writer>,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// Opens `destination` and starts the writer. `metrics` counts lost lines.
    pub fn open(destination: Destination, metrics: Arc<Metrics>) -> io::Result<Self> {
        let sink = match destination {
            Destination::Off => return Ok(Self { writer: None, metrics }),
            Destination::Stdout => Sink::Stdout,
            Destination::File(path) => Sink::File(open(&path)?, path),
        };
        let shared = Arc::new(Shared::default());
        let thread = {
            let (shared, metrics) = (Arc::clone(&shared), Arc::clone(&metrics));
            std::thread::Builder::new()
                .name("access-log".to_owned())
                .spawn(move || shared.write_all(sink, &metrics))?
        };
        Ok(Self { writer: Some(Writer { shared, thread: Some(thread) }), metrics })
    }

    /// Queues one line. Never waits for the disk: when the queue is full the line is dropped and counted.
    pub fn write(&self, line: &Line<'_>) {
        let Some(writer) = &self.writer else { return };
        BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            line.format(buffer);
            if !writer.shared.push(buffer) {
                self.metrics.access_log_dropped(1);
            }
        });
    }

    /// Opens the file again under its name, after it was moved away. Happens before the next line is written.
    pub fn reopen(&self) {
        if let Some(writer) = &self.writer {
            writer.shared.held().reopen = true;
            writer.shared.wake.notify_all();
        }
    }

    /// Waits until all lines queued before have been written, or lost; 2 s at most, for a pipe that nobody reads.
    pub fn flush(&self) {
        let Some(writer) = &self.writer else { return };
        let mut queue = writer.shared.held();
        queue.hurry = true;
        writer.shared.wake.notify_all();
        let written = writer
            .shared
            .wait_while(queue, |queue| queue.writing || queue.reopen || queue.lines > 0);
        if !written {
            tracing::warn!("the access log does not take its last lines");
        }
    }
}

/// What is known about a request at its end.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// When its head was complete.
    pub time: Timestamp,
    /// What names it in logs, answers and at the upstream.
    pub request_id: &'a str,
    /// After trusted proxies.
    pub client: IpAddr,
    /// The method.
    pub method: &'a str,
    /// The canonical host.
    pub host: &'a str,
    /// The path. A query is cut off: it may hold secrets.
    pub path: &'a str,
    /// The HTTP version: `1.0`, `1.1` or `2`.
    pub protocol: &'static str,
    /// The status of the response; 0 when the client was gone before there was one.
    pub status: u16,
    /// The app; empty when none was found.
    pub app: &'a str,
    /// The route; empty when none was found.
    pub route: &'a str,
    /// The subject of the verified credential.
    pub subject: Option<&'a str>,
    /// `forwarded`, `served`, `answered` or `refused`.
    pub decision: &'static str,
    /// Why it was refused.
    pub reason: Option<&'a str>,
    /// The whole request, in microseconds.
    pub duration_us: u64,
    /// Our share before the upstream, in microseconds.
    pub overhead_us: u64,
    /// The endpoint it went to.
    pub upstream: Option<&'a str>,
    /// Body bytes received.
    pub request_bytes: u64,
    /// Body bytes sent.
    pub response_bytes: u64,
    /// `User-Agent`, of which 256 bytes are kept.
    pub user_agent: Option<&'a str>,
}

impl Line<'_> {
    /// Appends the line as one JSON object and a line feed.
    fn format(&self, buffer: &mut String) {
        buffer.push_str("{\"timestamp\":\"");
        timestamp(buffer, self.time);
        buffer.push_str("\",\"log\":\"access\"");

        let mut object = Object(buffer);
        object.text(fields::REQUEST_ID, self.request_id);
        object.value(fields::CLIENT, format_args!("\"{}\"", self.client));
        if let Some(subject) = self.subject {
            object.text(fields::SUBJECT, subject);
        }
        object.text(fields::METHOD, self.method);
        object.text(fields::HOST, self.host);
        object.text(fields::PATH, self.path.split('?').next().unwrap_or_default());
        object.text(fields::PROTOCOL, self.protocol);
        object.value(fields::STATUS, format_args!("{}", self.status));
        object.text(fields::APP, self.app);
        object.text(fields::ROUTE, self.route);
        object.text(fields::DECISION, self.decision);
        if let Some(reason) = self.reason {
            object.text(fields::REASON, reason);
        }
        if let Some(upstream) = self.upstream {
            object.text(fields::UPSTREAM, upstream);
        }
        object.millis(fields::DURATION, self.duration_us);
        object.millis(fields::OVERHEAD, self.overhead_us);
        object.value(fields::REQUEST_BYTES, format_args!("{}", self.request_bytes));
        object.value(fields::RESPONSE_BYTES, format_args!("{}", self.response_bytes));
        if let Some(user_agent) = self.user_agent {
            object.text(fields::USER_AGENT, cut(user_agent, MOST_USER_AGENT));
        }
        buffer.push_str("}\n");
    }
}

/// The members of a JSON object after its first.
struct Object<'a>(&'a mut String);

impl Object<'_> {
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push('"');
        escape(self.0, value);
        self.0.push('"');
    }

    fn millis(&mut self, name: &str, micros: u64) {
        self.value(name, format_args!("{}.{:03}", micros / 1000, micros % 1000));
    }

    /// `value` is JSON already.
    fn value(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.name(name);
        write(self.0, value);
    }

    /// Names are constants without anything to escape.
    fn name(&mut self, name: &str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
    }
}

/// RFC 8259 §7. DEL and C1 controls are escaped as well, so that a line does nothing to the terminal of who reads it.
fn escape(buffer: &mut String, text: &str) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        // Nearly always.
        return buffer.push_str(text);
    }
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        let short = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            _ if character.is_control() => "",
            _ => continue,
        };
        buffer.push_str(text.get(plain..at).unwrap_or_default());
        plain = at + character.len_utf8();
        if short.is_empty() {
            write(buffer, format_args!("\\u{:04x}", u32::from(character)));
        } else {
            buffer.push_str(short);
        }
    }
    buffer.push_str(text.get(plain..).unwrap_or_default());
}

/// RFC 3339 in UTC with exactly three decimals, so that lines sort as text.
fn timestamp(buffer: &mut String, time: Timestamp) {
    let nanos = i128::from(time.as_millis()) * 1_000_000;
    match time::OffsetDateTime::from_unix_timestamp_nanos(nanos) {
        Ok(t) => write(
            buffer,
            format_args!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                t.year(),
                u8::from(t.month()),
                t.day(),
                t.hour(),
                t.minute(),
                t.second(),
                t.millisecond()
            ),
        ),
        Err(_) => write(buffer, format_args!("{}ms", time.as_millis())),
    }
}

/// At most `most` bytes of `text`, ending between two characters.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

fn write(buffer: &mut String, arguments: fmt::Arguments<'_>) {
    fmt::Write::write_fmt(buffer, arguments).expect("writing to a string does not fail");
}

thread_local! {
    /// The line a thread is working on.
    static BUFFER: RefCell<String> = const { RefCell::new(String::new()) };
}

const MOST_USER_AGENT: usize = 256;

#[derive(Debug)]
struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut queue = self.shared.held();
        queue.closed = true;
        self.shared.wake.notify_all();
        let ended = self.shared.wait_while(queue, |queue| !queue.ended);
        // One that hangs in a write ends with the process.
        if let Some(thread) = self.thread.take().filter(|_| ended) {
            // It has no panics to pass on, and we may be unwinding from one.
            let _ = thread.join();
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something to do for the writer.
    wake: Condvar,
    /// The writer has nothing left to do.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    batch: Vec<u8>,
    lines: u64,
    /// The writer waits for `wake`; else it will look by itself.
    asleep: bool,
    writing: bool,
    hurry: bool,
    reopen: bool,
    closed: bool,
    /// The writer is gone.
    ended: bool,
}

impl Shared {
    /// Whether there was room.
    fn push(&self, line: &str) -> bool {
        let mut queue = self.held();
        if queue.lines >= MOST_LINES || queue.batch.len() + line.len() > MOST_BYTES {
            return false;
        }
        queue.batch.extend_from_slice(line.as_bytes());
        queue.lines += 1;
        let wake = mem::take(&mut queue.asleep);
        drop(queue);
        if wake {
            self.wake.notify_all();
        }
        true
    }

    fn write_all(&self, mut sink: Sink, metrics: &Metrics) {
        let mut batch = Vec::new();
        let mut failing = Failing::No;
        loop {
            let mut queue = self.held();
            while queue.lines == 0 && !queue.reopen && !queue.closed {
                queue.asleep = true;
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.asleep = false;
            // Requests come in crowds: a moment later there is more to write at once, and nobody had to wake us for it.
            if !queue.closed && !queue.hurry && !queue.reopen {
                queue =
                    self.wake.wait_timeout(queue, LINGER).unwrap_or_else(PoisonError::into_inner).0;
            }
            mem::swap(&mut batch, &mut queue.batch);
            let lines = mem::take(&mut queue.lines);
            let reopen = mem::take(&mut queue.reopen);
            let closed = queue.closed;
            queue.hurry = false;
            queue.writing = true;
            drop(queue);

            if reopen {
                sink.reopen();
            }
            if !batch.is_empty() {
                if failing == Failing::Torn {
                    // The line that was cut off must not swallow the next.
                    batch.insert(0, b'\n');
                }
                match sink.write(&batch) {
                    Ok(()) => {
                        if failing != Failing::No {
                            tracing::info!("the access log is written again");
                        }
                        failing = Failing::No;
                    }
                    Err(error) => {
                        metrics.access_log_dropped(lines);
                        if failing == Failing::No {
                            tracing::error!(%error, "cannot write the access log; lines are lost");
                        }
                        failing = Failing::Torn;
                    }
                }
                batch.clear();
                batch.shrink_to(KEPT_BYTES);
            }

            let mut queue = self.held();
            queue.writing = false;
            let empty = queue.lines == 0;
            queue.ended = empty && closed;
            drop(queue);
            if empty {
                self.idle.notify_all();
                if closed {
                    return;
                }
            }
        }
    }

    /// Waits for the writer; whether it is no longer `busy`.
    fn wait_while(
        &self,
        queue: MutexGuard<'_, Queue>,
        mut busy: impl FnMut(&Queue) -> bool,
    ) -> bool {
        let waited = self.idle.wait_timeout_while(queue, PATIENCE, |queue| busy(queue));
        let (_queue, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out()
    }

    fn held(&self) -> MutexGuard<'_, Queue> {
        // Every step leaves a usable queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MOST_LINES: u64 = 8192;
/// So that long paths cannot fill the memory with few lines.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// What a buffer keeps after a rush.
const KEPT_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_millis(5);
/// How long anybody waits for the writer.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Eq, PartialEq)]
enum Failing {
    No,
    /// Part of a line may have been written.
    Torn,
}

enum Sink {
    File(File, PathBuf),
    Stdout,
}

impl Sink {
    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.write_all(batch),
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(batch)?;
                stdout.flush()
            }
        }
    }

    fn reopen(&mut self) {
        if let Self::File(file, path) = self {
            match open(path) {
                Ok(opened) => *file = opened,
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "cannot reopen the access log; the old file goes on");
                }
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn line() -> Line<'static> {
        Line {
            time: Timestamp::from_millis(1_700_000_000_007),
            request_id: "0190-a",
            client: IpAddr::from([192, 0, 2, 7]),
            method: "GET",
            host: "cloud.example.org",
            path: "/remote.php/dav",
            protocol: "2",
            status: 207,
            app: "cloud",
            route: "dav",
            subject: Some("u-1"),
            decision: "forwarded",
            reason: None,
            duration_us: 12_345,
            overhead_us: 67,
            upstream: Some("http://127.0.0.1:8081"),
            request_bytes: 1,
            response_bytes: 2,
            user_agent: Some("curl/8"),
        }
    }

    fn formatted(line: &Line<'_>) -> Value {
        let mut text = String::new();
        line.format(&mut text);
        assert_eq!(text.matches('\n').count(), 1);
        serde_json::from_str(&text).unwrap()
    }

    fn in_file(directory: &tempfile::TempDir) -> (PathBuf, Arc<Metrics>, AccessLog) {
        let path = directory.path().join("access.log");
        let metrics = Metrics::new();
        let log = AccessLog::open(Destination::File(path.clone()), Arc::clone(&metrics)).unwrap();
        (path, metrics, log)
    }

    #[test]
    fn a_line_is_an_object_with_conventional_names() {
        let expected = json!({
            "timestamp": "2023-11-14T22:13:20.007Z",
            "log": "access",
            "stormdoor.request_id": "0190-a",
            "client.address": "192.0.2.7",
            "user.id": "u-1",
            "http.request.method": "GET",
            "server.address": "cloud.example.org",
            "url.path": "/remote.php/dav",
            "network.protocol.version": "2",
            "http.response.status_code": 207,
            "stormdoor.app": "cloud",
            "stormdoor.route": "dav",
            "stormdoor.decision": "forwarded",
            "stormdoor.upstream": "http://127.0.0.1:8081",
            "stormdoor.duration_ms": 12.345,
            "stormdoor.overhead_ms": 0.067,
            "http.request.body.size": 1,
            "http.response.body.size": 2,
            "user_agent.original": "curl/8",
        });
        assert_eq!(formatted(&line()), expected);
    }

    #[test]
    fn a_query_is_never_written() {
        let value = formatted(&Line { path: "/a?token=hunter2", ..line() });
        assert_eq!(value[fields::PATH], "/a");
        assert!(!value.to_string().contains("hunter2"));
    }

    #[test]
    fn a_long_user_agent_is_cut_between_characters() {
        let long = format!("{}ää", "a".repeat(255));
        let value = formatted(&Line { user_agent: Some(&long), ..line() });
        assert_eq!(value[fields::USER_AGENT], "a".repeat(255));
    }

    #[test]
    fn controls_do_not_reach_a_terminal() {
        let mut text = String::new();
        escape(&mut text, "\u{1b}[2J\u{7f}\u{9b}1m\0");
        assert_eq!(text, r"\u001b[2J\u007f\u009b1m\u0000");
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_comes_back_out(
            path in any::<String>(),
            host in any::<String>(),
            user_agent in proptest::collection::vec(any::<char>(), 0..60),
            millis in any::<i64>(),
            number in any::<u64>(),
        ) {
            let path = path.replace('?', "");
            let user_agent: String = user_agent.into_iter().collect();
            let value = formatted(&Line {
                time: Timestamp::from_millis(millis),
                path: &path,
                host: &host,
                method: &host,
                subject: Some(&path),
                user_agent: Some(&user_agent),
                request_bytes: number,
                duration_us: number,
                ..line()
            });
            prop_assert_eq!(value[fields::PATH].as_str(), Some(path.as_str()));
            prop_assert_eq!(value[fields::HOST].as_str(), Some(host.as_str()));
            prop_assert_eq!(value[fields::METHOD].as_str(), Some(host.as_str()));
            prop_assert_eq!(value[fields::SUBJECT].as_str(), Some(path.as_str()));
            prop_assert_eq!(value[fields::USER_AGENT].as_str(), Some(user_agent.as_str()));
            prop_assert_eq!(value[fields::REQUEST_BYTES].as_u64(), Some(number));
        }
    }

    #[test]
    fn every_line_of_every_thread_arrives_whole() {
        let directory = tempfile::tempdir().unwrap();
        let (path, _, log) = in_file(&directory);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| (0..500).for_each(|_| log.write(&line())));
            }
        });
        log.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2000);
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    }

    #[test]
    fn dropping_the_log_writes_what_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let (path, _, log) = in_file(&directory);
        log.write(&line());
        drop(log);
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 1);
    }

    #[test]
    fn after_reopening_lines_go_to_a_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let (path, _, log) = in_file(&directory);
        log.write(&line());
        log.flush();
        let moved = directory.path().join("access.log.1");
        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        log.write(&line());
        log.write(&line());
        log.flush();
        assert_eq!(std::fs::read_to_string(moved).unwrap().lines().count(), 1);
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_full_queue_drops_lines_instead_of_waiting() {
        let shared = Shared::default();
        for _ in 0..MOST_LINES {
            assert!(shared.push("{}\n"));
        }
        assert!(!shared.push("{}\n"));
    }

    #[test]
    fn few_very_long_lines_fill_the_queue_too() {
        let shared = Shared::default();
        assert!(shared.push(&"x".repeat(MOST_BYTES)));
        assert!(!shared.push("{}\n"));
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let metrics = Metrics::new();
        let full = Destination::File(PathBuf::from("/dev/full"));
        let log = AccessLog::open(full, Arc::clone(&metrics)).unwrap();
        log.write(&line());
        log.flush();
        assert!(metrics.render().contains("stormdoor_access_log_dropped_total 1"));
    }

    #[test]
    fn a_log_that_is_off_takes_lines_and_forgets_them() {
        let log = AccessLog::open(Destination::Off, Metrics::new()).unwrap();
        log.write(&line());
        log.reopen();
        log.flush();
    }
}
