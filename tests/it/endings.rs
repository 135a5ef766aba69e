//! How a connection goes on after a request whose body nobody wants, after one that asks for another protocol, and after
//! one whose end cannot be found.

use crate::harness::{Broken, Client, Launch, Response, Server, put, request};

fn serving() -> Server {
    let server = Launch::new().arg("-A").start();
    server.folder().write("file", "x");
    server
}

const GET: &str = "GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The head of a request for `/file`, or for a name that is not there if it might change something.
fn head(method: &str, fields: &str) -> String {
    let target = match method {
        "DELETE" | "PUT" => "/missing",
        _ => "/file",
    };
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n")
}

/// Reads one answer.
fn answer(client: &mut Client, method: &str, asked: &str) -> Response {
    client.try_read(&request(method, "/file")).unwrap_or_else(|broken| panic!("{broken:?} to\n{asked}"))
}

#[test]
fn a_small_body_that_nobody_wants_is_read_over() {
    let server = serving();
    for method in ["OPTIONS", "GET", "HEAD", "TRACE", "POST", "DELETE", "MADE-UP"] {
        for (fields, body) in [
            ("Content-Length: 5", "hello"),
            ("Transfer-Encoding: chunked", "5;with=this\r\nhello\r\n0\r\nAnd: that\r\n\r\n"),
        ] {
            let asked = head(method, fields) + body;
            let mut client = server.connect();
            // All at once, and the body later than the head.
            client.send(asked.clone() + GET);
            assert_ne!(answer(&mut client, method, &asked).field("Connection"), Some("close"), "{asked}");
            answer(&mut client, "GET", &asked).expect_file(b"x");
            client.send(head(method, fields));
            client.send(body.to_owned() + GET);
            answer(&mut client, method, &asked);
            answer(&mut client, "GET", &asked).expect_file(b"x");
        }
    }
}

#[test]
fn a_large_body_that_nobody_wants_ends_the_connection_once_it_is_there() {
    let server = serving();
    let body = "x".repeat(200_000);
    for method in ["OPTIONS", "GET", "HEAD", "TRACE", "POST", "DELETE", "MADE-UP"] {
        for (fields, body) in [
            (format!("Content-Length: {}", body.len()), body.clone()),
            ("Transfer-Encoding: chunked".to_owned(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
        ] {
            let asked = head(method, &fields);
            let mut client = server.connect();
            client.send(asked.clone() + &body + GET);
            let first = answer(&mut client, method, &asked);
            match first.field("Connection") {
                // Nothing behind it is answered, and nobody waits for that.
                Some("close") => assert!(client.is_closed(), "{asked}"),
                _ => drop(answer(&mut client, "GET", &asked).expect_file(b"x")),
            }
        }
    }
}

#[test]
fn another_protocol_is_not_spoken_and_ends_the_connection() {
    let server = serving();
    let connect = "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n";
    let upgrade = |protocol: &str| head("GET", &format!("Upgrade: {protocol}\r\nConnection: upgrade"));
    for (asked, status) in [
        (connect.to_owned(), 405),
        (upgrade("websocket"), 200),
        (upgrade("h2c"), 200),
        (upgrade("made-up"), 200),
        (head("GET", "Upgrade: websocket"), 200),
        (head("GET", "Connection: upgrade"), 200),
        (head("PUT", "Upgrade: websocket\r\nContent-Length: 5") + "hello", 400),
        (head("PUT", "Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 5") + "hello", 400),
    ] {
        for behind in ["", GET, "\x16\x03\x01 whatever it may be"] {
            let mut client = server.connect();
            client.send(asked.clone() + behind);
            let answer = answer(&mut client, "GET", &asked).expect(status);
            assert_eq!(answer.field("Connection"), Some("close"), "{asked}\n{answer}");
            assert!(client.is_closed(), "{asked}");
        }
    }
    assert!(!server.folder().path("missing").exists());
}

#[test]
fn a_chunked_body_whose_lines_end_without_cr_is_refused() {
    let server = serving();
    for body in [
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5;a=b\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0;a=b\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\n\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\n",
        "5\r\nhello\r\n0\r\nX: y\nX: z\r\n\r\n",
        "5\r\nhello\r\n0\r\n\rX: y\r\n\r\n",
    ] {
        for behind in ["", GET] {
            let asked = head("PUT", "Transfer-Encoding: chunked");
            let mut client = server.connect();
            client.send(asked.clone() + body + behind);
            let answer = answer(&mut client, "PUT", body).expect(400);
            assert_eq!(answer.field("Connection"), Some("close"), "{body:?}\n{answer}");
            assert!(answer.text().contains("is not in valid chunks"), "{body:?}\n{answer}");
            assert!(client.is_closed(), "{body:?}");
            assert!(!server.folder().path("missing").exists(), "{body:?}");
            // Nor where each line comes by itself. The server may refuse and close before the last one is sent.
            let mut client = server.connect();
            client.send(&asked);
            for line in body.split_inclusive('\n') {
                let _ = client.try_send(line);
            }
            match client.try_read(&request("PUT", "/missing")) {
                Ok(answer) => drop(answer.expect(400)),
                Err(broken) => assert!(matches!(broken, Broken::Closed), "{broken:?} to {body:?}"),
            }
            assert!(!server.folder().path("missing").exists(), "{body:?}");
        }
    }
    server.ask(&put("/new", "hello")).expect(201);
}
