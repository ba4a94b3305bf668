//! A gateway process that may be killed and started again where it was; and a load balancer before several.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// One of several gateways. Gone with this.
pub(crate) struct Node {
    child: Option<Child>,
    folder: TempDir,
    pub(crate) https: SocketAddr,
    pub(crate) operations: SocketAddr,
}

impl Node {
    /// Runs with `more` after addresses of its own, and seals with a key that every node of a test has.
    pub(crate) async fn start(more: &str) -> Self {
        let mut node = Self::prepare(more);
        node.start_again();
        node.wait_until_ready().await;
        node
    }

    /// All but the process.
    pub(crate) fn prepare(more: &str) -> Self {
        // The gateway is another process: nobody else does it in this one.
        stormdoor::edge::install_crypto();
        let folder = tempfile::tempdir().unwrap();
        let [https, operations] = free_addresses();
        std::fs::write(folder.path().join("shared.key"), [7; 32]).unwrap();
        let yaml = format!(
            r#"
public_url: https://localhost
listeners:
  https: {{ address: "{https}" }}
  http: {{ address: off }}
  operations: {{ address: "{operations}" }}
accounts: {{ password: {{ argon2: {{ memory_kib: 64, passes: 1 }} }} }}
rate_limits: {{ default: unlimited, tiers: {{ free: unlimited, premium: unlimited, admin: unlimited }}, auth: {{ login: unlimited, register: unlimited, refresh: unlimited, failures: unlimited }} }}
# The built-in roles have limits.
roles: {{ reader: {{ permissions: ["files:read"] }}, writer: {{ permissions: ["files:write"] }} }}
apps: {{ whoami: {{ host: whoami.localhost, upstream: "builtin:whoami", routes: [ {{ path: /**, access: signed_in, accept: [session, device] }} ] }} }}
observe: {{ access_log: off, level: warn }}
{more}"#
        );
        std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
        Self { child: None, folder, https, operations }
    }

    /// Starts the process that was killed; it may not listen yet.
    pub(crate) fn start_again(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log"));
        let child = self.command(&["run"]).stdout(Stdio::null()).stderr(log.unwrap()).spawn();
        self.child = Some(child.unwrap());
    }

    /// Starts the process by a shell that does `first` before.
    pub(crate) fn start_by(&mut self, first: &str) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log"));
        let child = self.by_shell(first).stdout(Stdio::null()).stderr(log.unwrap()).spawn();
        self.child = Some(child.unwrap());
    }

    /// The same for a process that ends by itself, and what came of it.
    pub(crate) fn output_by(&self, first: &str) -> Output {
        self.by_shell(first).output().unwrap()
    }

    fn by_shell(&self, first: &str) -> Command {
        let program = self.command(&["run"]);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\""));
        shell.arg(program.get_program()).args(program.get_args());
        shell
    }

    /// Writes `to` in place of `from` in the configuration.
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let path = self.path("config.yaml");
        let yaml = std::fs::read_to_string(&path).unwrap();
        assert!(yaml.contains(from), "{from}");
        std::fs::write(path, yaml.replace(from, to)).unwrap();
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    pub(crate) async fn wait_until_ready(&self) {
        let began = Instant::now();
        while self.ask("/readyz").await.is_none_or(|(status, _)| status != 200) {
            assert!(began.elapsed() < Duration::from_mins(1), "never ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it at once (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }

    /// Whether it does what one of several does for all; none when it does not answer.
    pub(crate) async fn leads(&self) -> Option<bool> {
        let (_, metrics) = self.ask("/metrics").await?;
        Some(metrics.lines().any(|line| line == r#"stormdoor_leader{work="upkeep"} 1"#))
    }

    /// Of the operations listener.
    async fn ask(&self, path: &str) -> Option<(u16, String)> {
        let url = format!("http://{}{path}", self.operations);
        let asked = async {
            let answer = reqwest::get(url).await.ok()?;
            Some((answer.status().as_u16(), answer.text().await.ok()?))
        };
        tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?
    }

    /// Adds somebody, as the operator does.
    pub(crate) fn add_user(&self, email: &str, role: &str, password: &str) {
        let mut command = self.command(&["user", "add", email, "--role", role, "--password-stdin"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let mut child = child.unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, password.as_bytes()).unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }

    pub(crate) fn certificate(&self) -> reqwest::Certificate {
        let pem = std::fs::read(self.path("data/tls/self-made.pem")).unwrap();
        reqwest::Certificate::from_pem(&pem).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stormdoor"));
        command.args(words).arg("--config").arg(self.path("config.yaml"));
        command.arg("--data").arg(self.path("data"));
        command
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A client that trusts `nodes` and finds every name at `address`.
pub(crate) fn client_at(address: SocketAddr, nodes: &[Node]) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only(nodes.iter().map(Node::certificate))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(15))
        .resolve("localhost", address)
        .resolve("whoami.localhost", address)
        .build()
        .unwrap()
}

/// A load balancer (haproxy), which passes connections on to the nodes that accept them. Gone with this.
pub(crate) struct Balancer {
    child: Child,
    _folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Balancer {
    pub(crate) async fn before(nodes: &[Node]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [address, _] = free_addresses();
        let servers = nodes.iter().enumerate().map(|(number, node)| {
            let check = "check inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions";
            format!("    server node{number} {} {check}\n", node.https)
        });
        let config = format!(
            "defaults\n    mode tcp\n    timeout connect 500ms\n    timeout client 60s\n    timeout server 60s\n    \
             retries 3\n    option redispatch 1\n\nlisten door\n    bind {address}\n    balance roundrobin\n{}",
            servers.collect::<String>()
        );
        let path = folder.path().join("haproxy.cfg");
        std::fs::write(&path, config).unwrap();
        let on_debian = Path::new("/usr/sbin/haproxy");
        let program = if on_debian.exists() { on_debian } else { Path::new("haproxy") };
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("haproxy; install what ./test installs");
        let balancer = Self { child, _folder: folder, address };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return balancer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("haproxy does not listen");
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn free_addresses() -> [SocketAddr; 2] {
    // Both at once, or the second may be the first again.
    let free = [TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0")];
    free.map(|listener| listener.unwrap().local_addr().unwrap())
}
