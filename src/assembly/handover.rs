//! Listening sockets across processes: those that systemd or the process before us passed on, and passing on ours.
//!
//! The protocol is systemd's (`LISTEN_FDS`, sockets from descriptor 3 on), so socket activation works with the same code.
//! A new process says that it accepts by writing to the socket named in `STORMDOOR_READY`; until then the old one goes
//! on, so a new version that does not start costs nothing.

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;

const READY: &str = "STORMDOOR_READY";
const FIRST_DESCRIPTOR: i32 = 3;

/// How long a new process may take until it accepts.
const PATIENCE: Duration = Duration::from_mins(1);

/// Sockets that were open before this process began.
#[derive(Debug, Default)]
pub struct Inherited(Vec<TcpListener>);

impl Inherited {
    /// Takes what was passed to this process. To be called once, before anything opens files.
    pub fn take() -> Self {
        let mut passed = ListenFd::from_env();
        let all =
            (0..passed.len()).filter_map(|index| passed.take_tcp_listener(index).ok().flatten());
        Self(all.collect())
    }

    /// The inherited socket that listens on `address`, if there is one.
    pub fn claim(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let meant = |listener: &TcpListener| listener.local_addr().is_ok_and(|own| own == address);
        let at = self.0.iter().position(meant)?;
        Some(self.0.swap_remove(at))
    }
}

/// Tells the process that started us, if one did, that we accept connections now.
pub(super) fn announce_ready() {
    #[expect(
        clippy::disallowed_methods,
        reason = "said by the process before us, not by an operator"
    )]
    let Ok(path) = env::var(READY) else { return };
    if let Ok(mut stream) = UnixStream::connect(path) {
        let _told = stream.write_all(b"ready");
    }
}

/// Starts this program anew with `listeners`, and returns once the new process accepts.
///
/// Blocks for as long as that takes, at most a minute.
///
/// # Errors
///
/// When the new process cannot be started, ends, or does not say that it is ready; this one should then go on.
pub(super) fn hand_over(listeners: &[TcpListener], folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(format!("handover-{}.sock", std::process::id()));
    let _leftover = std::fs::remove_file(&path);
    let ready =
        UnixListener::bind(&path).with_context(|| format!("cannot make {}", path.display()))?;
    ready.set_nonblocking(true)?;
    let outcome = start_and_wait(listeners, &path, &ready);
    let _gone = std::fs::remove_file(&path);
    outcome
}

fn start_and_wait(
    listeners: &[TcpListener],
    path: &Path,
    ready: &UnixListener,
) -> anyhow::Result<()> {
    let mut mappings = Vec::with_capacity(listeners.len());
    for (child_fd, listener) in (FIRST_DESCRIPTOR..).zip(listeners) {
        mappings.push(FdMapping { parent_fd: listener.try_clone()?.into(), child_fd });
    }
    let program = env::current_exe().context("cannot find our own program")?;
    let mut command = Command::new(program);
    command
        .args(env::args_os().skip(1))
        .env("LISTEN_FDS", listeners.len().to_string())
        .env_remove("LISTEN_PID")
        .env(READY, path)
        .fd_mappings(mappings)?;
    let mut child = command.spawn().context("cannot start the new process")?;

    let step = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        if let Ok((mut stream, _)) = ready.accept() {
            let mut word = [0; 5];
            stream.set_nonblocking(false)?;
            stream.read_exact(&mut word)?;
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("the new process ended: {status}");
        }
        std::thread::sleep(step);
        waited += step;
    }
    child.kill()?;
    anyhow::bail!("the new process did not become ready within {} s", PATIENCE.as_secs())
}
