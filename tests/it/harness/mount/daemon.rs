//! The processes behind filesystems in user space, and an SSH server for one test.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{PATIENCE, eventually, mounted, program, run};

/// A process that ends with the value: by itself, or else killed.
#[derive(Debug)]
pub(super) struct Daemon {
    child: Child,
    patience: Duration,
    /// Files that the process needs until its end.
    _files: Option<TempDir>,
}

impl Daemon {
    /// Starts a command that serves a filesystem in the foreground, and waits until that is mounted at `at`.
    #[track_caller]
    pub(super) fn fuse(mut command: Command, at: &Path) -> Daemon {
        let before = mounted(at).len();
        let mut daemon = Daemon::start(&mut command, None);
        // It ends by itself when nobody can see its filesystem any more, after it has stored everything.
        daemon.patience = Duration::from_secs(5);
        eventually("a mount of FUSE", || {
            daemon.assert_alive(&command);
            (mounted(at).len() > before).then_some(())
        });
        daemon
    }

    fn start(command: &mut Command, files: Option<TempDir>) -> Daemon {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Daemon { child, patience: Duration::ZERO, _files: files }
    }

    #[track_caller]
    fn assert_alive(&mut self, command: &Command) {
        if let Some(status) = self.child.try_wait().expect("the state of a process") {
            panic!("{command:?} ended with {status}: {}", self.complaint());
        }
    }

    /// What an ended process wrote to standard error.
    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stream) = self.child.stderr.take() {
            let _ = stream.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < self.patience && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // Both fail only when the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An SSH server on a port of its own, with keys of its own, into which root may log in with one key only.
#[derive(Debug)]
pub(super) struct Sshd {
    daemon: Daemon,
    files: PathBuf,
    port: u16,
}

impl Sshd {
    #[track_caller]
    pub(super) fn start() -> Sshd {
        // The server changes its root to this folder while it does not know yet who asks. Debian makes it at boot.
        fs::create_dir_all("/run/sshd").expect("the empty folder of sshd");
        // Another process may take the port before the server does.
        for _ in 0..10 {
            if let Some(server) = Sshd::try_start() {
                return server;
            }
        }
        panic!("sshd found no port");
    }

    /// Starts one on a port that was free a moment ago. Returns `None` where it is no longer.
    #[track_caller]
    fn try_start() -> Option<Sshd> {
        let guard = tempfile::Builder::new().prefix("ifmatch-sshd-").tempdir().expect("a folder for sshd");
        let files = guard.path().to_owned();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.local_addr().ok()?.port();
        for key in ["host", "user"] {
            run(program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(files.join(key)));
        }
        let host = fs::read_to_string(files.join("host.pub")).expect("the host's key");
        fs::write(files.join("known_hosts"), format!("[127.0.0.1]:{port} {host}")).expect("known_hosts");
        fs::write(files.join("sshd_config"), configuration(&files, port)).expect("sshd_config");
        fs::set_permissions(&files, fs::Permissions::from_mode(0o700)).expect("a private folder");
        // It starts itself anew for each connection, which takes its whole path.
        let mut command = program("sh");
        command
            .args(["-c", "exec \"$(command -v sshd)\" -D -e -f \"$1\"", "sh"])
            .arg(files.join("sshd_config"));
        let daemon = Daemon::start(&mut command, Some(guard));
        Sshd { daemon, files, port }.listening()
    }

    fn listening(mut self) -> Option<Sshd> {
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if self.daemon.child.try_wait().expect("the state of sshd").is_some() {
                let complaint = self.daemon.complaint();
                assert!(complaint.contains("Address already in use"), "{complaint}");
                return None;
            }
            assert!(begun.elapsed() < PATIENCE, "sshd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(self)
    }

    /// The command that mounts a folder through this server.
    pub(super) fn sshfs(&self, source: &Path, at: &Path, options: &[&str]) -> Command {
        let file = |name: &str| self.files.join(name).display().to_string();
        let mut command = program("sshfs");
        command.args(["-f", "-F", "/dev/null", "-p", &self.port.to_string()]);
        let of_ssh = [
            "BatchMode=yes".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            format!("IdentityFile={}", file("user")),
            format!("UserKnownHostsFile={}", file("known_hosts")),
        ];
        for option in of_ssh.iter().map(String::as_str).chain(options.iter().copied()) {
            command.args(["-o", option]);
        }
        command.arg(format!("root@127.0.0.1:{}", source.display())).arg(at);
        command
    }

    pub(super) fn into_daemon(self) -> Daemon {
        self.daemon
    }
}

fn configuration(files: &Path, port: u16) -> String {
    let files = files.display();
    // Temporary folders belong to everybody, which the strict mode forbids for keys.
    format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {files}/host\nAuthorizedKeysFile {files}/user.pub\nPidFile none\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         AllowUsers root\nStrictModes no\nUsePAM no\nSubsystem sftp internal-sftp\n"
    )
}
