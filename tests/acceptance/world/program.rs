//! The gateway as a process of its own, so that its memory is only its own.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

pub(crate) struct Program {
    child: Child,
    folder: TempDir,
    pub(crate) https: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Program {
    /// Runs with two listeners, connections without limit, and `more`.
    pub(crate) async fn start(more: &str) -> Self {
        Self::run(more, "access_log: off, level: warn").await
    }

    /// The same, and says all that it can.
    pub(crate) async fn talkative(more: &str) -> Self {
        Self::run(more, "access_log: stdout, level: trace").await
    }

    async fn run(more: &str, observe: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Both at once, or the second may be the first again.
        let free = [TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0")];
        let [https, http] = free.map(|listener| listener.unwrap().local_addr().unwrap());
        let config = folder.path().join("config.yaml");
        let yaml = format!(
            r#"
public_url: https://localhost
listeners:
  https: {{ address: "{https}" }}
  http: {{ address: "{http}", redirect: false }}
  operations: {{ address: off }}
  limits: {{ connections: 5000, connections_per_client: 5000 }}
rate_limits: {{ default: unlimited }}
# Cheap hashes: what the first one frees would hide what connections take.
accounts: {{ password: {{ argon2: {{ memory_kib: 64, passes: 1 }} }} }}
observe: {{ {observe} }}
{more}"#
        );
        std::fs::write(&config, yaml).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_stormdoor"))
            .args(["run", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(folder.path().join("data"))
            .stdout(std::fs::File::create(folder.path().join("log")).unwrap())
            .stderr(std::fs::File::create(folder.path().join("errors")).unwrap())
            .spawn()
            .unwrap();
        let program = Self { child, folder, https, http };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(https).await.is_ok() {
                return program;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the gateway does not listen");
    }

    pub(crate) fn trust(&self) -> Vec<CertificateDer<'static>> {
        let path = self.folder.path().join("data/tls/self-made.pem");
        CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect()
    }

    /// Everything that it has said so far.
    pub(crate) fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.path().join(name)).unwrap();
        read("log") + &read("errors")
    }

    /// Adds a user, as the operator does.
    pub(crate) async fn add_user(&self, email: &str, password: &str) {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_stormdoor"))
            .args(["user", "add", email, "--password-stdin", "--config"])
            .arg(self.folder.path().join("config.yaml"))
            .arg("--data")
            .arg(self.folder.path().join("data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stdin, password.as_bytes()).await.unwrap();
        drop(stdin);
        assert!(child.wait().await.unwrap().success());
    }

    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.https.port())
    }

    /// A client that trusts its certificate.
    pub(crate) fn client(&self) -> reqwest::Client {
        // The gateway is another process: nobody else has named a provider in this one.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let pem = std::fs::read(self.folder.path().join("data/tls/self-made.pem")).unwrap();
        let certificate = reqwest::Certificate::from_pem(&pem).unwrap();
        let builder = reqwest::Client::builder().tls_certs_only([certificate]);
        let builder = builder.redirect(reqwest::redirect::Policy::none());
        let builder = builder.resolve("whoami.localhost", self.https);
        builder.resolve("localhost", self.https).build().unwrap()
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let pages = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
