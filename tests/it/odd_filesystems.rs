//! Filesystems with ways of their own: names shorter than 255 bytes, no links, no exchange, files that appear when they
//! are closed. What a write promises there is kept, and what cannot be promised is told at start.

use std::fs;
use std::sync::Arc;

use crate::harness::mount::Mount;
use crate::harness::{
    Folder, Launch, Server, assert_nothing_left, delete, put, tag_of, tree::leftovers, version_bytes,
};

/// Creates, replaces and deletes a file, each with a condition that holds and one that does not.
#[track_caller]
fn assert_written(server: &Server, target: &str, sizes: &[usize]) {
    let folder = server.folder();
    for size in sizes {
        let (first, second) = (version_bytes(1, *size), version_bytes(2, *size));
        server.ask(&put(target, &first).field("If-Match", "*")).expect_problem(412);
        server.ask(&put(target, &first).field("If-None-Match", "*")).expect(201);
        server.ask(&put(target, &second).field("If-None-Match", "*")).expect_problem(412);
        assert_eq!(fs::read(folder.path(&target[1..])).unwrap(), first);
        server.ask(&put(target, &second).field("If-Match", tag_of(b"stale"))).expect_problem(412);
        server.ask(&put(target, &second).field("If-Match", tag_of(&first))).expect(204);
        assert_eq!(fs::read(folder.path(&target[1..])).unwrap(), second);
        server.ask(&put(target, &first)).expect(204);
        server.ask(&delete(target).field("If-Match", tag_of(&second))).expect_problem(412);
        server.ask(&delete(target).field("If-Match", tag_of(&first))).expect(204);
        assert!(!folder.path(&target[1..]).exists());
    }
}

#[test]
fn where_names_are_shorter_every_name_that_a_file_can_have_is_written() {
    let folder = Arc::new(Folder::new());
    fs::create_dir(folder.outside("encrypted")).unwrap();
    let Some(_mount) = Mount::encfs(&folder.outside("encrypted"), &folder.root()) else { return };
    let mut server = Launch::writing().start_in(Arc::clone(&folder));
    for length in [1, 60, 90, 100, 110, 120, 143, 160, 174, 175] {
        let target = format!("/{}", "n".repeat(length));
        assert_written(&server, &target, &[10]);
        let created = server.ask(&put(&target, "to be read")).expect(201);
        assert_eq!(server.get(&target).expect_file(b"to be read").tag(), created.tag());
    }
    server.ask(&put(format!("/{}", "n".repeat(176)), "too long")).expect_problem(400);
    assert!(leftovers(&folder.root()).is_empty());
    server.assert_well();
}

#[test]
fn where_names_are_shorter_what_a_crash_left_is_kept_under_one_that_fits() {
    let folder = Arc::new(Folder::new());
    fs::create_dir(folder.outside("encrypted")).unwrap();
    let Some(_mount) = Mount::encfs(&folder.outside("encrypted"), &folder.root()) else { return };
    // A name that cannot be read, of a file whose own name leaves no room for more.
    let target = "n".repeat(150);
    folder.write(format!(".~ifmatch.r.z.1.1.1.any.{target}"), "saved");
    let server = Launch::writing().start_in(Arc::clone(&folder));
    assert_nothing_left(&server);
    let names: Vec<_> = fs::read_dir(folder.root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [copy] = &names[..] else { panic!("{names:?}") };
    assert!(copy.display().to_string().contains("nnn.conflict-"), "{names:?}");
    assert_eq!(fs::read(copy).unwrap(), b"saved");
}

#[test]
fn without_links_and_exclusive_renames_files_are_created_and_that_is_told() {
    for mode in ["off", "writes"] {
        let folder = Arc::new(Folder::new());
        fs::create_dir(folder.outside("below")).unwrap();
        let cache = folder.outside("rclone").display().to_string();
        let options = ["--vfs-cache-mode", mode, "--cache-dir", &cache];
        let Some(_mount) = Mount::rclone(&folder.outside("below"), &folder.root(), &options) else { return };
        let mut server = Launch::writing().start_in(Arc::clone(&folder));
        assert_eq!(server.health()["writes"]["creation"], "look");
        assert!(
            server.stdout().contains("a new file can overwrite one that another program makes"),
            "{}",
            server.stdout()
        );
        for (target, size) in [("/file", 10), ("/large", 700_000), ("/new/folder/file", 10)] {
            let (path, first, second) =
                (folder.path(&target[1..]), version_bytes(1, size), version_bytes(2, size));
            server.ask(&put(target, &first).field("If-None-Match", "*")).expect(201);
            server.ask(&put(target, &second).field("If-None-Match", "*")).expect_problem(412);
            assert_eq!(fs::read(&path).unwrap(), first);
            // Inode numbers change from one look to the next, so that no version can be named. None is lost by that.
            let guarded = put(target, &second).field("If-Match", tag_of(b"stale"));
            server.ask(&guarded).expect_one_of(&[409, 412]);
            assert_eq!(fs::read(&path).unwrap(), first);
            server.ask(&put(target, &second)).expect(204);
            assert_eq!(fs::read(&path).unwrap(), second);
            server.ask(&delete(target)).expect(204);
            assert!(!path.exists());
        }
        // Of writers through this server one creates the file, all the same.
        let created = std::thread::scope(|scope| {
            let ask = || server.ask(&put("/race", "mine").field("If-None-Match", "*")).status;
            let writers: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(created.iter().filter(|status| **status == 201).count(), 1, "{created:?}");
        assert!(leftovers(&folder.root()).is_empty());
        server.assert_well();
    }
}

#[test]
fn a_local_filesystem_creates_files_exactly() {
    let server = Launch::writing().start();
    assert_eq!(server.health()["writes"]["creation"], "exact");
    assert!(!server.stdout().contains("a new file can overwrite"));
    assert_nothing_left(&server);
}
