//! Disks without room, and folders in which names can come but not go (`chattr +a`): what is refused, what is not, and that
//! nothing piles up.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::harness::mount::{Image, Mount};
use crate::harness::tree::leftovers;
use crate::harness::{
    Folder, Launch, Request, Server, delete, get, put, request, tag_of, tree, version_bytes,
};

/// The same body with its length, in chunks, and after 100 Continue.
fn forms(target: &str, bytes: &[u8]) -> [Request; 3] {
    [
        put(target, bytes),
        request("PUT", target).chunked(bytes, 64 << 10),
        put(target, bytes).field("Expect", "100-continue"),
    ]
}

/// Replaces a file again and again, of which there is room for two and not for four: what was displaced a moment ago does
/// not count.
fn replace_again_and_again(server: &Server, size: usize) {
    let mut old = version_bytes(0, size);
    server.ask(&put("/file", &old)).expect(201);
    for round in 1..5 {
        for form in 0..3 {
            let new = version_bytes(round * 10 + form, size);
            let question = &forms("/file", &new)[form as usize];
            server.ask(&question.clone().field("If-Match", tag_of(&old))).expect(204);
            old = new;
        }
        server.ask(&delete("/file").field("If-Match", tag_of(&old))).expect(204);
        server.ask(&forms("/file", &old)[round as usize % 3]).expect(201);
    }
    server.get("/file").expect_file(&old);
    server.ask(&delete("/file")).expect(204);
}

#[test]
fn displaced_versions_do_not_fill_a_disk() {
    let folder = Arc::new(Folder::new());
    let Some(_mount) = Mount::tmpfs(&folder.root(), &["size=4m"]) else { return };
    let server = Launch::writing().start_in(Arc::clone(&folder));
    // Below what waits in memory, below and above what is asked of the disk beforehand.
    for size in [400_000, 900_000, 1_300_000] {
        replace_again_and_again(&server, size);
    }
    assert!(leftovers(&folder.root()).is_empty());
}

#[test]
fn displaced_versions_do_not_fill_a_disk_that_counts_late() {
    let folder = Arc::new(Folder::new());
    let Some(image) = Image::ext4(16, &["-m", "0"]) else { return };
    let _mount = image.mount(&folder.root(), &[]);
    let server = Launch::writing().start_in(Arc::clone(&folder));
    for size in [900_000, 5_000_000] {
        replace_again_and_again(&server, size);
    }
    assert!(leftovers(&folder.root()).is_empty());
}

#[test]
fn displaced_versions_do_not_take_all_inodes() {
    let folder = Arc::new(Folder::new());
    let Some(_mount) = Mount::tmpfs(&folder.root(), &["nr_inodes=8"]) else { return };
    let server = Launch::writing().start_in(Arc::clone(&folder));
    for size in [10, 700_000] {
        replace_again_and_again(&server, size);
    }
}

#[test]
fn a_disk_that_is_really_full_is_507() {
    let folder = Arc::new(Folder::new());
    let Some(_mount) = Mount::tmpfs(&folder.root(), &["size=4m"]) else { return };
    let mut server = Launch::writing().start_in(Arc::clone(&folder));
    let old = version_bytes(1, 2_000_000);
    server.ask(&put("/file", &old)).expect(201);
    server.ask(&put("/other", "old")).expect(201);
    server.ask(&put("/other", "new")).expect(204);
    let before = tree(&folder.root());
    for target in ["/file", "/new", "/no/such/folder/new"] {
        for question in forms(target, &version_bytes(2, 3_000_000)) {
            server.ask(&question).expect_problem(507);
            assert_eq!(tree(&folder.root()), before);
        }
    }
    server.get("/file").expect_file(&old);
    server.assert_well();
}

fn chattr(change: &str, path: &Path) {
    let status =
        Command::new("chattr").arg(change).arg(path).status().expect("chattr (Debian package e2fsprogs)");
    assert!(status.success(), "chattr {change} {}", path.display());
}

/// A folder with this attribute, which is taken away again.
struct Marked<'a>(&'static str, &'a Path);

impl<'a> Marked<'a> {
    fn with(attribute: &'static str, path: &'a Path) -> Self {
        chattr(&format!("+{attribute}"), path);
        Marked(attribute, path)
    }
}

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        chattr(&format!("-{}", self.0), self.1);
    }
}

#[test]
fn in_an_append_only_folder_files_are_created_and_nothing_piles_up() {
    let folder = Arc::new(Folder::new());
    let Some(image) = Image::ext4(16, &[]) else { return };
    let _mount = image.mount(&folder.root(), &[]);
    folder.write("inbox/file", "old");
    let inbox = folder.path("inbox");
    let _marked = Marked::with("a", &inbox);
    let mut server = Launch::writing().start_in(Arc::clone(&folder));
    for (number, size) in [10, 700_000, 2 << 20].into_iter().enumerate() {
        let target = format!("/inbox/new-{number}");
        server.ask(&put(&target, version_bytes(1, size))).expect(201);
        server.get(&target).expect_file(&version_bytes(1, size));
    }
    let before = tree(&folder.root());
    for size in [10, 700_000] {
        for question in forms("/inbox/file", &version_bytes(2, size)) {
            let refused = server.ask(&question).expect_problem(403);
            assert!(refused.text().contains("append-only"), "{refused}");
            server.ask(&question.clone().field("If-Match", tag_of(b"old"))).expect_problem(403);
            server.ask(&question.clone().field("If-Match", "\"stale\"")).expect_problem(412);
            // A folder that the upload made could not be removed again.
            server.ask(&question.at("/inbox/deeper/file")).expect_problem(403);
        }
    }
    let guarded = delete("/inbox/file").field("If-Match", tag_of(b"old"));
    for question in [delete("/inbox/file"), guarded] {
        assert!(server.ask(&question).expect_problem(403).text().contains("append-only"));
    }
    // What is refused at the end of its body leaves nothing either.
    let wrong =
        put("/inbox/wrong", version_bytes(3, 700_000)).field("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    server.ask(&wrong).expect_problem(400);
    let mut client = server.connect();
    client.send(put("/inbox/cut", version_bytes(4, 700_000)).bytes().split_at(650_000).0);
    client.finish_sending();
    client.read_to_end();
    assert_eq!(tree(&folder.root()), before);
    assert!(leftovers(&folder.root()).is_empty());
    server.assert_well();
}

#[test]
fn starts_leave_nothing_in_an_append_only_root() {
    let folder = Arc::new(Folder::new());
    let Some(image) = Image::ext4(16, &[]) else { return };
    let _mount = image.mount(&folder.root(), &[]);
    folder.write("sub/file", "old");
    let root = folder.root();
    let _marked = Marked::with("a", &root);
    let before = tree(&root);
    for round in 0..3 {
        let server = Launch::writing().start_in(Arc::clone(&folder));
        assert_eq!(tree(&root), before, "start {round}");
        assert_eq!(server.health()["writes"]["cas_guard"], "lease");
    }
    let server = Launch::writing().start_in(Arc::clone(&folder));
    server.ask(&put("/new", "new")).expect(201);
    server.ask(&put("/new", "newer")).expect_problem(403);
    server.ask(&put("/sub/file", "new").field("If-Match", tag_of(b"old"))).expect(204);
    server.ask(&get("/sub/file")).expect_file(b"new");
}

#[test]
fn what_must_not_change_is_refused_truthfully() {
    let folder = Arc::new(Folder::new());
    let Some(image) = Image::ext4(16, &[]) else { return };
    let _mount = image.mount(&folder.root(), &[]);
    for name in ["closed/file", "open/fixed", "open/log", "open/other"] {
        folder.write(name, "old");
    }
    let (closed, fixed, log) = (folder.path("closed"), folder.path("open/fixed"), folder.path("open/log"));
    let _marked = [Marked::with("i", &closed), Marked::with("i", &fixed), Marked::with("a", &log)];
    let server = Launch::writing().start_in(Arc::clone(&folder));
    let before = tree(&folder.root());
    for target in ["/closed/file", "/closed/new", "/closed/deeper/new", "/open/fixed", "/open/log"] {
        for size in [10, 700_000] {
            for question in forms(target, &version_bytes(1, size)) {
                let refused = server.ask(&question).expect_problem(403);
                assert!(refused.text().contains("chattr"), "{refused}");
            }
        }
    }
    for target in ["/closed/file", "/open/fixed", "/open/log"] {
        for question in [delete(target), delete(target).field("If-Match", tag_of(b"old"))] {
            let refused = server.ask(&question).expect_problem(403);
            assert!(refused.text().contains("chattr"), "{refused}");
        }
    }
    assert_eq!(tree(&folder.root()), before);
    server.ask(&put("/open/other", "new").field("If-Match", tag_of(b"old"))).expect(204);
    assert!(leftovers(&folder.root()).is_empty());
}
