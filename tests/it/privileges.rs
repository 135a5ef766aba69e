//! As whom the server runs: root's rights are given up once it listens.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::Arc;

use crate::harness::server::{NOBODY, is_root};
use crate::harness::{
    Folder, Launch, Server, assert_nothing_left, delete, eventually, get, put, skip, tag_of,
};
use crate::tls::write_certificate;

const ROOT_SAYS_SO: &str = "  user: root, who may write any file; start the server as another user";

/// All of it, of a server that was started with `-v`.
fn announcement(server: &Server) -> String {
    eventually("it is announced", || Some(server.stdout()).filter(|text| text.contains("  freshness: ")))
}

/// What the kernel says of every thread of a process, for one of the names in `status`.
fn of_all_threads(process: u32, name: &str) -> Vec<String> {
    let value = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        line.trim_start_matches(':').split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.map(|thread| value(fs::read_to_string(thread.unwrap().path().join("status")).unwrap())).collect()
}

#[test]
fn what_root_alone_may_is_done_before_its_rights_are_given_up() {
    if !is_root() {
        return skip("only root can become another user");
    }
    for (user, sandbox) in [("nobody", "auto"), ("65534:65534", "require"), ("nobody:nogroup", "off")] {
        let folder = Arc::new(Folder::new());
        folder.write("file", "one");
        for path in [folder.root().to_owned(), folder.path("file")] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        // Only root can read the key and make the socket.
        write_certificate(&folder, "tls", 3000);
        let sockets = folder.outside("sockets");
        fs::create_dir(&sockets).unwrap();
        for path in [folder.outside("tls.key"), sockets.clone()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let here = format!("unix:{}", sockets.join("here").display());
        let launch = Launch::writing().args(["--user", user, "--sandbox", sandbox]);
        let launch = launch.args(["--tls-cert", "tls.crt", "--tls-key", "tls.key", "-b", "127.0.0.1"]);
        let server = launch.args(["-b", &here, "--index", "off", "-v"]).start_in(folder);
        let nobody = [NOBODY; 4].map(|id| id.to_string()).join(" ");
        for (name, expected) in [
            ("Uid", nobody.as_str()),
            ("Gid", nobody.as_str()),
            ("Groups", &NOBODY.to_string()),
            ("CapEff", "0000000000000000"),
            ("CapPrm", "0000000000000000"),
        ] {
            let found = of_all_threads(server.process(), name);
            assert!(found.len() > 2 && found.iter().all(|of| of == expected), "{user} {name}: {found:?}");
        }
        assert!(announcement(&server).contains("  user: nobody\n"), "{}", server.stdout());
        let socket = fs::symlink_metadata(sockets.join("here")).unwrap();
        assert_eq!((socket.uid(), socket.gid()), (NOBODY, NOBODY));
    }
}

#[test]
fn who_has_given_up_roots_rights_writes_as_that_user() {
    if !is_root() {
        return skip("only root can become another user");
    }
    let folder = Arc::new(Folder::new());
    folder.write("roots", "root's");
    chown(folder.root(), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(folder.path("roots"), fs::Permissions::from_mode(0o600)).unwrap();
    let server = Launch::writing().args(["--user", "nobody"]).start_in(folder);
    server.get("/roots").expect(403);
    server.ask(&put("/small", "one")).expect(201);
    let large = "x".repeat(3 << 20);
    server.ask(&put("/large", large.clone())).expect(201);
    server.ask(&put("/small", "two").field("If-Match", tag_of(b"one"))).expect(204);
    server.ask(&put("/small", "three").field("If-Match", tag_of(b"one"))).expect(412);
    server.ask(&get("/small")).expect_file(b"two");
    assert_eq!(fs::metadata(server.folder().path("large")).unwrap().uid(), NOBODY);
    server.ask(&delete("/large")).expect(204);
    assert_nothing_left(&server);
}

#[test]
fn root_with_uploads_is_told_of() {
    let writing = Launch::writing().arg("-v").start();
    assert_eq!(announcement(&writing).contains(ROOT_SAYS_SO), is_root(), "{}", writing.stdout());
    let reading = Launch::new().arg("-v").start();
    assert!(!announcement(&reading).contains("  user: "), "{}", reading.stdout());
}

#[test]
fn who_cannot_be_becomes_an_error() {
    let folder = Folder::new();
    let refused = |launch: Launch| {
        let mut command = launch.args(["-p", "0"]).command(&folder);
        let output = command.arg(folder.root()).output().unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let unknown = refused(Launch::new().args(["--user", "no-such-user"]));
    assert_eq!(unknown, "ifmatch: --user: there is no user \"no-such-user\"\n");
    let other = if is_root() { Launch::new().by_nobody() } else { Launch::new() };
    let other = refused(other.args(["--user", "root"]));
    assert_eq!(
        other,
        "ifmatch: --user root: only root can become another user; start it as that user, without --user\n"
    );
}
