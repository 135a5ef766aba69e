//! The program under test as a process: started on a port of its own choice, ready when it has told its address, killed
//! by its own process id when the guard is dropped. What it writes to stderr goes to a file beside the served folder.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Common, watch};

/// The servers that run now, and where each writes its log.
static RUNNING: Mutex<Vec<(Pid, PathBuf)>> = Mutex::new(Vec::new());

/// How much of a log is shown.
const TAIL: usize = 4000;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// How long it took until it told its address; what it recovers at the start is part of that.
    pub(crate) started_in: Duration,
    /// Closing it would make a later message of the server fail.
    _stdout: BufReader<ChildStdout>,
}

/// What a server lets its clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    Read,
    Write,
}

impl Server {
    /// Starts a server, and waits until it tells its address.
    pub(crate) fn start(common: &Common, root: &Path, log: &Path, rights: Rights) -> Result<Server, String> {
        let begun = Instant::now();
        let worker = watch::Worker::new(format!("start in {}", root.display()));
        let mut command = Command::new(&common.binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("IFMATCH_") {
                command.env_remove(&name);
            }
        }
        let beside = root.parent().expect("a folder in a temporary one");
        let stderr = File::options().create(true).append(true).open(log);
        let stderr = stderr.map_err(|error| format!("{}: {error}", log.display()))?;
        command.env("HOME", beside).env("XDG_CACHE_HOME", beside.join("cache")).current_dir(beside);
        command.args(["-p", "0"]);
        if rights == Rights::Write {
            command.args(["--allow-all", "--durability", &common.durability]);
        }
        command.args(&common.server_args).arg(root);
        command.envs(common.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        worker.begins("waiting for the address of process", u64::from(child.id()));
        lock().push((Pid::from_child(&child), log.to_owned()));
        let mut stdout = BufReader::new(child.stdout.take().expect("the server's stdout"));
        let address = address(&mut stdout);
        let mut server = Server {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            started_in: begun.elapsed(),
            _stdout: stdout,
        };
        match address {
            Some(address) => server.address = address,
            None => return Err(format!("{command:?} did not tell its address\n{}", tail(log))),
        }
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has it ended by itself?
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    /// `kill -9`, and waits until the process is gone.
    fn drop(&mut self) {
        let id = Pid::from_child(&self.child);
        lock().retain(|(other, _)| *other != id);
        // Both fail only when the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills the servers whose guards will not be dropped.
pub(crate) fn kill_all() {
    for (id, _) in lock().iter() {
        let _ = kill_process(*id, Signal::KILL);
    }
}

/// The ends of the logs of the servers that run now.
pub(crate) fn logs() -> Vec<String> {
    lock().iter().map(|(id, log)| format!("server {id:?}, {}", tail(log))).collect()
}

fn address(stdout: &mut impl BufRead) -> Option<SocketAddr> {
    let mut line = String::new();
    while matches!(stdout.read_line(&mut line), Ok(1..)) {
        let found = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        if let Some(address) = found.and_then(|address| address.parse().ok()) {
            return Some(address);
        }
        line.clear();
    }
    None
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL)..]).into_owned();
    format!("{}:\n{text}", log.display())
}

fn lock() -> std::sync::MutexGuard<'static, Vec<(Pid, PathBuf)>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
