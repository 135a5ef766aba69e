//! The end on a signal, under load: what has begun is brought to its end, in every protocol, and nothing is torn.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::harness::client::Broken;
use crate::harness::server::wait;
use crate::harness::{Client, Folder, Launch, Request, Server, eventually, get, put, version_bytes};
use crate::tls::{launch, write_certificate};

/// Enough that a client who takes it slowly is in the midst of it for a while, whatever sockets hold.
const LARGE: usize = 24 << 20;

/// A body that does not wait in memory.
const UPLOAD: usize = 3 << 20;

/// Uploads and downloads of each protocol.
const EACH: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

fn serving(scheme: Scheme) -> Server {
    let folder = Arc::new(Folder::new());
    folder.write_version("large", 1, LARGE);
    folder.write("small", "s".repeat(1000));
    folder.write_outside("upload", version_bytes(2, UPLOAD));
    let server = match scheme {
        Scheme::Http => Launch::new(),
        Scheme::Https => {
            write_certificate(&folder, "one", 3000);
            launch("one")
        }
    };
    let server = server.arg("-A").start_in(folder);
    // Its tag is known, so that nobody waits for it later.
    assert!(curl(&server, scheme, &["-r", "0-0", "-o", "/dev/null"], "large").wait().unwrap().success());
    server
}

/// A curl that has begun to ask for `name`.
fn curl(server: &Server, scheme: Scheme, arguments: &[&str], name: &str) -> Child {
    let scheme = if scheme == Scheme::Http { "http" } else { "https" };
    let mut command = Command::new("curl");
    command.args(["-sSk", "--fail", "--max-time", "60"]).args(arguments);
    command.arg(format!("{scheme}://{}/{name}", server.address()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// A transfer that is under way.
struct Transfer {
    curl: Child,
    result: PathBuf,
    bytes: Vec<u8>,
}

fn transfers(server: &Server, scheme: Scheme) -> Vec<Transfer> {
    let folder = server.folder();
    let (file, mut all) = (folder.outside("upload"), Vec::new());
    let versions = if scheme == Scheme::Http { &["--http1.1"][..] } else { &["--http1.1", "--http2"] };
    for (version, number) in
        versions.iter().flat_map(|version| (0..EACH).map(move |number| (version, number)))
    {
        let name = format!("kept{version}-{number}");
        let kept = folder.outside(&name);
        let arguments = [version, "--limit-rate", "2M", "-o", kept.to_str().unwrap()];
        let down = curl(server, scheme, &arguments, "large");
        all.push(Transfer { curl: down, result: kept, bytes: version_bytes(1, LARGE) });
        let arguments = [version, "--limit-rate", "256K", "-T", file.to_str().unwrap(), "-H", "Expect:"];
        let up = curl(server, scheme, &arguments, &name);
        all.push(Transfer { curl: up, result: folder.path(&name), bytes: version_bytes(2, UPLOAD) });
    }
    let begun = |it: &Transfer| it.result.metadata().is_ok_and(|metadata| metadata.len() > 0);
    eventually("all transfers are under way", || {
        let downloads = all.iter().filter(|it| begun(it)).count();
        (downloads == all.len() / 2 && server.nameless_files() == all.len() / 2).then_some(())
    });
    all
}

/// Asks on one connection until an answer says that it is the last one. None is missing.
fn ask_until_the_end(server: &Server, asked: &Request, status: u16, has_asked: &AtomicBool) {
    let mut client = server.connect();
    loop {
        client.try_send(asked.bytes()).unwrap();
        let answer = client.try_read(asked).unwrap_or_else(|lost| panic!("{asked:?}: {lost:?}"));
        assert_eq!(answer.status, status, "{answer}");
        has_asked.store(true, Ordering::Relaxed);
        if answer.field("Connection") == Some("close") {
            return;
        }
    }
}

fn is_stopping(server: &Server) -> Option<()> {
    TcpStream::connect(server.address()).is_err().then_some(())
}

fn stop_under_load(scheme: Scheme, signal: Signal) {
    let mut server = serving(scheme);
    let transfers = transfers(&server, scheme);
    let has_asked: [AtomicBool; 4] = Default::default();
    std::thread::scope(|scope| {
        // Answered on the connection itself, by actix, and after a body.
        let requests = [
            (get("/small"), 200),
            (get("/small").field("Range", "bytes=0-9"), 206),
            (get("/small").field("Want-Repr-Digest", "sha-256=9"), 200),
            (put("/put", version_bytes(3, 1000)), 204),
        ];
        for ((asked, status), has_asked) in requests.into_iter().zip(&has_asked) {
            if scheme == Scheme::Http {
                // There is a first version of everything.
                server.ask(&asked);
                let server = &server;
                scope.spawn(move || ask_until_the_end(server, &asked, status, has_asked));
            }
        }
        let all = |asked: &AtomicBool| scheme == Scheme::Https || asked.load(Ordering::Relaxed);
        eventually("everybody was answered once", || has_asked.iter().all(all).then_some(()));
        server.signal(signal);
    });
    for mut transfer in transfers {
        let status = wait(&mut transfer.curl);
        assert!(status.success(), "{scheme:?} {signal:?} {}: {status}", transfer.result.display());
        let found = std::fs::read(&transfer.result).unwrap();
        assert!(found == transfer.bytes, "{scheme:?} {signal:?} {}", transfer.result.display());
    }
    let status = server.wait();
    assert!(status.success(), "{status}");
    let names = std::fs::read_dir(server.folder().root()).unwrap();
    let left: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.starts_with('.')), "{left:?}");
}

#[test]
fn sigterm_ends_nothing_that_has_begun() {
    stop_under_load(Scheme::Http, Signal::TERM);
}

#[test]
fn sigint_ends_nothing_that_has_begun() {
    stop_under_load(Scheme::Http, Signal::INT);
}

#[test]
fn sigterm_ends_nothing_that_has_begun_on_encrypted_connections() {
    stop_under_load(Scheme::Https, Signal::TERM);
}

/// Half an upload, whose other half does not come.
fn half_an_upload(server: &Server) -> Client {
    let mut client = server.connect();
    client.send(format!("PUT /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: {UPLOAD}\r\n\r\n"));
    client.send(&version_bytes(2, UPLOAD)[..UPLOAD / 2]);
    eventually("the upload has begun", || (server.nameless_files() == 1).then_some(()));
    client
}

#[test]
fn a_first_signal_says_how_many_answers_and_uploads_are_waited_for() {
    for (signal, again) in [(Signal::INT, "press Ctrl-C again"), (Signal::TERM, "send a second signal")] {
        let mut server = serving(Scheme::Http);
        let mut idle = server.connect();
        idle.ask(&get("/small"));
        let _upload = half_an_upload(&server);
        let mut download = server.connect();
        let asked = get("/large");
        download.send(asked.bytes());
        download.next_head(&asked).unwrap();
        server.signal(signal);
        eventually("it says so", || {
            server.stderr().contains(&format!("waiting for 2 answers; {again} to end them")).then_some(())
        });
        server.signal(signal);
        assert!(server.wait().success());
    }
}

#[test]
fn each_answer_of_an_http2_connection_is_waited_for() {
    let mut server = serving(Scheme::Https);
    let kept = server.folder().outside("kept");
    let arguments = ["--http2", "--limit-rate", "1M", "-o", kept.to_str().unwrap()];
    let mut download = curl(&server, Scheme::Https, &arguments, "large");
    eventually("it is under way", || kept.metadata().is_ok_and(|it| it.len() > 0).then_some(()));
    server.signal(Signal::INT);
    eventually("it says so", || {
        server.stderr().contains("waiting for 1 answer; press Ctrl-C again to end it").then_some(())
    });
    server.signal(Signal::INT);
    assert!(server.wait().success());
    assert!(!wait(&mut download).success(), "it was cut off");
}

#[test]
fn nothing_is_waited_for_where_nothing_is_under_way() {
    let mut server = serving(Scheme::Http);
    let mut idle = server.connect();
    idle.ask(&get("/small"));
    server.signal(Signal::INT);
    assert!(server.wait().success());
    assert!(!server.stderr().contains("waiting for"), "{}", server.stderr());
}

#[test]
fn a_second_signal_ends_what_is_left() {
    for (first, second) in
        [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::INT), (Signal::TERM, Signal::QUIT)]
    {
        let mut server = serving(Scheme::Http);
        let mut client = half_an_upload(&server);
        server.signal(first);
        eventually("nobody can come any more", || is_stopping(&server));
        assert_eq!(server.nameless_files(), 1, "it goes on");
        server.signal(second);
        let status = server.wait();
        assert!(status.success(), "{status}");
        assert!(server.stderr().contains("cut off"), "{}", server.stderr());
        assert!(matches!(client.try_read(&put("/up", "")), Err(Broken::Closed)));
        assert!(!server.folder().path("up").exists());
    }
}
