//! PUT and DELETE: what is allowed when, what is answered, and what is on the disk and in the next answer afterwards.

use std::fs;
use std::process::Command;

use crate::harness::server::PROGRAM;
use crate::harness::{
    Launch, Request, Response, Server, assert_nothing_left, delete, get, head, put, request, tag_of, tree,
    version_bytes,
};

/// Around what is held in memory, and what is served from there.
const SIZES: [usize; 9] =
    [0, 1, 1000, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 1 << 20, (1 << 20) + 1, 3_000_007];

fn methods_in(response: &Response) -> Vec<String> {
    let mut methods: Vec<String> =
        response.field("Allow").unwrap_or_default().split(',').map(|name| name.trim().to_owned()).collect();
    methods.sort();
    methods
}

/// The answer to a write describes the next GET exactly, and the disk has the bytes.
#[track_caller]
fn assert_describes(server: &Server, written: &Response, target: &str, bytes: &[u8]) {
    assert!(written.body.is_empty(), "{written}");
    assert_eq!(written.tag(), tag_of(bytes), "{written}");
    let next = server.get(target).expect_file(bytes);
    assert_eq!(written.field("ETag"), next.field("ETag"), "{written}\n{next}");
    // Of a file that is replaced twice in a second the date moves on to the next one, and no answer has a date that is
    // still to come (RFC 9110, 8.8.2.1).
    let same = written.field("Last-Modified") == next.field("Last-Modified");
    assert!(same || written.last_modified().is_none(), "{written}\n{next}");
    let length = bytes.len().to_string();
    let of_head = server.head(target).expect(200);
    assert_eq!(of_head.field("Content-Length"), Some(length.as_str()), "{of_head}");
    assert!(fs::read(server.folder().path(target.trim_start_matches('/'))).unwrap() == bytes);
}

#[test]
fn writing_is_off_unless_it_is_asked_for() {
    let server = Server::start();
    server.folder().write("file", "old");
    let before = tree(&server.folder().root());
    for target in ["/file", "/missing", "/sub/missing", "/", "/.hidden", "/__ifmatch__/health", "/%2e%2e/x"] {
        for request in [put(target, "new"), delete(target), put(target, "new").field("If-Match", "*")] {
            let refused = server.ask(&request).expect_problem(405);
            assert_eq!(methods_in(&refused), ["GET", "HEAD", "OPTIONS"], "{refused}");
            assert!(refused.text().contains("without --allow-"), "{refused}");
        }
        let options = server.ask(&request("OPTIONS", target)).expect(204);
        assert_eq!(methods_in(&options), ["GET", "HEAD", "OPTIONS"], "{options}");
    }
    assert_eq!(tree(&server.folder().root()), before);
}

#[test]
fn a_flag_allows_what_it_names_and_nothing_else() {
    let launches = [
        (Launch::new().arg("--allow-upload"), true, false),
        (Launch::new().arg("--allow-delete"), false, true),
        (Launch::new().args(["--allow-upload", "--allow-delete"]), true, true),
        (Launch::new().arg("--allow-all"), true, true),
        (Launch::new().arg("-A"), true, true),
        (Launch::new().args(["-A", "--create-only"]), true, true),
        (Launch::new().env("IFMATCH_ALLOW_UPLOAD", "1"), true, false),
        (Launch::new().env("IFMATCH_ALLOW_DELETE", "true"), false, true),
        (Launch::new().env("IFMATCH_ALLOW_ALL", "yes"), true, true),
        (Launch::new().env("IFMATCH_ALLOW_ALL", "false"), false, false),
        (Launch::new().env("IFMATCH_ALLOW_ALL", "0"), false, false),
    ];
    for (launch, upload, deletion) in launches {
        let server = launch.start();
        server.folder().write("file", "old");
        let mut allowed = vec!["GET", "HEAD", "OPTIONS"];
        allowed.extend(upload.then_some("PUT"));
        allowed.extend(deletion.then_some("DELETE"));
        allowed.sort_unstable();
        for target in ["/file", "/missing", "/"] {
            let options = server.ask(&request("OPTIONS", target)).expect(204);
            assert_eq!(methods_in(&options), allowed, "{options}");
        }
        for method in ["POST", "PATCH", "MKCOL", "MOVE", "TRACE", "put", "delete"] {
            let refused = server.ask(&request(method, "/file").body("x")).expect_problem(405);
            assert_eq!(methods_in(&refused), allowed, "{refused}");
        }
        let created = server.ask(&put("/new", "new")).expect(if upload { 201 } else { 405 });
        let deleted = server.ask(&delete("/file")).expect(if deletion { 204 } else { 405 });
        for refused in [(upload, created), (deletion, deleted)].iter().filter(|(was_allowed, _)| !was_allowed)
        {
            assert_eq!(methods_in(&refused.1), allowed, "{}", refused.1);
        }
        assert_eq!(server.folder().path("new").exists(), upload);
        assert_eq!(server.folder().path("file").exists(), !deletion);
    }
}

#[test]
fn the_answer_to_a_put_describes_the_next_get() {
    for launch in [
        Launch::writing(),
        Launch::writing().args(["--durability", "none"]),
        Launch::writing().args(["--durability", "file"]),
        Launch::writing().args(["--durability", "full", "--no-watch"]),
    ] {
        let server = launch.start();
        for size in SIZES {
            let target = format!("/file-{size}");
            let first = version_bytes(1, size);
            let created = server.ask(&put(&target, &first)).expect(201);
            assert_eq!(created.leads_to(&target), target, "{created}");
            assert_describes(&server, &created, &target, &first);

            let second = version_bytes(2, size + 1);
            let replaced = server.ask(&put(&target, &second).field("If-Match", created.tag())).expect(204);
            assert_eq!(replaced.field("Location"), None, "{replaced}");
            assert_eq!(replaced.field("Content-Length"), None, "{replaced}");
            assert_describes(&server, &replaced, &target, &second);

            let third = version_bytes(3, size);
            let replaced = server.ask(&put(&target, &third)).expect(204);
            assert_describes(&server, &replaced, &target, &third);
        }
        assert_nothing_left(&server);
    }
}

#[test]
fn the_tag_of_an_answer_is_good_for_the_next_write_on_the_same_connection() {
    let server = Launch::writing().start();
    let mut client = server.connect();
    let mut tag =
        client.ask(&put("/file", version_bytes(0, 500)).field("If-None-Match", "*")).expect(201).tag();
    for version in 1..60 {
        // Large ones between the small ones.
        let size = if version % 10 == 0 { 400_000 } else { 500 };
        let bytes = version_bytes(version, size);
        tag = client.ask(&put("/file", &bytes).field("If-Match", &tag)).expect(204).tag();
        assert_eq!(tag, tag_of(&bytes));
        client.ask(&get("/file")).expect_file(&bytes);
        client.ask(&get("/file").field("If-None-Match", &tag)).expect(304);
    }
}

#[test]
fn under_blake3_the_answer_describes_the_next_get_as_well() {
    let server = Launch::writing().args(["--etag-hash", "blake3"]).start();
    for size in [10, 700_000] {
        let target = format!("/file-{size}");
        let created = server.ask(&put(&target, version_bytes(1, size))).expect(201);
        assert_eq!(created.tag(), crate::harness::blake3_tag_of(&version_bytes(1, size)));
        let replaced =
            server.ask(&put(&target, version_bytes(2, size)).field("If-Match", created.tag())).expect(204);
        let next = server.get(&target).expect(200);
        assert!(next.body == version_bytes(2, size));
        assert_eq!(replaced.field("ETag"), next.field("ETag"));
    }
}

#[test]
fn what_is_deleted_is_gone_and_can_be_created_again() {
    let server = Launch::writing().start();
    for size in [0, 100, 2 << 20] {
        let bytes = server.folder().write_version("file", 1, size);
        let deleted = server.ask(&delete("/file")).expect(204);
        assert!(deleted.body.is_empty() && deleted.field("ETag").is_none(), "{deleted}");
        server.get("/file").expect(404);
        server.ask(&delete("/file")).expect_problem(404);
        server.ask(&put("/file", &bytes).field("If-None-Match", "*")).expect(201);
        server.ask(&put("/file", &bytes).field("If-None-Match", "*")).expect_problem(412);
        let tag = server.get("/file").expect_file(&bytes).tag();
        server.ask(&delete("/file").field("If-Match", &tag)).expect(204);
        assert!(!server.folder().path("file").exists());
        server.ask(&delete("/file").field("If-Match", &tag)).expect_problem(404);
        server.ask(&put("/file", "x").field("If-Match", &tag)).expect_problem(412);
        server.ask(&put("/file", &bytes).field("If-None-Match", "*")).expect(201);
    }
    assert_nothing_left(&server);
}

#[test]
fn an_empty_body_makes_an_empty_file() {
    let server = Launch::writing().start();
    let created = server.ask(&put("/empty", "")).expect(201);
    assert_describes(&server, &created, "/empty", b"");
    server.folder().write("full", "old");
    server.ask(&put("/full", "")).expect(204);
    server.get("/full").expect_file(b"");
    // Its tag is as good as any.
    server.ask(&put("/full", "new").field("If-Match", tag_of(b""))).expect(204);
    server.get("/full").expect_file(b"new");
    server.ask(&request("PUT", "/full").chunked("", 1)).expect(204);
    server.get("/full").expect_file(b"");
}

#[test]
fn a_hundred_names_hold_a_hundred_contents() {
    let server = Launch::writing().args(["--durability", "none"]).start();
    let mut client = server.connect();
    let name = |number: u64| format!("/folder-{}/name {number}", number % 7).replace(' ', "%20");
    for number in 0..100 {
        client.ask(&put(name(number), version_bytes(number, 700))).expect(201);
    }
    for number in (0..100).filter(|number| number % 3 == 0) {
        let tag = tag_of(&version_bytes(number, 700));
        let request = put(name(number), version_bytes(1000 + number, 900)).field("If-Match", tag);
        client.ask(&request).expect(204);
    }
    for number in 0..100 {
        let bytes =
            if number % 3 == 0 { version_bytes(1000 + number, 900) } else { version_bytes(number, 700) };
        client.ask(&get(name(number))).expect_file(&bytes);
    }
    for folder in 0..7 {
        let ask = get(format!("/folder-{folder}/")).field("Accept", "application/json");
        let listed = client.ask(&ask).expect(200).text();
        for number in 0..100 {
            assert_eq!(listed.contains(&format!("\"name {number}\"")), number % 7 == folder, "{listed}");
        }
    }
    assert_nothing_left(&server);
}

#[test]
fn create_only_replaces_nothing() {
    let server = Launch::writing().arg("--create-only").start();
    let tag = tag_of(&server.folder().write_version("file", 1, 1000));
    let before = tree(&server.folder().root());
    let refusals: [(&[(&str, &str)], u16); 7] = [
        (&[], 409),
        (&[("If-Match", &tag)], 409),
        (&[("If-Match", "*")], 409),
        (&[("If-None-Match", "\"other\"")], 409),
        (&[("If-None-Match", "*")], 412),
        (&[("If-Match", "\"stale\"")], 412),
        (&[("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")], 412),
    ];
    for (fields, status) in refusals {
        let request =
            fields.iter().fold(put("/file", "new"), |request, (name, value)| request.field(name, value));
        server.ask(&request).expect_problem(status);
        assert_eq!(tree(&server.folder().root()), before);
    }
    server.ask(&put("/new", "new")).expect(201);
    server.ask(&put("/other", "new").field("If-None-Match", "*")).expect(201);
    // It is about PUT.
    server.ask(&delete("/file").field("If-Match", &tag)).expect(204);
    server.ask(&put("/file", "again")).expect(201);
}

#[test]
fn create_only_without_uploads_is_a_mistake_that_is_told() {
    let folder = crate::harness::Folder::new();
    let output =
        Command::new(PROGRAM).args(["-p", "0", "--create-only"]).arg(folder.root()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--allow-upload"), "{output:?}");
}

#[test]
fn where_preconditions_are_required_none_is_428() {
    let server = Launch::writing().arg("--require-preconditions").start();
    let bytes = version_bytes(1, 1000);
    let tag = tag_of(&bytes);
    let year_ago = "Sun, 06 Nov 1994 08:49:37 GMT";
    let far = "Fri, 31 Dec 9999 23:59:59 GMT";
    let cases: [(&[(&str, &str)], u16); 11] = [
        (&[], 428),
        (&[("If-Unmodified-Since", "garbage")], 428),
        (&[("If-Modified-Since", year_ago)], 428),
        (&[("If-Range", &tag)], 428),
        (&[("Prefer", "return=representation")], 428),
        (&[("If-Match", &tag)], 204),
        (&[("If-Match", "*")], 204),
        (&[("If-Unmodified-Since", far)], 204),
        (&[("If-Match", "\"stale\"")], 412),
        (&[("If-None-Match", "*")], 412),
        (&[("If-Unmodified-Since", year_ago)], 412),
    ];
    for (fields, status) in cases {
        for question in [put("/file", "new"), delete("/file")] {
            server.folder().write("file", &bytes);
            let question = fields.iter().fold(question, |request, (name, value)| request.field(name, value));
            let answer = server.ask(&question).expect(status);
            if status == 204 {
                continue;
            }
            let answer = answer.expect_problem(status);
            assert_eq!(answer.json()["current-etag"], tag.as_str(), "{answer}");
            assert_eq!(answer.field("ETag"), Some(tag.as_str()), "{answer}");
            server.get("/file").expect_file(&bytes);
        }
    }
    // Creating guards itself, and what is not there is not there.
    server.ask(&put("/new", "new")).expect(201);
    server.ask(&delete("/missing")).expect_problem(404);
}

#[test]
fn a_write_that_is_sent_again_succeeds_only_where_that_is_allowed() {
    for size in [0, 1000, 300_000, 2 << 20] {
        let (old, new) = (version_bytes(1, 1000), version_bytes(2, size));
        for launch in [Launch::writing(), Launch::writing().arg("--if-match-replay")] {
            let replay = format!("{launch:?}").contains("replay");
            let server = launch.start();
            server.folder().write("file", &old);
            let write = put("/file", &new).field("If-Match", tag_of(&old));
            let first = server.ask(&write).expect(204);
            assert_eq!(first.tag(), tag_of(&new));
            let before = tree(&server.folder().root());
            // The answer was lost, and the same is sent again: with a length, in chunks, after 100 Continue.
            let chunked = request("PUT", "/file").chunked(&new, 100_000).field("If-Match", tag_of(&old));
            for again in [write.clone(), chunked, write.clone().field("Expect", "100-continue")] {
                if !replay {
                    server.ask(&again).expect_problem(412);
                    continue;
                }
                let second = server.ask(&again).expect(204);
                assert_eq!(second.field("ETag"), None, "{second}");
            }
            assert_eq!(tree(&server.folder().root()), before);
            // Other bytes are no replay, nor is a DELETE, nor another condition.
            let other = put("/file", version_bytes(3, size.max(8))).field("If-Match", tag_of(&old));
            server.ask(&other).expect_problem(412);
            server.ask(&delete("/file").field("If-Match", tag_of(&old))).expect_problem(412);
            server.ask(&put("/file", &new).field("If-None-Match", "*")).expect_problem(412);
            server.ask(&put("/missing", &new).field("If-Match", tag_of(&old))).expect_problem(412);
            assert_eq!(tree(&server.folder().root()), before);
            server.get("/file").expect_file(&new);
            assert_nothing_left(&server);
        }
    }
}

fn prefer(request: Request, value: &str) -> Request {
    request.field("Prefer", value)
}

#[test]
fn who_prefers_it_gets_the_current_representation_with_a_412() {
    let server = Launch::writing().start();
    for (name, size) in [("small.txt", 1000), ("large.txt", 2 << 20), ("empty.txt", 0)] {
        let bytes = server.folder().write_version(name, 1, size);
        let target = format!("/{name}");
        let stale = |request: Request| request.field("If-Match", "\"stale\"");
        for question in [
            stale(put(&target, "new")),
            stale(delete(&target)),
            put(&target, "new").field("If-None-Match", "*"),
            stale(put(&target, "new")).field("Expect", "100-continue"),
        ] {
            for value in ["return=representation", "respond-async, return=\"representation\"; x=y"] {
                let failed = server.ask(&prefer(question.clone(), value)).expect(412);
                assert!(failed.body == bytes, "{failed}");
                assert_eq!(failed.tag(), tag_of(&bytes), "{failed}");
                assert_eq!(failed.field("Preference-Applied"), Some("return=representation"), "{failed}");
                assert!(failed.lists("Vary", "Prefer"), "{failed}");
                let current = server.get(&target).expect(200);
                assert_eq!(failed.field("Content-Type"), current.field("Content-Type"), "{failed}");
                assert_eq!(failed.field("Last-Modified"), current.field("Last-Modified"), "{failed}");
            }
            for value in
                ["return=minimal", "", "return", "representation", "return=minimal, return=representation"]
            {
                let failed = server.ask(&prefer(question.clone(), value)).expect_problem(412);
                assert_eq!(failed.field("Preference-Applied"), None, "{failed}");
            }
        }
        server.get(&target).expect_file(&bytes);
    }
    // Where nothing is there, there is nothing to send.
    let missing = prefer(put("/missing", "new").field("If-Match", "*"), "return=representation");
    let missing = server.ask(&missing).expect_problem(412);
    assert_eq!(missing.field("Preference-Applied"), None, "{missing}");
}

#[test]
fn a_folder_shows_what_was_written_and_deleted() {
    let server = Launch::writing().start();
    server.folder().write("other", "x");
    let listing = || server.ask(&get("/").field("Accept", "application/json")).expect(200);
    let before = listing();
    server.ask(&put("/new file", "x")).expect(400);
    server.ask(&put("/new-file", "x")).expect(201);
    let with = listing();
    assert!(with.text().contains("new-file") && with.tag() != before.tag(), "{with}");
    server.ask(&delete("/new-file")).expect(204);
    let without = listing();
    assert!(!without.text().contains("new-file"), "{without}");
    assert!(!without.text().contains("ifmatch."), "{without}");
}

#[test]
fn head_and_get_see_a_write_at_once() {
    let server = Launch::writing().args(["--durability", "none"]).start();
    let (mut writer, mut reader) = (server.connect(), server.connect());
    for version in 0..200 {
        let bytes = version_bytes(version, 300 + version as usize);
        let written = writer.ask(&put("/file", &bytes)).expect_one_of(&[201, 204]);
        let read = reader.ask(&head("/file")).expect(200);
        assert_eq!(read.field("ETag"), written.field("ETag"), "{read}");
        reader.ask(&get("/file")).expect_file(&bytes);
    }
}
