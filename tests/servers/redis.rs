//! A Redis of one's own, gone with the test: on a port that the system chose, keeping nothing.
//!
//! `STORMDOOR_REDIS_SERVER` names another program than `redis-server`, such as a `valkey-server`.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::panic,
    clippy::unwrap_used,
    reason = "several test programs share this file, and none of them needs all of it; a test may stop at the first surprise"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server, killed when this is dropped, or with this process.
pub(crate) struct RedisServer {
    port: u16,
    /// Of the server itself.
    id: u32,
    /// The shell around it.
    shell: Child,
    folder: TempDir,
}

/// Ends the server when its own input ends, which it does with the process that started it, however that ends.
const GUARD: &str = r#""${STORMDOOR_REDIS_SERVER:-redis-server}" "$@" >&2 & echo $!; read -r _; kill -CONT $!; kill -KILL $!; wait"#;

/// The name by which a sentinel of [`RedisServer::start_sentinel`] knows its master.
pub(crate) const MASTER: &str = "door";

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further options, `{folder}` being its folder.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        for _ in 0..5 {
            // Somebody else may take the port before the server does.
            if let Some(server) = Self::try_on(free_port(), options) {
                return server;
            }
        }
        panic!("redis-server does not start; install what ./test installs: redis-server");
    }

    /// Where another one was.
    pub(crate) fn start_on(port: u16) -> Self {
        Self::try_on(port, &[]).expect("redis-server starts where one was before")
    }

    fn try_on(port: u16, options: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port_text = port.to_string();
        let own = folder.path().to_str().unwrap();
        let fixed =
            ["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let mut words: Vec<String> = fixed.into_iter().map(str::to_owned).collect();
        words.extend(["--dir".to_owned(), own.to_owned()]);
        words.extend(options.iter().map(|option| option.replace("{folder}", own)));
        Self::run(port, &words, folder)
    }

    /// A sentinel that takes the server at `master` for dead after half a second, and needs no other to agree.
    pub(crate) fn start_sentinel(master: u16) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let file = folder.path().join("sentinel.conf");
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {MASTER} 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 3000\n",
            folder.path().display()
        );
        std::fs::write(&file, settings).unwrap();
        let words = [file.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
        Self::run(port, &words, folder).expect("a sentinel starts")
    }

    fn run(port: u16, words: &[String], folder: TempDir) -> Option<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let id = line.trim().parse().unwrap();
        let server = Self { port, id, shell, folder };
        server.wait().then_some(server)
    }

    fn wait(&self) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if self.answers() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Any answer will do: one with a password has other words.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address()) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut answer = [0; 1];
        stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// What it answers to a command without blanks in its words, as on the wire.
    pub(crate) fn command(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
        // Sentinels know no QUIT.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// It takes connections and answers nothing until [`Self::go_on`].
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Without a word of farewell to anybody.
    pub(crate) fn kill(&self) {
        self.signal("-KILL");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("sh")
            .args(["-c", r#"kill "$1" "$2""#, "sh", signal, &self.id.to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "kill {signal}");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ended = self.shell.wait();
    }
}

/// Until `happens`, for twenty seconds at most.
pub(crate) fn wait_until(what: &str, mut happens: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happens() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
