//! Steps that fail after the folder was changed: the answer says what is there, and never that nothing was changed.

use std::fs;
use std::sync::Arc;

use crate::harness::tree::leftovers;
use crate::harness::{
    Folder, Launch, Response, Server, assert_nothing_left, delete, put, tag_of, version_bytes,
};

/// A server for which these calls of each thread fail with EIO: `2+2` is every second one.
fn failing(call: &str, when: &str, folder: &Arc<Folder>) -> Server {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error=EIO:when={when}"));
    // The server is the process that is started, and strace a child of it.
    let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    // What is kept of the index is of no interest here, and would be synced, too.
    Launch::writing().args(["--index", "off"]).through(&strace).start_in(Arc::clone(folder))
}

#[track_caller]
fn assert_unsettled(answer: Response, tag: Option<String>) {
    let problem = answer.expect_problem(500);
    let document = problem.json();
    assert_eq!(document["type"], "urn:ifmatch:unsettled-write", "{problem}");
    assert_eq!(document["etag"], tag.map_or(serde_json::Value::Null, serde_json::Value::String), "{problem}");
    let detail = document["detail"].as_str().unwrap();
    assert!(detail.contains("may not be on the disk"), "{problem}");
    assert!(!detail.to_lowercase().contains("nothing was changed"), "{problem}");
}

#[track_caller]
fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get("/__ifmatch__/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}\n{text}"))
}

#[test]
fn a_file_whose_folder_cannot_be_synced_is_told_as_stored() {
    for size in [10, 700_000] {
        let folder = Arc::new(Folder::new());
        folder.write("old", "old");
        // The file is synced, and the folder is not.
        let mut server = failing("fsync", "2+2", &folder);
        let new = version_bytes(1, size);
        let created = put("/new", &new).field("If-None-Match", "*");
        let replaced = put("/old", &new).field("If-Match", tag_of(b"old"));
        for (target, question) in [("/new", created), ("/old", replaced)] {
            // Each write may be made by another thread, whose calls are counted by themselves.
            assert_unsettled(server.ask(&question), Some(tag_of(&new)));
            server.get(target).expect_file(&new);
            assert_eq!(fs::read(folder.path(&target[1..])).unwrap(), new);
        }
        // What was told is what the next write can name.
        let next = put("/old", "next").field("If-Match", tag_of(&new));
        assert_unsettled(server.ask(&next), Some(tag_of(b"next")));
        assert_eq!(metric(&server, "ifmatch_writes_unsettled_total"), 3);
        assert_eq!(server.health()["writes"]["unsettled"], 3);
        assert!(server.stderr().contains("a write has changed the folder, and then a step failed"));
        assert_nothing_left(&server);
        server.assert_well();
    }
}

/// Whoever wrote the bytes that are there already may not have synced them, and a success says that they are on the disk.
#[test]
fn a_write_that_had_happened_already_is_on_the_disk_before_it_is_acknowledged() {
    let folder = Arc::new(Folder::new());
    folder.write("f", "new");
    let question = put("/f", "new").field("If-Match", tag_of(b"old"));
    // What is synced are the upload, the file that is there, and its folder.
    for (failing_call, kind) in [("2", None), ("3", Some("urn:ifmatch:unsettled-write"))] {
        let strace = format!("inject=fsync:error=EIO:when={failing_call}");
        let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", &strace];
        let server = Launch::writing()
            .args(["--index", "off", "--if-match-replay"])
            .through(&strace)
            .start_in(Arc::clone(&folder));
        let problem = server.ask(&question).expect_problem(500);
        assert_eq!(
            problem.json()["type"].as_str().filter(|kind| kind.starts_with("urn:")),
            kind,
            "{problem}"
        );
        server.ask(&question).expect(204);
    }
}

#[test]
fn a_deletion_whose_folder_cannot_be_synced_is_told_as_done() {
    let folder = Arc::new(Folder::new());
    for name in ["a", "b"] {
        folder.write(name, "old");
    }
    let mut server = failing("fsync", "1+", &folder);
    for question in [delete("/a"), delete("/b").field("If-Match", tag_of(b"old"))] {
        assert_unsettled(server.ask(&question), None);
    }
    assert!(!folder.path("a").exists() && !folder.path("b").exists());
    assert_eq!(metric(&server, "ifmatch_writes_unsettled_total"), 2);
    server.assert_well();
}

#[test]
fn a_file_that_cannot_be_synced_is_refused_and_changes_nothing() {
    let folder = Arc::new(Folder::new());
    folder.write("old", "old");
    let mut server = failing("fsync", "1+", &folder);
    for question in
        [put("/old", "new").field("If-Match", tag_of(b"old")), put("/old", "new"), put("/new", "new")]
    {
        let refused = server.ask(&question).expect_problem(500);
        assert_eq!(refused.json()["type"], "about:blank");
    }
    server.get("/old").expect_file(b"old");
    server.get("/new").expect(404);
    assert_eq!(metric(&server, "ifmatch_writes_unsettled_total"), 0);
    assert_nothing_left(&server);
    server.assert_well();
}

#[test]
fn a_version_that_cannot_be_removed_is_logged_counted_and_removed_by_the_next_start() {
    let folder = Arc::new(Folder::new());
    for name in ["replaced", "deleted"] {
        folder.write(name, "old");
    }
    let mut server = failing("unlinkat", "1+", &folder);
    let before = metric(&server, "ifmatch_names_left_behind_total");
    server.ask(&put("/replaced", "new").field("If-Match", tag_of(b"old"))).expect(204);
    server.ask(&delete("/deleted").field("If-Match", tag_of(b"old"))).expect(204);
    assert_eq!(metric(&server, "ifmatch_names_left_behind_total"), before + 2);
    assert!(server.stderr().contains("could not be removed and takes room until the next start"));
    let left = leftovers(&folder.root());
    assert!(left.iter().any(|name| name.ends_with(".replaced")), "{left:?}");
    assert!(left.iter().any(|name| name.ends_with(".deleted")), "{left:?}");
    server.get("/replaced").expect_file(b"new");
    server.get("/deleted").expect(404);
    server.assert_well();
    drop(server);
    let next = Launch::writing().start_in(Arc::clone(&folder));
    assert_nothing_left(&next);
    next.get("/replaced").expect_file(b"new");
    next.get("/deleted").expect(404);
}
