//! Nothing outside the served folder is read, listed or revealed: not by a path, not by a link of any kind, not while
//! somebody swaps one for the other. And what is no file is no answer, and no reason to hang.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::server::is_root;
use crate::harness::{Folder, Launch, Server, get};
use crate::write_paths::ESCAPES;

const SECRET: &str = "the secret outside";

/// A folder with a file inside, and secrets beside it; among them one in a folder whose name begins like the root's.
fn folder() -> Arc<Folder> {
    let folder = Folder::new();
    folder.write("file.txt", "inside");
    folder.write("sub/file.txt", "inside sub");
    for name in
        ["secret.txt", "secrets/secret.txt", "secrets/index.html", "secrets/404.html", "root-too/secret.txt"]
    {
        folder.write_outside(name, SECRET);
    }
    Arc::new(folder)
}

#[track_caller]
fn assert_not_found(server: &Server, target: &str) {
    for accept in ["*/*", "text/html"] {
        let response = server.ask(&get(target).field("Accept", accept)).expect(404);
        assert!(!response.text().contains(SECRET), "{response}");
        assert_eq!(response.field("ETag"), None, "{response}");
    }
}

#[test]
fn no_path_leads_out_of_the_root() {
    let server = Launch::new().arg("--hidden").start_in(folder());
    let others = [
        "file:///etc/passwd",
        "//etc/passwd",
        "/etc/passwd",
        "/%2fetc/passwd",
        "/proc/self/root/etc/passwd",
        "/file.txt?/../../secret.txt",
        "/file.txt#/../../secret.txt",
    ];
    let absolute = format!("/{}", server.folder().outside("secret.txt").display());
    for target in ESCAPES.into_iter().chain(others).chain([absolute.as_str()]) {
        let mut client = server.connect();
        client.send(get(target).field("Connection", "close").bytes());
        let all = client.read_to_end();
        let text = String::from_utf8_lossy(&all);
        assert!(!text.contains(SECRET) && !text.contains("root:"), "{target}\n{text}");
        assert!(!text.starts_with("HTTP/1.1 5"), "{target}\n{text}");
    }
    server.get("/file.txt").expect_file(b"inside");
}

/// Makes the links of these tests: the name under the root, and what it points to.
fn link(folder: &Folder, name: &str, to: impl AsRef<Path>) {
    let path = folder.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(to, path).unwrap();
}

fn links_inside(folder: &Folder) {
    link(folder, "to-file", "file.txt");
    link(folder, "to-sub", "sub");
    link(folder, "sub/up", "../file.txt");
    link(folder, "chain", "to-file");
    link(folder, "linked-index/index.html", "../file.txt");
}

fn links_outside(folder: &Folder) {
    link(folder, "out", "../secret.txt");
    link(folder, "out-absolute", folder.outside("secret.txt"));
    link(folder, "out-dir", "../secrets");
    link(folder, "out-chain", "out");
    link(folder, "sub/out", "../../secret.txt");
    link(folder, "bad-index/index.html", "../../secret.txt");
    link(folder, "to-etc", "/etc");
    link(folder, "to-proc", "/proc/self/root");
    link(folder, "in-and-out", "../root/../secret.txt");
    link(folder, "sideways", "../root-too/secret.txt");
}

#[test]
fn links_within_the_root_are_followed_and_others_are_not() {
    let folder = folder();
    links_inside(&folder);
    links_outside(&folder);
    link(&folder, "dangling", "nothing");
    link(&folder, "loop", "loop");
    link(&folder, "loop-a", "loop-b");
    link(&folder, "loop-b", "loop-a");
    for launch in [Launch::new(), Launch::new().args(["--follow-symlinks", "within"])] {
        let server = launch.start_in(Arc::clone(&folder));
        for target in ["/to-file", "/sub/up", "/chain", "/linked-index/"] {
            server.get(target).expect_file(b"inside");
        }
        server.get("/to-sub/file.txt").expect_file(b"inside sub");
        server.get("/to-sub").expect(301);
        for target in [
            "/out",
            "/out-absolute",
            "/out-dir/secret.txt",
            "/out-dir/",
            "/out-dir",
            "/out-chain",
            "/sub/out",
            "/to-sub/out",
            "/to-etc/passwd",
            "/to-etc/",
            "/to-proc/etc/passwd",
            "/in-and-out",
            "/sideways",
            "/dangling",
            "/loop",
            "/loop-a",
            "/loop/x",
        ] {
            assert_not_found(&server, target);
        }
        let index = server.get("/bad-index/").expect_one_of(&[200, 404]);
        assert!(!index.text().contains(SECRET), "{index}");
    }
}

#[test]
fn with_deny_no_link_is_followed() {
    let folder = folder();
    links_inside(&folder);
    links_outside(&folder);
    let server = Launch::new().args(["--follow-symlinks", "deny"]).start_in(folder);
    server.get("/file.txt").expect_file(b"inside");
    server.get("/sub/file.txt").expect_file(b"inside sub");
    for target in [
        "/to-file",
        "/to-sub/file.txt",
        "/to-sub/",
        "/to-sub",
        "/sub/up",
        "/chain",
        "/out",
        "/out-dir/secret.txt",
        "/out-absolute",
    ] {
        assert_not_found(&server, target);
    }
    let index = server.get("/linked-index/").expect_one_of(&[200, 404]);
    assert_ne!(index.text(), "inside", "{index}");
}

#[test]
fn with_all_every_link_is_followed() {
    let folder = folder();
    links_inside(&folder);
    links_outside(&folder);
    link(&folder, "zero", "/dev/zero");
    let server = Launch::new().args(["--follow-symlinks", "all"]).start_in(folder);
    for target in ["/out", "/out-absolute", "/out-dir/secret.txt", "/out-chain", "/bad-index/"] {
        server.get(target).expect_file(SECRET.as_bytes());
    }
    server.get("/to-file").expect_file(b"inside");
    // Still nothing that is no file, and no path with dots.
    server.get("/zero").expect(404);
    server.get("/../secret.txt").expect(400);
}

#[test]
fn an_error_page_or_a_fallback_is_no_way_out() {
    for launch in [Launch::new(), Launch::new().arg("--spa")] {
        let folder = Arc::new(Folder::new());
        folder.write_outside("secret.txt", SECRET);
        link(&folder, "404.html", "../secret.txt");
        link(&folder, "index.html", "../secret.txt");
        let server = launch.start_in(folder);
        for target in ["/missing", "/missing.js", "/", "/404.html", "/index.html"] {
            let response = server.ask(&get(target).field("Accept", "text/html"));
            assert!(!response.text().contains(SECRET), "{response}");
        }
    }
}

#[test]
fn a_listing_does_not_tell_what_lies_behind_an_escaping_link() {
    let folder = folder();
    folder.write_outside("sized", vec![b'x'; 123_457]);
    link(&folder, "out", "../sized");
    link(&folder, "out-dir", "../secrets");
    let server = Server::start_in_folder(folder);
    for accept in ["text/html", "application/json"] {
        let listing = server.ask(&get("/").field("Accept", accept)).expect(200).text();
        for revealed in ["123457", "123,457", "120.6", "123.5", "../sized", "secrets"] {
            assert!(!listing.contains(revealed), "{revealed} in\n{listing}");
        }
    }
}

/// A server that has answered for these targets before, under a policy, with and without the help of the watcher.
fn warmed(policy: &str, watch: &[&str], folder: &Arc<Folder>, targets: &[&str]) -> Server {
    let launch = Launch::new().args(["--follow-symlinks", policy]).args(watch);
    let server = launch.start_in(Arc::clone(folder));
    for target in targets {
        for _ in 0..3 {
            server.get(target).expect(200);
        }
    }
    server
}

#[test]
fn a_folder_moved_out_and_linked_back_is_not_served() {
    // The file keeps its inode and its times: whoever compares no more than these serves it through the link.
    for policy in ["within", "deny"] {
        for watch in [&["--no-watch"][..], &[]] {
            let folder = folder();
            let server = warmed(policy, watch, &folder, &["/sub/file.txt"]);
            fs::rename(folder.path("sub"), folder.outside("sub")).unwrap();
            symlink("../sub", folder.path("sub")).unwrap();
            assert_not_found(&server, "/sub/file.txt");
            fs::remove_file(folder.path("sub")).unwrap();
            fs::rename(folder.outside("sub"), folder.path("sub")).unwrap();
            server.get("/sub/file.txt").expect_file(b"inside sub");
        }
    }
}

#[test]
fn a_file_moved_aside_and_linked_is_not_served_where_links_are_denied() {
    for watch in [&["--no-watch"][..], &[]] {
        let folder = folder();
        let server = warmed("deny", watch, &folder, &["/sub/file.txt", "/file.txt"]);
        fs::rename(folder.path("sub"), folder.path("other")).unwrap();
        symlink("other", folder.path("sub")).unwrap();
        assert_not_found(&server, "/sub/file.txt");
        fs::rename(folder.path("file.txt"), folder.path("moved.txt")).unwrap();
        symlink("moved.txt", folder.path("file.txt")).unwrap();
        assert_not_found(&server, "/file.txt");
    }
}

#[test]
fn a_file_replaced_by_a_link_to_the_outside_is_gone_at_once() {
    let folder = folder();
    let server = Server::start_in_folder(Arc::clone(&folder));
    // The same bytes, so that nothing but the link gives it away.
    folder.write_outside("twin.txt", "inside");
    for _ in 0..100 {
        server.get("/file.txt").expect_file(b"inside");
        fs::remove_file(folder.path("file.txt")).unwrap();
        symlink("../twin.txt", folder.path("file.txt")).unwrap();
        assert_not_found(&server, "/file.txt");
        fs::remove_file(folder.path("file.txt")).unwrap();
        folder.write("file.txt", "inside");
    }
}

#[test]
fn a_link_swapped_in_between_check_and_open_reveals_nothing() {
    let folder = folder();
    folder.write("dir/x", "harmless");
    folder.write_outside("dir/x", SECRET);
    let server = Server::start_in_folder(Arc::clone(&folder));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Two names change places: a folder and a link to the outside; and a file and such a link.
            symlink("../dir", folder.path("dir-other")).unwrap();
            symlink("../secret.txt", folder.path("file-other")).unwrap();
            folder.write("file", "harmless");
            while !stop.load(Ordering::Relaxed) {
                for (one, other) in [("dir", "dir-other"), ("file", "file-other")] {
                    exchange(&folder.path(one), &folder.path(other));
                }
            }
        });
        let mut client = server.connect();
        let mut served = 0;
        for _ in 0..3000 {
            for target in ["/dir/x", "/file", "/dir/"] {
                let response = client.ask(&get(target)).expect_one_of(&[200, 301, 404]);
                assert!(!response.text().contains(SECRET), "{response}");
                served += u32::from(response.status == 200);
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(served > 0, "the harmless file was never served");
    });
}

/// Lets two names change places in one step.
fn exchange(one: &Path, other: &Path) {
    rustix::fs::renameat_with(
        rustix::fs::CWD,
        one,
        rustix::fs::CWD,
        other,
        rustix::fs::RenameFlags::EXCHANGE,
    )
    .expect("renameat2");
}

#[test]
fn what_is_no_file_is_not_found_and_blocks_nobody() {
    let folder = folder();
    let made = Command::new("mkfifo").arg(folder.path("fifo")).status().expect("mkfifo");
    assert!(made.success());
    let _socket = UnixListener::bind(folder.path("socket")).unwrap();
    link(&folder, "fifo-link", "fifo");
    let mut targets = vec!["/fifo", "/socket", "/fifo-link", "/fifo/"];
    let device = rustix::fs::makedev(1, 5);
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    match rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path("zero"),
        rustix::fs::FileType::CharacterDevice,
        mode,
        device,
    ) {
        Ok(()) => targets.push("/zero"),
        Err(error) => crate::harness::skip(&format!("no device: {error}")),
    }
    for launch in [Launch::new(), Launch::new().args(["--follow-symlinks", "all"])] {
        let server = launch.start_in(Arc::clone(&folder));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for target in &targets {
                        server.get(target).expect(404);
                        server.head(target).expect(404);
                    }
                });
            }
        });
        for name in ["index.html", "404.html"] {
            let made = Command::new("mkfifo").arg(folder.path(name)).status().expect("mkfifo");
            assert!(made.success());
        }
        server.get("/").expect_one_of(&[200, 404]);
        server.get("/missing").expect(404);
        server.get("/file.txt").expect_file(b"inside");
        fs::remove_file(folder.path("index.html")).unwrap();
        fs::remove_file(folder.path("404.html")).unwrap();
    }
}

#[test]
fn what_may_not_be_read_is_forbidden() {
    let folder = folder();
    folder.write("closed/file", "x");
    folder.write("open/unreadable", "x");
    fs::set_permissions(folder.path("open/unreadable"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(folder.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let launch = if is_root() { Launch::new().by_nobody() } else { Launch::new() };
    let server = launch.start_in(Arc::clone(&folder));
    server.get("/open/unreadable").expect(403);
    server.head("/open/unreadable").expect(403);
    server.get("/closed/file").expect_one_of(&[403, 404]);
    server.get("/closed/").expect_one_of(&[403, 404]);
    server.get("/file.txt").expect_file(b"inside");
    // A file that was served before and may not be read any more.
    fs::set_permissions(folder.path("file.txt"), fs::Permissions::from_mode(0o000)).unwrap();
    server.get("/file.txt").expect(403);
    fs::set_permissions(folder.path("file.txt"), fs::Permissions::from_mode(0o644)).unwrap();
    server.get("/file.txt").expect_file(b"inside");
    fs::set_permissions(folder.path("closed"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_root_that_was_removed_is_unavailable() {
    let folder = folder();
    let mut server = Server::start_in_folder(Arc::clone(&folder));
    server.get("/file.txt").expect_file(b"inside");
    assert_eq!(server.health()["ok"], true);
    fs::remove_dir_all(folder.root()).unwrap();
    for target in ["/file.txt", "/", "/missing"] {
        let response = server.get(target).expect(503);
        assert_eq!(response.field("ETag"), None, "{response}");
    }
    let health = server.get("/__ifmatch__/health").expect(503);
    assert_eq!(health.json()["ok"], false, "{health}");
    server.assert_well();
}

#[test]
fn a_root_that_was_replaced_never_mixes_old_and_new() {
    let folder = folder();
    let mut server = Server::start_in_folder(Arc::clone(&folder));
    server.get("/file.txt").expect_file(b"inside");
    fs::rename(folder.root(), folder.outside("moved")).unwrap();
    let served = server.get("/file.txt").expect_one_of(&[200, 503]);
    assert!(served.status == 503 || served.body == b"inside", "{served}");
    fs::create_dir(folder.root()).unwrap();
    folder.write("file.txt", "the new file");
    folder.write("new.txt", "only new");
    let old = server.get("/sub/file.txt").expect_one_of(&[200, 404, 503]).status;
    let new = server.get("/new.txt").expect_one_of(&[200, 404, 503]).status;
    assert!(!(old == 200 && new == 200), "files of both folders are served");
    server.assert_well();
}

#[test]
fn a_root_that_is_itself_a_link_is_served() {
    let folder = folder();
    symlink("root", folder.outside("linked")).unwrap();
    let mut command = Launch::new().command(&folder);
    let output = command.args(["etag"]).arg(folder.outside("linked/file.txt")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::rename(folder.root(), folder.outside("real")).unwrap();
    symlink("real", folder.root()).unwrap();
    let server = Server::start_in_folder(Arc::clone(&folder));
    server.get("/file.txt").expect_file(b"inside");
    server.get("/../secret.txt").expect(400);
}
