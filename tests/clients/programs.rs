//! The programs of the clients: that they are there, how they are started, and the folder that they ask for.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use crate::harness::{Folder, Launch, Server};

/// Where the examples are.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clients")
}

/// Panics unless the program is there.
#[track_caller]
pub(crate) fn need(program: &str, package: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    assert!(there, "{program} is missing: install Debian's {package}");
}

/// Panics unless the command succeeds, which it does where a package is installed.
#[track_caller]
pub(crate) fn need_part(command: &[&str], package: &str) {
    let output = Command::new(command[0]).args(&command[1..]).output();
    assert!(
        output.is_ok_and(|output| output.status.success()),
        "{command:?} fails: install Debian's {package}"
    );
}

/// A server that allows every write and logs each request, on a fresh copy of the folder of the examples.
#[track_caller]
pub(crate) fn serving() -> Server {
    let folder = Arc::new(Folder::new());
    copy(&examples().join("site"), &folder.root());
    Launch::writing().arg("--verbose").start_in(folder)
}

/// Copies what is in a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            // Not its times and rights, which a checkout may set as it likes.
            fs::write(to.join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// The URL of the server, without a slash at its end.
pub(crate) fn url(server: &Server) -> String {
    format!("http://{}", server.address())
}

/// A program with nothing of the user's settings, which is ended when it hangs. Its temporary files go into a folder of
/// the test.
pub(crate) fn command(folder: &Folder, program: impl AsRef<OsStr>) -> Command {
    let (home, temporary) = (folder.outside("home"), folder.outside("temporary"));
    fs::create_dir_all(&home).unwrap();
    fs::create_dir_all(&temporary).unwrap();
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "120"]).arg(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C.UTF-8");
    command.env("HOME", home).env("TMPDIR", temporary).current_dir(folder.outside(""));
    command.stdin(Stdio::null());
    command
}

/// What an example's file is run with.
fn interpreter(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(OsStr::to_str) {
        Some("php") => "php",
        // The one that Debian's python3-requests is for.
        Some("py") => "/usr/bin/python3",
        _ => "sh",
    }
}

/// The command that runs an example.
pub(crate) fn example(server: &Server, name: &str, arguments: &[&OsStr]) -> Command {
    let mut command = command(server.folder(), interpreter(name));
    command.arg(examples().join(name)).arg(url(server)).args(arguments);
    command
}

/// What a command prints; panics when it fails.
#[track_caller]
pub(crate) fn printed(command: &mut Command) -> String {
    told(command.output().unwrap_or_else(|error| panic!("{command:?}: {error}")), &format!("{command:?}"))
}

/// What a program that has ended has printed; panics when it has failed, or has complained.
#[track_caller]
pub(crate) fn told(output: Output, shown: &str) -> String {
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success() && stderr.is_empty(), "{shown}: {}\n{stdout}\n{stderr}", output.status);
    stdout
}

/// How many requests with this method, path and status the server has logged.
pub(crate) fn logged(server: &Server, method: &str, path: &str, status: u16) -> usize {
    let request = format!("\"{method} {path} HTTP/1.1\" {status} ");
    server.stderr().lines().filter(|line| line.contains(&request)).count()
}
