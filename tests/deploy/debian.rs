//! Servers of Debian as child processes: found, configured, started on a free port and ended by their process id. What
//! the files of `deploy/` leave to the main configuration of a server stands here as well.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::harness::PATIENCE;

/// A program that Debian has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Nginx,
    Apache,
    Caddy,
    Haproxy,
    Varnish,
}

impl Program {
    /// The name of the program and of its package.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Program::Nginx => ("nginx", "nginx"),
            Program::Apache => ("apache2", "apache2-bin"),
            Program::Caddy => ("caddy", "caddy"),
            Program::Haproxy => ("haproxy", "haproxy"),
            Program::Varnish => ("varnishd", "varnish"),
        }
    }

    /// Where the program is; panics with the name of its package when it is missing.
    fn path(self) -> PathBuf {
        let (name, package) = self.names();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
        places.map(|place| place.join(name)).find(|path| path.is_file()).unwrap_or_else(|| {
            panic!("{name} is missing: install Debian's package {package}, or run tests/run")
        })
    }

    /// The name and the version.
    pub(crate) fn version(self) -> String {
        let (argument, name) = match self {
            Program::Nginx => ("-v", "nginx"),
            Program::Apache => ("-v", "Apache httpd"),
            Program::Caddy => ("version", "Caddy"),
            Program::Haproxy => ("-v", "HAProxy"),
            Program::Varnish => ("-V", "Varnish"),
        };
        let output = Command::new(self.path()).arg(argument).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let version = text
            .split(|character: char| !(character.is_ascii_digit() || character == '.'))
            .find(|word| word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit()));
        format!("{name} {}", version.unwrap_or_else(|| panic!("no version in {text}")).trim_end_matches('.'))
    }
}

/// A configuration, and what is put in the place of the ports and paths in it.
pub(crate) struct Configuration {
    text: String,
    home: PathBuf,
}

impl Configuration {
    /// Reads a file of this repository; `home` is a folder for everything the server writes.
    pub(crate) fn read(file: &str, home: &Path) -> Configuration {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        fs::create_dir_all(home).unwrap();
        // Apache serves as nobody where root has started it.
        make_public(home);
        Configuration { text, home: home.to_owned() }
    }

    /// Puts `new` in the place of `old` wherever that stands; panics when it does not stand anywhere.
    pub(crate) fn put(mut self, old: &str, new: &str) -> Configuration {
        assert!(self.text.contains(old), "no {old:?} in\n{}", self.text);
        self.text = self.text.replace(old, new);
        self
    }

    /// The same for what need not be there: a folder for the server to write to.
    pub(crate) fn place(mut self, old: &str, name: &str) -> Configuration {
        if self.text.contains(old) {
            let path = self.home.join(name);
            self.text = self.text.replace(old, path.to_str().unwrap());
            if !name.contains('.') {
                fs::create_dir_all(&path).unwrap();
                make_public(&path);
            }
        }
        self
    }

    /// Starts the program with this configuration, as a part of a main configuration, on this port.
    #[track_caller]
    pub(crate) fn start(self, program: Program, port: u16) -> Running {
        let home = self.home.to_str().unwrap();
        let main = match program {
            Program::Nginx => nginx(home, &self.text),
            Program::Apache => apache(home, port, &self.text),
            Program::Caddy => format!("{{\n\tadmin off\n}}\n{}", self.text),
            Program::Haproxy => haproxy(&self.text),
            Program::Varnish => self.text.clone(),
        };
        let file = self.home.join("main.conf");
        fs::write(&file, main).unwrap();
        let file = file.to_str().unwrap();
        let mut command = Command::new(program.path());
        match program {
            Program::Nginx => command.args(["-e", "stderr", "-c", file]),
            Program::Apache => command.args(["-D", "FOREGROUND", "-f", file]),
            Program::Caddy => command.args(["run", "--adapter", "caddyfile", "--config", file]),
            Program::Haproxy => command.args(["-db", "-f", file]),
            Program::Varnish => {
                let (address, state) = (format!("127.0.0.1:{port}"), format!("{home}/state"));
                command.args([
                    "-F",
                    "-j",
                    "none",
                    "-s",
                    "malloc,256m",
                    "-a",
                    &address,
                    "-n",
                    &state,
                    "-f",
                    file,
                ])
            }
        };
        Running::start(command, program, port, &self.home)
    }
}

/// As Debian's main configuration has it, which compresses; here all that a site can be made to compress.
fn nginx(home: &str, site: &str) -> String {
    let user = if is_root() { "user root;" } else { "" };
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {home}/{name};\n"))
        .concat();
    format!(
        "{user}\ndaemon off;\npid {home}/pid;\nerror_log stderr;\nevents {{ }}\nhttp {{\n    include /etc/nginx/mime.types;\n    \
         access_log off;\n    sendfile on;\n{places}    gzip on;\n    gzip_types *;\n    gzip_proxied any;\n{site}\n}}\n"
    )
}

/// With the modules that Debian turns on, those for proxies, and its rule for compression.
fn apache(home: &str, port: u16, site: &str) -> String {
    let user = if is_root() { "User nobody\nGroup nogroup" } else { "" };
    let modules: String = [
        "mpm_event",
        "authz_core",
        "env",
        "headers",
        "mime",
        "filter",
        "deflate",
        "reqtimeout",
        "proxy",
        "proxy_http",
        "cache",
        "cache_disk",
        "dav",
        "dav_fs",
    ]
    .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
    .concat();
    format!(
        "{modules}{user}\nServerRoot {home}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {home}/pid\n\
         DefaultRuntimeDir {home}\nErrorLog {home}/log\nTypesConfig /dev/null\nAddType text/plain .txt\n\
         AddOutputFilterByType DEFLATE text/html text/plain text/css application/json\n{site}\n"
    )
}

/// As Debian's main configuration has it.
fn haproxy(site: &str) -> String {
    format!(
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 50s\n    timeout server 50s\n{site}"
    )
}

/// A server that runs. It is ended when the value is dropped; when the test fails, what it wrote is printed first.
#[derive(Debug)]
pub(crate) struct Running {
    program: Program,
    child: Child,
    log: PathBuf,
    address: SocketAddr,
}

impl Running {
    #[track_caller]
    fn start(mut command: Command, program: Program, port: u16, home: &Path) -> Running {
        let log = home.join("log");
        let output = File::create(&log).unwrap();
        make_public(&log);
        command.env("HOME", home).env("XDG_CONFIG_HOME", home).env("XDG_DATA_HOME", home);
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = command.spawn().unwrap_or_else(|error| panic!("{program:?}: {error}"));
        let mut running = Running { program, child, log, address: (Ipv4Addr::LOCALHOST, port).into() };
        let begun = Instant::now();
        while TcpStream::connect(running.address).is_err() {
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none(), "{program:?} did not start: {}", running.written());
            assert!(begun.elapsed() < PATIENCE * 2, "{program:?} does not listen: {}", running.written());
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    fn written(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked to end, a server ends its workers as well; killed, it would leave them behind.
        let process = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if std::thread::panicking() {
            eprintln!("--- {:?} at {}\n{}", self.program, self.address, self.written());
        }
    }
}

/// The processor time that a process and its children have had, in ticks: hundredths of a second.
pub(crate) fn ticks_of(process: u32) -> u64 {
    let mut processes = vec![process];
    let mut sum = 0;
    while let Some(process) = processes.pop() {
        let folder = format!("/proc/{process}");
        let children = fs::read_to_string(format!("{folder}/task/{process}/children")).unwrap_or_default();
        processes.extend(children.split_whitespace().map(|child| child.parse::<u32>().unwrap()));
        let stat = fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
        // Behind the name, which is in parentheses, the 12th and the 13th field.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        sum += fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>();
    }
    sum
}

/// A port that nobody has, and that nobody gets who asks the kernel for any: two HAProxies can have the same, and take
/// turns. Each run begins elsewhere.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 16_000;
    const COUNT: u32 = 16_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id() * 64 + TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + number % COUNT).unwrap();
        // Without SO_REUSEPORT, which HAProxy sets, it is taken if anybody has it.
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Lets every user write here, as root's Apache has become nobody.
pub(crate) fn make_public(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

fn is_root() -> bool {
    crate::harness::server::is_root()
}
