//! For whom a browser may ask. Programs on this machine and pages of this server may read and write; the pages of others that a
//! browser happens to show may not, under whatever name they reach the server; and nobody on the network writes unless that is said.

use std::process::Command;
use std::sync::Arc;

use crate::harness::server::PROGRAM;
use crate::harness::{
    Client, Folder, Launch, Request, Server, delete, eventually, get, head, put, request, tree,
};
use crate::tls::{curl, launch, serving};

fn served(launch: Launch) -> Server {
    let server = launch.start();
    server.folder().write("file", "old");
    server
}

/// The writes that a page could want.
fn writes() -> [Request; 4] {
    [
        put("/file", "EVIL"),
        put("/new", "EVIL").field("If-None-Match", "*"),
        delete("/file"),
        put("/file", "EVIL").field("Expect", "100-continue"),
    ]
}

/// None of the writes is performed, nor does the answer tell what is there.
#[track_caller]
fn assert_refused(server: &Server, change: impl Fn(Request) -> Request) {
    let before = tree(&server.folder().root());
    for question in writes() {
        let refused = server.ask(&change(question)).expect_problem(403);
        assert_eq!(refused.field("ETag"), None, "{refused}");
        assert_eq!(refused.field("Access-Control-Allow-Origin"), None, "{refused}");
        assert_eq!(tree(&server.folder().root()), before, "{refused}");
    }
}

#[track_caller]
fn assert_allowed(server: &Server, change: impl Fn(Request) -> Request) {
    server.ask(&change(put("/new", "new"))).expect_one_of(&[201, 204]);
    server.ask(&change(delete("/new"))).expect(204);
}

const NAMES_OF_THIS_MACHINE: [&str; 16] = [
    "localhost",
    "localhost:8080",
    "LOCALHOST",
    "LocalHost:1",
    "localhost.",
    "app.localhost",
    "a.b.localhost:3000",
    "127.0.0.1",
    "127.0.0.1:8080",
    "127.1.2.3",
    "127.255.255.254:9",
    "[::1]",
    "[::1]:8080",
    "[0:0:0:0:0:0:0:1]:80",
    "[::ffff:127.0.0.1]:80",
    "localhost:65535",
];

const FOREIGN_NAMES: [&str; 21] = [
    "evil.example",
    "evil.example:80",
    "localhost.evil.example",
    "localhost.evil.example:8080",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io",
    "evil.example.localhost.",
    "notlocalhost",
    "localhost-evil",
    "xlocalhost:80",
    "localhostx",
    "10.0.0.1",
    "192.168.1.1:8080",
    "0.0.0.0",
    "0.0.0.0:8080",
    "128.0.0.1",
    "[::]:80",
    "[fe80::1]:80",
    "[::ffff:10.0.0.1]",
    "2130706433",
    "example",
];

#[test]
fn on_loopback_only_names_of_this_machine_are_written_to() {
    let server = served(Launch::writing());
    for host in NAMES_OF_THIS_MACHINE {
        assert_allowed(&server, |request| request.host(host));
    }
    for host in FOREIGN_NAMES {
        // A name below .localhost is this machine's, with a dot at its end as well (RFC 6761, 6.3).
        if host == "evil.example.localhost." {
            assert_allowed(&server, |request| request.host(host));
        } else {
            assert_refused(&server, |request| request.host(host));
        }
    }
    for odd in ["", "localhost@evil.example", "localhost:80:80", "evil.example#localhost", "local host"] {
        let before = tree(&server.folder().root());
        for question in writes() {
            server.ask(&question.host(odd)).expect_one_of(&[400, 403]);
            assert_eq!(tree(&server.folder().root()), before, "{odd}");
        }
    }
}

/// What a page could want to read.
fn reads() -> [Request; 8] {
    [
        get("/file"),
        head("/file"),
        get("/"),
        get("/missing"),
        get("/file").field("Range", "bytes=0-0"),
        get("/__ifmatch__/health"),
        get("/__ifmatch__/metrics"),
        request("OPTIONS", "/file"),
    ]
}

#[test]
fn on_loopback_only_names_of_this_machine_are_read_from() {
    let server = served(Launch::new());
    server.get("/file").expect_file(b"old");
    for host in NAMES_OF_THIS_MACHINE {
        for question in reads() {
            server.ask(&question.host(host)).expect_one_of(&[200, 204, 206, 404]);
        }
    }
    for host in FOREIGN_NAMES.into_iter().filter(|host| *host != "evil.example.localhost.") {
        for question in reads() {
            let refused = server.ask(&question.host(host)).expect(403);
            assert!(!refused.text().contains("old") && refused.field("ETag").is_none(), "{refused}");
            assert_eq!(refused.field("Access-Control-Allow-Origin"), None, "{refused}");
        }
    }
    let refused = server.ask(&get("/file").host("evil.example:8080")).expect_problem(403);
    assert!(refused.text().contains("--allow-host evil.example."), "{refused}");
    let page = server.ask(&get("/file").host("evil.example").field("Accept", "text/html")).expect(403);
    assert!(page.text().contains("<h1>403"), "{page}");
}

#[test]
fn a_foreign_name_is_refused_by_both_ways_and_the_connection_goes_on() {
    let server = served(Launch::new());
    let mut client = server.connect();
    for _ in 0..3 {
        client.ask(&get("/file")).expect_file(b"old");
        client.ask(&get("/file").host("evil.example")).expect_problem(403);
        // The name in the request line counts before the field.
        client.ask(&get("http://evil.example/file")).expect_problem(403);
        client.ask(&get("http://localhost/file").host("evil.example")).expect_file(b"old");
        client.ask(&get("/missing").host("evil.example")).expect_problem(403);
    }
    // HTTP/1.0 need not name a host, and no browser speaks it.
    let mut client = server.connect();
    client.send("GET /file HTTP/1.0\r\n\r\n");
    assert!(String::from_utf8(client.read_to_end()).unwrap().ends_with("old"));
    let mut client = server.connect();
    client.send("GET /file HTTP/1.0\r\nHost: evil.example\r\n\r\n");
    let refused = String::from_utf8(client.read_to_end()).unwrap();
    assert!(refused.contains(" 403 ") && !refused.contains("old"), "{refused}");
}

#[test]
fn in_http2_the_authority_is_judged() {
    let server = serving(launch("one").arg("-A"));
    server.folder().write("file", "old");
    let status = |arguments: &[&str]| {
        let told = [&["--http2", "-o", "/dev/null", "-w", "%{http_code}"], arguments].concat();
        curl(&server, "/file", &told)
    };
    assert_eq!(status(&[]), "200");
    assert_eq!(status(&["-H", "Host: evil.example"]), "403");
    assert_eq!(status(&["-H", "Host: evil.example", "-T", "Cargo.toml"]), "403");
}

#[test]
fn where_the_server_encrypts_a_page_that_came_in_plain_text_does_not_write() {
    let server = serving(launch("one").arg("-A"));
    let port = server.address().port();
    for version in ["--http1.1", "--http2"] {
        for (origin, status) in [
            (format!("https://localhost:{port}"), "201"),
            (format!("http://localhost:{port}"), "403"),
            ("https://localhost".to_owned(), "403"),
        ] {
            let origin = format!("Origin: {origin}");
            let told = ["-o", "/dev/null", "-w", "%{http_code}", "-T", "Cargo.toml", "-H", &origin, version];
            assert_eq!(curl(&server, "/new", &told), status, "{origin} {version}");
            if status == "201" {
                curl(&server, "/new", &["-X", "DELETE"]);
            }
        }
    }
}

#[test]
fn health_at_an_address_of_its_own_is_told_under_names_of_this_machine_only() {
    for (bind, foreign) in [("127.0.0.1:0", 403), ("0.0.0.0:0", 200)] {
        let server = Launch::new().args(["--admin-bind", bind]).start();
        let line = eventually("the other address is told", || {
            server
                .stdout()
                .lines()
                .find(|line| line.ends_with(" tells health and metrics"))
                .map(str::to_owned)
        });
        let address = line.trim().strip_prefix("http://").unwrap().split('/').next().unwrap();
        let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
        for target in ["/health", "/metrics"] {
            let ask =
                |host: &str| Client::connect(([127, 0, 0, 1], port).into()).ask(&get(target).host(host));
            ask("localhost").expect(200);
            ask("127.0.0.1:1").expect(200);
            ask("evil.example").expect(foreign);
        }
    }
}

#[test]
fn over_a_unix_socket_a_proxy_reads_under_every_name() {
    use std::io::{Read, Write};
    let folder = Arc::new(Folder::new());
    folder.write("file", "old");
    let socket = folder.outside("socket");
    let bind = format!("unix:{}", socket.display());
    let _server = Launch::writing().args(["--bind", "127.0.0.1", "--bind", &bind]).start_in(folder);
    let ask = |head: &str| {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        let question = format!("{head} HTTP/1.1\r\nHost: files.example\r\nConnection: close\r\n\r\n");
        stream.write_all(question.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("GET /file").ends_with("old"));
    assert!(ask("GET /__ifmatch__/health").starts_with("HTTP/1.1 200"));
    // Writes need a name that was said, as everywhere.
    assert!(ask("DELETE /file").starts_with("HTTP/1.1 403"));
}

#[test]
fn other_fields_do_not_make_a_foreign_name_a_known_one() {
    let server = served(Launch::writing());
    for name in ["X-Forwarded-Host", "X-Forwarded-Server", "Forwarded", "X-Host", "X-Original-Host"] {
        let value = if name == "Forwarded" { "host=localhost" } else { "localhost" };
        assert_refused(&server, |request| request.host("evil.example").field(name, value));
    }
    // The name in the request line counts before Host (RFC 9112, 3.2.2).
    let before = tree(&server.folder().root());
    server.ask(&put("http://evil.example/file", "EVIL")).expect_problem(403);
    assert_eq!(tree(&server.folder().root()), before);
    server.ask(&put("http://localhost/new", "new")).expect(201);
}

#[test]
fn two_hosts_are_no_host() {
    let server = served(Launch::writing());
    let before = tree(&server.folder().root());
    for (one, other) in [("localhost", "evil.example"), ("evil.example", "localhost")] {
        for question in writes() {
            let answer = server.ask(&question.host(one).field("Host", other));
            answer.expect_one_of(&[400, 403]);
            assert_eq!(tree(&server.folder().root()), before);
        }
    }
    let mut client = server.connect();
    client.send("PUT /file HTTP/1.1\r\nContent-Length: 4\r\nConnection: close\r\n\r\nEVIL");
    client.finish_sending();
    let answer = String::from_utf8_lossy(&client.read_to_end()).into_owned();
    // RFC 9112, 3.2: a request without Host is malformed.
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(tree(&server.folder().root()), before);
}

#[test]
fn a_name_may_be_allowed_besides() {
    for launch in [
        Launch::writing().args(["--allow-host", "files.example", "--allow-host", "Other.Example"]),
        Launch::writing().args(["--allow-host=files.example,other.example"]),
        Launch::writing().env("IFMATCH_ALLOW_HOST", "files.example,other.example"),
    ] {
        let server = served(launch);
        for host in ["files.example", "files.example:8080", "FILES.example", "other.example", "localhost"] {
            assert_allowed(&server, |request| request.host(host));
        }
        for host in ["evil.example", "example", "x.files.example", "files.example.evil.example"] {
            assert_refused(&server, |request| request.host(host));
        }
        server.ask(&get("/file").host("files.example:8080")).expect_file(b"old");
        server.ask(&get("/file").host("evil.example")).expect_problem(403);
        // Its own pages may write, those of others may not.
        assert_allowed(&server, |request| {
            request.host("files.example").field("Origin", "https://files.example")
        });
        assert_refused(&server, |request| {
            request.host("files.example").field("Origin", "https://evil.example")
        });
    }
}

#[test]
fn pages_of_other_sites_do_not_write() {
    let server = served(Launch::writing());
    for site in ["cross-site", "same-site"] {
        assert_refused(&server, |request| request.field("Sec-Fetch-Site", site));
        assert_refused(&server, |request| {
            request.field("Sec-Fetch-Site", site).field("Origin", "http://localhost")
        });
    }
    for site in ["same-origin", "none"] {
        assert_allowed(&server, |request| request.field("Sec-Fetch-Site", site));
    }
    for origin in [
        "http://evil.example",
        "https://evil.example",
        "http://localhost.evil.example",
        "http://evil.example/localhost",
        "http://localhost:3000",
        "http://app.localhost",
        "http://127.0.0.1",
        "null",
        "",
        "localhost",
        "file://",
        "chrome-extension://localhostx",
        "chrome-extension://localhost",
    ] {
        assert_refused(&server, |request| request.field("Origin", origin));
    }
    for (host, origin) in [
        ("localhost", "http://localhost"),
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("LOCALHOST:8080", "http://localhost:8080"),
    ] {
        assert_allowed(&server, |request| request.host(host).field("Origin", origin));
    }
    for (host, origin) in
        [("localhost:8080", "http://localhost:8081"), ("localhost:8080", "http://127.0.0.1:8080")]
    {
        assert_refused(&server, |request| request.host(host).field("Origin", origin));
    }
}

#[test]
fn no_other_site_is_told_that_it_may_write() {
    let server = served(Launch::writing());
    let preflight = request("OPTIONS", "/file")
        .field("Origin", "http://evil.example")
        .field("Access-Control-Request-Method", "PUT")
        .field("Access-Control-Request-Headers", "if-match");
    let answer = server.ask(&preflight).expect(204);
    assert!(
        answer.fields.iter().all(|(name, _)| !name.to_lowercase().starts_with("access-control-")),
        "{answer}"
    );
}

fn refusal(arguments: &[&str]) -> String {
    let folder = Folder::new();
    let output = Command::new(PROGRAM).args(["-p", "0"]).args(arguments).arg(folder.root()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn nobody_on_the_network_writes_unless_that_is_said() {
    for address in ["0.0.0.0", "::", "192.0.2.1"] {
        for writing in
            [&["-A"][..], &["--allow-upload"], &["--allow-delete"], &["--allow-upload", "--create-only"]]
        {
            let sentence = refusal(&[&["--bind", address][..], writing].concat());
            assert!(sentence.contains("--insecure-writes"), "{sentence}");
        }
    }
    // One address that can be reached is enough.
    let sentence = refusal(&["--bind", "127.0.0.1", "--bind", "0.0.0.0", "-A"]);
    assert!(sentence.contains("--insecure-writes"), "{sentence}");
}

#[test]
fn where_it_is_said_any_name_will_do_but_no_page_of_another_site() {
    for launch in [
        Launch::writing().args(["--bind", "0.0.0.0", "--insecure-writes"]),
        Launch::writing().args(["--bind", "0.0.0.0"]).env("IFMATCH_INSECURE_WRITES", "1"),
    ] {
        let server = served(launch);
        for host in ["files.example", "192.168.1.1:8080", "localhost"] {
            assert_allowed(&server, |request| request.host(host));
            assert_refused(&server, |request| request.host(host).field("Sec-Fetch-Site", "cross-site"));
            assert_refused(&server, |request| request.host(host).field("Origin", "http://evil.example"));
        }
    }
}

#[test]
fn reading_may_be_offered_to_the_network_as_before() {
    let folder = Arc::new(Folder::new());
    folder.write("file", "old");
    let server = Launch::new().args(["--bind", "0.0.0.0"]).start_in(folder);
    server.ask(&get("/file").host("files.example")).expect_file(b"old");
    server.ask(&put("/file", "x")).expect_problem(405);
}

#[test]
fn a_loopback_address_is_loopback_however_it_is_written() {
    for address in ["127.0.0.1", "127.0.0.2", "::1"] {
        if std::net::TcpListener::bind((address, 0)).is_err() {
            crate::harness::skip(&format!("no address {address} here"));
            continue;
        }
        let server = served(Launch::writing().args(["--bind", address]));
        assert_allowed(&server, |request| request);
        assert_refused(&server, |request| request.host("evil.example"));
    }
}
