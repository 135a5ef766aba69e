//! Locks on folders: who waits for whom, and what is said about it.

use std::fs::File;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use crate::harness::{Folder, Launch, delete, eventually, put, tag_of};

/// Large enough that reading it takes much longer than anything else here.
const LARGE: u64 = 24 << 30;

#[test]
fn a_large_neighbour_that_is_being_read_keeps_nobody_waiting() {
    let folder = Arc::new(Folder::new());
    File::create(folder.path("large")).unwrap().set_len(LARGE).unwrap();
    folder.write("small", "old");
    let server = Launch::writing().start_in(Arc::clone(&folder));
    let question = delete("/large").field("If-Match", "\"another-version\"");
    let mut slow = server.connect();
    slow.send(question.bytes());
    eventually("the large file is being read", || (server.bytes_read() > 64 << 20).then_some(()));
    for round in 0..5 {
        server.ask(&put(format!("/new-{round}"), "new")).expect(201);
    }
    server.ask(&put("/small", "new").field("If-Match", tag_of(b"old"))).expect(204);
    server.ask(&delete("/small").field("If-Match", tag_of(b"new"))).expect(204);
    // All of that happened during the reading.
    slow.be_patient(std::time::Duration::from_millis(1));
    assert!(matches!(slow.try_read(&question), Err(crate::harness::Broken::Silent)));
}

#[test]
fn a_large_file_is_judged_by_what_was_read_without_the_lock() {
    let folder = Arc::new(Folder::new());
    let server = Launch::writing().start_in(Arc::clone(&folder));
    for target in ["/large", "/link"] {
        let old = folder.write_version("large", 1, 3 << 20);
        if target == "/link" {
            std::os::unix::fs::symlink("large", folder.path("link")).unwrap();
        }
        server.ask(&delete(target).field("If-Match", "\"stale\"")).expect_problem(412);
        server.ask(&put(target, "new").field("If-Match", "\"stale\"")).expect_problem(412);
        // Read anew, since it is another file now.
        let newer = folder.write_version("large", 2, 3 << 20);
        server.ask(&delete(target).field("If-Match", tag_of(&old))).expect_problem(412);
        server.ask(&delete(target).field("If-Match", tag_of(&newer))).expect(204);
        assert!(folder.path(&target[1..]).symlink_metadata().is_err());
    }
}

#[test]
fn a_lock_of_another_program_is_called_what_it_is() {
    let server = Launch::writing().start();
    server.folder().write("file", "old");
    let directory = File::open(server.folder().root()).unwrap();
    flock(&directory, FlockOperation::LockShared).unwrap();
    for question in [put("/file", "new"), put("/new", "new"), delete("/file")] {
        let refused = server.ask(&question).expect_problem(409);
        assert!(refused.text().contains("holds a lock"), "{refused}");
        assert_eq!(refused.field("Retry-After"), Some("1"), "{refused}");
    }
    let me = format!("process {}", std::process::id());
    eventually("the log names the process", || server.stderr().contains(&me).then_some(()));
    flock(&directory, FlockOperation::Unlock).unwrap();
    server.ask(&put("/file", "new").field("If-Match", tag_of(b"old"))).expect(204);
}
