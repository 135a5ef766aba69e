//! Clients and servers that die in the middle of an upload: what was there is there whole, and nothing else is.

use std::sync::Arc;

use rustix::process::Signal;

use crate::harness::tree::leftovers;
use crate::harness::{
    Folder, Launch, Random, Request, Server, assert_nothing_left, delete, eventually, get, put, request,
    tag_of, tree, version_bytes, version_of,
};

/// How a client goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Fin,
    Reset,
}

/// The places at which an upload may break off, with a word for each.
fn boundaries(question: &Request) -> Vec<(&'static str, usize)> {
    let all = question.bytes();
    let head = question.clone().only_head().bytes().len();
    let body = all.len() - head;
    let mut found = vec![
        ("within the request line", 5),
        ("within a field", head / 2),
        ("before the end of the head", head - 1),
        ("right behind the head", head),
        ("one byte into the body", head + 1),
        ("in the middle of the body", head + body / 2),
        ("one byte before the end", all.len() - 1),
    ];
    if question.has("Transfer-Encoding") {
        let data = head + all[head..].iter().position(|byte| *byte == b'\n').unwrap();
        found.extend([
            ("within the size of a chunk", data - 1),
            ("right behind the size of a chunk", data + 1),
            ("one byte into a chunk", data + 2),
            ("before the end of the last chunk with data", all.len() - 7),
            ("before the last chunk", all.len() - 5),
            ("within the last chunk", all.len() - 3),
            ("before the last line break", all.len() - 2),
        ]);
    }
    found
}

/// Waits until the server has noticed that nobody is connected any more.
fn settle(server: &Server, sockets: usize) {
    eventually("the connections are gone", || (server.sockets() <= sockets).then_some(()));
}

/// Sends a part of a request and goes.
fn break_off(server: &Server, question: &Request, at: usize, end: End) {
    let mut client = server.connect();
    client.send(&question.bytes()[..at]);
    if end == End::Reset {
        return client.reset();
    }
    client.finish_sending();
    let answers = String::from_utf8_lossy(&client.read_to_end()).into_owned();
    let created = answers.split("HTTP/1.1 ").any(|answer| answer.starts_with('2'));
    assert!(!created, "{at} of {} bytes, and\n{answers}", question.bytes().len());
}

#[test]
fn a_client_that_dies_leaves_everything_as_it_was() {
    let mut server = Launch::writing().start();
    server.folder().write("file", "old");
    let before = tree(&server.folder().root());
    server.get("/file").expect_file(b"old");
    let sockets = server.sockets();
    for size in [1000, 700_000] {
        let bytes = version_bytes(1, size);
        for target in ["/file", "/new", "/no/such/folder/new"] {
            let with_length = put(target, &bytes);
            let in_chunks = request("PUT", target).chunked(&bytes, size / 3);
            let guarded = with_length.clone().field(
                if target == "/file" { "If-Match" } else { "If-None-Match" },
                if target == "/file" { tag_of(b"old") } else { "*".to_owned() },
            );
            for question in [with_length, in_chunks, guarded] {
                for (place, at) in boundaries(&question) {
                    for end in [End::Fin, End::Reset] {
                        break_off(&server, &question, at, end);
                        settle(&server, sockets);
                        let after = tree(&server.folder().root());
                        assert_eq!(after, before, "{end:?} {place}\n{}", question.shown());
                    }
                }
            }
        }
    }
    assert_nothing_left(&server);
    server.assert_well();
    server.get("/file").expect_file(b"old");
}

#[test]
fn many_clients_that_die_at_once_use_nothing_up() {
    let mut server = Launch::writing().start();
    server.folder().write("file", "old");
    let before = tree(&server.folder().root());
    server.get("/file").expect_file(b"old");
    let (sockets, mut random) = (server.sockets(), Random::new("deaths"));
    let question = put("/file", version_bytes(1, 400_000));
    for _ in 0..10 {
        let mut clients = Vec::new();
        for _ in 0..30 {
            let mut client = server.connect();
            // Short of the end, or it would be a whole upload.
            client.send(&question.bytes()[..random.below(question.bytes().len() - 1)]);
            clients.push(client);
        }
        for client in clients {
            if random.one_in(2) {
                client.reset();
            }
        }
    }
    settle(&server, sockets);
    assert_eq!(tree(&server.folder().root()), before);
    assert_nothing_left(&server);
    server.assert_well();
}

#[test]
fn a_client_that_closes_its_side_after_the_body_is_answered() {
    let server = Launch::writing().start();
    for size in [0, 1000, 700_000] {
        let bytes = version_bytes(1, size);
        let target = format!("/{size}");
        let question = put(&target, &bytes);
        let mut client = server.connect();
        client.send(question.bytes());
        client.finish_sending();
        let created = client.read(&question).expect(201);
        assert_eq!(created.tag(), tag_of(&bytes));
        server.get(&target).expect_file(&bytes);
    }
}

/// Starts a server in a folder whose last one was killed, and looks what it finds.
fn restarted(folder: &Arc<Folder>) -> Server {
    let server = Launch::writing().start_in(Arc::clone(folder));
    let left = leftovers(&folder.root());
    assert!(left.is_empty(), "left after a restart: {left:?}");
    server
}

#[test]
fn a_server_that_is_killed_in_an_upload_leaves_the_old_file() {
    let folder = Arc::new(Folder::new());
    let old = folder.write_version("sub/file", 1, 1000);
    let before = tree(&folder.root());
    let mut server = restarted(&folder);
    for size in [1000, 700_000, 3_000_000] {
        let questions = [
            put("/sub/file", version_bytes(2, size)).field("If-Match", tag_of(&old)),
            request("PUT", "/sub/new").chunked(version_bytes(2, size), 50_000),
            put("/no/such/folder/new", version_bytes(2, size)),
        ];
        let mut clients = Vec::new();
        for question in &questions {
            let mut client = server.connect();
            let expecting = question.clone().field("Expect", "100-continue");
            let only_head = expecting.clone().only_head().bytes().len();
            client.send(&expecting.bytes()[..only_head]);
            client.next_head(&expecting).unwrap().expect(100);
            client.send(&expecting.bytes()[only_head..only_head + size * 3 / 4]);
            clients.push(client);
        }
        server.get("/sub/file").expect_file(&old);
        server.signal(Signal::KILL);
        server.wait();
        server = restarted(&folder);
        assert_eq!(tree(&folder.root()), before);
        server.get("/sub/file").expect_file(&old);
    }
    server.ask(&put("/sub/file", "new").field("If-Match", tag_of(&old))).expect(204);
}

#[test]
fn a_server_that_is_killed_at_any_moment_leaves_a_whole_file() {
    let folder = Arc::new(Folder::new());
    let mut random = Random::new("kills");
    folder.write_version("file", 1, 5000);
    let mut server = restarted(&folder);
    for round in 0..25_u64 {
        // Connected before the clock runs: the kill may come at once.
        let client = server.connect();
        let acknowledged = std::thread::scope(|scope| {
            let writer = scope.spawn(move || write_until_killed(client, round));
            std::thread::sleep(std::time::Duration::from_micros(random.next() % 60_000));
            server.signal(Signal::KILL);
            server.wait();
            writer.join().unwrap()
        });
        drop(std::mem::replace(&mut server, restarted(&folder)));
        let body = server.get("/file").expect(200).body;
        let found = version_of(&body).unwrap_or_else(|| panic!("a file of {} mixed bytes", body.len()));
        // What was answered is there, or what was sent behind it.
        if let Some((answered, sent)) = acknowledged {
            assert!(found == answered || found == sent, "{found} is neither {answered} nor {sent}");
        }
        let others: Vec<_> =
            tree(&folder.root()).into_keys().filter(|name| name.as_os_str() != "file").collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

/// Writes version after version; returns the last that was answered with success and the one that was sent behind it.
fn write_until_killed(mut client: crate::harness::Client, round: u64) -> Option<(u64, u64)> {
    let mut last = None;
    for number in 1.. {
        let version = 1_000_000 * (round + 1) + number;
        let size = if number % 3 == 0 { 400_000 } else { 5000 };
        let mut question = put("/file", version_bytes(version, size));
        if number % 2 == 0 {
            let current =
                client.try_send(get("/file").bytes()).ok().and_then(|()| client.try_read(&get("/file")).ok());
            let Some(current) = current.filter(|current| current.ending == crate::harness::Ending::Complete)
            else {
                break;
            };
            question = question.field("If-Match", current.tag());
        }
        let answer = client.try_send(question.bytes()).ok().and_then(|()| client.try_read(&question).ok());
        match answer {
            Some(answer) if answer.status == 204 => last = Some((version, version)),
            _ => {
                last = last.map(|(answered, _)| (answered, version));
                break;
            }
        }
    }
    last
}

#[test]
fn what_a_dead_server_left_is_never_served_and_is_swept() {
    let folder = Arc::new(Folder::new());
    folder.write("file", "current");
    let mut server = restarted(&folder);
    // As a server without nameless files leaves it.
    let names = [".~ifmatch.t.1.0.0.0.any.", "sub/.~ifmatch.t.2.0.0.0.any."];
    for name in names {
        folder.write(name, "half an upload");
        for question in [get(format!("/{name}")), request("HEAD", format!("/{name}"))] {
            server.ask(&question).expect(404);
        }
        server.ask(&put(format!("/{name}"), "x")).expect_problem(403);
        server.ask(&delete(format!("/{name}"))).expect_problem(403);
    }
    for target in ["/", "/sub/"] {
        let listed = server.ask(&get(target).field("Accept", "application/json")).expect(200);
        assert!(!listed.text().contains("ifmatch."), "{listed}");
    }
    server.signal(Signal::KILL);
    server.wait();
    drop(restarted(&folder));
    assert!(names.iter().all(|name| !folder.path(name).exists()));
    assert_eq!(std::fs::read_to_string(folder.path("file")).unwrap(), "current");
}

#[test]
fn a_server_that_only_reads_sweeps_nothing() {
    let folder = Arc::new(Folder::new());
    folder.write(".~ifmatch.t.1.0.0.0.any.", "half an upload");
    let before = tree(&folder.root());
    let mut server = Server::start_in_folder(Arc::clone(&folder));
    server.assert_well();
    assert_eq!(tree(&folder.root()), before);
}
