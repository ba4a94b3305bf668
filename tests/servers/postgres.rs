//! A PostgreSQL server for tests: one for all test processes of a checkout, started by the first and stopped after the last.
//!
//! Every process that uses it holds a shared lock on a file. A watcher beside the server takes that lock alone once nobody
//! holds it for a few seconds, stops the server and removes its folder; so nothing stays behind, however tests end.
//! `STORMDOOR_TEST_POSTGRES=postgres://…` names a server that is there already.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "several test programs share this file, and none of them needs all of it"
)]

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A server, and a name of one's own for a schema on it.
pub(crate) fn place() -> (String, String) {
    static SERVER: OnceLock<(String, Option<File>)> = OnceLock::new();
    let given = stormdoor::config::system_environment("STORMDOOR_TEST_POSTGRES");
    let (url, _) = SERVER.get_or_init(|| given.map_or_else(shared, |url| (url, None)));
    (url.clone(), format!("test_{}", uuid::Uuid::new_v4().simple()))
}

/// The section `store` of a configuration for a schema of that server.
pub(crate) fn section(url: &str, schema: &str) -> String {
    format!("store: {{ kind: postgres, url: \"{url}\", schema: {schema}, connections: 4 }}\n")
}

/// The running server of this checkout, and the lock that keeps it running.
fn shared() -> (String, Option<File>) {
    let mut checkout = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut checkout);
    let folder = std::env::temp_dir().join(format!("stormdoor-pg-{:x}", checkout.finish()));
    let in_use = loop {
        if let Some(lock) = use_folder(&folder) {
            break lock;
        }
    };
    // One at a time looks whether it runs.
    let starting = File::create(folder.join("starting")).unwrap();
    starting.lock().unwrap();
    let server = Server::at(&folder);
    if UnixStream::connect(folder.join(".s.PGSQL.5432")).is_err() {
        server.start();
        watch(&folder, &server);
    }
    (server.url(), Some(in_use))
}

/// The shared lock of the folder; none when the folder was removed meanwhile.
fn use_folder(folder: &Path) -> Option<File> {
    std::fs::create_dir_all(folder).ok()?;
    let path = folder.join("in-use");
    let in_use = File::create(&path).ok()?;
    in_use.lock_shared().ok()?;
    (path.metadata().ok()?.ino() == in_use.metadata().ok()?.ino()).then_some(in_use)
}

/// A server in a folder.
pub(crate) struct Server {
    folder: PathBuf,
    of_ones_own: bool,
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.of_ones_own {
            let mut stop = self.control("stop");
            let stop = stop.args(["-m", "immediate"]).stdout(Stdio::null()).stderr(Stdio::null());
            // One that was killed does not run any more.
            let stopped = stop.status();
            drop((stopped, std::fs::remove_dir_all(&self.folder)));
        }
    }
}

impl Server {
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), of_ones_own: false }
    }

    /// A server that a test may kill. Gone with this.
    pub(crate) fn of_ones_own() -> Self {
        let folder = tempfile::Builder::new().prefix("stormdoor-pg-").tempdir().unwrap().keep();
        let server = Self { folder, of_ones_own: true };
        server.start();
        server
    }

    /// By a socket of the folder, so no port is needed and nobody else's server is meant.
    pub(crate) fn url(&self) -> String {
        format!("postgres://stormdoor@/postgres?host={}", self.folder.display())
    }

    /// Where its socket is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts it, with a new database when there is none.
    pub(crate) fn start(&self) {
        let data = self.folder.join("data");
        if !data.join("PG_VERSION").exists() {
            drop(std::fs::remove_dir_all(&data));
            std::fs::create_dir(&data).unwrap();
            if let Some(user) = unprivileged() {
                run(Command::new("chown").arg(user).arg(&self.folder).arg(&data));
            }
            run(program("initdb")
                .args([
                    "--username=stormdoor",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                ])
                .args(["--no-sync", "--pgdata"])
                .arg(&data));
        }
        let settings = "-c listen_addresses='' -c max_connections=500 -c shared_buffers=32MB -c fsync=off \
                        -c full_page_writes=off";
        run(self
            .control("start")
            .arg("-o")
            .arg(format!("{settings} -k {}", self.folder.display())));
    }

    /// Ends its processes as a power cut does.
    pub(crate) fn kill(&self) {
        run(self.control("stop").args(["-m", "immediate"]));
    }

    /// Kills each of its processes (SIGKILL).
    pub(crate) fn kill_hard(&self) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        // The first one first, or it would start the others anew.
        let all = std::iter::once(&*pid).chain(children.split_whitespace());
        // Some child may have ended meanwhile.
        drop(Command::new("kill").arg("-KILL").args(all).stderr(Stdio::null()).status());
        while Path::new(&format!("/proc/{pid}/cwd")).exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // One that nobody reaps looks alive to the next.
        drop(std::fs::remove_file(self.folder.join("data/postmaster.pid")));
    }

    fn control(&self, what: &str) -> Command {
        let mut command = program("pg_ctl");
        command.arg("--pgdata").arg(self.folder.join("data")).arg("--log");
        command.arg(self.folder.join("data/server.log")).args(["--wait", what]);
        command
    }
}

/// Stops the server when nobody held the lock for a while.
fn watch(folder: &Path, server: &Server) {
    let stop = server.control("stop");
    let words = std::iter::once(stop.get_program()).chain(stop.get_args());
    let stop = words.map(|word| format!("'{}'", word.to_string_lossy())).collect::<Vec<_>>();
    let script = format!(
        "while sleep 3 && test -e in-use; do flock --exclusive --nonblock in-use sh -c \"{} -m immediate && rm -rf '{}'\" && exit; done",
        stop.join(" "),
        folder.display(),
    );
    // A group of its own: whoever interrupts the tests must not interrupt this.
    let mut watcher = Command::new("setsid");
    watcher.args(["--fork", "sh", "-c", &script]).current_dir(folder);
    run(&mut watcher);
}

/// The user who runs the server when we are root, as whom it refuses to run.
fn unprivileged() -> Option<&'static str> {
    let is_root = Path::new("/proc/self").metadata().is_ok_and(|own| own.uid() == 0);
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name =
        if users.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" };
    is_root.then_some(name)
}

/// A program of PostgreSQL. Debian keeps those of servers off the PATH.
fn program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    let path = found.pop().unwrap_or_else(|| name.into());
    match unprivileged() {
        Some(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", user, "--"]).arg(path);
            command
        }
        None => Command::new(path),
    }
}

/// # Panics
///
/// When it does not succeed. A backend that nobody tested must be a red test, not a green silence.
fn run(command: &mut Command) {
    let hint = "install the Debian package postgresql (./test does), or set STORMDOOR_TEST_POSTGRES=postgres://user@host/db \
                to a server whose user may create schemas";
    // Not piped: the server would keep a pipe open.
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?}: {status:?}; {hint}"
    );
}
