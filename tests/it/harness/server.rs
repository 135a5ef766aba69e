//! The program under test: started on a free port in a fresh folder, ended by its own process id.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::client::Client;
use super::folder::Folder;
use super::request::{Request, get, head};
use super::response::Response;

/// The program that Cargo built for this test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ifmatch");

/// The user that owns nothing, for tests about permissions.
pub(crate) const NOBODY: u32 = 65534;

/// How the server is to be started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launch {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    wrapper: Vec<OsString>,
    user: Option<u32>,
    bare: bool,
}

impl Launch {
    /// No options but the port, and no environment variable of ours.
    pub(crate) fn new() -> Launch {
        Launch::default()
    }

    /// With PUT and DELETE allowed.
    pub(crate) fn writing() -> Launch {
        Launch::new().arg("--allow-all")
    }

    /// No argument at all, started in the served folder; for tests of the defaults and the environment.
    pub(crate) fn bare() -> Launch {
        Launch { bare: true, ..Launch::default() }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Launch {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Launch {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Launch {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Puts another program and its arguments before ours.
    pub(crate) fn through(mut self, wrapper: &[&str]) -> Launch {
        self.wrapper = wrapper.iter().map(OsString::from).collect();
        self
    }

    /// Runs the server as the user that owns nothing. Only root can do that.
    pub(crate) fn by_nobody(mut self) -> Launch {
        self.user = Some(NOBODY);
        self
    }

    /// Starts the server in a fresh folder.
    #[track_caller]
    pub(crate) fn start(self) -> Server {
        self.start_in(Arc::new(Folder::new()))
    }

    /// Starts the server in this folder and waits until it tells its address.
    #[track_caller]
    pub(crate) fn start_in(self, folder: Arc<Folder>) -> Server {
        let mut command = self.command(&folder);
        if self.bare {
            command.current_dir(folder.root());
        } else {
            command.args(["-p", "0"]).arg(folder.root());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let (found, address) = mpsc::channel();
        let stdout = collect(child.stdout.take().expect("stdout"), Some(found));
        let stderr = collect(child.stderr.take().expect("stderr"), None);
        let mut server =
            Server { child, folder, shown, stdout, stderr, address: (Ipv4Addr::LOCALHOST, 0).into() };
        match address.recv_timeout(Duration::from_secs(60)) {
            Ok(address) => server.address = address,
            Err(error) => panic!("the server did not tell its address: {error}"),
        }
        server
    }

    /// The command without port and folder, for a test that wants to see it fail.
    pub(crate) fn command(&self, folder: &Folder) -> Command {
        let program = if self.user.is_some() { copy_of_the_program(folder) } else { PathBuf::from(PROGRAM) };
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, rest)) => {
                let mut command = Command::new(wrapper);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("IFMATCH_")
                || text.starts_with("XDG_")
                || text == "PORT"
                || text == "RUST_LOG"
            {
                command.env_remove(&name);
            }
        }
        command.env("HOME", folder.outside("home")).env("XDG_CACHE_HOME", folder.outside("cache"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(&self.arguments).current_dir(folder.outside(""));
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }
}

/// A running server. It is killed when the value is dropped; when the test fails, what it wrote is printed first.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    folder: Arc<Folder>,
    shown: String,
    stdout: Written,
    stderr: Written,
    address: SocketAddr,
}

impl Server {
    /// A server without any option.
    #[track_caller]
    pub(crate) fn start() -> Server {
        Launch::new().start()
    }

    /// A server without any option, in this folder.
    #[track_caller]
    pub(crate) fn start_in_folder(folder: Arc<Folder>) -> Server {
        Launch::new().start_in(folder)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The folder it was started in.
    pub(crate) fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// A new connection.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Sends a request on a connection of its own. Nothing may follow its answer.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Response {
        let mut client = self.connect();
        let reads = matches!(request.method.as_str(), "GET" | "HEAD");
        // What a browser sends does not say that it is the last; it may be answered by a shorter way.
        let last = match reads || request.has("Connection") {
            true => request.clone(),
            false => request.clone().field("Connection", "close"),
        };
        client.send(last.bytes());
        let response = client.read(&last);
        if reads || last.has("Content-Length") || last.has("Transfer-Encoding") {
            // A body that is refused is read over for a while; there is nothing more to wait for.
            client.finish_sending();
        }
        let rest = client.read_to_end();
        assert!(rest.is_empty(), "after the answer came {}\n{response}", super::request::shown(&rest));
        response
    }

    /// A GET without any field of interest.
    #[track_caller]
    pub(crate) fn get(&self, target: impl AsRef<[u8]>) -> Response {
        self.ask(&get(target))
    }

    /// A HEAD without any field of interest.
    #[track_caller]
    pub(crate) fn head(&self, target: impl AsRef<[u8]>) -> Response {
        self.ask(&head(target))
    }

    /// A GET that waits for the strong tag of a large file: it names a tag that cannot be right.
    #[track_caller]
    pub(crate) fn get_settled(&self, target: impl AsRef<[u8]>) -> Response {
        self.ask(&get(target).field("If-None-Match", "\"no such tag\""))
    }

    /// The health document.
    #[track_caller]
    pub(crate) fn health(&self) -> serde_json::Value {
        self.get("/__ifmatch__/health").json()
    }

    /// What the server has written to stdout so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What the server has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Panics when the server has ended, or has panicked inside.
    #[track_caller]
    pub(crate) fn assert_well(&mut self) {
        let ended = self.child.try_wait().expect("the state of the server");
        assert!(ended.is_none(), "the server ended: {ended:?}");
        assert!(!self.stderr().contains("panicked"), "the server panicked");
        self.head("/__ifmatch__/health").expect_one_of(&[200, 503]);
    }

    /// A line of `/proc/PID/status`, such as `VmRSS`, in KiB.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        self.proc_number("status", name)
    }

    /// The bytes the process has asked the kernel for with read calls so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.proc_number("io", "rchar")
    }

    /// How much processor time the process has used, in hundredths of a second.
    pub(crate) fn processor_time(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.process());
        let text = std::fs::read_to_string(&path).expect("a file of /proc");
        // The name of the program stands in parentheses; user and system time are the 14th and 15th field.
        let (_, fields) = text.rsplit_once(')').expect("the fields of /proc/PID/stat");
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
    }

    /// How many descriptors the process has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process()))
            .expect("the descriptors of the server")
            .count()
    }

    /// How many connections the process has open, and sockets besides.
    pub(crate) fn sockets(&self) -> usize {
        self.open_files().iter().filter(|name| name.starts_with("socket:")).count()
    }

    /// How many files without a name the process has open.
    pub(crate) fn nameless_files(&self) -> usize {
        let root = self.folder.root().display().to_string();
        let nameless = |name: &&String| name.starts_with(&root) && name.ends_with(" (deleted)");
        self.open_files().iter().filter(nameless).count()
    }

    fn open_files(&self) -> Vec<String> {
        let folder = format!("/proc/{}/fd", self.process());
        let entries = std::fs::read_dir(folder).expect("the descriptors of the server");
        // One that was closed meanwhile has no name.
        let names = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// A path as the server sees it, which may have mounts of its own.
    pub(crate) fn seen(&self, path: &std::path::Path) -> PathBuf {
        let inside = path.strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.process())).join(inside)
    }

    fn proc_number(&self, file: &str, name: &str) -> u64 {
        let path = format!("/proc/{}/{file}", self.process());
        let text = std::fs::read_to_string(&path).expect("a file of /proc");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or_else(|| panic!("no {name} in {path}"))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)
            .expect("a signal to the server");
    }

    /// Waits until the server has ended by itself.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.child.try_wait();
        // Both fail only when the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
            let root = self.folder.root();
            let tail = stderr.char_indices().rev().nth(20_000).map_or(0, |(at, _)| at);
            eprintln!(
                "--- command\n{}\n--- served folder\n{}\n--- ended\n{ended:?}",
                self.shown,
                root.display()
            );
            eprintln!("--- stdout\n{stdout}\n--- stderr\n{}", &stderr[tail..]);
        }
    }
}

/// Waits for a child, but not for ever.
#[track_caller]
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the state of a child") {
            return status;
        }
        if begun.elapsed() > super::PATIENCE * 2 {
            let _ = child.kill();
            panic!("the process does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Is the test run by root, who may become another user but is not stopped by permissions?
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What a process has written so far.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("what was written")).into_owned()
    }
}

/// Reads a stream in a thread of its own, and tells the first address that stands alone on a line.
fn collect(stream: impl Read + Send + 'static, found: Option<mpsc::Sender<SocketAddr>>) -> Written {
    let written = Written::default();
    let kept = written.clone();
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut found = found;
        let mut line = Vec::new();
        while matches!(stream.read_until(b'\n', &mut line), Ok(1..)) {
            kept.0.lock().expect("what was written").extend_from_slice(&line);
            if let Some(address) = address_in(&String::from_utf8_lossy(&line)) {
                // Nobody listens any more when the test has failed meanwhile.
                found.take().map(|found| found.send(address));
            }
            line.clear();
        }
    });
    written
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let line = line.trim();
    let url = line.strip_prefix("http://").or_else(|| line.strip_prefix("https://"))?;
    url.strip_suffix('/')?.parse().ok()
}

/// A copy that any user may run; the build's folder may be closed to others. Another process makes it: a descriptor of
/// ours would be inherited by a child that another test starts at that moment, and the copy be "busy" (ETXTBSY).
fn copy_of_the_program(folder: &Folder) -> PathBuf {
    let copy = folder.outside("ifmatch-program");
    if !copy.exists() {
        let status = Command::new("cp").arg(PROGRAM).arg(&copy).status().expect("cp");
        assert!(status.success(), "a copy of the program");
    }
    copy
}
