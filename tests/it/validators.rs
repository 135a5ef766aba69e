//! Entity tags and dates (RFC 9110, 8.8): the same bytes have the same tag, other bytes another one, whatever the
//! filesystem says about times; and a date never claims more than it knows.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::harness::folder::{modified, set_modified, set_modified_seconds};
use crate::harness::{
    Folder, How, Launch, Server, blake3_tag_of, get, head, put, save, tag_of, version_bytes,
};

/// The sizes at which something changes: nothing, one byte, the hash's inner steps, and the limit of small files.
const SIZES: [usize; 14] =
    [0, 1, 3, 16, 17, 128, 129, 240, 241, 1024, 100_000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1];

#[test]
fn the_tag_is_xxh3_128_in_base64url() {
    let server = Server::start();
    for size in SIZES {
        let bytes = server.folder().write_version("file", size as u64, size);
        server.get_settled("/file").expect_file(&bytes);
        assert_eq!(
            server.ask(&head("/file").field("If-None-Match", "\"other\"")).expect(200).tag(),
            tag_of(&bytes),
            "{size} bytes"
        );
    }
}

#[test]
fn the_tag_is_blake3_where_it_is_asked_for() {
    let server = Launch::new().args(["--etag-hash", "blake3"]).start();
    for size in SIZES {
        let bytes = server.folder().write_version("file", size as u64, size);
        let response = server.get_settled("/file").expect(200);
        assert_eq!(response.tag(), blake3_tag_of(&bytes), "{size} bytes");
        assert_eq!(response.body, bytes);
        let tag = response.tag();
        server.ask(&get("/file").field("If-None-Match", &tag)).expect(304);
        server.ask(&get("/file").field("If-None-Match", tag_of(&bytes))).expect(200);
    }
}

#[test]
fn the_same_bytes_keep_their_tag_whatever_happens_to_the_file() {
    let server = Server::start();
    let folder = server.folder();
    let bytes = folder.write_version("file", 1, 5000);
    let path = folder.path("file");
    server.get("/file").expect_file(&bytes);

    set_modified(&path, SystemTime::now() + Duration::from_secs(5));
    server.get("/file").expect_file(&bytes);
    set_modified_seconds(&path, 1_000_000_000);
    server.get("/file").expect_file(&bytes);
    fs::copy(&path, folder.folder("elsewhere").join("copy.html")).unwrap();
    server.get("/elsewhere/copy.html").expect_file(&bytes);
    fs::hard_link(&path, folder.path("link")).unwrap();
    server.get("/link").expect_file(&bytes);
    fs::rename(&path, folder.path("renamed")).unwrap();
    server.get("/renamed").expect_file(&bytes);
    for how in How::ALL {
        save(how, &folder.path("renamed"), &bytes).unwrap();
        server.get("/renamed").expect_file(&bytes);
    }
}

#[test]
fn the_same_bytes_have_the_same_tag_after_a_restart_and_on_another_server() {
    let folder = Arc::new(Folder::new());
    let small = folder.write_version("small", 1, 5000);
    let large = folder.write_version("large", 2, 3 << 20);
    let tags = |server: Server| {
        let small = server.get("/small").expect_file(&small).tag();
        (small, server.get_settled("/large").expect_file(&large).tag())
    };
    let first = tags(Launch::new().start_in(Arc::clone(&folder)));
    assert_eq!(tags(Launch::new().start_in(Arc::clone(&folder))), first);

    let other = Arc::new(Folder::new());
    other.write("large", &large);
    other.write("small", &small);
    assert_eq!(tags(Launch::new().arg("--no-watch").start_in(other)), first);
}

#[test]
fn the_command_line_prints_the_same_tag_as_the_server_sends() {
    let server = Server::start();
    for size in SIZES {
        let bytes = server.folder().write_version("file", size as u64, size);
        let path = server.folder().path("file");
        let output = Command::new(crate::harness::server::PROGRAM).arg("etag").arg(&path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", tag_of(&bytes)));
        assert_eq!(server.get_settled("/file").tag(), tag_of(&bytes));
    }
}

#[test]
fn other_bytes_of_the_same_size_and_time_have_another_tag() {
    let server = Server::start();
    let path = server.folder().path("file");
    for size in [1000, 3 << 20] {
        server.folder().write_version("file", 0, size);
        for (round, how) in How::ALL.iter().cycle().take(40).enumerate() {
            server.get_settled("/file").expect(200);
            let before = modified(&path);
            let bytes = version_bytes(round as u64 + 1, size);
            save(*how, &path, &bytes).unwrap();
            set_modified(&path, before);
            assert_eq!(modified(&path), before);
            server.get_settled("/file").expect_file(&bytes);
        }
    }
}

#[test]
fn two_files_share_a_tag_exactly_when_they_share_their_bytes() {
    let server = Server::start();
    let one = server.folder().write_version("one", 1, 777);
    server.folder().write("same", &one);
    server.folder().write_version("other", 2, 777);
    let tag = |name: &str| server.get(name).expect(200).tag();
    assert_eq!(tag("/one"), tag("/same"));
    assert_ne!(tag("/one"), tag("/other"));
    assert_ne!(tag("/one"), server.get("/").expect(200).tag());
}

#[test]
fn a_file_is_sent_with_all_its_fields() {
    let server = Server::start();
    for (name, size) in [("small.html", 3000), ("large.html", 3 << 20)] {
        let bytes = "é\n".repeat(size / 3).into_bytes();
        server.folder().write(name, &bytes);
        set_modified_seconds(&server.folder().path(name), 784_111_777);
        let response = server.get_settled(format!("/{name}")).expect_file(&bytes);
        assert_eq!(response.field("Last-Modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"), "{response}");
        assert_eq!(
            response.field("Content-Length"),
            Some(response.body.len().to_string().as_str()),
            "{response}"
        );
        assert_eq!(response.field("Accept-Ranges"), Some("bytes"), "{response}");
        assert_eq!(response.field("Cache-Control"), Some("no-cache"), "{response}");
        assert_eq!(response.field("X-Content-Type-Options"), Some("nosniff"), "{response}");
        assert_eq!(response.field("Content-Type"), Some("text/html; charset=utf-8"), "{response}");
        assert!(response.date_field("Date").is_some(), "{response}");
    }
}

#[test]
fn a_time_that_means_nothing_is_left_out() {
    let server = Server::start();
    let bytes = server.folder().write_version("file", 1, 100);
    let path = server.folder().path("file");
    for seconds in [0, 1, -1, -86_400, -2_000_000_000] {
        set_modified_seconds(&path, seconds);
        let response = server.get("/file").expect_file(&bytes);
        assert_eq!(response.field("Last-Modified"), None, "mtime {seconds}\n{response}");
        // A date that the file cannot be compared with is ignored.
        let date = httpdate::fmt_http_date(SystemTime::now());
        server.ask(&get("/file").field("If-Modified-Since", &date)).expect(200);
        server.ask(&get("/file").field("If-None-Match", tag_of(&bytes))).expect(304);
    }
    set_modified_seconds(&path, 2);
    assert_eq!(server.get("/file").field("Last-Modified"), Some("Thu, 01 Jan 1970 00:00:02 GMT"));
}

#[test]
fn a_time_in_the_future_is_never_sent() {
    let server = Server::start();
    let bytes = server.folder().write_version("file", 1, 100);
    let path = server.folder().path("file");
    for ahead in [2, 86_400, 5_000_000_000] {
        set_modified(&path, SystemTime::now() + Duration::from_secs(ahead));
        let response = server.get("/file").expect_file(&bytes);
        let (date, modified) = (response.date_field("Date").unwrap(), response.last_modified());
        assert!(modified.is_none_or(|modified| modified <= date), "{response}");
    }
}

#[test]
fn saves_within_one_second_do_not_share_a_date() {
    let server = Launch::writing().start();
    let mut given = BTreeMap::new();
    for version in 1..=30 {
        let bytes = version_bytes(version, 100);
        let saved = server.ask(&put("/file", &bytes)).expect_one_of(&[201, 204]);
        let read = server.get("/file").expect_file(&bytes);
        let same = server.ask(&get("/file").field("If-None-Match", read.tag())).expect(304);
        for response in [saved, read, same, server.head("/file").expect(200)] {
            let date = response.field("Last-Modified").map(str::to_owned);
            let first = date.map(|date| *given.entry(date).or_insert(version));
            assert!(first.is_none_or(|first| first == version), "the date of version {first:?}\n{response}");
        }
    }
}

#[test]
fn a_date_is_that_of_the_file() {
    let server = Server::start();
    let bytes = server.folder().write_version("file", 1, 100);
    let path = server.folder().path("file");
    for seconds in [86_400, 951_782_400, 1_700_000_000] {
        set_modified(&path, UNIX_EPOCH + Duration::new(seconds, 999_999_999));
        let response = server.get("/file").expect_file(&bytes);
        assert_eq!(response.last_modified(), Some(UNIX_EPOCH + Duration::from_secs(seconds)), "{response}");
    }
}

/// Saves other bytes under a time that does not say so, and asks with the date alone.
#[track_caller]
fn a_date_only_client_sees_the_change(size: usize, change: impl Fn(&std::path::Path, &[u8])) {
    let server = Server::start();
    let path = server.folder().path("file");
    server.folder().write_version("file", 1, size);
    set_modified_seconds(&path, 1_700_000_000);
    let first = server.get_settled("/file").expect(200);
    let seen = first.field("Last-Modified").unwrap().to_owned();
    server.ask(&get("/file").field("If-Modified-Since", &seen)).expect(304);

    let bytes = version_bytes(2, size);
    change(&path, &bytes);
    server.ask(&get("/file").field("If-Modified-Since", &seen)).expect_file(&bytes);
    server.ask(&head("/file").field("If-Modified-Since", &seen)).expect(200);
    server.ask(&get("/file").field("If-Unmodified-Since", &seen)).expect(412);
    // And once more: having been asked does not make it forget.
    server.ask(&get("/file").field("If-Modified-Since", &seen)).expect_file(&bytes);
}

#[test]
fn a_date_only_client_is_told_of_bytes_that_changed_under_the_same_time() {
    for how in How::ALL {
        a_date_only_client_sees_the_change(1000, |path, bytes| {
            save(how, path, bytes).unwrap();
            set_modified_seconds(path, 1_700_000_000);
        });
    }
}

#[test]
fn a_date_only_client_is_told_of_large_bytes_that_changed_under_the_same_time() {
    a_date_only_client_sees_the_change(2 << 20, |path, bytes| {
        save(How::InPlace, path, bytes).unwrap();
        set_modified_seconds(path, 1_700_000_000);
    });
}

#[test]
fn a_date_only_client_is_told_of_a_rollback_to_an_older_file() {
    a_date_only_client_sees_the_change(1000, |path, bytes| {
        save(How::Rename, path, bytes).unwrap();
        set_modified_seconds(path, 1_600_000_000);
    });
}

#[test]
fn a_second_change_within_the_same_second_is_not_answered_304() {
    let server = Server::start();
    let path = server.folder().path("file");
    for round in 0..60 {
        save(How::ALL[round % 5], &path, &version_bytes(2 * round as u64, 500)).unwrap();
        let first = server.get("/file").expect(200);
        let bytes = version_bytes(2 * round as u64 + 1, 500);
        save(How::ALL[round % 5], &path, &bytes).unwrap();
        if let Some(seen) = first.field("Last-Modified") {
            server.ask(&get("/file").field("If-Modified-Since", seen)).expect_file(&bytes);
        }
    }
}

#[test]
fn many_gets_of_a_cold_large_file_read_it_once() {
    const SIZE: u64 = 64 << 20;
    let server = Server::start();
    let file = fs::File::create(server.folder().path("large")).unwrap();
    file.set_len(SIZE).unwrap();
    drop(file);
    let before = server.bytes_read();
    let tags: Vec<String> = std::thread::scope(|scope| {
        let ask = || server.ask(&head("/large").field("If-None-Match", "\"other\"")).expect(200).tag();
        let asking: Vec<_> = (0..40).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(tags.iter().all(|tag| *tag == tags[0] && tag.len() == 24), "{tags:?}");
    let read = server.bytes_read() - before;
    assert!(read < 3 * SIZE, "{} MiB were read to hash {} MiB", read >> 20, SIZE >> 20);
}

#[test]
fn a_huge_cold_file_begins_before_it_is_hashed() {
    const SIZE: u64 = 8 << 30;
    let server = Server::start();
    let file = fs::File::create(server.folder().path("huge")).unwrap();
    file.set_len(SIZE).unwrap();
    drop(file);
    let before = server.bytes_read();
    let mut client = server.connect();
    let request = get("/huge");
    client.send(request.bytes());
    let mut response = client.try_read_head(&request).unwrap().expect(200);
    client.read_some(&mut response, 65536);
    let read = server.bytes_read() - before;
    assert!(read < SIZE, "the whole file was read before its first byte was sent\n{response}");
    assert_eq!(response.field("ETag"), None, "a tag for a file that was not read\n{response}");
    assert_eq!(response.field("Accept-Ranges"), Some("bytes"), "{response}");
    assert_eq!(response.field("Content-Length"), Some(SIZE.to_string().as_str()), "{response}");
}

#[test]
fn a_checkout_brings_back_the_tags_of_the_bytes_it_brings_back() {
    let server = Server::start();
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.current_dir(server.folder().root()).env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.args(["-c", "user.name=test", "-c", "user.email=test@localhost"]).args(arguments);
        let output = git.output().expect("git is installed");
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
    };
    let tags = || ["changing", "constant"].map(|name| server.get(format!("/{name}")).expect(200).tag());
    let commit = |bytes: &str| {
        server.folder().write("changing", bytes);
        git(&["add", "."]);
        git(&["commit", "-q", "-m", bytes]);
        tags()
    };
    git(&["init", "-q", "-b", "main"]);
    server.folder().write("constant", "constant");
    let (one, two) = (commit("one"), commit("two"));
    assert_eq!((one[0] == two[0], one[1] == two[1]), (false, true));
    for _ in 0..10 {
        git(&["checkout", "-q", "main~1"]);
        assert_eq!(tags(), one);
        git(&["checkout", "-q", "main"]);
        assert_eq!(tags(), two);
    }
    server.get("/.git/config").expect(404);
}

#[test]
fn curl_keeps_a_tag_and_asks_with_it() {
    let server = Server::start();
    server.folder().write("file", "one");
    let saved = server.folder().outside("saved-tag");
    let curl = || {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download}"]);
        curl.arg("--etag-save").arg(&saved).arg("--etag-compare").arg(&saved);
        let output =
            curl.arg(format!("http://{}/file", server.address())).output().expect("curl is installed");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!((curl(), curl()), ("200 3".to_owned(), "304 0".to_owned()));
    server.folder().write("file", "three");
    assert_eq!((curl(), curl()), ("200 5".to_owned(), "304 0".to_owned()));
}
