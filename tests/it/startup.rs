//! The command line: flags, environment, what is printed, and how it ends when it cannot begin.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};
use std::sync::Arc;

use rustix::process::Signal;

use crate::harness::server::{is_root, wait};
use crate::harness::{Client, Folder, Launch, Server, blake3_tag_of, eventually, get, tag_of};

/// Runs the program until it ends by itself.
#[track_caller]
fn run(launch: Launch, folder: &Folder, last: &[&str]) -> Output {
    let mut command = launch.command(folder);
    command.args(last).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait(&mut child);
    child.wait_with_output().unwrap()
}

/// Runs the program, which must refuse to start, and returns the sentence that says why.
#[track_caller]
fn refusal(launch: Launch, folder: &Folder, last: &[&str]) -> String {
    let output = run(launch, folder, last);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(matches!(output.status.code(), Some(1 | 2)), "{stdout}\n{stderr}");
    assert_eq!(stdout, "", "{stderr}");
    let sentence = stderr.strip_prefix("ifmatch: ").and_then(|rest| rest.strip_suffix('\n'));
    let sentence = sentence.unwrap_or_else(|| panic!("no sentence after `ifmatch: `: {stderr}"));
    assert!(!sentence.contains('\n') && sentence.len() > 10, "not one sentence: {stderr}");
    assert!(
        !sentence.contains("os error") && !sentence.contains("Os {"),
        "the system's words, not ours: {stderr}"
    );
    sentence.to_owned()
}

/// What is printed at the start, once nothing more is added to it.
fn whole_banner(server: &Server) -> String {
    server.get("/__ifmatch__/health").expect(200);
    eventually("the start is told", || {
        let before = server.stdout();
        std::thread::sleep(std::time::Duration::from_millis(100));
        (before == server.stdout()).then_some(before)
    })
}

#[test]
fn the_version_is_that_of_the_package() {
    for flag in ["--version", "-V"] {
        let output = run(Launch::new(), &Folder::new(), &[flag]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            concat!("ifmatch ", env!("CARGO_PKG_VERSION"), "\n")
        );
    }
}

#[test]
fn help_tells_of_every_option_and_its_variable() {
    let output = run(Launch::new(), &Folder::new(), &["--help"]);
    assert!(output.status.success(), "{output:?}");
    let help = String::from_utf8_lossy(&output.stdout);
    for option in [
        "port",
        "bind",
        "index-file",
        "index",
        "index-cache",
        "spa",
        "hidden",
        "follow-symlinks",
        "cache-control",
        "no-listing",
        "no-watch",
        "etag-hash",
        "verbose",
        "quiet",
        "log-format",
    ] {
        assert!(help.contains(&format!("--{option}")), "--{option} in\n{help}");
        let variable = format!("IFMATCH_{}", option.to_uppercase().replace('-', "_"));
        assert!(help.contains(&variable), "{variable} in\n{help}");
    }
    assert!(help.contains("etag"), "{help}");
    assert!(run(Launch::new(), &Folder::new(), &["-h"]).status.success());
}

#[test]
fn a_flag_that_is_not_understood_ends_with_2() {
    let folder = Folder::new();
    for last in [
        vec!["--no-such-flag"],
        vec!["-p", "70000"],
        vec!["-p", "web"],
        vec!["-p", "-1"],
        vec!["-b", "not-an-address"],
        vec!["--etag-hash", "md5"],
        vec!["--follow-symlinks", "maybe"],
        vec!["--log-format", "xml"],
        vec!["one", "two"],
        vec!["etag"],
    ] {
        let output = run(Launch::new(), &folder, &last);
        assert_eq!(output.status.code(), Some(2), "{last:?}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{last:?}: {output:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_served_is_named() {
    let folder = Folder::new();
    folder.write_outside("file", "x");
    assert!(refusal(Launch::new(), &folder, &["-p", "0", "missing"]).contains("missing"));
    assert!(refusal(Launch::new(), &folder, &["-p", "0", "file"]).contains("file"));
    assert!(refusal(Launch::new(), &folder, &["-p", "0", "file/below"]).contains("file/below"));
    assert!(refusal(Launch::new(), &folder, &["-p", "0", "line\nbreak\u{1b}[31m"]).contains("break"));
    if is_root() {
        fs::set_permissions(folder.root(), fs::Permissions::from_mode(0o000)).unwrap();
        assert!(refusal(Launch::new().by_nobody(), &folder, &["-p", "0", "root"]).contains("root"));
    }
}

#[test]
fn an_option_that_makes_no_sense_is_named() {
    let folder = Folder::new();
    for value in ["no-cache\r\nX-Injected: 1", "a\0b", "caché\n"] {
        if !value.contains('\0') {
            assert!(
                refusal(Launch::new(), &folder, &["-p", "0", "--cache-control", value, "root"])
                    .contains("--cache-control")
            );
        }
    }
    for value in ["../secret", "a/b", "", "..", "."] {
        assert!(
            refusal(Launch::new(), &folder, &["-p", "0", "--index-file", value, "root"])
                .contains("--index-file"),
            "{value}"
        );
    }
}

#[test]
fn a_port_that_is_taken_is_never_changed_for_another() {
    let folder = Folder::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert!(refusal(Launch::new(), &folder, &["-p", &port, "root"]).contains(&port));
    assert!(refusal(Launch::new().env("PORT", &port), &folder, &["root"]).contains(&port));
    assert!(refusal(Launch::new().env("IFMATCH_PORT", &port), &folder, &["root"]).contains(&port));
    // The flag that is to be changed is named.
    let admin = format!("127.0.0.1:{port}");
    for (flag, arguments) in
        [("--port", vec!["-p", &port]), ("--admin-bind", vec!["-p", "0", "--admin-bind", &admin])]
    {
        let said = refusal(Launch::new(), &folder, &[arguments, vec!["root"]].concat());
        assert!(said.contains(&format!("is taken; choose another with {flag}; 0 stands for any")), "{said}");
    }
    // TEST-NET-3 is nobody's address.
    assert!(
        refusal(Launch::new(), &folder, &["-p", "0", "-b", "203.0.113.1", "root"]).contains("203.0.113.1")
    );
}

#[test]
fn the_start_is_told_in_a_few_lines() {
    let server = Server::start();
    let banner = whole_banner(&server);
    let lines: Vec<&str> = banner.lines().collect();
    assert!((2..=10).contains(&lines.len()), "{banner}");
    assert!(lines[0].contains("ifmatch") && lines[0].contains(env!("CARGO_PKG_VERSION")), "{banner}");
    assert!(banner.contains(server.folder().root().to_str().unwrap()), "{banner}");
    let url = format!("  http://{}/", server.address());
    assert!(lines.contains(&url.as_str()), "{url} alone on a line of\n{banner}");
    assert_eq!(server.address().ip(), Ipv4Addr::LOCALHOST);
}

#[test]
fn the_start_tells_who_may_read_and_write_and_with_v_what_that_rests_on() {
    let account = crate::accounts::hash(&["alice"], "wonder").remove(0);
    let inbox = "@/inbox:rw";
    let cases: [(&[&str], &str, &str); 7] = [
        (&[], "anybody on this machine", "nobody (--allow-upload and --allow-delete change that)"),
        (&["-A"], "anybody on this machine", "anybody on this machine (create, replace, delete)"),
        (&["--allow-upload", "--create-only"], "anybody on this machine", "anybody on this machine (create)"),
        (&["-A", "-a", &account], "anybody on this machine", "only 1 account (create, replace, delete)"),
        (&["--allow-delete", "--private", "-a", &account], "only 1 account", "only 1 account (delete)"),
        (
            &["--allow-upload", "-b", "0.0.0.0", "--insecure-writes", "-a", inbox],
            "anybody who reaches it",
            "ANYBODY who reaches it, below /inbox only (create, replace)",
        ),
        (
            &["-A", "--allow-host", "files.example"],
            "anybody on this machine, or whom the proxy for files.example lets in",
            "anybody on this machine, or whom the proxy for files.example lets in (create, replace, delete)",
        ),
    ];
    for (options, readers, writers) in cases {
        let server = Launch::new().args(options).start();
        let banner = whole_banner(&server);
        assert!(banner.contains(&format!("\n  reading: {readers}\n")), "{options:?}: {banner}");
        assert!(banner.contains(&format!("\n  writing: {writers}\n")), "{options:?}: {banner}");
        let at = |text: &str| banner.find(text).unwrap();
        assert!(at("  http://") < at("  reading: ") && at("  reading: ") < at("  writing: "), "{banner}");
        for internal in ["freshness", "watcher", "timestamps", "compare-and-swap", "sandbox: reads"] {
            assert!(!banner.contains(internal), "{internal} in {banner}");
        }
    }
    let banner = whole_banner(&Launch::new().args(["-A", "-v"]).start());
    for internal in ["freshness: ", "; watcher ", " timestamps", "writes: compare-and-swap"] {
        assert!(banner.contains(internal), "{internal} in {banner}");
    }
}

#[test]
fn the_folder_of_the_caller_is_served_by_default() {
    let server = Launch::bare().args(["-p", "0"]).start();
    server.folder().write("file", "here");
    server.get("/file").expect_file(b"here");
}

#[test]
fn several_addresses_share_one_port() {
    let server = Launch::new().args(["-b", "127.0.0.1", "-b", "127.0.0.2"]).start();
    server.folder().write("file", "here");
    let port = server.address().port();
    for host in ["127.0.0.1", "127.0.0.2"] {
        let address: SocketAddr = format!("{host}:{port}").parse().unwrap();
        assert!(server.stdout().contains(&format!("  http://{address}/\n")), "{}", server.stdout());
        Client::connect(address).ask(&get("/file")).expect_file(b"here");
    }
    let elsewhere: SocketAddr = format!("127.0.0.3:{port}").parse().unwrap();
    assert!(TcpStream::connect(elsewhere).is_err(), "it listens where it was not told to");

    let server = Launch::new().args(["-b", "0.0.0.0"]).start();
    server.folder().write("file", "here");
    for line in server.stdout().lines().filter_map(|line| line.trim().strip_prefix("http://")) {
        assert!(!line.starts_with("0.0.0.0"), "nobody can type that: {}", server.stdout());
    }
    server.get("/file").expect_file(b"here");
}

#[test]
fn ipv6_is_spoken() {
    if TcpListener::bind("[::1]:0").is_err() {
        return crate::harness::skip("this machine has no IPv6");
    }
    let server = Launch::new().args(["-b", "::1"]).start();
    server.folder().write("file", "here");
    assert!(server.address().is_ipv6());
    server.get("/file").expect_file(b"here");
}

#[test]
fn every_option_can_stand_in_the_environment() {
    let launch = Launch::bare()
        .env("IFMATCH_PORT", "0")
        .env("IFMATCH_BIND", "127.0.0.2")
        .env("IFMATCH_INDEX_FILE", "start.html")
        .env("IFMATCH_SPA", "true")
        .env("IFMATCH_HIDDEN", "true")
        .env("IFMATCH_FOLLOW_SYMLINKS", "deny")
        .env("IFMATCH_CACHE_CONTROL", "max-age=5")
        .env("IFMATCH_NO_LISTING", "true")
        .env("IFMATCH_NO_WATCH", "true")
        .env("IFMATCH_ETAG_HASH", "blake3")
        .env("IFMATCH_INDEX", "eager")
        .env("IFMATCH_LOG_FORMAT", "json")
        .env("IFMATCH_VERBOSE", "1");
    let server = launch.start();
    server.folder().write("start.html", "start");
    server.folder().write(".hidden", "hidden");
    server.folder().folder("sub");
    std::os::unix::fs::symlink("start.html", server.folder().path("link")).unwrap();
    assert_eq!(server.address().ip(), Ipv4Addr::new(127, 0, 0, 2));
    let start = server.get("/").expect(200);
    assert_eq!(start.tag(), blake3_tag_of(b"start"));
    assert_eq!(start.field("Cache-Control"), Some("max-age=5"), "{start}");
    assert_eq!(server.ask(&get("/route").field("Accept", "text/html")).expect(200).body, b"start");
    assert_eq!(server.get("/.hidden").expect(200).body, b"hidden");
    assert_ne!(server.get("/link.txt").status, 200);
    server.get("/sub/").expect_one_of(&[404, 200]);
    assert_eq!(server.health()["watcher"]["state"], "off");
    assert_eq!(server.health()["index"]["mode"], "eager");
}

#[test]
fn a_variable_set_to_false_is_off_and_a_flag_beats_a_variable() {
    let launch = Launch::new()
        .env("IFMATCH_SPA", "false")
        .env("IFMATCH_HIDDEN", "false")
        .env("IFMATCH_NO_WATCH", "false");
    let server =
        launch.env("IFMATCH_CACHE_CONTROL", "max-age=5").args(["--cache-control", "max-age=6"]).start();
    server.folder().write("index.html", "x");
    server.folder().write(".hidden", "x");
    server.get("/route").expect(404);
    server.get("/.hidden").expect(404);
    assert_ne!(server.health()["watcher"]["state"], "off");
    assert_eq!(server.get("/").field("Cache-Control"), Some("max-age=6"));
}

#[test]
fn port_is_read_from_the_environment() {
    for launch in [
        Launch::bare().env("PORT", "0"),
        Launch::bare().env("IFMATCH_PORT", "0").env("PORT", "not a port"),
        Launch::bare().args(["-p", "0"]).env("IFMATCH_PORT", "1").env("PORT", "not a port"),
    ] {
        launch.start().get("/").expect(200);
    }
    let folder = Folder::new();
    assert!(refusal(Launch::new().env("PORT", "not a port"), &folder, &["root"]).contains("PORT"));
    let output = run(Launch::new().env("IFMATCH_PORT", "not a port"), &folder, &["root"]);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
}

#[test]
fn the_log_goes_to_stderr_and_is_json_where_that_is_asked_for() {
    for format in ["text", "json"] {
        let server = Launch::new().args(["-vvv", "--log-format", format]).start();
        server.folder().write("file", "x");
        let banner = whole_banner(&server);
        for target in ["/file", "/missing", "/%22%5c%0a", "/%2e%2e"] {
            server.get(target);
        }
        let log =
            eventually("something is logged", || Some(server.stderr()).filter(|log| log.contains("missing")));
        assert_eq!(server.stdout(), banner, "the log is mixed into stdout");
        if format == "json" {
            let whole = log.rfind('\n').map_or("", |end| &log[..end]);
            for line in whole.lines() {
                let line: serde_json::Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
            }
        }
    }
}

#[test]
fn an_ordinary_day_is_not_logged() {
    let server = Server::start();
    server.folder().write("file", "x");
    for _ in 0..3 {
        server.get("/file").expect(200);
        server.get("/missing").expect(404);
        server.folder().write("file", "y");
    }
    assert_eq!(server.stderr(), "");
}

#[test]
fn quiet_says_nothing() {
    let folder = Arc::new(Folder::new());
    folder.write("file", "x");
    let (mut child, address) = (0..20)
        .find_map(|_| {
            let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
            let mut command = Launch::new().command(&folder);
            command
                .args(["-q", "-p", &address.port().to_string(), "root"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            eventually("it listens or has ended", || {
                let ended = child.try_wait().unwrap().is_some();
                (ended || TcpStream::connect(address).is_ok()).then_some(!ended)
            })
            .then_some((child, address))
        })
        .expect("a port that nobody else took meanwhile");
    Client::connect(address).ask(&get("/file")).expect_file(b"x");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    wait(&mut child);
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_signal_to_stop_ends_it_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start();
        server.get("/").expect(200);
        server.signal(signal);
        let status = server.wait();
        assert!(status.success(), "{status:?} after {signal:?}");
    }
}

#[test]
fn a_broken_lease_does_not_end_it() {
    // SIGIO is how the kernel tells the holder of a lease that somebody writes; by default it kills.
    let mut server = Server::start();
    server.folder().write("file", "x");
    for _ in 0..20 {
        server.get("/file").expect_file(b"x");
        server.signal(Signal::IO);
    }
    server.assert_well();
}

#[test]
fn etag_prints_the_tags_of_files() {
    let folder = Folder::new();
    folder.write("one", "1");
    folder.write("two words", "2");
    folder.write("empty", "");
    folder.write(".hidden", "h");
    folder.write_version("large", 1, 5 << 20);
    let etag = |last: &[&str]| {
        let output = run(Launch::new(), &folder, last);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(etag(&["etag", "root/one"]), format!("{}\n", tag_of(b"1")));
    assert_eq!(etag(&["etag", "root/empty"]), format!("{}\n", tag_of(b"")));
    assert_eq!(etag(&["etag", "root/.hidden"]), format!("{}\n", tag_of(b"h")));
    assert_eq!(etag(&["etag", "--etag-hash", "blake3", "root/one"]), format!("{}\n", blake3_tag_of(b"1")));
    let large = tag_of(&crate::harness::version_bytes(1, 5 << 20));
    let both = format!("{large}  root/large\n{}  root/two words\n", tag_of(b"2"));
    assert_eq!(etag(&["etag", "root/large", "root/two words"]), both);
    std::os::unix::fs::symlink("one", folder.path("link")).unwrap();
    assert_eq!(etag(&["etag", "root/link"]), format!("{}\n", tag_of(b"1")));
}

#[test]
fn etag_names_the_file_it_cannot_read() {
    let folder = Folder::new();
    folder.write("one", "1");
    assert!(refusal(Launch::new(), &folder, &["etag", "root/missing"]).contains("root/missing"));
    assert!(refusal(Launch::new(), &folder, &["etag", "root"]).contains("root"));
    assert!(refusal(Launch::new(), &folder, &["etag", "/dev/null"]).contains("/dev/null"));
    assert!(refusal(Launch::new(), &folder, &["etag", "root"]).contains("not a regular file"));
    // What is wrong with one does not keep the others from being told.
    let output = run(Launch::new(), &folder, &["etag", "root/one", "root/missing", "root/one"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = format!("{}  root/one\n", tag_of(b"1"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), line.repeat(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("root/missing"), "{output:?}");
}

#[test]
fn addresses_may_be_written_as_in_a_url() {
    let server = Launch::new().args(["--bind", "localhost"]).env("PORT", "").start();
    assert!(server.address().ip().is_loopback());
    let folder = Folder::new();
    for (arguments, word) in [
        (["--bind", "127.0.0.1:80"], "without a port"),
        (["--bind", "example"], "127.0.0.1"),
        (["--port", "abc"], "65535"),
    ] {
        let output = run(Launch::new(), &folder, &arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(word), "{word} in {output:?}");
    }
}

#[test]
fn it_serves_although_nobody_reads_its_announcement() {
    let folder = Folder::new();
    folder.write("file", "x");
    let mut command = std::process::Command::new(crate::harness::server::PROGRAM);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child =
        command.args(["-p", "0", "--index", "off"]).arg(folder.root()).stdout(writer).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(ended, None, "it ended because its standard output was closed");
}
