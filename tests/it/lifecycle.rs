//! How the server begins and ends where others look after it: sockets with a name, sockets that are handed over, what the
//! manager of services is told, and signals.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::server::wait;
use crate::harness::{Client, Folder, Launch, eventually, get, tag_of};

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn start(launch: &Launch, folder: &Folder) -> Process {
        let mut command = launch.command(folder);
        command.arg(folder.root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Process(
            command.spawn().unwrap_or_else(|error| panic!("{command:?} (Debian package systemd?): {error}")),
        )
    }

    fn stop(&mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        assert!(wait(&mut self.0).success());
    }
}

/// Runs the server, which must not start, and returns why.
#[track_caller]
fn refusal(launch: &Launch, folder: &Folder) -> String {
    let mut command = launch.command(folder);
    command.arg(folder.root()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait(&mut child);
    let output: Output = child.wait_with_output().unwrap();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The answer to a request over a socket, or `None` if nobody listens there.
fn ask(socket: &Path, head: &str, body: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    write!(stream, "{head}\r\nHost: localhost\r\nConnection: close\r\n{length}\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    Some(answer)
}

fn bind(socket: &Path) -> Launch {
    Launch::new().arg("--bind").arg(format!("unix:{}", socket.display()))
}

#[test]
fn a_socket_answers_as_an_address_does_and_goes_at_the_end() {
    for (mode, bits) in [("660", 0o660), ("600", 0o600), ("666", 0o666)] {
        let folder = Arc::new(Folder::new());
        let socket = folder.outside("socket");
        let launch = bind(&socket).args(["--bind", "127.0.0.1", "--socket-mode", mode, "-v", "-A"]);
        let mut server = launch.start_in(Arc::clone(&folder));
        folder.write("file", "text");
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, bits);
        let tag = tag_of(b"text");
        for _ in 0..2 {
            let answer = ask(&socket, "GET /file HTTP/1.1", "").unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ntext"),
                "{answer}"
            );
            assert!(answer.contains(&format!("etag: {tag}")), "{answer}");
        }
        let answer = ask(&socket, &format!("PUT /file HTTP/1.1\r\nIf-Match: {tag}"), "new").unwrap();
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
        server.get("/file").expect_file(b"new");
        eventually("it is logged", || server.stderr().contains("- - - [").then_some(()));
        assert!(server.stdout().contains(&format!("\n  unix:{}\n", socket.display())), "{}", server.stdout());
        server.signal(Signal::TERM);
        assert!(server.wait().success());
        assert!(!socket.exists(), "the socket is left behind");
    }
}

#[test]
fn a_server_may_have_nothing_but_a_socket() {
    let folder = Folder::new();
    folder.write("file", "text");
    let socket = folder.outside("socket");
    let mut server = Process::start(&bind(&socket).arg("-A"), &folder);
    let answer = eventually("it listens", || ask(&socket, "GET /file HTTP/1.1", ""));
    assert!(answer.ends_with("text"), "{answer}");
    let answer = ask(&socket, "PUT /new HTTP/1.1", "new").unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    // Two servers cannot have the same one, and the second does not take it from the first.
    let said = refusal(&bind(&socket), &folder);
    assert!(said.starts_with("ifmatch: another program listens at unix:"), "{said}");
    assert!(ask(&socket, "GET /file HTTP/1.1", "").is_some());
    server.stop();
    assert!(!socket.exists());
}

#[test]
fn limits_by_address_that_a_socket_cannot_have_are_told() {
    let folder = Arc::new(Folder::new());
    let launch = || bind(&folder.outside("socket")).args(["--bind", "127.0.0.1"]);
    let quiet = launch().start_in(Arc::clone(&folder));
    assert_eq!(quiet.stderr(), "");
    drop(quiet);
    let limits = ["--rate-limit", "9/s", "--max-connections-per-address", "9"];
    let said = launch().args(limits).start_in(Arc::clone(&folder)).stderr();
    for flag in ["--rate-limit", "--max-connections-per-address"] {
        assert!(said.contains(&format!("{flag} counts by address")), "{said}");
    }
}

#[test]
fn what_a_dead_server_left_is_replaced_and_nothing_else() {
    let folder = Folder::new();
    folder.write("file", "text");
    let socket = folder.outside("socket");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists(), "no socket is left behind");
    let mut server = Process::start(&bind(&socket), &folder);
    eventually("it listens", || ask(&socket, "GET /file HTTP/1.1", ""));
    // What somebody else has put there since is not removed.
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "kept").unwrap();
    server.stop();
    assert_eq!(fs::read(&socket).unwrap(), b"kept");
    let said = refusal(&bind(&socket), &folder);
    assert!(said.contains("is there and is no socket"), "{said}");
    assert_eq!(fs::read(&socket).unwrap(), b"kept");
    let said = refusal(&bind(&folder.outside("no/such/folder/socket")), &folder);
    assert!(said.contains("there is no folder for the socket"), "{said}");
    let said = refusal(&bind(&folder.outside(&"x".repeat(120))), &folder);
    assert!(said.contains("longer than the 107 bytes"), "{said}");
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn sockets_that_are_handed_over_are_served() {
    for sandbox in ["auto", "require"] {
        let folder = Folder::new();
        folder.write("file", "text");
        let (socket, port) = (folder.outside("socket"), free_port());
        let (address, path) = (format!("127.0.0.1:{port}"), socket.display().to_string());
        let wrapper = ["systemd-socket-activate", "-l", &address, "-l", &path];
        let launch = Launch::new().through(&wrapper).args(["-A", "--sandbox", sandbox]);
        let mut server = Process::start(&launch, &folder);
        let answer = eventually("it listens", || ask(&socket, "GET /file HTTP/1.1", ""));
        assert!(answer.ends_with("text"), "{answer}");
        let mut client = Client::connect(address.parse().unwrap());
        client.ask(&get("/file")).expect_file(b"text");
        let answer = ask(&socket, "PUT /new HTTP/1.1", "new").unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        drop(client);
        server.stop();
        // It belongs to who has made it.
        assert!(socket.exists());
    }
}

#[test]
fn what_is_handed_over_is_judged_like_what_is_asked_for() {
    let folder = Folder::new();
    let address = format!("0.0.0.0:{}", free_port());
    let handed = |wrapper: &[&str]| {
        let all = [&["systemd-socket-activate"], wrapper].concat();
        let mut command = Launch::new().through(&all).arg("-A").command(&folder);
        command.arg(folder.root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("{command:?} (Debian package systemd): {error}"))
    };
    let said = |mut child: Child| {
        assert_eq!(wait(&mut child).code(), Some(2));
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    };
    let exposed = handed(&["-l", &address]);
    eventually("it is started", || UnixOrTcp::connect(&address));
    let why = said(exposed);
    assert!(why.contains("writing is allowed and --bind 0.0.0.0 can be reached"), "{why}");
    let path = folder.outside("datagrams");
    let datagrams = handed(&["-d", "-l", &path.display().to_string()]);
    eventually("it is started", || {
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"x", &path).ok()
    });
    let why = said(datagrams);
    assert!(why.contains("descriptor 3 of LISTEN_FDS is no listening"), "{why}");
}

/// Wakes who waits for a connection.
struct UnixOrTcp;

impl UnixOrTcp {
    fn connect(address: &str) -> Option<std::net::TcpStream> {
        let port = address.rsplit_once(':')?.1;
        std::net::TcpStream::connect(format!("127.0.0.1:{port}")).ok()
    }
}

/// What the manager of services has been told since the last time.
fn told(manager: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = manager.recv(&mut message).expect("a message to the manager of services");
    String::from_utf8(message[..length].to_vec()).unwrap()
}

#[test]
fn the_manager_of_services_is_told_of_beginning_and_end() {
    for (sandbox, name) in [("auto", None), ("require", None), ("require", Some("abstract")), ("off", None)] {
        let folder = Arc::new(Folder::new());
        let path = folder.outside("notify");
        let abstract_name = format!("ifmatch-it-{}-{sandbox}", std::process::id());
        let (address, variable) = match name {
            None => (SocketAddr::from_pathname(&path).unwrap(), path.display().to_string()),
            Some(_) => (SocketAddr::from_abstract_name(&abstract_name).unwrap(), format!("@{abstract_name}")),
        };
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let launch = Launch::new().args(["--sandbox", sandbox]).env("NOTIFY_SOCKET", &variable);
        let mut server = launch.env("WATCHDOG_USEC", "300000").start_in(folder);
        assert_eq!(told(&manager), "READY=1\n", "{sandbox}");
        server.get("/").expect(200);
        for _ in 0..3 {
            assert_eq!(told(&manager), "WATCHDOG=1\n", "{sandbox}");
        }
        server.signal(Signal::TERM);
        let last = std::iter::repeat_with(|| told(&manager)).find(|message| message != "WATCHDOG=1\n");
        assert_eq!(last.as_deref(), Some("STOPPING=1\n"), "{sandbox}");
        assert!(server.wait().success());
    }
}

#[test]
fn nobody_is_told_who_does_not_ask() {
    let folder = Arc::new(Folder::new());
    let path = folder.outside("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let launch = Launch::new().env("NOTIFY_SOCKET", &path.display().to_string());
    // A watchdog of another process is not answered.
    let mut server = launch.env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1").start_in(folder);
    assert_eq!(told(&manager), "READY=1\n");
    server.signal(Signal::TERM);
    assert_eq!(told(&manager), "STOPPING=1\n");
    assert!(server.wait().success());
}

#[test]
fn a_signal_right_after_the_announcement_ends_the_server_in_order() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT].into_iter().cycle().take(30) {
        let mut server = Launch::new().start();
        server.signal(signal);
        let status = server.wait();
        assert_eq!(status.code(), Some(0), "{signal:?}: {status}");
    }
}
