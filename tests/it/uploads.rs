//! How an upload goes over the wire: `100 Continue`, refusals before and during the body, and what comes behind it on the
//! same connection.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::{
    Broken, Client, Launch, Request, Response, Server, assert_nothing_left, delete, get, head, put, request,
    tag_of, tree, version_bytes,
};

fn expecting(request: Request) -> Request {
    request.field("Expect", "100-continue")
}

/// A server with a file, a folder, a small limit and a FIFO, where much can be refused.
fn served() -> Server {
    let server = Launch::writing().args(["--max-upload-size", "150M"]).start();
    server.folder().write("file", "old");
    server.folder().write("sub/file", "old");
    server.folder().write("smuggled", "SMUGGLED-CONTENT");
    server
}

/// Uploads that their heads refuse, with a body of this many bytes.
fn refused_by_head(length: usize) -> Vec<(Request, u16)> {
    let new = |target: &str| request("PUT", target).field("Content-Length", length.to_string());
    vec![
        (new("/file").field("If-Match", "\"stale\""), 412),
        (new("/file").field("If-None-Match", "*"), 412),
        (new("/missing").field("If-Match", "*"), 412),
        (new("/file").field("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), 412),
        (new("/file").field("If-Match", "unquoted"), 400),
        (new("/%2e%2e/file"), 400),
        (new("/file").field("Content-Range", "bytes 0-1/2"), 400),
        (new("/file").field("Content-MD5", "malformed"), 400),
        (new("/file").field("Content-Encoding", "gzip"), 415),
        (new("/.hidden"), 403),
        (new("/file").host("evil.example"), 403),
        (new("/sub"), 409),
        (new("/file/below"), 409),
        (request("POST", "/file").field("Content-Length", length.to_string()), 405),
        (request("PUT", "/file").field("Content-Length", "200000000"), 413),
    ]
}

#[test]
fn who_waits_for_100_continue_is_refused_without_it() {
    let server = served();
    let before = tree(&server.folder().root());
    for (question, status) in refused_by_head(1000) {
        let question = expecting(question);
        let mut client = server.connect();
        client.send(question.bytes());
        let first = client.next_head(&question).unwrap_or_else(|broken| panic!("{broken:?}"));
        let mut answer = first.expect(status);
        client.try_read_rest(&mut answer).unwrap();
        // The client goes away now, or sends the body after all: it is not taken for a request.
        let mut body = get("/smuggled").bytes();
        body.resize(1000, b'\n');
        let _ = client.try_send(body);
        client.finish_sending();
        let rest = String::from_utf8_lossy(&client.read_to_end()).into_owned();
        assert!(!rest.contains("HTTP/1.1") && !rest.contains("SMUGGLED"), "{answer}\n{rest}");
        assert_eq!(tree(&server.folder().root()), before, "{answer}");
    }
    assert_nothing_left(&server);
}

#[test]
fn who_waits_for_100_continue_gets_it_once_and_then_one_answer() {
    let server = served();
    for size in [1, 1000, 600_000] {
        for chunked in [false, true] {
            let bytes = version_bytes(1, size);
            let target = format!("/new-{size}-{chunked}");
            let question = match chunked {
                true => request("PUT", &target).chunked(&bytes, 100_000),
                false => put(&target, &bytes),
            };
            let question = expecting(question.field("If-None-Match", "*"));
            let only_head = question.clone().only_head().bytes();
            let mut client = server.connect();
            client.send(&only_head);
            let interim = client.next_head(&question).unwrap().expect(100);
            assert!(interim.fields.is_empty(), "{interim}");
            assert!(!server.folder().path(target.trim_start_matches('/')).exists());
            client.send(&question.bytes()[only_head.len()..]);
            let answer = client.next_head(&question).unwrap().expect(201);
            assert_eq!(answer.tag(), tag_of(&bytes), "{answer}");
            // The connection goes on, in step.
            client.ask(&get(&target)).expect_file(&bytes);
        }
    }
}

#[test]
fn who_does_not_wait_for_100_continue_may_send_at_once() {
    let server = served();
    for size in [0, 1000, 600_000] {
        let mut client = server.connect();
        let bytes = version_bytes(1, size);
        let question = expecting(put(format!("/at-once-{size}"), &bytes));
        client.send(question.bytes());
        let mut interims = 0;
        let answer = loop {
            let head = client.next_head(&question).unwrap();
            if head.status != 100 {
                break head.expect(201);
            }
            interims += 1;
        };
        assert!(interims <= 1, "{answer}");
        client.ask(&get(format!("/at-once-{size}"))).expect_file(&bytes);
    }
}

#[test]
fn the_verdict_is_passed_again_when_the_body_has_come() {
    let server = served();
    let question = expecting(put("/file", "mine").field("If-Match", tag_of(b"old")));
    let (mut first, mut second) = (server.connect(), server.connect());
    for client in [&mut first, &mut second] {
        client.send(question.clone().only_head().bytes());
        client.next_head(&question).unwrap().expect(100);
    }
    first.send("mine");
    first.read(&question).expect(204);
    second.send("mine");
    second.read(&question).expect_problem(412);
    server.get("/file").expect_file(b"mine");
}

/// Sends a head and 100 MB behind it, without a look at what comes back.
fn send_it_all(client: &mut Client, question: &Request) {
    client.send(question.bytes());
    let megabyte = vec![b'x'; 1_000_000];
    for number in 0..100 {
        let sent = client.try_send(&megabyte);
        assert!(sent.is_ok(), "after {number} MB: {sent:?}");
    }
}

#[test]
fn a_refusal_is_read_by_who_sends_all_first() {
    let server = served();
    let before = tree(&server.folder().root());
    for (question, status) in refused_by_head(100_000_000).into_iter().take(10) {
        let mut client = server.connect();
        send_it_all(&mut client, &question);
        client.read(&question).expect_problem(status);
    }
    // Chunks have no end that is known before.
    let question =
        request("PUT", "/file").field("Transfer-Encoding", "chunked").field("If-Match", "\"stale\"");
    let mut client = server.connect();
    client.send(question.bytes());
    let chunk = [b"f4240\r\n".as_slice(), &vec![b'x'; 1_000_000], b"\r\n"].concat();
    for _ in 0..100 {
        client.send(&chunk);
    }
    client.send("0\r\n\r\n");
    client.read(&question).expect_problem(412);
    assert_eq!(tree(&server.folder().root()), before);
    assert_nothing_left(&server);
}

/// A request head for a body of 100 MB in chunks of one, and the pieces of that body.
fn hundred_megabytes(question: Request, chunked: bool) -> (Request, Vec<u8>, &'static str) {
    let megabyte = vec![b'x'; 1_000_000];
    match chunked {
        true => {
            let chunk = [b"f4240\r\n".as_slice(), &megabyte, b"\r\n"].concat();
            (question.field("Transfer-Encoding", "chunked"), chunk, "0\r\n\r\n")
        }
        false => (question.field("Content-Length", "100000000"), megabyte, ""),
    }
}

#[test]
fn a_refusal_that_took_time_is_read_by_who_sends_all_first() {
    // The tag of a large file that nobody has asked for must be computed first; the body is on its way meanwhile.
    let server = served();
    for (number, chunked) in [false, true, false, true].into_iter().enumerate() {
        let name = format!("cold-{number}");
        server.folder().write_version(&name, number as u64, 60_000_000);
        let question = request("PUT", format!("/{name}")).field("If-Match", "\"stale\"");
        let (question, piece, last) = hundred_megabytes(question, chunked);
        let mut client = server.connect();
        client.send(question.bytes());
        for number in 0..100 {
            let sent = client.try_send(&piece);
            assert!(sent.is_ok(), "after {number} MB, chunked: {chunked}: {sent:?}");
        }
        client.send(last);
        client.read(&question).expect_problem(412);
    }
}

#[test]
fn a_failed_upload_gives_its_connection_free() {
    let server = Launch::writing().through(&["sh", "-c", "ulimit -f 64; exec \"$@\"", "sh"]).start();
    server.get("/").expect(200);
    let sockets = server.sockets();
    for round in 0..10 {
        let bytes = version_bytes(1, 700_000);
        for question in [put("/file", &bytes), request("PUT", "/file").chunked(&bytes, 65_536)] {
            let mut client = server.connect();
            client.send(question.field("Connection", "close").bytes());
            client.read(&put("/file", "")).expect_problem(507);
            drop(client);
            crate::harness::eventually(&format!("the connection of upload {round} is gone"), || {
                (server.sockets() <= sockets).then_some(())
            });
        }
    }
    assert_nothing_left(&server);
}

#[test]
fn a_refusal_is_read_by_who_reads_while_sending() {
    let server = served();
    for (question, status) in refused_by_head(100_000_000) {
        let mut client = server.connect();
        let (mut sender, stop) = (client.sender(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let megabyte = vec![b'x'; 1_000_000];
                sender.write_all(&question.bytes()).unwrap();
                // The client stops in the middle once it has the answer, and goes.
                for _ in 0..100 {
                    if stop.load(Ordering::Relaxed) || sender.write_all(&megabyte).is_err() {
                        break;
                    }
                }
            });
            let answer = client.try_read(&question);
            stop.store(true, Ordering::Relaxed);
            answer.unwrap_or_else(|broken| panic!("{broken:?}")).expect_problem(status);
        });
    }
    server.get("/file").expect_file(b"old");
    assert_nothing_left(&server);
}

#[test]
fn a_refusal_does_not_wait_for_the_body() {
    let server = served();
    for (question, status) in refused_by_head(100_000_000) {
        for sent in [0, 1, 100_000] {
            let mut client = server.connect();
            client.send(question.bytes());
            client.send(vec![b'x'; sent]);
            client.read(&question).expect_problem(status);
        }
    }
}

#[test]
fn a_refused_upload_ends_the_connection_once_its_body_is_over() {
    let server = served();
    for (question, status) in refused_by_head(600_000) {
        if status == 413 {
            continue;
        }
        let mut client = server.connect();
        client.send(question.clone().field("Connection", "close").bytes());
        client.send(vec![b'x'; 600_000]);
        client.read(&question).expect_problem(status);
        client.be_patient(Duration::from_secs(15));
        assert!(
            client.is_closed(),
            "half a minute is given to a client that still sends\n{}",
            question.shown()
        );
    }
}

fn expect_in_step(client: &mut Client, exchanges: &[(Request, u16)]) -> Vec<Response> {
    let all: Vec<u8> = exchanges.iter().flat_map(|(request, _)| request.bytes()).collect();
    client.send(all);
    let mut answers: Vec<Response> = Vec::new();
    for (request, status) in exchanges {
        match client.try_read(request) {
            Ok(answer) => answers.push(answer.expect(*status)),
            Err(broken) => {
                let before: String = answers.iter().map(ToString::to_string).collect();
                panic!("{broken:?} instead of an answer to\n{}\nbehind\n{before}", request.shown());
            }
        }
    }
    answers
}

#[test]
fn requests_behind_an_upload_are_answered_in_turn() {
    let server = Launch::writing().args(["--durability", "none"]).start();
    let small = version_bytes(1, 1000);
    let large = version_bytes(2, 700_000);
    let mut client = server.connect();
    for _ in 0..5 {
        let answers = expect_in_step(
            &mut client,
            &[
                (put("/file", &small), 201),
                (get("/file"), 200),
                (put("/file", &large).field("If-Match", tag_of(&small)), 204),
                (head("/file"), 200),
                (get("/file"), 200),
                (request("PUT", "/file").chunked(&small, 77).field("If-Match", tag_of(&large)), 204),
                (get("/file").field("If-None-Match", tag_of(&small)), 304),
                (put("/empty", ""), 201),
                (get("/empty"), 200),
                (delete("/empty"), 204),
                (get("/empty"), 404),
                (delete("/empty"), 404),
                (request("OPTIONS", "/file"), 204),
                (delete("/file").field("If-Match", tag_of(&small)), 204),
                (get("/file"), 404),
            ],
        );
        assert!(answers[1].body == small && answers[4].body == large);
    }
    assert_nothing_left(&server);
}

#[test]
fn the_body_of_a_delete_means_nothing() {
    let server = Launch::writing().args(["--durability", "none"]).start();
    server.folder().write("other", "x");
    let inner = delete("/other").bytes();
    for round in 0..20 {
        for question in [delete("/file").body(&inner), request("DELETE", "/file").chunked(&inner, 5)] {
            server.folder().write("file", "old");
            let mut client = server.connect();
            client.send([question.bytes(), get("/other").bytes()].concat());
            let answer = client.read(&question).expect(204);
            assert!(!server.folder().path("file").exists(), "round {round}\n{answer}");
            if answer.lists("Connection", "close") {
                client.finish_sending();
                assert!(client.read_to_end().is_empty(), "{answer}");
            } else {
                client.read(&get("/other")).expect_file(b"x");
            }
        }
    }
    server.get("/other").expect_file(b"x");
}

#[test]
fn a_write_is_seen_by_the_request_behind_it() {
    let server = Launch::writing().args(["--durability", "none"]).start();
    let mut client = server.connect();
    for round in 0..50 {
        let bytes = version_bytes(round, 100 + (round as usize % 4) * 200_000);
        let pair = [put("/file", &bytes).bytes(), get("/file").bytes()].concat();
        client.send(pair);
        client.read(&put("/file", "")).expect_one_of(&[201, 204]);
        client.read(&get("/file")).expect_file(&bytes);
    }
}

#[test]
fn the_body_of_a_refused_upload_is_not_taken_for_a_request() {
    let server = served();
    let inner = [get("/smuggled").bytes(), delete("/sub/file").bytes()].concat();
    let large = [inner.as_slice(), &vec![b'\n'; 300_000], &inner].concat();
    for body in [inner, large] {
        for (question, status) in refused_by_head(body.len()) {
            if status == 413 {
                continue;
            }
            let mut client = server.connect();
            client.send(question.bytes());
            let _ = client.try_send(&body);
            // The next request may find the connection closed by the refusal.
            let next = get("/file");
            let sent = client.try_send(next.bytes()).is_ok();
            client.read(&question).expect(status);
            client.finish_sending();
            match client.try_read(&next) {
                Ok(response) if sent => drop(response.expect_file(b"old")),
                Ok(response) => panic!("an answer to nothing\n{response}"),
                Err(Broken::Closed) => {}
                Err(broken) => panic!("{broken:?} after\n{}", question.shown()),
            }
        }
    }
    server.get("/sub/file").expect_file(b"old");
}

#[test]
fn nothing_is_smuggled_in_an_upload() {
    let mut server = served();
    let inner = "DELETE /sub/file HTTP/1.1\r\nHost: localhost\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = inner.len();
    let with_chunk = format!("5\r\nhello\r\n0\r\n\r\n{inner}");
    let ambiguous = [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{with_chunk}", with_chunk.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n{with_chunk}"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n{inner}"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{inner}"),
        format!("Content-Length: {length}\r\nContent-Length: 0\r\n\r\n{inner}"),
        format!("Content-Length: {length}\r\nContent-Length: {length}\r\n\r\n{inner}"),
        format!("Content-Length: 0, {length}\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n{with_chunk}"),
        format!("Transfer-Encoding: identity, chunked\r\nContent-Length: 0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: xchunked\r\n\r\n{with_chunk}"),
        format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n{with_chunk}"),
        format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{with_chunk}"),
        format!("Transfer-Encoding : chunked\r\n\r\n{with_chunk}"),
        format!("Transfer-Encoding:\x0bchunked\r\n\r\n{with_chunk}"),
        format!("Content-Length : 0\r\n\r\n{inner}"),
        format!("Content-Length: +0\r\n\r\n{inner}"),
        format!("Content-Length: -1\r\n\r\n{inner}"),
        format!("Content-Length: 0x10\r\n\r\n{inner}"),
        format!("Content-Length: 5_0\r\n\r\n{inner}"),
        format!("Content-Length: 99999999999999999999999999\r\n\r\n{inner}"),
        format!("Content-Length: \r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n5 \r\nhello0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n5;ext=\n\r\nhello\r\n0\r\n\r\n{inner}"),
        format!("X: a\r\n b\r\nContent-Length: 0\r\n\r\n{inner}"),
        format!("X: a\nContent-Length: {length}\r\nContent-Length: 0\r\n\r\n{inner}"),
    ];
    for (number, rest) in ambiguous.iter().enumerate() {
        let target = format!("/file-{number}");
        server.folder().write(&target[1..], "old");
        let mut client = server.connect();
        let _ = client.try_send(format!("PUT {target} HTTP/1.1\r\nHost: localhost\r\n{rest}"));
        client.finish_sending();
        let answers = String::from_utf8_lossy(&client.read_to_end()).into_owned();
        let shown = crate::harness::request::shown(rest.as_bytes());
        assert!(answers.matches("HTTP/1.1 ").count() <= 1, "two answers to\n{shown}\n{answers}");
        assert!(!answers.starts_with("HTTP/1.1 2"), "stored\n{shown}\n{answers}");
        assert!(!answers.contains("SMUGGLED"), "{shown}\n{answers}");
        assert_eq!(server.get(&target).text(), "old", "{shown}\n{answers}");
        server.get("/sub/file").expect_file(b"old");
    }
    server.assert_well();
    assert_nothing_left(&server);
}

#[test]
fn a_body_that_stalls_is_given_up() {
    let server = served();
    let before = tree(&server.folder().root());
    let mut clients = Vec::new();
    for (size, sent) in [(1000, 0), (1000, 500), (1_000_000, 600_000)] {
        let question = put("/file", version_bytes(1, size)).field("If-Match", tag_of(b"old"));
        let only_head = question.clone().only_head().bytes().len();
        let mut client = server.connect();
        client.send(&question.bytes()[..only_head + sent]);
        clients.push((client, question));
    }
    for (mut client, question) in clients {
        client.be_patient(Duration::from_secs(120));
        client.read(&question).expect_problem(408);
    }
    assert_eq!(tree(&server.folder().root()), before);
    assert_nothing_left(&server);
}
