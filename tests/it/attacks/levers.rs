//! Small requests that cost much: large heads, bombs of ranges, a large file that is touched all the time.

use std::time::Duration;

use super::{raw_answer, served, statuses};
use crate::harness::{Server, get, head, tag_of, version_bytes};

#[test]
fn a_large_head_is_served_or_refused_but_does_no_harm() {
    let mut server = served();
    let large = "x".repeat(100_000);
    let huge = "y".repeat(4 << 20);
    let many =
        |count: usize| (0..count).map(|number| format!("X-{number}: {number}\r\n")).collect::<String>();
    let before = server.memory("VmRSS");
    for _ in 0..20 {
        for head in [
            format!("X-Large: {large}\r\n"),
            format!("X-Huge: {huge}\r\n"),
            format!("{huge}: x\r\n"),
            many(90),
            many(1000),
            many(30_000),
            format!("Cookie: {}\r\n", "a=b; ".repeat(20_000)),
        ] {
            let answers = raw_answer(&server, format!("GET /file HTTP/1.1\r\nHost: localhost\r\n{head}\r\n"));
            let found = statuses(&answers);
            assert!(
                found.len() <= 1 && found.iter().all(|status| *status == "200" || status.starts_with('4')),
                "{answers}"
            );
        }
        raw_answer(&server, format!("GET /{huge} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        raw_answer(&server, &huge);
    }
    let grown = server.memory("VmRSS").saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more memory");
    server.get("/file").expect_file(b"harmless");
    server.assert_well();
}

#[test]
fn ranges_are_no_lever() {
    let mut server = Server::start();
    let bytes = server.folder().write_version("large", 1, 8 << 20);
    let small = server.folder().write_version("small", 1, 1 << 20);
    server.get_settled("/large").expect(200);
    server.get_settled("/small").expect(200);
    let bombs = [
        format!("bytes={}", vec!["0-"; 1000].join(",")),
        format!("bytes={}", (0..1000).map(|number| format!("{number}-")).collect::<Vec<_>>().join(",")),
        format!("bytes={}", vec!["0-8388607"; 64].join(",")),
        format!("bytes={}", (0..1000).map(|number| format!("-{}", number + 1)).collect::<Vec<_>>().join(",")),
        format!("bytes=0-0{}", ",0-0".repeat(20_000)),
        format!("bytes={}", ",".repeat(90_000)),
        "bytes=0-,-1,-18446744073709551615".to_owned(),
        "bytes=-9223372036854775807,-9223372036854775807".to_owned(),
        "bytes=9223372036854775807-,0-0".to_owned(),
    ];
    let before = server.memory("VmRSS");
    for bomb in bombs.iter().cycle().take(60) {
        for (target, whole) in [("/large", &bytes), ("/small", &small)] {
            server.ask(&head(target).field("Range", bomb)).expect(200);
            let response = server.ask(&get(target).field("Range", bomb)).expect_one_of(&[200, 206, 416, 431]);
            assert!(
                response.body.len() <= whole.len() + 64 * 200,
                "more than the file: {}",
                response.body.len()
            );
        }
    }
    let grown = server.memory("VmRSS").saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more memory");
    server.assert_well();
}

#[test]
fn touching_a_large_file_all_the_time_is_no_lever() {
    const SIZE: usize = 32 << 20;
    let mut server = served();
    server.folder().write_version("large", 1, SIZE);
    let path = server.folder().path("large");
    let before = server.memory("VmRSS");
    let threads_before = server.memory("Threads");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..4 {
                    server.ask(&head("/large").field("If-None-Match", "\"other\"")).expect(200);
                }
            });
        }
        for _ in 0..40 {
            crate::harness::folder::set_modified(&path, std::time::SystemTime::now());
            server.get("/file").expect_file(b"harmless");
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    assert!(
        server.memory("VmRSS").saturating_sub(before) < 96 << 10,
        "memory grew to {} KiB",
        server.memory("VmRSS")
    );
    assert!(server.memory("Threads") <= threads_before + 64, "{} threads", server.memory("Threads"));
    assert_eq!(server.get_settled("/large").tag(), tag_of(&version_bytes(1, SIZE)));
    server.assert_well();
}
