//! Disks that are full or read-only, files that are mount points, folders that the server's user may not write to: a clear
//! status each, and what was there stays whole. Mounts are made in a namespace of the server's own and go with it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::harness::server::{NOBODY, is_root};
use crate::harness::tree::leftovers;
use crate::harness::{
    Folder, Launch, Request, Server, assert_nothing_left, delete, eventually, get, put, request, skip,
    tag_of, tree, version_bytes,
};

/// Starts the server behind a script that may mount things: `$R` is the served folder, `$B` the one around it.
fn behind(script: &str, folder: &Arc<Folder>) -> Option<Server> {
    let (root, base) = (folder.root(), folder.outside(""));
    let script = format!("R='{}' B='{}'; {script}; exec \"$@\"", root.display(), base.display());
    let as_root = if is_root() { &[][..] } else { &["--user", "--map-root-user"] };
    let wrapper = [&["unshare", "--mount"][..], as_root, &["sh", "-ec", &script, "sh"]].concat();
    let tried = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
    match tried {
        Ok(output) if output.status.success() => {
            Some(Launch::writing().through(&wrapper).start_in(Arc::clone(folder)))
        }
        other => {
            skip(&format!("nothing can be mounted here: {other:?}"));
            None
        }
    }
}

/// The served folder as the server sees it.
fn seen_root(server: &Server) -> PathBuf {
    server.seen(&server.folder().root())
}

/// The same body with its length, in chunks, and after 100 Continue.
fn forms(target: &str, bytes: &[u8]) -> [Request; 3] {
    [
        put(target, bytes),
        request("PUT", target).chunked(bytes, 64 << 10),
        put(target, bytes).field("Expect", "100-continue"),
    ]
}

#[test]
fn a_full_disk_is_507_and_leaves_the_old_file() {
    let folder = Arc::new(Folder::new());
    let Some(mut server) = behind("mount -t tmpfs -o size=1m none \"$R\"", &folder) else { return };
    let old = version_bytes(1, 600_000);
    server.ask(&put("/sub/file", &old)).expect(201);
    let before = tree(&seen_root(&server));
    for size in [600_000, 3_000_000] {
        let new = version_bytes(2, size);
        for target in ["/sub/file", "/new", "/no/such/folder/new"] {
            for question in forms(target, &new) {
                server.ask(&question).expect_problem(507);
                assert_eq!(tree(&seen_root(&server)), before);
                let guarded = question.field("If-Match", tag_of(&old));
                server.ask(&guarded).expect_problem(if target == "/sub/file" { 507 } else { 412 });
                assert_eq!(tree(&seen_root(&server)), before);
            }
        }
    }
    server.get("/sub/file").expect_file(&old);
    // The room is free again: what fits is stored.
    let small = version_bytes(3, 300_000);
    for _ in 0..5 {
        // What was displaced or deleted is kept for a moment, for writers who come late.
        let written = eventually("what was displaced makes room", || {
            Some(server.ask(&put("/fits", &small))).filter(|answer| answer.status != 507)
        });
        assert_eq!(written.expect_one_of(&[201, 204]).tag(), tag_of(&small));
        server.ask(&delete("/fits").field("If-Match", "*")).expect(204);
    }
    assert!(leftovers(&seen_root(&server)).is_empty());
    server.assert_well();
}

#[test]
fn a_disk_without_inodes_is_507() {
    let folder = Arc::new(Folder::new());
    let Some(mut server) = behind("mount -t tmpfs -o nr_inodes=20 none \"$R\"", &folder) else { return };
    let mut created = 0;
    let refused = loop {
        let answer = server.ask(&put(format!("/file-{created}"), "x"));
        if answer.status != 201 {
            break answer;
        }
        created += 1;
        assert!(created < 30, "more files than inodes");
    };
    refused.expect_problem(507);
    let before = tree(&seen_root(&server));
    server.ask(&put("/new/folder/file", "x")).expect_problem(507);
    assert_eq!(tree(&seen_root(&server)), before);
    server.ask(&delete("/file-0")).expect(204);
    server.assert_well();
}

#[test]
fn a_limit_on_the_size_of_files_is_507_and_no_end_of_the_server() {
    for blocks in ["0", "64"] {
        let script = format!("ulimit -f {blocks}; exec \"$@\"");
        let folder = Arc::new(Folder::new());
        folder.write("file", "old");
        let before = tree(&folder.root());
        let mut server =
            Launch::writing().through(&["sh", "-c", &script, "sh"]).start_in(Arc::clone(&folder));
        for size in [100_000, 700_000] {
            for target in ["/file", "/new", "/no/such/folder/new"] {
                for question in forms(target, &version_bytes(1, size)) {
                    server.ask(&question).expect_problem(507);
                    assert_eq!(tree(&folder.root()), before);
                }
            }
        }
        server.assert_well();
        server.get("/file").expect_file(b"old");
        server.ask(&put("/file", "")).expect(204);
        assert_nothing_left(&server);
    }
}

#[test]
fn a_read_only_filesystem_is_403() {
    let folder = Arc::new(Folder::new());
    folder.write("sub/file", "old");
    let script = "mount --bind \"$R\" \"$R\" && mount -o remount,bind,ro \"$R\"";
    let Some(mut server) = behind(script, &folder) else { return };
    let before = tree(&folder.root());
    for target in ["/sub/file", "/new", "/no/such/folder/new"] {
        for size in [10, 700_000] {
            for question in forms(target, &version_bytes(1, size)) {
                server.ask(&question).expect_problem(403);
            }
        }
    }
    for question in [delete("/sub/file"), delete("/sub/file").field("If-Match", tag_of(b"old"))] {
        server.ask(&question).expect_problem(403);
    }
    server.ask(&put("/sub/file", "new").field("If-Match", tag_of(b"old"))).expect_problem(403);
    // What is not there cannot be deleted, wherever that is; a condition that does not hold may be told first.
    server.ask(&delete("/missing")).expect_one_of(&[403, 404]);
    server.ask(&put("/sub/file", "new").field("If-Match", "\"stale\"")).expect_one_of(&[403, 412]);
    assert_eq!(tree(&folder.root()), before);
    server.get("/sub/file").expect_file(b"old");
    server.assert_well();
}

#[test]
fn a_file_that_is_a_mount_point_is_not_swapped() {
    let sources = [
        ("the same filesystem", "mount --bind \"$B/source\" \"$R/sub/mounted\""),
        (
            "another filesystem",
            "mkdir -p \"$B/t\"; mount -t tmpfs none \"$B/t\"; cp \"$B/source\" \"$B/t/\"; \
             mount --bind \"$B/t/source\" \"$R/sub/mounted\"",
        ),
    ];
    for (what, script) in sources {
        let folder = Arc::new(Folder::new());
        folder.write("sub/mounted", "beneath");
        folder.write("sub/other", "other");
        folder.write_outside("source", "mounted");
        let Some(mut server) = behind(script, &folder) else { return };
        server.get("/sub/mounted").expect_file(b"mounted");
        let before = tree(&folder.root());
        let guard = tag_of(b"mounted");
        for size in [10, 700_000] {
            for question in forms("/sub/mounted", &version_bytes(1, size)) {
                server.ask(&question).expect_problem(409);
                server.ask(&question.field("If-Match", &guard)).expect_problem(409);
            }
        }
        for question in [delete("/sub/mounted"), delete("/sub/mounted").field("If-Match", &guard)] {
            server.ask(&question).expect_problem(409);
        }
        server.get("/sub/mounted").expect_file(b"mounted");
        assert_eq!(tree(&folder.root()), before, "{what}");
        assert_eq!(fs::read_to_string(folder.outside("source")).unwrap(), "mounted", "{what}");
        assert!(leftovers(&seen_root(&server)).is_empty());
        // The files beside it are as free as ever.
        server.ask(&put("/sub/other", "new").field("If-Match", tag_of(b"other"))).expect(204);
        server.assert_well();
    }
}

#[test]
fn a_folder_that_is_a_mount_point_is_written_to() {
    let folder = Arc::new(Folder::new());
    folder.folder("mounted");
    let Some(server) = behind("mount -t tmpfs none \"$R/mounted\"", &folder) else { return };
    for size in [10, 700_000, 2 << 20] {
        let target = format!("/mounted/new/{size}");
        let created = server.ask(&put(&target, version_bytes(1, size))).expect(201);
        let replaced =
            server.ask(&put(&target, version_bytes(2, size)).field("If-Match", created.tag())).expect(204);
        server.get(&target).expect_file(&version_bytes(2, size));
        server.ask(&delete(&target).field("If-Match", replaced.tag())).expect(204);
    }
    assert!(leftovers(&seen_root(&server)).is_empty());
}

/// A server whose user owns nothing of the folder but what is made for it; `None` where that cannot be had.
fn by_another_user(folder: &Arc<Folder>) -> Option<Server> {
    if is_root() {
        return Some(Launch::writing().by_nobody().start_in(Arc::clone(folder)));
    }
    skip("only root can become another user");
    None
}

#[test]
fn a_folder_that_may_not_be_written_to_is_403() {
    let folder = Arc::new(Folder::new());
    folder.write("closed/file", "old");
    folder.write("open/file", "old");
    fs::set_permissions(folder.path("closed/file"), fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(folder.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let Some(mut server) = by_another_user(&folder) else { return };
    let before = tree(&folder.root());
    for target in ["/closed/file", "/closed/new", "/closed/new/deeper", "/new"] {
        for size in [10, 700_000] {
            for question in forms(target, &version_bytes(1, size)) {
                server.ask(&question).expect_problem(403);
            }
        }
    }
    server.ask(&put("/closed/file", "new").field("If-Match", tag_of(b"old"))).expect_problem(403);
    for question in [delete("/closed/file"), delete("/closed/file").field("If-Match", tag_of(b"old"))] {
        server.ask(&question).expect_problem(403);
    }
    assert_eq!(tree(&folder.root()), before);
    // A file of somebody else in a folder that is open may be replaced; its owner cannot be kept, its mode is.
    for size in [10, 700_000] {
        let current = server.get("/open/file").expect(200);
        let new = version_bytes(1, size);
        server.ask(&put("/open/file", &new).field("If-Match", current.tag())).expect(204);
        server.get("/open/file").expect_file(&new);
        let data = fs::metadata(folder.path("open/file")).unwrap();
        assert_eq!((data.uid(), data.mode() & 0o777), (NOBODY, 0o644));
    }
    server.ask(&put("/open/new/file", "new")).expect(201);
    assert_nothing_left(&server);
    server.assert_well();
}

#[test]
fn a_file_that_cannot_be_read_is_no_version_to_compare_with() {
    let folder = Arc::new(Folder::new());
    for name in ["open/file", "open/other"] {
        folder.write(name, "old");
        fs::set_permissions(folder.path(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    fs::set_permissions(folder.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let Some(server) = by_another_user(&folder) else { return };
    let before = tree(&folder.root());
    server.get("/open/file").expect(403);
    for question in
        [put("/open/file", "new"), delete("/open/file"), put("/open/file", version_bytes(1, 700_000))]
    {
        for (name, value) in [("If-Match", tag_of(b"old")), ("If-Match", "\"other\"".to_owned())] {
            let refused = server.ask(&question.clone().field(name, value)).expect_problem(403);
            assert_eq!(refused.field("ETag"), None, "{refused}");
        }
        let guarded = question.field("If-Unmodified-Since", "Fri, 31 Dec 9999 23:59:59 GMT");
        server.ask(&guarded).expect_problem(403);
    }
    server.ask(&put("/open/file", "new").field("If-None-Match", "*")).expect_problem(412);
    assert_eq!(tree(&folder.root()), before);
    // Who does not ask what it is may replace it where the folder lets them.
    server.ask(&put("/open/file", "new")).expect_one_of(&[204, 403]);
    server.ask(&delete("/open/other")).expect_one_of(&[204, 403]);
    assert_nothing_left(&server);
}

#[test]
fn in_a_sticky_folder_the_files_of_others_stay() {
    let folder = Arc::new(Folder::new());
    folder.write("sticky/file", "old");
    fs::set_permissions(folder.path("sticky"), fs::Permissions::from_mode(0o1777)).unwrap();
    let Some(mut server) = by_another_user(&folder) else { return };
    let before = tree(&folder.root());
    for size in [10, 700_000] {
        let question = put("/sticky/file", version_bytes(1, size));
        server.ask(&question).expect_problem(403);
        server.ask(&question.field("If-Match", tag_of(b"old"))).expect_problem(403);
    }
    for question in [delete("/sticky/file"), delete("/sticky/file").field("If-Match", tag_of(b"old"))] {
        server.ask(&question).expect_problem(403);
    }
    assert_eq!(tree(&folder.root()), before);
    server.get("/sticky/file").expect_file(b"old");
    let created = server.ask(&put("/sticky/own", "own")).expect(201);
    server.ask(&put("/sticky/own", "new").field("If-Match", created.tag())).expect(204);
    assert_nothing_left(&server);
    server.assert_well();
}

#[test]
fn without_leases_writes_are_compared_all_the_same() {
    // Another user's file: no lease can be had on it without CAP_LEASE.
    let folder = Arc::new(Folder::new());
    folder.folder("open");
    fs::set_permissions(folder.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let Some(mut server) = by_another_user(&folder) else { return };
    for size in [100, 700_000] {
        for round in 0..5 {
            let old = folder.write_version("open/file", round, size);
            let stale = put("/open/file", "mine").field("If-Match", "\"stale\"");
            server.ask(&stale).expect_problem(412);
            let upload = crate::harness::Upload::begin(
                &server,
                put("/open/file", version_bytes(round + 100, size)).field("If-Match", tag_of(&old)),
            );
            if round % 2 == 0 {
                upload.finish().expect(204);
                server.get("/open/file").expect_file(&version_bytes(round + 100, size));
            } else {
                let theirs = folder.write_version("open/file", round + 200, size);
                upload.finish().expect_problem(412);
                server.get("/open/file").expect_file(&theirs);
            }
            fs::remove_file(folder.path("open/file")).unwrap();
        }
    }
    assert_nothing_left(&server);
    server.assert_well();
}

#[test]
fn a_root_that_is_gone_is_503_and_nothing_is_written_where_it_was() {
    let mut server = Launch::writing().start();
    let folder = Arc::clone(server.folder());
    folder.write("file", "old");
    server.ask(&put("/file", "new").field("If-Match", tag_of(b"old"))).expect(204);
    fs::rename(folder.root(), folder.outside("elsewhere")).unwrap();
    for question in [put("/file", "lost"), put("/new", "lost"), delete("/file")] {
        server.ask(&question).expect_problem(503);
    }
    assert!(!folder.root().exists());
    assert_eq!(fs::read_to_string(folder.outside("elsewhere").join("file")).unwrap(), "new");
    fs::create_dir(folder.root()).unwrap();
    eventually("the new root is written to", || {
        (server.ask(&put("/file", "again")).status == 201).then_some(())
    });
    assert_eq!(fs::read_to_string(folder.path("file")).unwrap(), "again");
    server.ask(&get("/file")).expect_file(b"again");
    server.assert_well();
}
