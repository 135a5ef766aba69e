//! What has ended or frozen other servers, one after the other, and after each an ordinary request.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::harness::folder::set_modified;
use crate::harness::{Launch, Server, get, head, put, request};

/// Asks, whatever the answer.
fn ask(server: &Server, bytes: impl AsRef<[u8]>) {
    let mut client = server.connect();
    // The server may refuse, and close, before everything is sent.
    let _ = client.try_send(bytes);
    client.finish_sending();
    client.read_to_end();
}

#[test]
fn after_what_has_ended_other_servers_an_ordinary_request_is_answered() {
    let mut server = Launch::writing().arg("-v").start();
    let folder = std::sync::Arc::clone(server.folder());
    folder.write("file", "harmless");
    folder.write("old", "x");
    folder.write("far", "x");
    set_modified(&folder.path("old"), SystemTime::UNIX_EPOCH - Duration::from_secs(86_400 * 365 * 60));
    set_modified(&folder.path("far"), SystemTime::UNIX_EPOCH + Duration::from_secs(15_000_000_000));
    folder.write_version("large", 1, 8 << 20);
    let made = Command::new("mkfifo").arg(folder.path("fifo")).status().expect("mkfifo");
    assert!(made.success());
    symlink("loop", folder.path("loop")).unwrap();
    symlink(".", folder.path("here")).unwrap();
    let cut = |name: &str, size| {
        File::options().write(true).open(folder.path(name)).unwrap().set_len(size).unwrap()
    };
    let deep = "/a".repeat(20_000);
    let here = "/here".repeat(40);
    type Attack<'a> = (&'a str, Box<dyn Fn(&Server) + 'a>);
    let attacks: Vec<Attack> = vec![
        ("a time before 1970", Box::new(|server| drop((server.get("/old"), server.head("/old"))))),
        ("a time in the year 2445", Box::new(|server| drop((server.get("/far"), server.head("/far"))))),
        ("a listing with both", Box::new(|server| drop(server.get("/")))),
        (
            "dates at the ends of time",
            Box::new(|server| {
                for date in [
                    "Thu, 01 Jan 1970 00:00:00 GMT",
                    "Fri, 31 Dec 9999 23:59:59 GMT",
                    "Sun, 06 Nov 0000 00:00:00 GMT",
                ] {
                    server.ask(&get("/old").field("If-Modified-Since", date));
                    server.ask(&get("/far").field("If-Unmodified-Since", date).field("If-Range", date));
                }
            }),
        ),
        (
            "a file truncated while it is sent",
            Box::new(|server| {
                let mut client = server.connect();
                client.send(get("/large").bytes());
                let mut response = client.try_read_head(&get("/large")).unwrap();
                client.read_some(&mut response, 100_000);
                cut("large", 10);
                let _ = client.try_read_rest(&mut response);
                cut("large", 8 << 20);
            }),
        ),
        (
            "FIFOs for every worker",
            Box::new(|server| {
                for _ in 0..200 {
                    server.get("/fifo").expect(404);
                }
                ask(server, put("/fifo", "x").field("Connection", "close").bytes());
            }),
        ),
        ("a link to itself", Box::new(|server| drop((server.get("/loop"), server.get("/loop/"))))),
        ("a link round and round", Box::new(|server| drop(server.get(format!("{here}/file"))))),
        (
            "a path of very many folders",
            Box::new(|server| ask(server, get(&deep).field("Connection", "close").bytes())),
        ),
        (
            "a new file in very many folders",
            Box::new(|server| ask(server, put(&deep, "x").field("Connection", "close").bytes())),
        ),
        (
            "a length beyond all numbers",
            Box::new(|server| {
                for length in ["18446744073709551615", "18446744073709551616", "9223372036854775808", "-1"] {
                    ask(
                        server,
                        format!("PUT /new HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\nx"),
                    );
                }
            }),
        ),
        (
            "ranges beyond all numbers",
            Box::new(|server| {
                for range in [
                    "bytes=18446744073709551615-",
                    "bytes=-18446744073709551616",
                    "bytes=0-18446744073709551615",
                    "bytes=9-0",
                ] {
                    server.ask(&get("/file").field("Range", range));
                    server.ask(&get("/large").field("Range", range));
                }
            }),
        ),
        (
            "all methods there are",
            Box::new(|server| {
                for method in [
                    "TRACE", "CONNECT", "PATCH", "PROPFIND", "MKCOL", "MOVE", "COPY", "LOCK", "PRI", "get",
                    "G",
                ] {
                    ask(server, request(method, "/file").field("Connection", "close").bytes());
                    ask(server, request(method, "*").field("Connection", "close").bytes());
                    ask(server, request(method, "localhost:80").field("Connection", "close").bytes());
                }
            }),
        ),
        (
            "an upgrade",
            Box::new(|server| {
                for name in ["websocket", "h2c", "TLS/1.3"] {
                    ask(
                        server,
                        get("/file").field("Connection", "Upgrade, close").field("Upgrade", name).bytes(),
                    );
                }
            }),
        ),
        (
            "connections that are reset",
            Box::new(|server| {
                for _ in 0..50 {
                    let mut client = server.connect();
                    client.send(get("/large").bytes());
                    client.reset();
                }
            }),
        ),
    ];
    for (name, attack) in attacks {
        attack(&server);
        // As many as there are workers, and more.
        for _ in 0..8 {
            assert_eq!(server.get("/file").expect(200).body, b"harmless", "after {name}");
            server.ask(&head("/file")).expect(200);
        }
    }
    server.ask(&put("/written", "x")).expect(201);
    server.assert_well();
}
