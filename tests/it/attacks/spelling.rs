//! Ways around accounts, and to what is nobody's business: other spellings of a path, what an answer costs, names of uploads on
//! their way.

use std::sync::Arc;

use base64::Engine as _;

use crate::accounts::hash;
use crate::harness::{Folder, Launch, Request, Server, assert_nothing_left, delete, get, head, put, request};

const SECRET: &str = "the secret within";

/// Everybody reads all but `/secret`, where alice may everything.
fn guarded() -> Server {
    let folder = Arc::new(Folder::new());
    folder.write("secret/a.txt", SECRET);
    folder.write("docs/a.txt", "open");
    folder.write("secret\\a.txt", "a file with a backslash in its name");
    let account = hash(&["alice"], "wonder").remove(0);
    Launch::writing().args(["-a", &account, "-a", "@/secret:-"]).start_in(folder)
}

fn as_user(asked: Request, name: &str, password: &str) -> Request {
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    asked.field("Authorization", format!("Basic {both}"))
}

#[test]
fn no_spelling_goes_around_an_account() {
    let server = guarded();
    server.ask(&as_user(get("/secret/a.txt"), "alice", "wonder")).expect_file(SECRET.as_bytes());
    for target in [
        "/secret%5ca.txt",
        "/docs%5c..%5csecret%5ca.txt",
        "/docs/..%5csecret/a.txt",
        "/secret%2Fa.txt",
        "/secret%252fa.txt",
        "/docs%2f..%2fsecret/a.txt",
        "/./secret/a.txt",
        "/%2e/secret/a.txt",
        "/secret/./a.txt",
        "/secret/%2e/a.txt",
        "/docs/../secret/a.txt",
        "/secret/a.txt/",
        "/secret/a.txt%00",
        "/secret/a.txt%20",
        "/secret/a.txt.",
        "/secret;x/a.txt",
        "/secret/a.txt;x",
        "/secret/a.txt%3fx",
        "/SECRET/a.txt",
        "/Secret/A.txt",
        "/s%c3%a9cret/a.txt",
        "/secret%c0%afa.txt",
        "//secret//a.txt",
        "///secret/a.txt",
        "/secret///a.txt",
        "http://localhost/secret/a.txt",
        "http://localhost//secret/a.txt",
        "http://other.example/secret/a.txt",
        "/secret/a.txt?",
        "/secret/a.txt?/docs/a.txt",
        "/docs/a.txt/../../secret/a.txt",
        "/secret/a.txt#/docs",
    ] {
        for asked in [get(target), head(target), get(target).field("X-Original-URL", "/docs/a.txt")] {
            let mut client = server.connect();
            client.send(asked.field("Connection", "close").bytes());
            let answer = String::from_utf8_lossy(&client.read_to_end()).into_owned();
            assert!(!answer.contains(SECRET), "{target}\n{answer}");
            assert!(!answer.starts_with("HTTP/1.1 5"), "{target}\n{answer}");
        }
        for asked in [put(target, "EVIL"), delete(target), request("POST", target)] {
            let mut client = server.connect();
            client.send(asked.field("Connection", "close").bytes());
            client.finish_sending();
            let answer = String::from_utf8_lossy(&client.read_to_end()).into_owned();
            assert!(answer.starts_with("HTTP/1.1 4"), "{target}\n{answer}");
        }
    }
    for field in ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-HTTP-Method-Override"] {
        server.ask(&get("/secret/a.txt").field(field, "/docs/a.txt")).expect(401);
        server.ask(&get("/docs/a.txt").field(field, "/secret/a.txt")).expect_file(b"open");
        server.ask(&get("/docs/a.txt").field(field, "DELETE")).expect_file(b"open");
    }
    assert_eq!(std::fs::read_to_string(server.folder().path("secret/a.txt")).unwrap(), SECRET);
}

#[test]
fn a_name_that_nobody_has_costs_as_much_as_another() {
    let server = guarded();
    let cost = |name: &str| {
        let before = server.processor_time();
        for _ in 0..4 {
            server.ask(&as_user(get("/secret/a.txt"), name, "wrong")).expect(401);
        }
        server.processor_time() - before
    };
    // What is computed for the first time may cost more.
    cost("first");
    let (known, unknown) = (cost("alice"), cost("mallory"));
    assert!(
        known < 3 * unknown + 10 && unknown < 3 * known + 10,
        "{known} and {unknown} hundredths of a second"
    );
    assert!(known > 5, "a wrong password costs nothing: {known} hundredths of a second");
}

#[test]
fn an_upload_on_its_way_is_nowhere_to_be_seen() {
    for arguments in [&[][..], &["--hidden"]] {
        let server = Launch::writing().args(arguments).start();
        server.folder().write("file", "old");
        let mut clients = Vec::new();
        for (name, size) in [("/file", 5 << 20), ("/new", 5 << 20), ("/small", 1000)] {
            let mut client = server.connect();
            client.send(format!("PUT {name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"));
            client.send(vec![b'x'; size - 500]);
            clients.push(client);
        }
        crate::harness::eventually("the bodies come in", || (server.nameless_files() >= 2).then_some(()));
        // Not by any name that there is on the disk,
        let names: Vec<String> = std::fs::read_dir(server.folder().root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, ["file"]);
        // nor in a listing, nor at its place.
        let listing = server.ask(&get("/").field("Accept", "application/json")).expect(200).text();
        assert!(!listing.contains("new") && !listing.contains("ifmatch"), "{listing}");
        server.get("/file").expect_file(b"old");
        server.get("/new").expect(404);
        server.ask(&delete("/new")).expect(404);
        drop(clients);
        crate::harness::eventually("they are given up", || (server.nameless_files() == 0).then_some(()));
        server.get("/file").expect_file(b"old");
        assert_nothing_left(&server);
    }
}
