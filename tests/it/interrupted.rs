//! What a server that died in the middle of a write has left, in a folder where the next server may not write: it changes
//! nothing, says what it found, and serves the version that was accepted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::harness::mount::Mount;
use crate::harness::{
    Folder, Launch, Server, assert_nothing_left, eventually, tag_of, tree::tree, version_bytes,
};

/// A name as a server gives it: for the version at `of`, to displace `expected` at `target`.
fn reserved(letter: &str, of: &Path, expected: &[u8], target: &str) -> String {
    let data = fs::metadata(of).unwrap();
    let (inode, seconds, nanoseconds, size) = (data.ino(), data.mtime(), data.mtime_nsec(), data.size());
    let tag = tag_of(expected).trim_matches('"').to_owned();
    format!(".~ifmatch.{letter}.{inode:x}.{seconds:x}.{nanoseconds:x}.{size:x}.{tag}.{target}")
}

/// The new version is at `name`, and under a reserved name what an editor had saved in place of what was expected.
fn swapped_with_a_save(folder: &Folder, name: &str, size: usize) -> (Vec<u8>, Vec<u8>) {
    let (new, saved) = (version_bytes(1, size), version_bytes(2, size));
    let path = folder.write(name, &new);
    let target = path.file_name().unwrap().to_str().unwrap().to_owned();
    fs::write(path.with_file_name(reserved("r", &path, b"expected", &target)), &saved).unwrap();
    (new, saved)
}

/// Nothing is at `name`, and under a reserved name what an editor had saved in place of what was to be deleted.
fn taken_away(folder: &Folder, name: &str) {
    let path = folder.write(name, "saved");
    let hidden = path.with_file_name(reserved("d", &path, b"expected", name));
    fs::rename(path, hidden).unwrap();
}

/// Every kind of state; returns what is to be served.
fn crash(folder: &Folder) -> BTreeMap<&'static str, Option<Vec<u8>>> {
    let mut served = BTreeMap::new();
    for (name, size) in [("small", 10), ("below/deeper/small", 10), ("below/large", 3 << 20)] {
        served.insert(name, Some(swapped_with_a_save(folder, name, size).1));
    }
    taken_away(folder, "deleted");
    served.insert("deleted", Some(b"saved".to_vec()));
    // What was expected came out: the new version was accepted.
    let path = folder.write("accepted", "new");
    folder.write(reserved("r", &path, b"old", "accepted"), "old");
    served.insert("accepted", Some(b"new".to_vec()));
    // Somebody saved the file since, and has not seen what is hidden.
    swapped_with_a_save(folder, "later", 10);
    fs::rename(folder.write("saving", "saved later"), folder.path("later")).unwrap();
    served.insert("later", Some(b"saved later".to_vec()));
    served
}

#[track_caller]
fn assert_served(server: &Server, served: &BTreeMap<&'static str, Option<Vec<u8>>>) {
    // Once from the disk, and once from what is known by then.
    for _ in 0..2 {
        for (name, bytes) in served {
            let target = format!("/{name}");
            match bytes {
                Some(bytes) => drop(server.get_settled(&target).expect_file(bytes)),
                None => drop(server.get(&target).expect(404)),
            }
        }
    }
}

#[test]
fn a_server_that_may_not_write_serves_what_was_accepted_and_says_what_it_found() {
    let folder = Arc::new(Folder::new());
    let served = crash(&folder);
    let before = tree(&folder.root());
    let mut server = Launch::new().start_in(Arc::clone(&folder));
    assert_served(&server, &served);
    assert_eq!(server.health()["writes"]["interrupted"], 6);
    let metrics = server.get("/__ifmatch__/metrics").text();
    assert!(metrics.contains("\nifmatch_writes_interrupted 6\n"), "{metrics}");
    let log = server.stderr();
    for name in ["small", "below/large", "deleted"] {
        assert!(log.contains(&format!("is served at /{name}")), "{name}: {log}");
    }
    assert!(log.contains("a later version is now"), "{log}");
    assert_eq!(tree(&folder.root()), before, "nothing is changed");
    server.assert_well();
}

#[test]
fn what_is_saved_afterwards_is_served_at_once() {
    let folder = Arc::new(Folder::new());
    let (_, saved) = swapped_with_a_save(&folder, "file", 10);
    taken_away(&folder, "deleted");
    let server = Launch::new().start_in(Arc::clone(&folder));
    server.get("/file").expect_file(&saved);
    server.get("/deleted").expect_file(b"saved");
    for name in ["file", "deleted"] {
        fs::rename(folder.write("saving", "newer"), folder.path(name)).unwrap();
        server.get(format!("/{name}")).expect_file(b"newer");
    }
    // A server that may write brings all of it to an end; the one that may not goes on with what is there.
    let writing = Launch::writing().start_in(Arc::clone(&folder));
    assert_nothing_left(&writing);
    for name in ["file", "deleted"] {
        server.get(format!("/{name}")).expect_file(b"newer");
    }
}

#[test]
fn a_folder_that_is_mounted_read_only_is_served_as_it_was_accepted() {
    let folder = Arc::new(Folder::new());
    fs::create_dir(folder.outside("source")).unwrap();
    let source = folder.outside("source");
    let Some(mount) = Mount::bind(&source, &folder.root()) else { return };
    let served = crash(&folder);
    mount.change("bind,ro");
    let server = Launch::writing().start_in(Arc::clone(&folder));
    assert_served(&server, &served);
    assert_eq!(server.health()["writes"]["interrupted"], 6);
    drop(server);
    mount.change("bind,rw");
    let server = Launch::writing().start_in(Arc::clone(&folder));
    assert_nothing_left(&server);
    assert_served(&server, &served);
    assert_eq!(server.health()["writes"]["interrupted"], 0);
}

#[test]
fn a_live_server_beside_it_is_not_taken_for_a_crash() {
    let folder = Arc::new(Folder::new());
    let writing = Launch::writing().start_in(Arc::clone(&folder));
    let upload =
        crate::harness::Upload::begin(&writing, crate::harness::put("/file", version_bytes(1, 2 << 20)));
    let server = Launch::new().start_in(Arc::clone(&folder));
    assert_eq!(server.health()["writes"]["interrupted"], 0);
    upload.finish().expect(201);
    eventually("the upload is served", || (server.get("/file").status == 200).then_some(()));
}
