//! What a request is: bytes that could be taken for two, or that are none, and requests sent ahead.

use super::{raw_answer, served, statuses};
use crate::harness::request::shown;
use crate::harness::{Launch, Request, delete, get, head, put, request, tag_of};

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
        // Lines that end with LF alone, all of them or some.
        format!("Content-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n{inner}"),
        format!("Content-Length: 0\nContent-Length: {length}\n\n{inner}"),
        format!("Transfer-Encoding: chunked\n\n0\nX: y\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\r\nContent-Length: {length}\r\n{inner}"),
        format!("X: a\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n{inner}"),
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
