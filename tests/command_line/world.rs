//! A data folder and a configuration of one's own, and the program that works on them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Long and unlikely enough for the password rules.
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple-42";

/// Cheap hashes, generous limits, ports that the system chooses.
const CONFIG: &str = r#"
public_url: https://localhost
listeners:
  https: { address: "127.0.0.1:0" }
  http: { address: "127.0.0.1:0", redirect: false }
  operations: { address: "127.0.0.1:0" }
  drain: 1s
accounts:
  password: { argon2: { memory_kib: 64, passes: 1 } }
observe: { access_log: off, level: warn }
rate_limits: { default: unlimited, tiers: { free: unlimited, premium: unlimited, admin: unlimited }, auth: { login: unlimited, register: unlimited, refresh: unlimited } }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - { path: /tokens/**, access: signed_in, accept: [session, api_token] }
      - { path: /admin/**, allow: ["system:admin"] }
      - { path: /**, access: signed_in }
"#;

pub(crate) struct World {
    folder: TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.yaml"), CONFIG).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The program on this folder.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stormdoor"));
        command.env_remove("STORMDOOR_CONFIG").env_remove("STORMDOOR_DATA");
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a command, with nobody at a terminal.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.run_with(args, "")
    }

    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Said {
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        said(&child.wait_with_output().unwrap())
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        said.out
    }

    /// Runs a command that must be refused with `code`, and returns its complaint.
    pub(crate) fn refused(&self, code: i32, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, code, "{args:?}: {said:?}");
        said.err
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    /// Adds a user with [`PASSWORD`] and returns the id.
    pub(crate) fn add(&self, email: &str, role: &str) -> String {
        let said =
            self.run_with(&["user", "add", email, "--role", role, "--password-stdin"], PASSWORD);
        assert_eq!(said.code, 0, "{said:?}");
        said.out.trim().to_owned()
    }

    /// The kinds of what was recorded, newest first.
    pub(crate) fn recorded(&self) -> Vec<String> {
        let events = self.json(&["audit", "list", "--format", "json"]);
        let kinds = events["items"].as_array().unwrap().iter();
        kinds.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }
}

fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code().expect("no signal"),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// Reads the store as the gateway does.
pub(crate) async fn stores(data: &Path) -> stormdoor::store::Stores {
    let config = stormdoor::config::Store::Sqlite { path: "stormdoor.db".into() };
    stormdoor::store::open(&config, data).await.unwrap()
}
