//! The program under test: built, started on a port of its own choice, with one worker, and ended by its process id.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};

/// Of the functions that glibc has for several kinds of processors, those that all with AVX2 have are taken. A `rep`
/// instruction stops once for every byte when it is stepped through, hence the thresholds.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-RTM:\
                        glibc.cpu.x86_rep_movsb_threshold=100000000:glibc.cpu.x86_rep_stosb_threshold=100000000";

/// Builds the program with the profile `guard`, beside this one, and returns its path.
pub(crate) fn build() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    // target/debug/deps/instructions-0123456789abcdef
    let target = this.ancestors().nth(3).ok_or("this program lies where Cargo puts none")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--profile", "guard", "--bin", "ifmatch", "--target-dir"]).arg(target);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = cargo.status().map_err(|error| format!("{cargo:?}: {error}"))?;
    if !status.success() {
        return Err(format!("{cargo:?}: {status}"));
    }
    Ok(target.join("guard/ifmatch"))
}

/// Keeps this process, and what it starts, on one processor: the server makes one worker for each that it may use.
pub(crate) fn stay_on_one_processor() -> Result<(), String> {
    let mut one = CpuSet::new();
    one.set(sched_getcpu());
    sched_setaffinity(None, &one).map_err(|error| format!("sched_setaffinity: {error}"))
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// Closing it would make a later message of the server fail.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts the program, and waits until it tells its address.
    pub(crate) fn start(program: &Path, root: &Path) -> Result<Server, String> {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("IFMATCH_") {
                command.env_remove(&name);
            }
        }
        command.env_remove("RUST_LOG").env("GLIBC_TUNABLES", TUNABLES).current_dir(root);
        command.args(["--port", "0"]).arg(root).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("the server has no output")?);
        let address = address(&mut stdout);
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server { child, address: address.unwrap_or(unknown), _stdout: stdout };
        // The guard above ends a server that has not told its address, too.
        if address.is_some() { Ok(server) } else { Err(format!("{command:?} did not tell its address")) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The thread that answers requests.
    pub(crate) fn worker(&self) -> Result<u32, String> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut found = Vec::new();
        for task in fs::read_dir(&tasks).map_err(|error| format!("{tasks}: {error}"))?.flatten() {
            // A thread may end at any moment; such a one is no worker.
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let id = task.file_name().to_str().and_then(|id| id.parse::<u32>().ok());
            // "actix-rt|system:0|arbiter:0", of which the kernel keeps 15 bytes.
            found.extend(id.filter(|_| name.starts_with("actix-rt|system")));
        }
        match found[..] {
            [worker] => Ok(worker),
            _ => Err(format!("{} threads are workers, not one", found.len())),
        }
    }
}

impl Drop for Server {
    /// `kill -9`, and waits until the process is gone.
    fn drop(&mut self) {
        // Both fail only when the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
