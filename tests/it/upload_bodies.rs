//! What the body of an upload may be: chunks of any size, digests that vouch for it, limits, and what is not stored at all.

use crate::harness::content::repr_digest_of;
use crate::harness::{
    Launch, Request, Server, assert_nothing_left, get, put, request, tag_of, tree, version_bytes,
};

const MD5_OF_NOTHING: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";
/// RFC 1864 and RFC 1321: the digest of "message digest" is f96b697d7cb7938d525a2f31aaf161d0.
const MD5_OF_MESSAGE_DIGEST: &str = "+WtpfXy3k41SWi8xqvFh0A==";

#[test]
fn chunks_of_any_size_make_the_file() {
    let server = Launch::writing().args(["--durability", "none"]).start();
    let mut client = server.connect();
    for (size, chunk) in [
        (0, 1),
        (1, 1),
        (300, 1),
        (5000, 7),
        (100_000, 4095),
        (100_000, 100_000),
        (1_000_000, 65_536),
        (3_000_000, 1 << 20),
    ] {
        let bytes = version_bytes(1, size);
        let target = format!("/{size}-{chunk}");
        let created = client.ask(&request("PUT", &target).chunked(&bytes, chunk)).expect(201);
        assert_eq!(created.tag(), tag_of(&bytes));
        client.ask(&get(&target)).expect_file(&bytes);
        let again = request("PUT", &target).chunked("new", 2).field("If-Match", created.tag());
        client.ask(&again).expect(204);
        client.ask(&get(&target)).expect_file(b"new");
    }
}

#[test]
fn chunks_may_be_spelled_in_several_ways() {
    let server = Launch::writing().start();
    let bodies = [
        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        "0005\r\nhello\r\n6\r\n world\r\n0000\r\n\r\n",
        "B\r\nhello world\r\n0\r\n\r\n",
        "b\r\nhello world\r\n0\r\n\r\n",
        "5;name=value\r\nhello\r\n6;x\r\n world\r\n0;last\r\n\r\n",
    ];
    for (number, body) in bodies.iter().enumerate() {
        let target = format!("/{number}");
        for coding in ["chunked", "Chunked"] {
            let question = request("PUT", &target).field("Transfer-Encoding", coding);
            let mut client = server.connect();
            client.send(question.bytes());
            // One byte at a time: no boundary of a packet is one of a chunk.
            for byte in body.bytes() {
                client.send([byte]);
            }
            client.read(&question).expect_one_of(&[201, 204]);
            client.ask(&get(&target)).expect_file(b"hello world");
        }
    }
}

#[test]
fn what_is_broken_in_a_chunk_is_no_end() {
    let server = Launch::writing().start();
    server.folder().write("file", "old");
    let before = tree(&server.folder().root());
    let broken = [
        "5\r\nhello\r\nxyz\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "hello\r\n0\r\n\r\n",
        "5\r\nhello\r\n-5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\nfffffffffffffffffff\r\n",
        "\r\n\r\n",
    ];
    for body in broken {
        for target in ["/file", "/new", "/no/folder/new"] {
            let question = request("PUT", target).field("Transfer-Encoding", "chunked");
            let mut client = server.connect();
            client.send(question.bytes());
            let _ = client.try_send(body);
            client.finish_sending();
            let answers = String::from_utf8_lossy(&client.read_to_end()).into_owned();
            assert!(!answers.contains("HTTP/1.1 2"), "{body:?}\n{answers}");
            assert_eq!(tree(&server.folder().root()), before, "{body:?}");
        }
    }
    assert_nothing_left(&server);
}

/// The fields that vouch for a body, all of them right.
fn right_digests(bytes: &[u8]) -> Vec<Vec<(&'static str, String)>> {
    let (short, long) = (repr_digest_of("sha-256", bytes), repr_digest_of("sha-512", bytes));
    vec![
        vec![("Content-Digest", short.clone())],
        vec![("Content-Digest", long.clone())],
        vec![("Repr-Digest", short.clone())],
        vec![("Repr-Digest", long.clone())],
        vec![("Content-Digest", format!("{short}, {long}"))],
        vec![("Content-Digest", short.clone()), ("Content-Digest", long.clone())],
        vec![("Content-Digest", short.clone()), ("Repr-Digest", long)],
        vec![("Content-Digest", format!("md5=:AAAA:, {short};parameter=1, unixsum=:AAAA:"))],
        // What nobody can check is no promise that was broken.
        vec![("Content-Digest", "crc32c=:AAAAAA==:".to_owned())],
        vec![("Want-Repr-Digest", "sha-256=10".to_owned())],
    ]
}

/// Fields that vouch for other bytes, or cannot be read.
fn wrong_digests(bytes: &[u8]) -> Vec<Vec<(&'static str, String)>> {
    let right = repr_digest_of("sha-256", bytes);
    let wrong = repr_digest_of("sha-256", &[bytes, b"!"].concat());
    let wrong_long = repr_digest_of("sha-512", &[bytes, b"!"].concat());
    let mut all = vec![
        vec![("Content-Digest", wrong.clone())],
        vec![("Content-Digest", wrong_long.clone())],
        vec![("Repr-Digest", wrong.clone())],
        vec![("Repr-Digest", wrong_long.clone())],
        vec![("Content-Digest", format!("{right}, {wrong_long}"))],
        vec![("Content-Digest", right.clone()), ("Repr-Digest", wrong.clone())],
        vec![("Content-Digest", right.clone()), ("Content-Digest", wrong.clone())],
        vec![("Content-MD5", MD5_OF_NOTHING.to_owned())],
    ];
    for name in ["Content-Digest", "Repr-Digest"] {
        for malformed in [
            "sha-256",
            "sha-256=",
            "sha-256=abc",
            "sha-256=:AAAA:",
            "sha-256=::",
            "sha-256=:!!!!:",
            "sha-256=\"AAAA\"",
            "sha-256=(:AAAA:)",
            "sha-512=1",
            ":AAAA:",
            "=",
            &right.replace(':', ""),
            &format!("{right},"),
            &format!("{right} {right}"),
        ] {
            all.push(vec![(name, malformed.to_owned())]);
        }
    }
    for malformed in ["", "AAAA", "d41d8cd98f00b204e9800998ecf8427e", "1B2M2Y8AsgTpgAmY7PhCfg", ":AAAA:"] {
        all.push(vec![("Content-MD5", malformed.to_owned())]);
    }
    all.push(vec![("Content-MD5", MD5_OF_NOTHING.to_owned()), ("Content-MD5", MD5_OF_NOTHING.to_owned())]);
    all
}

fn with_fields(request: Request, fields: &[(&'static str, String)]) -> Request {
    fields.iter().fold(request, |request, (name, value)| request.field(name, value))
}

#[test]
fn a_digest_that_agrees_lets_the_body_through() {
    let server = Launch::writing().args(["--durability", "none"]).start();
    for size in [0, 1000, 600_000] {
        let bytes = version_bytes(1, size);
        for fields in right_digests(&bytes) {
            server.ask(&with_fields(put("/file", &bytes), &fields)).expect_one_of(&[201, 204]);
            server.get("/file").expect_file(&bytes);
            let chunked = request("PUT", "/file").chunked(&bytes, 70_000);
            server.ask(&with_fields(chunked, &fields)).expect(204);
        }
    }
    server.ask(&put("/md5", "").field("Content-MD5", MD5_OF_NOTHING)).expect(201);
    server.ask(&put("/md5", "message digest").field("Content-MD5", MD5_OF_MESSAGE_DIGEST)).expect(204);
    server.get("/md5").expect_file(b"message digest");
}

#[test]
fn a_digest_that_disagrees_or_is_none_touches_nothing() {
    let server = Launch::writing().args(["--durability", "none"]).start();
    server.folder().write("file", "old");
    let before = tree(&server.folder().root());
    for size in [1000, 600_000] {
        let bytes = version_bytes(1, size);
        for fields in wrong_digests(&bytes) {
            for target in ["/file", "/new", "/no/such/folder/new"] {
                for question in [put(target, &bytes), request("PUT", target).chunked(&bytes, 70_000)] {
                    let refused = server.ask(&with_fields(question, &fields)).expect_problem(400);
                    let detail = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
                    assert!(fields.iter().any(|(name, _)| detail.contains(name)), "{refused}");
                }
            }
            assert_eq!(tree(&server.folder().root()), before);
        }
    }
    assert_nothing_left(&server);
}

/// A chunked body with this section behind it.
fn with_trailers(target: &str, trailers: &str) -> (Request, String) {
    (request("PUT", target).field("Transfer-Encoding", "chunked"), format!("3\r\nnew\r\n0\r\n{trailers}\r\n"))
}

#[test]
fn a_digest_in_a_trailer_is_refused_announced_or_not() {
    let server = Launch::writing().start();
    server.folder().write("file", "old");
    let before = tree(&server.folder().root());
    let (right, wrong) = (repr_digest_of("sha-256", b"new"), repr_digest_of("sha-256", b"other"));
    for target in ["/file", "/new", "/no/such/folder/new"] {
        for digest in [&right, &wrong] {
            for field in ["Content-Digest", "Repr-Digest", "content-digest", "REPR-DIGEST", "Content-MD5"] {
                for before_it in
                    ["", "X: content-digest: y\r\n", "A-Very-Long-Name-That-Nobody-Has-Ever-Heard-Of: z\r\n"]
                {
                    let trailers = format!("{before_it}{field}: {digest}\r\n");
                    let (question, body) = with_trailers(target, &trailers);
                    for announced in ["", field, &format!("X-Checksum, {field}")] {
                        let question = match announced {
                            "" => question.clone(),
                            names => question.clone().field("Trailer", names),
                        };
                        let mut client = server.connect();
                        client.send(question.bytes());
                        // The announcement is refused without waiting for the body.
                        let _ = client.try_send(&body);
                        let refused = client.read(&question).expect_problem(400);
                        assert!(
                            refused.text().to_ascii_lowercase().contains(&field.to_ascii_lowercase()),
                            "{refused}"
                        );
                        assert!(refused.text().contains("header field"), "{refused}");
                    }
                }
            }
        }
    }
    assert_eq!(tree(&server.folder().root()), before);
    assert_nothing_left(&server);
}

#[test]
fn an_announced_digest_is_refused_before_100_continue() {
    let server = Launch::writing().start();
    let question = request("PUT", "/new")
        .field("Transfer-Encoding", "chunked")
        .field("Trailer", "Repr-Digest")
        .field("Expect", "100-continue");
    let mut client = server.connect();
    client.send(question.bytes());
    client.next_head(&question).unwrap().expect(400);
}

#[test]
fn trailers_that_are_no_digests_are_read_over() {
    let server = Launch::writing().start();
    let mut client = server.connect();
    for trailers in ["X-Checksum: abc\r\n", "X: y\r\nServer-Timing: a;dur=1\r\n", "Content: -Digest\r\n"] {
        let (question, body) = with_trailers("/file", trailers);
        let question = question.field("Trailer", "X-Checksum");
        client.send(question.bytes());
        client.send(&body);
        client.read(&question).expect_one_of(&[201, 204]);
        // The next body on the connection is not judged by this one.
        client.ask(&request("PUT", "/file").chunked("new", 2)).expect(204);
        client.ask(&get("/file")).expect_file(b"new");
    }
}

#[test]
fn a_put_that_tells_no_length_is_411() {
    let server = Launch::writing().start();
    server.folder().write("file", "old");
    let before = tree(&server.folder().root());
    let forms = [
        request("PUT", "/file"),
        request("PUT", "/new"),
        request("PUT", "/no/such/folder/new"),
        // The length is asked for before any precondition is looked at (RFC 9110, 13.2.1).
        request("PUT", "/file").field("If-Match", "\"stale\""),
        request("PUT", "/file").field("If-Match", tag_of(b"old")),
    ];
    for question in &forms {
        let refused = server.ask(question).expect_problem(411);
        assert!(refused.text().contains("Content-Length: 0"), "{refused}");
        let waiting = question.clone().field("Expect", "100-continue");
        let mut client = server.connect();
        client.send(waiting.bytes());
        client.next_head(&waiting).unwrap().expect(411);
        let mut client = server.connect();
        client.send(String::from_utf8(question.bytes()).unwrap().replace("HTTP/1.1", "HTTP/1.0"));
        let answer = String::from_utf8(client.read_to_end()).unwrap();
        assert!(answer.split_once(' ').unwrap().1.starts_with("411 "), "{answer}");
    }
    assert_eq!(tree(&server.folder().root()), before);
    // A method that is not allowed is named first.
    Server::start().ask(&request("PUT", "/file")).expect_problem(405);
}

#[test]
fn a_put_by_http2_without_a_body_is_411_unless_it_says_so() {
    let server = crate::tls::serving(crate::tls::launch("one").arg("--allow-all"));
    server.folder().write("file", "old");
    let status = |arguments: &[&str]| {
        let asked =
            [&["--http2", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", "-X", "PUT"], arguments];
        crate::tls::curl(&server, "/file", &asked.concat())
    };
    assert_eq!(status(&[]), "411 2");
    assert_eq!(std::fs::read_to_string(server.folder().path("file")).unwrap(), "old");
    assert_eq!(status(&["-H", "Trailer: Content-Digest", "-d", "x"]), "400 2");
    assert_eq!(std::fs::read_to_string(server.folder().path("file")).unwrap(), "old");
    assert_eq!(status(&["-d", ""]), "204 2");
    assert_eq!(std::fs::read_to_string(server.folder().path("file")).unwrap(), "");
}

#[test]
fn a_part_is_not_stored_as_the_whole() {
    let server = Launch::writing().start();
    server.folder().write("file", "old");
    let before = tree(&server.folder().root());
    for range in ["bytes 0-2/10", "bytes 0-2/3", "bytes */3", "bytes 3-5/*", "lines 1-2/3", "", "garbage"] {
        for target in ["/file", "/new"] {
            let question = put(target, "new").field("Content-Range", range);
            server.ask(&question).expect_problem(400);
            server.ask(&question.field("If-Match", "*")).expect_problem(400);
        }
    }
    assert_eq!(tree(&server.folder().root()), before);
}

#[test]
fn a_coded_body_is_not_stored_under_a_false_label() {
    let server = Launch::writing().start();
    server.folder().write("file", "old");
    let before = tree(&server.folder().root());
    for coding in ["gzip", "GZIP", "br", "zstd", "x-unknown", "identity, gzip", "gzip, identity", "aes128gcm"]
    {
        for target in ["/file", "/new", "/new.gz"] {
            let refused =
                server.ask(&put(target, "new").field("Content-Encoding", coding)).expect_problem(415);
            // RFC 9110, 15.5.16: what would be taken.
            assert!(refused.field("Accept-Encoding").is_some(), "{refused}");
        }
    }
    let twice = put("/file", "new").field("Content-Encoding", "identity").field("Content-Encoding", "br");
    server.ask(&twice).expect_problem(415);
    assert_eq!(tree(&server.folder().root()), before);
    for coding in ["identity", "Identity", ""] {
        server.ask(&put("/file", "new").field("Content-Encoding", coding)).expect(204);
    }
    let plain = server.get("/file").expect_file(b"new");
    assert_eq!(plain.field("Content-Encoding"), None, "{plain}");
}

/// Uploads of this many bytes, in the three ways a length shows.
fn uploads_of(size: usize) -> [Request; 3] {
    let bytes = version_bytes(1, size);
    [
        put("/file", &bytes),
        request("PUT", "/file").chunked(&bytes, 1000),
        put("/file", &bytes).field("Expect", "100-continue"),
    ]
}

#[test]
fn the_largest_upload_is_exactly_as_large_as_is_said() {
    for (option, limit) in [("0", 0), ("1000", 1000), ("1K", 1024), ("300k", 300 << 10), ("2M", 2 << 20)] {
        let server = Launch::writing().args(["--max-upload-size", option, "--durability", "none"]).start();
        server.folder().write("file", "old");
        let before = tree(&server.folder().root());
        for size in [limit + 1, 2 * limit + 7] {
            for question in uploads_of(size) {
                let refused = server.ask(&question).expect_problem(413);
                assert!(refused.text().contains(&limit.to_string()), "{refused}");
                assert_eq!(tree(&server.folder().root()), before);
            }
        }
        for question in uploads_of(limit) {
            server.ask(&question).expect(204);
            server.get("/file").expect_file(&version_bytes(1, limit));
        }
        assert_nothing_left(&server);
    }
}

#[test]
fn the_limit_comes_from_the_environment_as_well() {
    let server = Launch::writing().env("IFMATCH_MAX_UPLOAD_SIZE", "10").start();
    server.ask(&put("/file", "12345678901")).expect_problem(413);
    server.ask(&put("/file", "1234567890")).expect(201);
}

#[test]
fn the_media_type_of_an_upload_is_told_by_its_name() {
    let server = Launch::writing().start();
    let types = [("/page.html", "text/html"), ("/style.css", "text/css"), ("/data.json", "application/json")];
    for (target, media_type) in types {
        server.ask(&put(target, "<script>alert(1)</script>").field("Content-Type", "image/png")).expect(201);
        let response = server.get(target).expect(200);
        let stored = response.field("Content-Type").unwrap_or_default();
        assert!(stored.starts_with(media_type), "{response}");
        assert_eq!(response.field("X-Content-Type-Options"), Some("nosniff"), "{response}");
    }
}

#[test]
fn many_uploads_at_once_are_all_stored_or_told_to_wait() {
    let mut server = Launch::writing().args(["--durability", "none"]).start();
    let before = server.descriptors();
    let server_ref: &Server = &server;
    std::thread::scope(|scope| {
        for number in 0..40_u64 {
            scope.spawn(move || {
                let bytes = version_bytes(number, 300_000 + number as usize);
                server_ref.ask(&put(format!("/file-{number}"), &bytes)).expect(201);
                server_ref.get(format!("/file-{number}")).expect_file(&bytes);
            });
        }
    });
    server.assert_well();
    assert_nothing_left(&server);
    crate::harness::eventually("no descriptor is left open", || {
        // Leases, watches and workers come and go; uploads would be many.
        (server.descriptors() < before + 30).then_some(())
    });
}
