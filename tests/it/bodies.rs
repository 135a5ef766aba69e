//! The bytes of an answer: all of them, under their own tag, or an aborted connection. A file that changes while it is
//! sent is sent as it was or not to its end.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use crate::harness::folder::set_modified_seconds;
use crate::harness::{
    Ending, How, Launch, Response, Server, get, head, save, tag_of, version_bytes, version_of,
};

const LARGE: usize = 64 << 20;

/// Something that happens to a file, and its name.
type Change<'a> = (&'static str, &'a dyn Fn(&Path));

/// Begins to read a large file slowly, changes it, and reads on.
fn read_while(change: impl Fn(&Path), request_fields: &[(&str, &str)]) -> (Response, Vec<u8>) {
    let mut server = Server::start();
    let bytes = server.folder().write_version("large", 1, LARGE);
    let tag = tag_of(&bytes);
    server.ask(&head("/large").field("If-None-Match", "\"other\"")).expect(200);
    let mut client = server.connect();
    let request =
        request_fields.iter().fold(get("/large"), |request, (name, value)| request.field(name, value));
    client.send(request.bytes());
    let mut response = client.try_read_head(&request).unwrap();
    assert_eq!(response.tag(), tag, "{response}");
    client.read_some(&mut response, 200_000);
    change(&server.folder().path("large"));
    client.try_read_rest(&mut response).unwrap();
    server.assert_well();
    let changed = fs::read(server.folder().path("large"));
    if let Ok(changed) = changed {
        // The next request sees the file as it is now.
        server.get_settled("/large").expect_file(&changed);
    }
    let start = request_fields.iter().find(|(name, _)| *name == "Range").map_or(0, |_| 1000);
    assert!(response.body == bytes[start..start + response.body.len()], "a wrong byte was sent\n{response}");
    (response, bytes)
}

#[test]
fn a_file_truncated_while_it_is_sent_is_cut_off() {
    for left in [0, 100_000, (LARGE / 2) as u64] {
        let (response, _) =
            read_while(|path| OpenOptions::new().write(true).open(path).unwrap().set_len(left).unwrap(), &[]);
        assert_eq!(response.ending, Ending::Cut, "{response}");
    }
}

#[test]
fn a_file_rewritten_in_place_while_it_is_sent_is_cut_off() {
    for how in [How::InPlace, How::Truncate, How::Map] {
        let (response, _) = read_while(|path| save(how, path, &version_bytes(2, LARGE)).unwrap(), &[]);
        assert_eq!(response.ending, Ending::Cut, "{how:?}\n{response}");
    }
}

#[test]
fn a_file_of_which_one_byte_changes_while_it_is_sent_is_cut_off() {
    let change = |path: &Path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(b"!", LARGE as u64 - 10).unwrap();
    };
    assert_eq!(read_while(change, &[]).0.ending, Ending::Cut);
    assert_eq!(read_while(change, &[("Range", "bytes=1000-")]).0.ending, Ending::Cut);
}

#[test]
fn a_file_that_grows_while_it_is_sent_is_sent_as_it_was_or_cut_off() {
    let grow = |path: &Path| {
        let file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all_at(b"more", LARGE as u64).unwrap();
    };
    let (response, bytes) = read_while(grow, &[]);
    assert!(response.ending == Ending::Cut || response.body == bytes, "{response}");
}

#[test]
fn a_file_replaced_or_removed_while_it_is_sent_is_sent_whole() {
    let beside = |path: &Path| save(How::Rename, path, &version_bytes(2, 1000)).unwrap();
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let move_away = |path: &Path| fs::rename(path, path.with_extension("away")).unwrap();
    let recreate = |path: &Path| save(How::Recreate, path, &version_bytes(2, LARGE / 2)).unwrap();
    let changes: [Change<'_>; 4] =
        [("replaced", &beside), ("removed", &remove), ("moved", &move_away), ("recreated", &recreate)];
    for (name, change) in changes {
        let (response, bytes) = read_while(change, &[]);
        assert_eq!(response.ending, Ending::Complete, "{name}\n{response}");
        assert!(response.body == bytes, "{name}");
        assert_eq!(response.tag(), tag_of(&bytes), "{name}");
    }
}

#[test]
fn a_file_that_is_only_touched_while_it_is_sent_arrives_whole() {
    let touch = |path: &Path| set_modified_seconds(path, 1_000_000_000);
    let chmod = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    let link = |path: &Path| fs::hard_link(path, path.with_extension("link")).unwrap();
    let changes: [Change<'_>; 3] = [("touch", &touch), ("chmod", &chmod), ("link", &link)];
    for (name, change) in changes {
        let (response, bytes) = read_while(change, &[]);
        assert_eq!(response.ending, Ending::Complete, "{name}\n{response}");
        assert!(response.body == bytes, "{name}\n{response}");
    }
}

#[test]
fn a_file_rewritten_and_put_back_in_time_while_it_is_sent_is_cut_off() {
    let change = |path: &Path| {
        let before = crate::harness::folder::modified(path);
        save(How::InPlace, path, &version_bytes(2, LARGE)).unwrap();
        crate::harness::folder::set_modified(path, before);
    };
    assert_eq!(read_while(change, &[]).0.ending, Ending::Cut);
}

#[test]
fn a_small_file_is_sent_whole_whatever_happens_to_it() {
    let server = Server::start();
    let size = 1 << 20;
    let path = server.folder().path("small");
    for round in 0..20 {
        let bytes = server.folder().write_version("small", round, size);
        let mut client = server.connect();
        let request = get("/small");
        client.send(request.bytes());
        let mut response = client.try_read_head(&request).unwrap();
        client.read_some(&mut response, 1000);
        save(How::ALL[round as usize % 5], &path, &version_bytes(100 + round, size)).unwrap();
        client.try_read_rest(&mut response).unwrap();
        assert_eq!(response.ending, Ending::Complete, "{response}");
        response.expect_file(&bytes);
    }
}

#[test]
fn every_size_arrives_whole_on_one_connection() {
    let server = Server::start();
    let mut client = server.connect();
    let mut sizes = vec![0, 1, 2, 100, 4095, 4096, 4097, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145];
    sizes.extend([(1 << 20) - 1, 1 << 20, (1 << 20) + 1, (1 << 20) + 65_536, 2 << 20, (5 << 20) + 12_345]);
    for size in sizes {
        let name = format!("file{size}");
        let bytes = server.folder().write_version(&name, size as u64, size);
        for _ in 0..2 {
            client.ask(&get(format!("/{name}")).field("If-None-Match", "\"other\"")).expect_file(&bytes);
            let of_head = client.ask(&head(format!("/{name}"))).expect(200);
            assert_eq!(of_head.field("Content-Length"), Some(size.to_string().as_str()), "{of_head}");
            client.ask(&get(format!("/{name}")).field("If-None-Match", tag_of(&bytes))).expect(304);
        }
    }
}

#[test]
fn a_large_file_is_sent_whole_to_many_at_once() {
    let server = Server::start();
    let bytes = server.folder().write_version("large", 1, 24 << 20);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                // The first may be given a weak tag while the file is being hashed; the bytes are right all the same.
                let response = server.get("/large").expect(200);
                assert!(response.body == bytes, "{response}");
                assert_eq!(version_of(&response.body), Some(1));
            });
        }
    });
    server.get_settled("/large").expect_file(&bytes);
}

#[test]
fn a_large_file_that_somebody_may_write_to_is_sent_as_it_is_and_meets_no_condition() {
    // A file that somebody holds open for writing is busy: its bytes may change under any stamp.
    let server = Server::start();
    let large = server.folder().write_version("large", 1, 3 << 20);
    let small = server.folder().write_version("small", 1, 3000);
    let hold = |name: &str| OpenOptions::new().write(true).open(server.folder().path(name)).unwrap();
    let held = (hold("large"), hold("small"));
    let response = server.get("/large").expect(200);
    assert!(response.body == large, "{response}");
    assert!(response.tag().starts_with("W/\""), "{response}");
    assert_eq!(response.field("Accept-Ranges"), Some("bytes"), "{response}");
    let part = server.ask(&get("/large").field("Range", "bytes=0-9")).expect(206);
    assert!(part.body == large[..10] && part.tag().starts_with("W/\""), "{part}");
    assert_ne!(part.tag(), response.tag(), "of no version");
    for validator in [response.tag(), part.tag(), tag_of(&large)] {
        server.ask(&get("/large").field("Range", "bytes=0-9").field("If-Range", validator)).expect(200);
    }
    if let Some(date) = response.field("Last-Modified") {
        server.ask(&get("/large").field("Range", "bytes=0-9").field("If-Range", date)).expect(200);
        server.ask(&get("/large").field("If-Modified-Since", date)).expect(200);
    }
    // A weak tag is never strong enough for If-Match.
    server.ask(&get("/large").field("If-Match", response.tag())).expect(412);
    // A small one is told by its own bytes.
    server.get("/small").expect_file(&small);
    held.1.write_all_at(b"?", 5).unwrap();
    let mut changed = small;
    changed[5] = b'?';
    server.get("/small").expect_file(&changed);
    drop(held);
    server.get_settled("/large").expect_file(&large);
    server.get("/small").expect_file(&changed);
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let server = Server::start();
    let bytes = server.folder().write_version("file", 1, 1000);
    let mut client = server.connect();
    client.send("GET /file HTTP/1.0\r\n\r\n");
    let all = client.read_to_end();
    assert!(all.starts_with(b"HTTP/1."), "{}", all.escape_ascii());
    assert!(all.ends_with(&bytes), "{}", all.escape_ascii());
}

#[test]
fn a_connection_is_kept_until_it_is_to_be_closed() {
    let server = Server::start();
    let bytes = server.folder().write_version("file", 1, 1000);
    let mut client = server.connect();
    for _ in 0..1000 {
        client.ask(&get("/file")).expect_file(&bytes);
    }
    client.ask(&get("/file").field("Connection", "close")).expect_file(&bytes);
    assert!(client.is_closed());
    // Without a Host field there is no HTTP/1.1 request (RFC 9112, 3.2); both answers are seen in the wild.
    let mut client = server.connect();
    client.send("GET /file HTTP/1.1\r\nConnection: close\r\n\r\n");
    client.read(&get("/file")).expect_one_of(&[200, 400]);
}

#[test]
fn every_chunk_of_a_streamed_file_is_right_on_tmpfs() {
    let Some(folder) = crate::harness::Folder::on_tmpfs() else { return };
    let server = Launch::new().start_in(std::sync::Arc::new(folder));
    let bytes = server.folder().write_version("large", 1, (9 << 20) + 77);
    server.get_settled("/large").expect_file(&bytes);
    let mut client = server.connect();
    // The field lets it wait for the strong tag, should the watcher have evicted the entry meanwhile.
    let request = get("/large").field("If-None-Match", "\"other\"");
    client.send(request.bytes());
    let mut response = client.try_read_head(&request).unwrap();
    client.read_some(&mut response, 100_000);
    client.try_read_rest(&mut response).unwrap();
    response.expect_file(&bytes);
}

#[test]
fn a_large_log_that_grows_now_and_then_is_served_between_two_lines() {
    let server = Server::start();
    let mut bytes = server.folder().write_version("log", 1, 3 << 20);
    let mut log = OpenOptions::new().append(true).open(server.folder().path("log")).unwrap();
    for _ in 0..2 {
        std::io::Write::write_all(&mut log, b"a line\n").unwrap();
        bytes.extend_from_slice(b"a line\n");
        let response = server.get("/log").expect(200);
        assert!(response.body == bytes && response.tag().starts_with("W/"), "{response}");
    }
    let tags = [server.get("/log").expect(200).tag(), server.get("/log").expect(200).tag()];
    assert_ne!(tags[0], tags[1], "nothing is known of the bytes, so no two answers may claim to be the same");
}
