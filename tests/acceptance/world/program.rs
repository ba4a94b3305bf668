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
observe: {{ access_log: off, level: warn }}
{more}"#
        );
        std::fs::write(&config, yaml).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_stormdoor"))
            .args(["run", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(folder.path().join("data"))
            .stderr(Stdio::null())
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
