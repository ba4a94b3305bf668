//! SIGQUIT: a new process takes over the sockets while clients keep coming.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::world::raw;

/// The program under test, and whatever processes it hands over to: all are stopped in the end.
struct Program {
    child: Child,
    config: String,
}

impl Program {
    fn start(folder: &Path, http: SocketAddr) -> Self {
        let config = folder.join("config.yaml");
        let yaml = format!(
            r#"
public_url: https://localhost
listeners: {{ https: {{ address: off }}, http: {{ address: "{http}", redirect: false }}, operations: {{ address: off }} }}
rate_limits: {{ default: unlimited }}
observe: {{ access_log: off, level: warn }}
apps: {{ whoami: {{ host: whoami.localhost, upstream: "builtin:whoami", routes: [ {{ path: /**, access: public }} ] }} }}
"#
        );
        std::fs::write(&config, yaml).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_stormdoor"))
            .args(["run", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(folder.join("data"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, config: config.display().to_string() }
    }

    /// The processes that run with this configuration, oldest first.
    fn processes(&self) -> Vec<String> {
        let found = Command::new("pgrep").args(["-f", &self.config]).output().unwrap();
        String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        for process in self.processes() {
            let _stopped = Command::new("kill").args(["-TERM", &process]).status();
        }
        let _reaped = self.child.wait();
    }
}

const REQUEST: &[u8] = b"GET /x HTTP/1.1\r\nHost: whoami.localhost\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_takes_over_under_load_without_a_failed_request() {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut program = Program::start(folder.path(), address);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let client = tokio::spawn({
        let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
        async move {
            let mut failed = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = raw::exchange(address, REQUEST).await;
                if raw::status(&answer) == 200 {
                    served.fetch_add(1, Ordering::Relaxed);
                } else {
                    failed += 1;
                }
            }
            failed
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let old = program.child.id().to_string();
    assert!(Command::new("kill").args(["-QUIT", &old]).status().unwrap().success());
    // The old process ends by itself, once the new one accepts.
    for _ in 0..200 {
        if program.child.try_wait().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);

    assert_eq!(client.await.unwrap(), 0, "failed requests");
    assert!(served.load(Ordering::Relaxed) > 50, "{served:?}");
    let now = program.processes();
    assert!(now.len() == 1 && now[0] != old, "{now:?} took over from {old}");
}
