//! What a file keeps when its bytes are replaced, and what is replaced at all: behind links, under several names, and where
//! something that is no file stands.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, XattrFlags, getxattr, mknodat, renameat_with, setxattr};
use rustix::io::Errno;

use crate::harness::server::{NOBODY, is_root};
use crate::harness::{
    Folder, Launch, Request, Server, Upload, assert_nothing_left, delete, get, put, request, skip, tag_of,
    tree, version_bytes,
};

const SECRET: &str = "the secret outside";

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// The writes by which a file is replaced: guarded and not, small and large.
fn writes(target: &str, old: &[u8]) -> Vec<Request> {
    let small = version_bytes(7, 300);
    let large = version_bytes(8, 700_000);
    vec![
        put(target, &small),
        put(target, &small).field("If-Match", tag_of(old)),
        put(target, &large),
        put(target, &large).field("If-Match", tag_of(old)),
        request("PUT", target).chunked(&large, 50_000).field("If-Match", "*"),
    ]
}

#[test]
fn the_mode_of_a_file_survives_its_replacement() {
    let server = Launch::writing().start();
    for mode in [0o600, 0o644, 0o755, 0o640, 0o777, 0o444, 0o400, 0o664] {
        let path = server.folder().path("file");
        for question in writes("/file", b"old") {
            let _ = fs::remove_file(&path);
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            server.ask(&question).expect(204);
            assert_eq!(mode_of(&path), mode, "{mode:o}\n{}", question.shown());
        }
    }
}

#[test]
fn a_mode_that_changes_during_the_upload_is_the_one_that_stays() {
    let server = Launch::writing().start();
    let path = server.folder().write("file", "old");
    for (size, mode) in [(300, 0o600), (700_000, 0o750)] {
        let current = fs::read(&path).unwrap();
        let upload =
            Upload::begin(&server, put("/file", version_bytes(1, size)).field("If-Match", tag_of(&current)));
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        upload.finish().expect(204);
        assert_eq!(mode_of(&path), mode);
    }
}

#[test]
fn a_new_file_has_the_mode_that_the_mask_of_the_server_leaves() {
    for (mask, file, folder) in [("022", 0o644, 0o755), ("077", 0o600, 0o700), ("002", 0o664, 0o775)] {
        let script = format!("umask {mask}; exec \"$@\"");
        let server = Launch::writing().through(&["sh", "-c", &script, "sh"]).start();
        for (target, size) in [("new/small", 10), ("new/large", 700_000)] {
            server.ask(&put(format!("/{target}"), version_bytes(1, size))).expect(201);
            assert_eq!(mode_of(&server.folder().path(target)), file, "{mask} {target}");
        }
        assert_eq!(mode_of(&server.folder().path("new")), folder, "{mask}");
    }
}

#[test]
fn the_owner_of_a_file_survives_its_replacement() {
    if !is_root() {
        return skip("only root gives files away");
    }
    let server = Launch::writing().start();
    let path = server.folder().path("file");
    for question in writes("/file", b"old") {
        let _ = fs::remove_file(&path);
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::chown(&path, Some(NOBODY), Some(12_345)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        server.ask(&question).expect(204);
        let data = fs::metadata(&path).unwrap();
        assert_eq!((data.uid(), data.gid(), mode_of(&path)), (NOBODY, 12_345, 0o640), "{}", question.shown());
    }
}

#[test]
fn extended_attributes_and_access_lists_survive_a_replacement() {
    let server = Launch::writing().start();
    let path = server.folder().path("file");
    // acl(5) as the kernel keeps it: version 2; user::rw-, user:65534:rw-, group::r--, mask::rw-, other::r--.
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in
        [(1_u16, 6_u16, u32::MAX), (2, 6, NOBODY), (4, 4, u32::MAX), (0x10, 6, u32::MAX), (0x20, 4, u32::MAX)]
    {
        list.extend_from_slice(&tag.to_le_bytes());
        list.extend_from_slice(&permissions.to_le_bytes());
        list.extend_from_slice(&id.to_le_bytes());
    }
    let attributes: [(&str, &[u8]); 4] = [
        ("user.ifmatch.test", b"value"),
        ("user.empty", b""),
        ("user.binary", &[0, 255, 10, 13]),
        ("system.posix_acl_access", &list),
    ];
    for question in writes("/file", b"old") {
        let _ = fs::remove_file(&path);
        fs::write(&path, "old").unwrap();
        for (name, value) in attributes {
            match setxattr(&path, name, value, XattrFlags::empty()) {
                Err(Errno::OPNOTSUPP) => return skip(&format!("no attribute {name} on this filesystem")),
                other => other.unwrap(),
            }
        }
        server.ask(&question).expect(204);
        for (name, value) in attributes {
            let mut found = vec![0; 1000];
            let length = getxattr(&path, name, &mut found).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(&found[..length], value, "{name}\n{}", question.shown());
        }
    }
}

#[test]
fn other_names_of_a_file_keep_the_old_bytes() {
    let server = Launch::writing().start();
    let (path, other) = (server.folder().path("file"), server.folder().path("other-name"));
    let outside = server.folder().outside("outside-name");
    for question in writes("/file", b"old") {
        for name in [&path, &other, &outside] {
            let _ = fs::remove_file(name);
        }
        fs::write(&path, "old").unwrap();
        fs::hard_link(&path, &other).unwrap();
        fs::hard_link(&path, &outside).unwrap();
        let replaced = server.ask(&question).expect(204);
        assert_eq!(server.get("/file").tag(), replaced.tag());
        assert_eq!(fs::read_to_string(&other).unwrap(), "old");
        assert_eq!(fs::read_to_string(&outside).unwrap(), "old");
        server.get("/other-name").expect_file(b"old");
        server.ask(&delete("/file").field("If-Match", replaced.tag())).expect(204);
        server.get("/other-name").expect_file(b"old");
    }
}

/// Links of every kind in the root: the target of a request, and the file that is meant.
fn linked() -> (Arc<Folder>, Vec<(&'static str, &'static str)>) {
    let folder = Folder::new();
    folder.folder("sub/deep");
    folder.write("real", "old");
    folder.write("sub/real", "old");
    symlink("real", folder.path("link")).unwrap();
    symlink("link", folder.path("chain")).unwrap();
    symlink("../real", folder.path("sub/up")).unwrap();
    symlink("sub", folder.path("folder-link")).unwrap();
    symlink("deep/../real", folder.path("sub/around")).unwrap();
    symlink(folder.path("sub/real"), folder.path("absolute")).unwrap();
    symlink(folder.path("sub"), folder.path("absolute-folder")).unwrap();
    // By way of the folder around it, but to a file within.
    symlink("../root/real", folder.path("around")).unwrap();
    let cases = vec![
        ("/around", "real"),
        ("/link", "real"),
        ("/chain", "real"),
        ("/sub/up", "real"),
        ("/folder-link/real", "sub/real"),
        ("/folder-link/up", "real"),
        ("/sub/around", "sub/real"),
        ("/absolute", "sub/real"),
        ("/absolute-folder/real", "sub/real"),
    ];
    (Arc::new(folder), cases)
}

#[test]
fn behind_a_link_the_file_is_replaced_and_the_link_stays() {
    let (folder, cases) = linked();
    for policy in ["within", "all"] {
        let server = Launch::writing().args(["--follow-symlinks", policy]).start_in(Arc::clone(&folder));
        for (target, file) in &cases {
            // An absolute link is followed only where links to anywhere are, or where the server can see that it stays inside.
            if server.get(target).status == 404 {
                let before = tree(&folder.root());
                server.ask(&put(target, "new")).expect_problem(409);
                assert_eq!(tree(&folder.root()), before);
                continue;
            }
            for question in writes(target, b"old") {
                fs::write(folder.path(file), "old").unwrap();
                let links = links_in(&folder);
                let replaced = server.ask(&question).expect(204);
                assert_eq!(links_in(&folder), links, "{}", question.shown());
                assert_eq!(tag_of(&fs::read(folder.path(file)).unwrap()), replaced.tag(), "{target}");
                assert_eq!(server.get(target).tag(), replaced.tag(), "{target}");
                assert_eq!(server.get(format!("/{file}")).tag(), replaced.tag(), "{target}");
                server.ask(&put(target, "late").field("If-Match", tag_of(b"old"))).expect_problem(412);
            }
        }
        assert_nothing_left(&server);
    }
}

fn links_in(folder: &Folder) -> Vec<(std::path::PathBuf, crate::harness::tree::Thing)> {
    let all = tree(&folder.root()).into_iter();
    all.filter(|(_, thing)| matches!(thing, crate::harness::tree::Thing::Link(_))).collect()
}

#[test]
fn a_new_file_goes_into_the_folder_that_a_link_leads_to() {
    let (folder, _) = linked();
    let server = Launch::writing().start_in(Arc::clone(&folder));
    for size in [10, 700_000] {
        let target = format!("/folder-link/new/{size}");
        let created = server.ask(&put(&target, version_bytes(1, size))).expect(201);
        assert_eq!(created.leads_to(&target), target, "{created}");
        assert!(folder.path(format!("sub/new/{size}")).is_file());
    }
    assert!(fs::symlink_metadata(folder.path("folder-link")).unwrap().is_symlink());
}

#[test]
fn deleting_a_link_takes_the_link_and_not_the_file() {
    let (folder, _) = linked();
    let server = Launch::writing().start_in(Arc::clone(&folder));
    server.ask(&delete("/link")).expect(204);
    assert!(fs::symlink_metadata(folder.path("link")).is_err());
    server.get("/real").expect_file(b"old");
    server.get("/link").expect(404);
    server.ask(&delete("/sub/up").field("If-Match", tag_of(b"stale"))).expect_problem(412);
    assert!(fs::symlink_metadata(folder.path("sub/up")).is_ok());
    server.ask(&delete("/sub/up").field("If-Match", tag_of(b"old"))).expect(204);
    assert!(fs::symlink_metadata(folder.path("sub/up")).is_err());
    server.get("/real").expect_file(b"old");
    assert_nothing_left(&server);
}

/// Links that lead nowhere or out; and the files outside that must stay as they are.
fn leading_out() -> Arc<Folder> {
    let folder = Folder::new();
    folder.write("real", "old");
    folder.write_outside("secret", SECRET);
    folder.write_outside("secrets/secret", SECRET);
    folder.write_outside("root-too/secret", SECRET);
    let links = [
        ("dangling", "nothing"),
        ("dangling-folder", "nothing/at/all"),
        ("loop", "loop"),
        ("loop-a", "loop-b"),
        ("loop-b", "loop-a"),
        ("out", "../secret"),
        ("out-dangling", "../not-there"),
        ("out-folder", "../secrets"),
        ("sideways", "../root-too/secret"),
        ("etc", "/etc"),
        ("magic", "/proc/self/root/tmp"),
    ];
    for (name, to) in links {
        symlink(to, folder.path(name)).unwrap();
    }
    symlink(folder.outside("secret"), folder.path("out-absolute")).unwrap();
    symlink(folder.outside("not-there"), folder.path("out-absolute-dangling")).unwrap();
    Arc::new(folder)
}

#[test]
fn no_write_follows_a_link_that_leads_nowhere_or_out() {
    let folder = leading_out();
    let server = Launch::writing().start_in(Arc::clone(&folder));
    let outside = |name: &str| tree(&folder.outside(name));
    let before = (tree(&folder.root()), outside("secrets"), outside("root-too"));
    let targets = [
        "/dangling",
        "/dangling-folder",
        "/dangling/new",
        "/loop",
        "/loop-a",
        "/loop/new",
        "/out",
        "/out-dangling",
        "/out-folder",
        "/out-folder/secret",
        "/out-folder/new",
        "/out-folder/new/deeper",
        "/sideways",
        "/etc/ifmatch-test",
        "/etc/passwd",
        "/magic/ifmatch-test",
        "/out-absolute",
        "/out-absolute-dangling",
    ];
    for target in targets {
        for question in writes(target, SECRET.as_bytes()) {
            // Below a link to nothing there is no file, so that If-Match may be what fails.
            let possible =
                if question.has("If-Match") && target == "/dangling/new" { &[409, 412][..] } else { &[409] };
            server.ask(&question).expect_one_of(possible);
        }
        server.ask(&put(target, "new").field("If-None-Match", "*")).expect_one_of(&[409, 412]);
    }
    for target in targets.iter().filter(|target| target.matches('/').count() > 1) {
        server.ask(&delete(target)).expect_one_of(&[404, 409]);
    }
    assert_eq!((tree(&folder.root()), outside("secrets"), outside("root-too")), before);
    assert_eq!(fs::read_to_string(folder.outside("secret")).unwrap(), SECRET);
    assert!(!folder.outside("not-there").exists());
    assert!(!fs::exists("/etc/ifmatch-test").unwrap() && !fs::exists("/tmp/ifmatch-test").unwrap());
    assert_nothing_left(&server);
}

#[test]
fn where_links_are_not_followed_no_write_goes_through_one() {
    let (folder, cases) = linked();
    let server = Launch::writing().args(["--follow-symlinks", "deny"]).start_in(Arc::clone(&folder));
    let before = tree(&folder.root());
    for (target, _) in cases {
        for question in writes(target, b"old") {
            server.ask(&question).expect_problem(409);
        }
    }
    server.ask(&put("/folder-link/new", "new")).expect_problem(409);
    server.ask(&delete("/folder-link/real")).expect_one_of(&[404, 409]);
    assert_eq!(tree(&folder.root()), before);
    server.ask(&put("/real", "new").field("If-Match", tag_of(b"old"))).expect(204);
}

#[test]
fn where_links_to_anywhere_are_followed_writes_follow_them() {
    let folder = leading_out();
    let server = Launch::writing().args(["--follow-symlinks", "all"]).start_in(Arc::clone(&folder));
    for target in ["/out", "/out-absolute", "/out-folder/secret", "/sideways"] {
        let current = server.get(target).expect(200);
        server.ask(&put(target, "new outside").field("If-Match", "\"stale\"")).expect_problem(412);
        server.ask(&put(target, format!("new by {target}")).field("If-Match", current.tag())).expect(204);
        server.get(target).expect_file(format!("new by {target}").as_bytes());
    }
    assert!(fs::symlink_metadata(folder.path("out")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(folder.outside("secrets/secret")).unwrap(), "new by /out-folder/secret");
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let mut server = Launch::writing().start();
    let folder = Arc::clone(server.folder());
    mknodat(CWD, folder.path("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let _listener = UnixListener::bind(folder.path("socket")).unwrap();
    folder.write("a-file", "old");
    let device = rustix::fs::makedev(1, 3);
    let null =
        mknodat(CWD, folder.path("null"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), device);
    if let Err(error) = null {
        skip(&format!("no device can be made: {error}"));
    }
    let before = tree(&folder.root());
    let mut targets =
        vec!["/fifo", "/socket", "/fifo/below", "/socket/below", "/a-file/below", "/a-file/b/c"];
    targets.extend(null.is_ok().then_some("/null"));
    for target in targets {
        for question in writes(target, b"") {
            server.ask(&question).expect_problem(409);
        }
        for question in [delete(target), delete(target).field("If-Match", "*")] {
            server.ask(&question).expect_one_of(&[404, 409]);
        }
        assert_eq!(tree(&folder.root()), before, "{target}");
    }
    server.assert_well();
}

#[test]
fn what_takes_the_place_of_a_file_during_the_upload_stays() {
    let server = Launch::writing().start();
    let folder = Arc::clone(server.folder());
    folder.write_outside("secret", SECRET);
    let path = folder.path("file");
    type Change = fn(&Folder, &Path);
    let changes: [(&str, Change); 5] = [
        ("a folder", |folder, _| drop(folder.write("file/inner", "inner"))),
        ("an empty folder", |_, path| fs::create_dir(path).unwrap()),
        ("a FIFO", |_, path| mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap()),
        ("a link out", |folder, path| symlink(folder.outside("secret"), path).unwrap()),
        ("a link to nothing", |_, path| symlink("nothing", path).unwrap()),
    ];
    for (what, change) in changes {
        for size in [300, 700_000] {
            for guard in [None, Some(tag_of(b"old"))] {
                fs::write(&path, "old").unwrap();
                let question = put("/file", version_bytes(1, size));
                let question = guard.iter().fold(question, |question, tag| question.field("If-Match", tag));
                let upload = Upload::begin(&server, question);
                fs::remove_file(&path).unwrap();
                change(&folder, &path);
                let before = tree(&folder.root());
                let refused = upload.finish().expect_one_of(&[409, 412]);
                assert_eq!(tree(&folder.root()), before, "{what}\n{refused}");
                let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            }
        }
    }
    assert_eq!(fs::read_to_string(folder.outside("secret")).unwrap(), SECRET);
    assert_nothing_left(&server);
}

#[test]
fn a_folder_that_is_exchanged_for_a_link_lets_no_write_out() {
    let folder = Arc::new(Folder::new());
    folder.write("sub/file", "old");
    folder.write_outside("secrets/file", SECRET);
    symlink("../secrets", folder.path("link")).unwrap();
    let server = Launch::writing().args(["--durability", "none"]).start_in(Arc::clone(&folder));
    let before = tree(&folder.outside("secrets"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (folder.path("sub"), folder.path("link"));
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let mut client = server.connect();
        let (mut done, mut refused) = (0, 0);
        for round in 0..400 {
            let bytes = version_bytes(round, if round % 10 == 0 { 400_000 } else { 100 });
            let target = if round % 2 == 0 { "/sub/file" } else { "/sub/new/file" };
            let question = match round % 7 {
                6 => delete(target).field("If-Match", "*"),
                _ => put(target, bytes),
            };
            if client.try_send(question.bytes()).is_err() {
                client = server.connect();
                continue;
            }
            match client.try_read(&question) {
                Ok(answer) if answer.status < 300 => done += 1,
                Ok(answer) => {
                    answer.expect_one_of(&[404, 409, 412]);
                    refused += 1;
                    client = server.connect();
                }
                Err(_) => client = server.connect(),
            }
        }
        stop.store(true, Ordering::Relaxed);
        eprintln!("{done} written, {refused} refused");
    });
    assert_eq!(tree(&folder.outside("secrets")), before);
    assert_nothing_left(&server);
    server.ask(&get("/")).expect(200);
    assert_well(server);
}

fn assert_well(mut server: Server) {
    server.assert_well();
}
