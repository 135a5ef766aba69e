//! What hostile or broken clients send: smuggled requests, bombs, slow heads, injected lines. After each of these the
//! server answers an ordinary request as before.

use std::time::Duration;

use crate::harness::request::shown;
use crate::harness::{
    Client, Ending, Launch, Request, Server, delete, get, head, put, request, tag_of, version_bytes,
};

fn served() -> Server {
    let server = Server::start();
    server.folder().write("file", "harmless");
    server.folder().write("smuggled", "SMUGGLED-CONTENT");
    server
}

/// What the server sends for these bytes until it closes the connection; the client closes its side at once.
fn raw_answer(server: &Server, bytes: impl AsRef<[u8]>) -> String {
    let mut client = server.connect();
    // The server may refuse, and close, before everything is sent.
    let _ = client.try_send(bytes);
    client.finish_sending();
    String::from_utf8_lossy(&client.read_to_end()).into_owned()
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|rest| rest.get(..3).unwrap_or(rest)).collect()
}

#[test]
fn no_request_is_smuggled_in_a_body() {
    let mut server = served();
    let inner = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = inner.len();
    let with_chunk = format!("5\r\nhello\r\n0\r\n\r\n{inner}");
    let ambiguous = [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{with_chunk}", with_chunk.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{inner}"),
        format!("Content-Length: {length}\r\nContent-Length: 0\r\n\r\n{inner}"),
        format!("Content-Length: 0, {length}\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: identity, chunked\r\nContent-Length: 0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Content-Length : 0\r\n\r\n{inner}"),
        format!("Content-Length: +0\r\n\r\n{inner}"),
        format!("Content-Length: -1\r\n\r\n{inner}"),
        format!("Content-Length: 0x0\r\n\r\n{inner}"),
        format!("Content-Length: 00000000000000000000000000\u{ff}\r\n\r\n{inner}"),
        format!("Content-Length: 99999999999999999999999999\r\n\r\n{inner}"),
        format!("Content-Length: \r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0;ext=\n\r\n\r\n{inner}"),
        format!("X: a\r\n b\r\nContent-Length: 0\r\n\r\n{inner}"),
    ];
    for method in ["GET", "POST", "PUT"] {
        for rest in &ambiguous {
            let answers =
                raw_answer(&server, format!("{method} /file HTTP/1.1\r\nHost: localhost\r\n{rest}"));
            let found = statuses(&answers);
            let refused = found.first().is_some_and(|status| status.starts_with('4') || *status == "501");
            // Refused and closed, or taken for one thing only: an empty body and then an ordinary second request would
            // be the other reading.
            assert!(found.len() <= 1, "two answers to\n{}\n{answers}", shown(rest.as_bytes()));
            assert!(
                refused || method == "GET" || found.is_empty(),
                "accepted\n{}\n{answers}",
                shown(rest.as_bytes())
            );
            assert!(!answers.contains("SMUGGLED-CONTENT"), "{}\n{answers}", shown(rest.as_bytes()));
        }
    }
    server.get("/file").expect_file(b"harmless");
    server.assert_well();
}

#[test]
fn a_malformed_head_is_refused() {
    let mut server = served();
    let heads: [&[u8]; 19] = [
        b"GET /file HTTP/1.1\r\nHost: localhost\r\nBad Name: x\r\n\r\n",
        b"GET /file HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n",
        b"GET /file HTTP/1.1\r\nHost: localhost\r\nNo colon\r\n\r\n",
        b"GET /file HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        b"GET /file HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
        b"GET /file HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /fi le HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /file\r\n\r\n",
        b"GET /file HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /file HTTP/1.1x\r\nHost: localhost\r\n\r\n",
        b"GET /file http/1.1\r\nHost: localhost\r\n\r\n",
        b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"G\0T /file HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /file\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /file\x7f HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n\r\n\r\nGARBAGE\r\n\r\n",
        b"(){:;}; echo\r\n\r\n",
    ];
    for bytes in heads {
        let answers = raw_answer(&server, bytes);
        let found = statuses(&answers);
        let refused = found.len() <= 1
            && found.iter().all(|status| status.starts_with('4') || *status == "505" || *status == "501");
        assert!(refused, "{}\n{answers}", shown(bytes));
    }
    server.get("/file").expect_file(b"harmless");
    server.assert_well();
}

#[test]
fn a_host_that_is_none_is_refused() {
    let server = Launch::writing().start();
    server.folder().write("file", "harmless");
    for host in
        ["a b", "a/b", "user@localhost", "http://localhost", "localhost:x", "[::1", "localhost, localhost"]
    {
        for request in [get("/file"), head("/file"), put("/file", "new"), delete("/file")] {
            server.ask(&request.host(host)).expect(400);
        }
    }
    for host in ["localhost", "localhost:", "LOCALHOST:80", "[::1]:80", "127.0.0.1", ""] {
        server.ask(&get("/file").host(host)).expect_file(b"harmless");
    }
}

#[test]
fn answers_stay_in_step_with_pipelined_requests() {
    let server = served();
    let large = server.folder().write_version("large", 1, 2 << 20);
    server.folder().write("sub/inner", "x");
    let tag = tag_of(b"harmless");
    let exchanges: Vec<(Request, u16)> = vec![
        (get("/file"), 200),
        (head("/file"), 200),
        (get("/file").field("If-None-Match", &tag), 304),
        (head("/file").field("If-None-Match", &tag), 304),
        (get("/file").field("If-Match", "\"other\""), 412),
        (head("/file").field("If-Match", "\"other\""), 412),
        (get("/file").field("Range", "bytes=99-"), 416),
        (head("/file").field("Range", "bytes=99-"), 200),
        (get("/file").field("Range", "bytes=1-2"), 206),
        (get("/file").field("Range", "bytes=1-2,4-5"), 206),
        (get("/missing"), 404),
        (head("/missing"), 404),
        (get("/sub"), 301),
        (head("/sub"), 301),
        (get("/sub/"), 200),
        (head("/sub/"), 200),
        (get("/%2e%2e"), 400),
        (head("/%2e%2e"), 400),
        (get("/large").field("Range", "bytes=5-1500000"), 206),
        (head("/large").field("If-None-Match", "\"other\""), 200),
        (get("/__ifmatch__/health"), 200),
        (request("OPTIONS", "/file"), 204),
    ];
    let mut client = server.connect();
    let all: Vec<u8> = exchanges.iter().flat_map(|(request, _)| request.bytes()).collect();
    for _ in 0..3 {
        client.send(&all);
        for (request, status) in &exchanges {
            let response = client.read(request);
            let status = if request.method == "OPTIONS" { response.status } else { *status };
            let response = response.expect(status);
            if request.shown().contains("bytes=5-1500000") {
                assert!(response.body == large[5..=1_500_000]);
            }
        }
    }
    // One byte at a time it is the same.
    for (request, status) in &exchanges[..6] {
        for byte in request.bytes() {
            client.send([byte]);
        }
        client.read(request).expect(*status);
    }
}

#[test]
fn a_head_behind_a_get_takes_nothing_from_its_body() {
    // And a GET behind a HEAD adds nothing to it. Each file is asked for the first time, so that the first answer is
    // still being worked on when the second request is read.
    let server = served();
    let orders = [["GET", "HEAD"], ["HEAD", "GET"], ["GET", "GET"], ["HEAD", "HEAD"]];
    let mut wrong = Vec::new();
    for size in [0, 8, 100_000, 2 << 20] {
        for order in orders {
            let name = format!("cold-{size}-{}", order.concat());
            let bytes = server.folder().write_version(&name, 1, size);
            let requests = order.map(|method| request(method, format!("/{name}")));
            let mut client = server.connect();
            client.send(requests.iter().flat_map(Request::bytes).collect::<Vec<u8>>());
            for request in &requests {
                match client.try_read(request) {
                    Ok(response) if request.method == "HEAD" || response.body == bytes => {}
                    Ok(response) => wrong.push(format!("{order:?}: another body\n{response}")),
                    Err(broken) => {
                        wrong.push(format!("{order:?}, {} of {size} bytes: {broken:?}", request.method))
                    }
                }
            }
            let rest = get("/file").field("Connection", "close");
            client.send(rest.bytes());
            match client.try_read(&rest) {
                Ok(response) if response.body == b"harmless" => {}
                other => wrong.push(format!("{order:?} of {size} bytes, and then {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_refused_body_is_not_taken_for_a_request() {
    let server = served();
    let inner = get("/smuggled").bytes();
    let chunked = [format!("{:x}\r\n", inner.len()).as_bytes(), &inner, b"\r\n0\r\n\r\n"].concat();
    for method in ["PUT", "POST", "DELETE"] {
        let with_length = request(method, "/new").body(&inner).bytes();
        let mut with_chunks = request(method, "/new").field("Transfer-Encoding", "chunked").bytes();
        with_chunks.extend_from_slice(&chunked);
        for refused in [with_length, with_chunks] {
            let mut client = server.connect();
            client.send(&refused);
            // The next request may find the connection closed by the refusal, but never an answer to what was the body.
            let next = get("/file");
            let sent = client.try_send(next.bytes()).is_ok();
            let question = request(method, "/new");
            client.read(&question).expect(405);
            if let (true, Ok(response)) = (sent, client.try_read(&next)) {
                response.expect_file(b"harmless");
            }
        }
    }
}

#[test]
fn a_body_on_a_get_is_read_over() {
    let server = served();
    let mut client = server.connect();
    let with_body = get("/file").body(get("/smuggled").bytes());
    client.send(with_body.bytes());
    client.send(head("/file").bytes());
    client.read(&with_body).expect_file(b"harmless");
    // The connection may be closed instead.
    if let Ok(response) = client.try_read(&head("/file")) {
        response.expect(200);
    }
}

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
fn slow_heads_hold_up_nobody() {
    let mut server = served();
    let mut slow: Vec<Client> = (0..300).map(|_| server.connect()).collect();
    for (number, client) in slow.iter_mut().enumerate() {
        client.send(&b"GET /file HTTP/1.1\r\nHost: localhost\r\nX: "[..number % 40]);
    }
    for _ in 0..50 {
        server.get("/file").expect_file(b"harmless");
    }
    // Each of these, which never finishes its head, is given up in the end, with 408 or without a word.
    for client in slow.iter_mut().skip(1).step_by(60) {
        client.be_patient(Duration::from_secs(120));
        let answer = String::from_utf8_lossy(&client.read_to_end()).into_owned();
        assert!(statuses(&answer).iter().all(|status| *status == "408"), "{answer}");
    }
    server.assert_well();
}

#[test]
fn a_client_that_goes_away_leaves_nothing_behind() {
    let mut server = served();
    server.folder().write_version("large", 1, 16 << 20);
    server.get_settled("/large");
    let before = server.descriptors();
    for round in 0..100 {
        let mut client = server.connect();
        let request = get("/large");
        client.send(request.bytes());
        if round % 2 == 0 {
            let mut response = client.try_read_head(&request).unwrap();
            client.read_some(&mut response, 100_000);
            assert_eq!(response.ending, Ending::Pending);
        }
    }
    crate::harness::eventually("the descriptors are closed", || {
        (server.descriptors() <= before + 2).then_some(())
    });
    server.get("/file").expect_file(b"harmless");
    server.assert_well();
}

#[test]
fn no_request_writes_its_own_log_lines() {
    let server = Launch::new().arg("-vv").start();
    server.folder().write("file", "x");
    for target in [
        "/%0aFORGED",
        "/%0d%0aFORGED",
        "/x%1b%5b31mRED",
        "/file?%0aFORGED",
        "/%e2%80%a8FORGED",
        "/file?\u{1b}RED",
    ] {
        raw_answer(&server, get(target).field("Connection", "close").bytes());
    }
    for value in ["\"\u{1b}[31m\"", "\u{85}FORGED", "\u{9b}31m"] {
        let request = get("/file")
            .field("User-Agent", value)
            .field("Referer", value)
            .field("If-None-Match", value)
            .host(value);
        raw_answer(&server, request.field("Connection", "close").bytes());
    }
    server.get("/file").expect(200);
    let log = server.stderr() + &server.stdout();
    assert!(!log.lines().any(|line| line.trim_start().starts_with("FORGED")), "{log}");
    let controls = |character: char| character.is_control() && character != '\n';
    assert!(!log.contains(controls), "{}", log.escape_debug());
    assert!(!log.contains('\u{2028}'), "{}", log.escape_debug());
}

#[test]
fn a_redirect_never_leads_to_another_host() {
    let server = Server::start();
    for name in ["evil.example", "\\evil.example", "sub", "http:", "@evil.example"] {
        server.folder().write(format!("{name}/index.html"), "x");
        server.folder().write(format!("sub/{name}/index.html"), "x");
    }
    for target in [
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "//evil.example?x=//y",
        "/%5cevil.example",
        "/\\evil.example",
        "/sub//evil.example",
        "http://evil.example/sub",
        "http://evil.example//evil.example",
        "/@evil.example",
        "/http:",
        "//http:",
        "//sub/",
        "//evil.example/%2e%2e",
        "//evil.example/..",
        "/%2fevil.example",
        "/%09/evil.example",
    ] {
        for host in ["localhost", "evil.example", "evil.example\"", ""] {
            let answers = raw_answer(&server, get(target).host(host).field("Connection", "close").bytes());
            let location = answers.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("location:").map(|at| at.trim().to_owned())
            });
            if let Some(location) = location {
                let inside = location.starts_with('/')
                    && !location.starts_with("//")
                    && !location.starts_with("/\\")
                    && !location.contains('\\');
                assert!(inside, "{target} with Host: {host} leads to {location}");
            }
        }
    }
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

#[test]
fn many_idle_connections_hold_up_nobody() {
    let mut server = served();
    let idle: Vec<Client> = (0..400).map(|_| server.connect()).collect();
    for _ in 0..20 {
        server.get("/file").expect_file(b"harmless");
    }
    drop(idle);
    server.assert_well();
}
