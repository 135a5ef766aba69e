//! The express lane answers as the long way does, or not at all.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Ending, Launch, Request, Response, Server, get, head, version_bytes};

/// A folder with what the express lane answers and what it leaves alone.
fn served(launch: Launch) -> Server {
    let server = launch.start();
    let folder = server.folder();
    for (name, size) in
        [("small.txt", 10), ("page.html", 9000), ("large.bin", 700_000), ("huge.bin", 3 << 20)]
    {
        folder.write_version(name, 1, size);
    }
    folder.write("empty", b"");
    folder.write("sub/deep/file.js", b"let x;");
    folder.write("sub/index.html", b"<p>index");
    folder.write("with space.txt", b"spaced");
    for target in
        ["/small.txt", "/page.html", "/large.bin", "/huge.bin", "/empty", "/sub/deep/file.js", "/sub/"]
    {
        server.get_settled(target).expect(200);
    }
    server.get_settled("/with%20space.txt").expect(200);
    server
}

/// The same request by the long way: a length of nothing changes nothing else.
fn the_long_way(request: &Request) -> Request {
    request.clone().field("Content-Length", "0")
}

/// All but what differs from second to second.
fn without_date(response: &Response) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut fields = response.fields.clone();
    fields.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
    fields.sort();
    (response.status, fields, response.body.clone())
}

#[track_caller]
fn assert_same(server: &Server, request: &Request) -> Response {
    let (short, long) = (server.ask(request), server.ask(&the_long_way(request)));
    assert_eq!(without_date(&short), without_date(&long), "{short}\n{long}");
    assert!(short.field("Date").is_some() && short.fields.len() == long.fields.len(), "{short}\n{long}");
    short
}

/// Every condition there is, alone and with others, as they hold and as they do not.
fn conditions(tag: &str, date: &str) -> Vec<Vec<(&'static str, String)>> {
    let (other, old, new) = ("\"other\"", "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    let field = |name, value: &str| (name, value.to_owned());
    let mut conditions = vec![vec![]];
    for name in ["If-None-Match", "If-Match"] {
        for value in
            [tag, other, "*", "W/\"x\"", &format!("W/{tag}"), &format!("{other}, {tag}"), "no quotes", ""]
        {
            conditions.push(vec![field(name, value)]);
        }
        conditions.push(vec![field(name, other), field(name, tag)]);
    }
    for name in ["If-Modified-Since", "If-Unmodified-Since"] {
        for value in [date, old, new, "yesterday"] {
            conditions.push(vec![field(name, value)]);
            conditions.push(vec![field(name, value), field("If-None-Match", tag)]);
            conditions.push(vec![field(name, value), field("If-Match", tag)]);
        }
    }
    for range in [
        "bytes=0-0",
        "bytes=2-5",
        "bytes=-3",
        "bytes=5-",
        "bytes=0-",
        "bytes=99999999-",
        "bytes=",
        "lines=1-2",
        "bytes=5-2",
    ] {
        conditions.push(vec![field("Range", range)]);
        for validator in [tag, other, date, old, &format!("W/{tag}")] {
            conditions.push(vec![field("Range", range), field("If-Range", validator)]);
        }
        conditions.push(vec![field("Range", range), field("If-None-Match", tag)]);
        conditions.push(vec![field("Range", range), field("If-Match", other)]);
    }
    conditions.push(vec![field("Range", "bytes=0-0"), field("Range", "bytes=1-1")]);
    conditions.push(vec![field("Want-Repr-Digest", "sha-256=5")]);
    conditions.push(vec![field("Accept", "text/html"), field("If-Match", other)]);
    conditions
}

#[test]
fn every_condition_leads_to_the_same_answer_by_both_ways() {
    let server = served(Launch::new());
    for target in ["/small.txt", "/large.bin", "/empty"] {
        let current = server.get(target).expect(200);
        let (tag, date) = (current.tag(), current.field("Last-Modified").unwrap().to_owned());
        for fields in conditions(&tag, &date) {
            for request in [get(target), head(target)] {
                let request =
                    fields.iter().fold(request, |request, (name, value)| request.field(name, value));
                assert_same(&server, &request);
            }
        }
    }
}

#[test]
fn every_target_leads_to_the_same_answer_by_both_ways() {
    let server = served(Launch::new());
    for target in [
        "/small.txt",
        "/small.txt?",
        "/small.txt?a=b",
        "/small.txt?/../x",
        "//small.txt",
        "/./small.txt",
        "/small.txt/",
        "/sub/deep/file.js",
        "/sub//deep///file.js",
        "/sub/deep/../deep/file.js",
        "/sub/",
        "/sub",
        "/sub/index.html",
        "/",
        "/with%20space.txt",
        "/sm%61ll.txt",
        "/small.txt%00",
        "/%2e%2e/small.txt",
        "/../small.txt",
        "/%2e/small.txt",
        "/nothing/../small.txt",
        "/sub/deep/..",
        "/sub/.",
        "/.",
        "/nothing",
        "/sub/nothing",
        "/.hidden",
        "/__ifmatch__/nothing",
        "/huge.bin",
        "/empty",
        "/page.html",
        "/small.txt;v=1",
        "/small.txt&x",
    ] {
        for request in [get(target), head(target)] {
            assert_same(&server, &request);
        }
    }
}

#[test]
fn other_options_lead_to_the_same_answer_by_both_ways() {
    let options: [&[&str]; 5] = [
        &["--cache-control", "public, max-age=60"],
        &["--etag-hash", "blake3"],
        &["--spa"],
        &["--memory", "10K"],
        &["--follow-symlinks", "deny"],
    ];
    for options in options {
        let server = served(Launch::new().args(options));
        for target in ["/small.txt", "/sub/deep/file.js", "/sub/", "/nothing"] {
            assert_same(&server, &get(target));
        }
    }
}

#[test]
fn a_connection_goes_back_and_forth_between_both_ways() {
    let server = served(Launch::writing());
    let mut client = server.connect();
    let large = fs::read(server.folder().path("large.bin")).unwrap();
    let huge = fs::read(server.folder().path("huge.bin")).unwrap();
    for round in 0..30 {
        client.ask(&get("/small.txt")).expect(200);
        client.ask(&get("/huge.bin")).expect_file(&huge);
        client.ask(&get("/large.bin")).expect_file(&large);
        client.ask(&head("/large.bin")).expect(200);
        client.ask(&get("/nothing")).expect(404);
        let bytes = format!("round {round}");
        client.ask(&crate::harness::put("/put.txt", &bytes)).expect(if round == 0 { 201 } else { 204 });
        client.ask(&get("/put.txt")).expect_file(bytes.as_bytes());
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let server = served(Launch::new());
    // More than all buffers between the two take.
    let vast = server.folder().write_version("vast.bin", 1, 48 << 20);
    server.get_settled("/vast.bin").expect(200);
    let large = fs::read(server.folder().path("large.bin")).unwrap();
    for pause in [0, 1, 100] {
        let mut client = server.connect();
        client.send(get("/vast.bin").bytes());
        std::thread::sleep(Duration::from_millis(pause));
        // These arrive while the answer to the first is on its way.
        client.send(get("/small.txt").bytes());
        client.send([get("/large.bin").bytes(), head("/small.txt").bytes()].concat());
        client.read(&get("/vast.bin")).expect_file(&vast);
        client.read(&get("/small.txt")).expect(200);
        client.read(&get("/large.bin")).expect_file(&large);
        client.read(&head("/small.txt")).expect(200);
    }
}

#[test]
fn a_client_that_reads_slowly_gets_all_of_it() {
    let server = served(Launch::new());
    let large = fs::read(server.folder().path("large.bin")).unwrap();
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        for _ in 0..8 {
            client.send(get("/large.bin").bytes());
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    for client in &mut clients {
        for _ in 0..8 {
            client.read(&get("/large.bin")).expect_file(&large);
        }
    }
}

#[test]
fn an_answer_is_never_older_than_its_question() {
    let server = served(Launch::new());
    let mut client = server.connect();
    for version in 0..200_u64 {
        let bytes = server.folder().write_version("small.txt", version, 10);
        client.ask(&get("/small.txt")).expect_file(&bytes);
        client.ask(&get("/small.txt")).expect_file(&bytes);
    }
    fs::remove_file(server.folder().path("small.txt")).unwrap();
    client.ask(&get("/small.txt")).expect(404);
}

#[test]
fn a_head_that_does_not_end_is_answered_with_408_also_behind_others() {
    let server = served(Launch::new());
    for before in [0, 3] {
        let mut client = server.connect();
        for _ in 0..before {
            client.ask(&get("/small.txt")).expect(200);
        }
        client.send("GET /small.txt HTTP/1.1\r\nHost: lo");
        client.be_patient(Duration::from_secs(60));
        client.read(&get("/small.txt")).expect(408);
        assert!(client.is_closed());
    }
}

#[test]
fn what_is_answered_at_once_is_logged_like_the_rest() {
    let server = served(Launch::new().arg("-v"));
    server.get("/small.txt?at=once").expect(200);
    server.ask(&the_long_way(&get("/small.txt?the=long"))).expect(200);
    let lines = |part: &str| {
        let log = server.stderr();
        log.lines().filter(|line| line.contains(part)).map(str::to_owned).collect::<Vec<_>>()
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while lines("the=long").is_empty() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let tail = |line: &str| line.split_once("127.0.0.1").map(|(_, tail)| tail.replace("at=once", "the=long"));
    assert_eq!(lines("at=once").len(), 1);
    assert_eq!(tail(&lines("at=once")[0]), tail(&lines("the=long")[0]));
}

#[test]
fn what_is_missing_is_told_alike_by_both_ways() {
    let server = served(Launch::new());
    let wanted = ["text/html", "application/json", "*/*", "TEXT/HTML;q=0", "text/*"];
    let ask = || {
        for target in ["/nothing", "/sub/nothing.txt", "/sub/deep/no/thing", "/small.txt/below", "/quote%22"]
        {
            for request in [get(target), head(target), get(target).field("If-Match", "*")] {
                assert_same(&server, &request).expect(404);
            }
            for accept in wanted {
                assert_same(&server, &get(target).field("Accept", accept)).expect(404);
            }
        }
    };
    ask();
    server.folder().write("404.html", "<p>nothing here");
    assert_eq!(server.get("/nothing").expect(404).body, b"<p>nothing here");
    ask();
    // What comes into being is seen at once.
    fs::remove_file(server.folder().path("404.html")).unwrap();
    for number in 0..50 {
        let target = format!("/new-{number}");
        server.get(&target).expect(404);
        server.folder().write(&target[1..], "new");
        server.get(&target).expect_file(b"new");
    }
    // The folder itself is gone: that is not the same as a missing file.
    fs::rename(server.folder().root(), server.folder().outside("moved")).unwrap();
    assert_same(&server, &get("/nothing")).expect(503);
}

#[test]
fn nothing_is_answered_behind_an_answer_that_closes_the_connection() {
    let server = served(Launch::new());
    let body = get("/sub").field("Content-Length", "100000");
    let trailers = "GET /small.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n";
    for before in [[body.bytes(), vec![b'x'; 100_000]].concat(), trailers.as_bytes().to_vec()] {
        let mut client = server.connect();
        client.send(before);
        std::thread::sleep(Duration::from_millis(100));
        for _ in 0..3 {
            client.send(get("/small.txt").bytes());
            std::thread::sleep(Duration::from_millis(30));
        }
        client.finish_sending();
        let answers = client.read_to_end();
        let heads = answers.windows(9).filter(|bytes| bytes == b"HTTP/1.1 ").count();
        assert!(heads <= 1, "{}", String::from_utf8_lossy(&answers));
    }
}

#[test]
fn blank_lines_between_requests_do_not_add_up() {
    let server = served(Launch::new());
    let mut client = server.connect();
    for _ in 0..20 {
        client.send("\r\n".repeat(8192));
        std::thread::sleep(Duration::from_millis(5));
        client.ask(&get("/small.txt")).expect(200);
    }
    client.ask(&the_long_way(&get("/small.txt"))).expect(200);
}

#[test]
fn a_connection_changes_lanes_as_often_as_it_likes() {
    let server = served(Launch::new());
    let (small, huge) = (version_bytes(1, 10), version_bytes(1, 3 << 20));
    for begins in [0, 1, 2, 3, 4] {
        let mut client = server.connect();
        for turn in 0..25 {
            let request = get("/small.txt");
            match (turn + begins) % 5 {
                0 => client.ask(&request).expect_file(&small),
                1 => client.ask(&the_long_way(&request)).expect_file(&small),
                2 => {
                    let bytes = request.bytes();
                    let (first, second) = bytes.split_at(20);
                    client.send(first);
                    std::thread::sleep(Duration::from_millis(5));
                    client.send(second);
                    client.read(&request).expect_file(&small)
                }
                3 => {
                    client.send([get("/huge.bin").bytes(), head("/small.txt").bytes()].concat());
                    client.read(&get("/huge.bin")).expect_file(&huge);
                    client.read(&head("/small.txt")).expect(200)
                }
                _ => client.ask(&get("/huge.bin")).expect_file(&huge),
            };
        }
    }
}

#[test]
fn a_signal_to_stop_ends_connections_between_requests_and_no_answer() {
    let mut server = served(Launch::new());
    // Larger than what the kernel takes of it.
    server.folder().write_version("vast.bin", 1, 24 << 20);
    server.get_settled("/vast.bin").expect(200);
    let (mut fresh, mut asked, mut long, mut busy) =
        (server.connect(), server.connect(), server.connect(), server.connect());
    asked.ask(&get("/small.txt")).expect(200);
    long.ask(&the_long_way(&get("/small.txt"))).expect(200);
    let vast = get("/vast.bin");
    busy.send(vast.bytes());
    let mut answer = busy.try_read_head(&vast).unwrap();
    server.signal(Signal::TERM);
    for (name, client) in [("fresh", &mut fresh), ("asked", &mut asked), ("long", &mut long)] {
        assert!(client.is_closed(), "{name}");
    }
    busy.try_read_rest(&mut answer).unwrap();
    assert_eq!(answer.ending, Ending::Complete, "{} bytes", answer.body.len());
    // Not its tag, which may be a weak one as long as the file is being read for the first time.
    assert!(answer.body == version_bytes(1, 24 << 20), "{answer}");
    assert!(busy.is_closed() && server.wait().success());
}
