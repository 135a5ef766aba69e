//! Limits: how long clients may take, how much they may ask for, and how many they may be.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::harness::{Client, Folder, Launch, Server, eventually, get, head, put, request};

/// What the server sends until it closes the connection; it must come to that by itself.
fn rest_of(client: &mut Client) -> String {
    client.be_patient(Duration::from_secs(60));
    String::from_utf8_lossy(&client.read_to_end()).into_owned()
}

fn serving(arguments: &[&str]) -> Server {
    let server = Launch::writing().args(arguments).start();
    server.folder().write("file", "x");
    server.get("/file").expect(200);
    server
}

/// The value of a metric without labels.
fn metric(server: &Server, name: &str) -> u64 {
    let text = String::from_utf8(server.get("/__ifmatch__/metrics").expect(200).body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

/// A connection from another address of this machine.
fn connect_from(server: &Server, from: [u8; 4]) -> Client {
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::new(Ipv4Addr::from(from).into(), 0)).unwrap();
    rustix::net::connect(&socket, &server.address()).unwrap();
    Client::over(TcpStream::from(socket))
}

#[test]
fn a_head_has_as_long_as_is_said() {
    let server = serving(&["--head-timeout", "200ms"]);
    for sent in ["GET /file HTTP/1.1\r\n", "PUT /file HTTP/1.1\r\nHost: a\r\nX", "G"] {
        let mut client = server.connect();
        client.send(sent);
        let answer = rest_of(&mut client);
        assert!(
            answer.starts_with("HTTP/1.1 408 ") && answer.contains("application/problem+json"),
            "{answer}"
        );
    }
    // Who says nothing is told nothing.
    assert_eq!(rest_of(&mut server.connect()), "");
    // Between requests there is more time.
    let mut client = server.connect();
    client.ask(&get("/file")).expect(200);
    std::thread::sleep(Duration::from_millis(400));
    client.ask(&get("/file")).expect(200);
}

#[test]
fn the_time_between_requests_is_what_is_said() {
    let server = serving(&["--idle-timeout", "200ms"]);
    for first in [get("/file"), put("/other", "x")] {
        let mut client = server.connect();
        client.ask(&first).expect_one_of(&[200, 201, 204]);
        assert_eq!(rest_of(&mut client), "", "{}", first.shown());
    }
}

#[test]
fn the_body_of_an_upload_may_pause_as_long_as_is_said() {
    let server = serving(&["--body-timeout", "200ms"]);
    let mut client = server.connect();
    client.send("PUT /new HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx");
    client.be_patient(Duration::from_secs(60));
    let answer = client.read(&put("/new", "")).expect(408);
    assert!(answer.text().contains("for 200ms"), "{answer}");
    assert!(!server.folder().path("new").exists());
}

#[test]
fn who_takes_nothing_of_an_answer_is_given_up_after_as_long_as_is_said() {
    let server = serving(&["--send-timeout", "200ms"]);
    server.folder().write_version("large", 1, 64 << 20);
    server.get_settled("/large").expect(200);
    let open = server.sockets();
    // On the connection itself, and by the longer way.
    for request in [get("/large"), get("/large").field("Content-Length", "0")] {
        let mut client = server.connect();
        client.send(request.bytes());
        eventually("it is being answered", || (server.sockets() > open).then_some(()));
        eventually("it is given up", || (server.sockets() <= open).then_some(()));
        drop(client);
    }
}

#[test]
fn answers_go_on_for_as_long_as_is_said_after_a_signal_to_stop() {
    let mut server = serving(&["--shutdown-timeout", "1s"]);
    server.folder().write_version("large", 1, 64 << 20);
    server.get_settled("/large").expect(200);
    let mut client = server.connect();
    let question = get("/large");
    client.send(question.bytes());
    client.try_read_head(&question).unwrap();
    server.signal(rustix::process::Signal::TERM);
    // Nobody takes the rest, and it does not wait for more than that.
    assert!(server.wait().success());
    let said = server.stderr();
    assert!(said.contains("--shutdown-timeout (1s) is over: 1 connection is cut off"), "{said}");
    // A connection that idles is no answer.
    let mut server = serving(&["--shutdown-timeout", "4s"]);
    let mut client = server.connect();
    client.ask(&get("/file")).expect(200);
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    assert_eq!(server.stderr(), "");
}

#[test]
fn a_head_is_as_large_as_is_said() {
    let server = serving(&["--max-head-size", "8K"]);
    let of_size = |size: usize| {
        let empty = get("/file").field("X-Filler", "").bytes().len();
        get("/file").field("X-Filler", "x".repeat(size - empty))
    };
    for (size, status) in [(4000, 200), (5000, 200), (8192, 200), (8193, 431), (100_000, 431)] {
        let request = of_size(size);
        assert_eq!(request.bytes().len(), size);
        let answer = server.ask(&request).expect(status);
        if status == 431 {
            assert!(answer.text().contains("8192 bytes"), "{answer}");
            assert!(answer.lists("Connection", "close"), "{answer}");
        }
        // In pieces, and behind another request.
        let mut client = server.connect();
        client.ask(&get("/file")).expect(200);
        for piece in request.bytes().chunks(1000) {
            // It is refused as soon as it is too large.
            let _ = client.try_send(piece);
            std::thread::sleep(Duration::from_millis(1));
        }
        client.read(&request).expect(status);
    }
}

#[test]
fn what_is_no_request_is_told_so_and_logged() {
    let server = Launch::writing().arg("-v").start();
    server.folder().write("file", "x");
    let many: String = (0..200).map(|number| format!("X-{number}: x\r\n")).collect();
    for (bytes, status) in [
        ("GET /fi le HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET /file HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n".to_owned(), 400),
        ("NONSENSE\r\n\r\n".to_owned(), 400),
        ("GET /file HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".to_owned(), 400),
        (format!("GET /file HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
    ] {
        for first in [None, Some(get("/file")), Some(put("/other", "HTTP/1.1 400 is no answer"))] {
            let mut client = server.connect();
            if let Some(first) = &first {
                client.ask(first).expect_one_of(&[200, 201, 204]);
            }
            client.send(&bytes);
            let answer = client.read(&get("/")).expect(status);
            assert_eq!(answer.field("Content-Type"), Some("application/problem+json"), "{answer}");
            assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"), "{answer}");
            assert!(answer.lists("Connection", "close"), "{answer}");
            assert_eq!(answer.json()["status"], status);
            assert_eq!(rest_of(&mut client), "");
        }
    }
    for status in [400, 431] {
        eventually("it is logged", || {
            server.stderr().contains(&format!("\"- - HTTP/1.1\" {status} 0")).then_some(())
        });
    }
}

#[test]
fn an_answer_that_looks_like_a_refusal_is_left_alone() {
    // The bytes of a file, at any place where a write may begin.
    let server = serving(&[]);
    let text = "HTTP/1.1 400 Bad Request\r\n\r\n".repeat(100_000);
    server.folder().write("like", &text);
    for pause in [0, 1, 5] {
        let mut client = server.connect();
        let (first, second) = (get("/like").field("Content-Length", "0"), "GET /b ad HTTP/1.1\r\n\r\n");
        client.send([first.bytes(), second.into()].concat());
        let mut response = client.try_read_head(&first).unwrap();
        for _ in 0..10 {
            client.read_some(&mut response, 50_000);
            std::thread::sleep(Duration::from_millis(pause));
        }
        client.try_read_rest(&mut response).unwrap();
        assert!(response.body == text.as_bytes());
    }
}

#[test]
fn an_address_has_as_many_connections_as_is_said() {
    let server = serving(&["--max-connections-per-address", "3"]);
    let before = metric(&server, "ifmatch_connections_refused_total");
    eventually("the first ones have left", || (metric(&server, "ifmatch_connections") == 1).then_some(()));
    let mut first: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for client in &mut first {
        client.ask(&get("/file")).expect(200);
    }
    let refused = server.connect().read(&get("/file")).expect(503);
    assert!(refused.text().contains("as many connections"), "{refused}");
    // Another address is not concerned.
    let mut other = connect_from(&server, [127, 0, 0, 2]);
    let metrics = other.ask(&get("/__ifmatch__/metrics")).expect(200).text();
    assert!(metrics.contains("\nifmatch_connections 4\n"), "{metrics}");
    assert!(metrics.contains(&format!("\nifmatch_connections_refused_total {}\n", before + 1)), "{metrics}");
    // A place becomes free with the connection that had it.
    first.pop();
    eventually("there is a place", || {
        let mut client = server.connect();
        client.send(get("/file").bytes());
        client.try_read(&get("/file")).ok().filter(|answer| answer.status == 200)
    });
}

#[test]
fn more_connections_than_there_may_be_wait_until_one_ends() {
    let server = serving(&["--max-connections", "8", "--max-connections-per-address", "0"]);
    let mut first: Vec<Client> = Vec::new();
    eventually("all are taken", || {
        let mut client = server.connect();
        client.be_patient(Duration::from_millis(300));
        client.send(get("/file").bytes());
        let answered = client.try_read(&get("/file")).is_ok();
        first.push(client);
        (!answered).then_some(())
    });
    let mut waiting = first.pop().unwrap();
    assert!((4..=8).contains(&first.len()), "{}", first.len());
    // In the crowd, a connection that idles makes room in five seconds; nobody has to end one.
    waiting.be_patient(Duration::from_secs(60));
    waiting.read(&get("/file")).expect(200);
    assert!(server.stderr().is_empty(), "accepting failed");
}

#[test]
fn the_usual_number_of_connections_leaves_files_for_other_things() {
    for (files, wanted) in [(1024, 358), (256, 50), (128, 24)] {
        let server =
            Launch::new().through(&["sh", "-c", &format!("ulimit -n {files}; exec \"$@\""), "sh"]).start();
        assert_eq!(metric(&server, "ifmatch_connections_limit"), wanted, "{files} files");
    }
}

/// The command line that runs a server which may open so many files.
fn through_a_limit(files: usize) -> Launch {
    Launch::new().through(&["sh", "-c", &format!("ulimit -n {files}; exec \"$@\""), "sh"])
}

#[test]
fn no_more_connections_are_let_in_than_files_may_be_open() {
    let server = through_a_limit(300).args(["--max-connections", "5000"]).start();
    assert_eq!(metric(&server, "ifmatch_connections_limit"), 86);
    // A quarter of those that there may be, not of those that were asked for.
    let mut crowd: Vec<Client> = (0..64).map(|_| server.connect()).collect();
    eventually("one is too many", || {
        crowd.push(server.connect());
        let mut other = connect_from(&server, [127, 0, 0, 2]);
        let metrics = other.ask(&get("/__ifmatch__/metrics")).expect(200).text();
        (!metrics.contains("\nifmatch_connections_refused_total 0\n")).then_some(())
    });
    assert!(crowd.len() < 80, "{}", crowd.len());
    let said = server.stderr();
    assert!(
        said.contains(
            "--max-connections 5000: this process may open 300 files, which is enough for 86 connections"
        ),
        "{said}"
    );
    let server = through_a_limit(128).start();
    server.folder().write("file", "x");
    server.get("/file").expect_file(b"x");
    for files in [10, 20, 127] {
        let folder = Folder::new();
        let mut command = through_a_limit(files).command(&folder);
        let output = command.arg(folder.root()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with(&format!("ifmatch: no more than {files} files may be open")), "{said}");
    }
}

#[test]
fn a_crowd_keeps_nobody_from_asking_how_the_server_is() {
    let limits = ["--max-connections", "2", "--max-connections-per-address", "0"];
    let server = Launch::new().args(["--admin-bind", "127.0.0.1:0"]).args(limits).start();
    let admin: SocketAddr = eventually("the other address is told", || {
        let stdout = server.stdout();
        let told = stdout.lines().find_map(|line| line.trim().strip_suffix("/ tells health and metrics"))?;
        Some(told.strip_prefix("http://")?.parse().unwrap())
    });
    let crowd: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    eventually("the places are taken", || {
        let text = Client::connect(admin).ask(&get("/metrics")).expect(200).text();
        text.contains("\nifmatch_connections 2\n").then_some(())
    });
    for _ in 0..100 {
        Client::connect(admin).ask(&get("/health")).expect(200);
    }
    drop(crowd);
    // Nor who never ends a question there.
    let mut endless: Vec<Client> = (0..32).map(|_| Client::connect(admin)).collect();
    for client in &mut endless {
        client.send("POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
    for client in &mut endless {
        client.be_patient(Duration::from_secs(60));
        client.read(&request("POST", "/health")).expect(404);
        assert_eq!(rest_of(client), "");
    }
    Client::connect(admin).ask(&get("/health")).expect(200);
}

#[test]
fn who_asks_more_often_than_is_said_has_to_wait() {
    let server = serving(&["--rate-limit", "60/m"]);
    server.folder().write("sub/inner", "x");
    let requests = [
        get("/file"),
        head("/file"),
        get("/file").field("Content-Length", "0"),
        put("/new", "x"),
        put("/new", "x").field("Expect", "100-continue"),
        get("/missing"),
        get("/sub/"),
        request("OPTIONS", "/file"),
    ];
    // Each way to an answer counts, and each counts once: ten are a minute's share of ten seconds.
    for (host, request) in (1..).zip(&requests) {
        let from = [127, 0, 1, host];
        let mut client = connect_from(&server, from);
        for number in 1..=10 {
            let answer = client.ask(request);
            assert!(answer.status != 429, "number {number} of\n{}\n{answer}", request.shown());
        }
        let answer = client.ask(request).expect(429);
        let seconds: u64 = answer.field("Retry-After").unwrap().parse().unwrap();
        assert!((1..=2).contains(&seconds), "{answer}");
        if request.method != "HEAD" {
            assert_eq!(answer.json()["status"], 429, "{answer}");
        }
        // Nor by any other way.
        if request.method == "GET" {
            for other in &requests {
                let mut client = connect_from(&server, from);
                client.ask(other).expect(429);
            }
        }
    }
    let mut other = connect_from(&server, [127, 0, 2, 1]);
    let metrics = other.ask(&get("/__ifmatch__/metrics")).expect(200).text();
    let limited = metrics.lines().find_map(|line| line.strip_prefix("ifmatch_http_requests_limited_total "));
    assert!(limited.unwrap().parse::<u32>().unwrap() >= 8, "{metrics}");
}

#[test]
fn what_a_proxy_says_of_its_clients_is_not_believed() {
    let server = serving(&["--rate-limit", "6/m"]);
    let mut client = connect_from(&server, [127, 0, 3, 1]);
    client.ask(&get("/file").field("X-Forwarded-For", "192.0.2.1")).expect(200);
    for field in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"] {
        client.ask(&get("/file").field(field, "192.0.2.2")).expect(429);
    }
}

#[test]
fn a_limit_that_makes_no_sense_is_named() {
    let folder = Folder::new();
    for (flag, value, words) in [
        ("--head-timeout", "0s", "500ms, 10s, 2m"),
        ("--idle-timeout", "10 s", "500ms, 10s, 2m"),
        ("--shutdown-timeout", "2d", "at most 24h"),
        ("--max-head-size", "1K", "from 4K to 128K"),
        ("--max-head-size", "1M", "from 4K to 128K"),
        ("--max-connections", "0", "at least 1"),
        ("--max-connections-per-address", "-1", "invalid"),
        ("--max-uploads", "0", "from 1 to 100000"),
        ("--max-uploads", "100001", "from 1 to 100000"),
        ("--rate-limit", "0/s", "20/s, 600/m"),
        ("--rate-limit", "ten", "20/s, 600/m"),
    ] {
        let mut command = Launch::new().args([format!("{flag}={value}")]).command(&folder);
        let output = command.arg(folder.root()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(flag) && said.contains(words), "{said}");
    }
}
