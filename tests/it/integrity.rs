//! Digests of representations (RFC 9530): `Repr-Digest` where `Want-Repr-Digest` asks for it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::harness::content::repr_digest_of;
use crate::harness::{How, Launch, Request, Response, Saver, Server, get, head, save, tag_of, version_bytes};

/// Above the size up to which files are kept in memory.
const LARGE: usize = 3 << 20;

fn wanting(request: Request, preference: &str) -> Request {
    request.field("Want-Repr-Digest", preference)
}

/// The digest that a response tells; a 304 and an error tell none.
fn told(response: &Response) -> Option<&str> {
    response.field("Repr-Digest")
}

#[test]
fn what_is_wanted_is_told_by_get_and_head_alike() {
    let server = Server::start();
    for size in [0, 1000, LARGE] {
        // A file of its own: other bytes of the same second would get a date from the next one.
        let (name, target) = (format!("file-{size}"), format!("/file-{size}"));
        let bytes = server.folder().write_version(&name, 1, size);
        for (preference, algorithm) in [
            ("sha-256=10", "sha-256"),
            ("sha-512=1", "sha-512"),
            ("sha-512=3, sha-256=3", "sha-256"),
            ("sha-512=4, sha-256=3, md5=10", "sha-512"),
        ] {
            let whole = server.ask(&wanting(get(&target), preference)).expect_file(&bytes);
            assert_eq!(told(&whole), Some(repr_digest_of(algorithm, &bytes).as_str()), "{whole}");
            let head = server.ask(&wanting(head(&target), preference)).expect(200);
            for name in ["Repr-Digest", "ETag", "Last-Modified", "Content-Type", "Content-Length"] {
                assert_eq!(head.field(name), whole.field(name), "{name}\n{head}\n{whole}");
            }
        }
    }
}

#[test]
fn several_lines_are_one_wish() {
    let server = Server::start();
    let bytes = server.folder().write_version("file", 1, 1000);
    let response = server.ask(&wanting(wanting(get("/file"), "sha-256=1"), "sha-512=2"));
    assert_eq!(told(&response), Some(repr_digest_of("sha-512", &bytes).as_str()), "{response}");
}

#[test]
fn what_is_not_wanted_is_not_told() {
    let server = Server::start();
    let bytes = server.folder().write_version("file", 1, 1000);
    // So that it is known.
    server.ask(&wanting(get("/file"), "sha-256=10")).expect_file(&bytes);
    assert_eq!(told(&server.get("/file").expect_file(&bytes)), None);
    for preference in
        ["sha-256=0", "md5=10", "sha-256", "sha-256=11", "sha-256=1,", "sha-256;q=1", "\u{fc}", ""]
    {
        let response = server.ask(&wanting(get("/file"), preference)).expect_file(&bytes);
        assert_eq!(told(&response), None, "{response}");
    }
}

#[test]
fn a_part_comes_with_the_digest_of_the_whole() {
    let server = Server::start();
    for size in [1000, LARGE] {
        let bytes = server.folder().write_version("file", 1, size);
        for range in ["bytes=0-9", "bytes=-1", "bytes=0-9,20-29"] {
            let part = server.ask(&wanting(get("/file").field("Range", range), "sha-256=10")).expect(206);
            assert_eq!(told(&part), Some(repr_digest_of("sha-256", &bytes).as_str()), "{part}");
        }
    }
}

#[test]
fn an_answer_without_the_representation_tells_no_digest() {
    let server = Launch::new().arg("--no-listing").start();
    let bytes = server.folder().write_version("file", 1, 1000);
    server.folder().folder("folder");
    let tag = tag_of(&bytes);
    for (status, request) in [
        (304, get("/file").field("If-None-Match", &tag)),
        (304, head("/file").field("If-None-Match", &tag)),
        (412, get("/file").field("If-Match", "\"other\"")),
        (416, get("/file").field("Range", "bytes=5000-")),
        (301, get("/folder")),
        (404, get("/folder/")),
        (404, get("/nothing")),
    ] {
        let response = server.ask(&wanting(request, "sha-256=10")).expect(status);
        assert_eq!(told(&response), None, "{response}");
    }
}

#[test]
fn nothing_is_read_for_a_digest_that_is_not_told() {
    let server = Launch::new().arg("--no-watch").start();
    let bytes = server.folder().write_version("file", 1, LARGE);
    server.get_settled("/file").expect_file(&bytes);
    let before = server.bytes_read();
    let request = get("/file").field("If-None-Match", tag_of(&bytes));
    server.ask(&wanting(request, "sha-256=10")).expect(304);
    let read = server.bytes_read() - before;
    assert!(read < 1 << 20, "{read} bytes were read for a 304");
}

#[test]
fn many_who_want_a_digest_share_one_reading() {
    const SIZE: u64 = 64 << 20;
    let server = Launch::new().arg("--no-watch").start();
    fs::File::create(server.folder().path("large")).unwrap().set_len(SIZE).unwrap();
    server.ask(&head("/large").field("If-None-Match", "\"other\"")).expect(200);
    let before = server.bytes_read();
    let ask = || server.ask(&wanting(head("/large"), "sha-256=10")).expect(200);
    let digests: Vec<Option<String>> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(|| told(&ask()).map(str::to_owned))).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(digests.iter().all(|digest| digest.is_some() && *digest == digests[0]), "{digests:?}");
    assert_eq!(told(&ask()).map(str::to_owned), digests[0]);
    let read = server.bytes_read() - before;
    assert!(read < SIZE * 3 / 2, "{} MiB were read to hash {} MiB", read >> 20, SIZE >> 20);
}

#[test]
fn who_wants_a_digest_waits_for_a_cold_file_to_be_hashed() {
    const SIZE: u64 = 1 << 30;
    let server = Server::start();
    fs::File::create(server.folder().path("large")).unwrap().set_len(SIZE).unwrap();
    let response = server.ask(&wanting(head("/large"), "sha-256=10")).expect(200);
    assert!(told(&response).is_some() && !response.tag().starts_with("W/"), "{response}");
}

#[test]
fn nothing_is_told_of_a_large_file_that_somebody_has_open_for_writing() {
    let server = Server::start();
    let bytes = server.folder().write_version("log", 1, LARGE);
    let writer = fs::OpenOptions::new().append(true).open(server.folder().path("log")).unwrap();
    let response = server.ask(&wanting(get("/log"), "sha-256=10")).expect(200);
    assert!(response.tag().starts_with("W/") && response.body == bytes, "{response}");
    assert_eq!(told(&response), None, "{response}");
    drop(writer);
    let response = server.ask(&wanting(get("/log"), "sha-256=10")).expect_file(&bytes);
    assert_eq!(told(&response), Some(repr_digest_of("sha-256", &bytes).as_str()), "{response}");
}

#[test]
fn the_digest_follows_the_bytes() {
    let server = Server::start();
    let path = server.folder().path("file");
    for size in [1000, LARGE] {
        for (version, how) in How::ALL.into_iter().enumerate() {
            let bytes = version_bytes(version as u64, size);
            save(how, &path, &bytes).unwrap();
            let response = server.ask(&wanting(get("/file"), "sha-256=10")).expect_file(&bytes);
            assert_eq!(told(&response), Some(repr_digest_of("sha-256", &bytes).as_str()), "{response}");
        }
    }
}

#[test]
fn a_digest_never_stands_above_other_bytes() {
    let server = Server::start();
    for (name, size, pause, rounds) in [("small", 1000, 500, 300), ("large", LARGE, 30_000, 60)] {
        let path = server.folder().path(name);
        server.folder().write_version(name, 0, size);
        let mut saver = Saver::start();
        saver.keep_saving(How::Rename, &path, size, Duration::from_micros(pause));
        let mut digests: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..rounds {
            for request in [get(format!("/{name}")), head(format!("/{name}"))] {
                let response = server.ask(&wanting(request, "sha-256=10")).expect(200);
                let Some(digest) = told(&response) else {
                    assert!(
                        response.tag().starts_with("W/"),
                        "a tag of known bytes, and no digest\n{response}"
                    );
                    continue;
                };
                let first = digests.entry(response.tag()).or_insert_with(|| digest.to_owned());
                assert_eq!(digest, first, "another digest under the same tag\n{response}");
                if response.method == "GET" {
                    assert_eq!(digest, repr_digest_of("sha-256", &response.body), "{response}");
                }
            }
        }
        let done = saver.stop();
        assert!(digests.len() > 5, "{} versions were seen: {done:?}", digests.len());
    }
}

#[test]
fn a_listing_has_the_digest_of_its_own_bytes() {
    let server = Server::start();
    server.folder().write("a", "a");
    for accepted in ["text/html", "application/json"] {
        let listing = server.ask(&wanting(get("/").field("Accept", accepted), "sha-512=10")).expect(200);
        assert!(listing.field("Content-Type").is_some_and(|kind| kind.starts_with(accepted)), "{listing}");
        assert_eq!(told(&listing), Some(repr_digest_of("sha-512", &listing.body).as_str()), "{listing}");
        let head = server.ask(&wanting(head("/").field("Accept", accepted), "sha-512=10")).expect(200);
        assert_eq!(told(&head), told(&listing), "{head}");
    }
}

#[test]
fn the_page_of_an_application_has_its_digest_at_every_place() {
    let server = Launch::new().arg("--spa").start();
    let bytes = server.folder().write_version("index.html", 1, 1000);
    let request = get("/a/place").field("Accept", "text/html");
    let response = server.ask(&wanting(request, "sha-256=10")).expect_file(&bytes);
    assert_eq!(told(&response), Some(repr_digest_of("sha-256", &bytes).as_str()), "{response}");
}
