//! Many writers at once, in one server and in two, and other programs besides: nobody's version is lost to somebody who
//! has not seen it, and nobody reads half of one.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use crate::harness::{
    Client, Folder, How, Launch, Request, Saver, Server, assert_nothing_left, delete, eventually, get, put,
    save, tag_of, tree, version_bytes, version_of,
};

const WRITERS: usize = 32;

fn servers(folder: &Arc<Folder>, count: usize) -> Vec<Server> {
    (0..count)
        .map(|_| Launch::writing().args(["--durability", "none"]).start_in(Arc::clone(folder)))
        .collect()
}

/// Sends what `question` says for each writer, all at once, and returns the statuses.
fn all_at_once(servers: &[Server], count: usize, question: impl Fn(usize) -> Request + Sync) -> Vec<u16> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..count)
            .map(|number| {
                let (barrier, question) = (&barrier, &question);
                scope.spawn(move || {
                    let mut client = servers[number % servers.len()].connect();
                    let question = question(number);
                    // All but the last byte, so that nobody is ahead.
                    let bytes = question.bytes();
                    client.send(&bytes[..bytes.len() - 1]);
                    barrier.wait();
                    client.send(&bytes[bytes.len() - 1..]);
                    let answer = client.read(&question);
                    if answer.status == 409 {
                        eprintln!("{answer}");
                    }
                    answer.status
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

fn count(statuses: &[u16], wanted: &[u16]) -> usize {
    statuses.iter().filter(|status| wanted.contains(status)).count()
}

/// Of many PUTs with the same tag one wins, and its bytes are there.
fn one_of_many_replaces(servers: &[Server], rounds: u64) {
    let folder = servers[0].folder();
    for round in 0..rounds {
        let size = if round % 5 == 4 { 300_000 } else { 1000 };
        let tag = tag_of(&folder.write_version("file", 1000 * round, size));
        let bytes = |number: usize| version_bytes(1000 * round + 1 + number as u64, size);
        let statuses =
            all_at_once(servers, WRITERS, |number| put("/file", bytes(number)).field("If-Match", &tag));
        assert_eq!(count(&statuses, &[204]), 1, "round {round}: {statuses:?}");
        assert_eq!(count(&statuses, &[204, 412]), WRITERS, "round {round}: {statuses:?}");
        let winner = statuses.iter().position(|status| *status == 204).unwrap();
        for server in servers {
            server.get("/file").expect_file(&bytes(winner));
        }
    }
}

/// Of many that want to create a file one does.
fn one_of_many_creates(servers: &[Server], rounds: u64) {
    for round in 0..rounds {
        let size = if round % 5 == 4 { 300_000 } else { 1000 };
        let target = format!("/new-{round}/folder/file");
        let bytes = |number: usize| version_bytes(1000 * round + 1 + number as u64, size);
        let statuses =
            all_at_once(servers, WRITERS, |number| put(&target, bytes(number)).field("If-None-Match", "*"));
        assert_eq!(count(&statuses, &[201]), 1, "round {round}: {statuses:?}");
        assert_eq!(count(&statuses, &[201, 412]), WRITERS, "round {round}: {statuses:?}");
        let winner = statuses.iter().position(|status| *status == 201).unwrap();
        for server in servers {
            server.get(&target).expect_file(&bytes(winner));
        }
    }
}

/// Of many that delete the same version, one does; of those who replace and delete it, one of either.
fn one_of_many_deletes(servers: &[Server], rounds: u64) {
    let folder = servers[0].folder();
    for round in 0..rounds {
        let tag = tag_of(&folder.write_version("file", 1000 * round, 1000));
        let statuses = all_at_once(servers, WRITERS, |_| delete("/file").field("If-Match", &tag));
        assert_eq!(count(&statuses, &[204]), 1, "round {round}: {statuses:?}");
        assert_eq!(count(&statuses, &[204, 404, 412]), WRITERS, "round {round}: {statuses:?}");
        assert!(!folder.path("file").exists());

        let tag = tag_of(&folder.write_version("file", 1000 * round, 1000));
        let bytes = |number: usize| version_bytes(1000 * round + 1 + number as u64, 1000);
        let statuses = all_at_once(servers, WRITERS, |number| {
            let question = if number % 2 == 0 { delete("/file") } else { put("/file", bytes(number)) };
            question.field("If-Match", &tag)
        });
        assert_eq!(count(&statuses, &[204]), 1, "round {round}: {statuses:?}");
        let winner = statuses.iter().position(|status| *status == 204).unwrap();
        match winner % 2 {
            0 => assert!(!folder.path("file").exists(), "round {round}"),
            _ => assert!(fs::read(folder.path("file")).unwrap() == bytes(winner), "round {round}"),
        }
    }
}

#[test]
fn two_writers_cannot_both_win() {
    let servers = servers(&Arc::new(Folder::new()), 1);
    one_of_many_replaces(&servers, 30);
    assert_nothing_left(&servers[0]);
}

#[test]
fn two_creators_cannot_both_win() {
    let servers = servers(&Arc::new(Folder::new()), 1);
    one_of_many_creates(&servers, 30);
    assert_nothing_left(&servers[0]);
}

#[test]
fn two_deleters_cannot_both_win() {
    let servers = servers(&Arc::new(Folder::new()), 1);
    one_of_many_deletes(&servers, 15);
    assert_nothing_left(&servers[0]);
}

#[test]
fn two_servers_in_one_folder_are_as_one() {
    let servers = servers(&Arc::new(Folder::new()), 2);
    one_of_many_replaces(&servers, 10);
    one_of_many_creates(&servers, 10);
    one_of_many_deletes(&servers, 5);
    let done = increments(&servers, 4, 25);
    assert_eq!(done, 100);
    assert_nothing_left(&servers[0]);
    assert_nothing_left(&servers[1]);
}

/// Each of the clients adds one to the number in the file, so many times; returns the number in the end.
fn increments(servers: &[Server], clients: usize, times: usize) -> u64 {
    let path = servers[0].folder().write("counter", "0");
    std::thread::scope(|scope| {
        for number in 0..clients {
            scope.spawn(move || {
                let mut client = servers[number % servers.len()].connect();
                let mut done = 0;
                for attempt in 0.. {
                    assert!(attempt < 20_000, "{done} of {times} increments after {attempt} attempts");
                    let current = client.ask(&get("/counter")).expect(200);
                    let next = current.text().trim().parse::<u64>().unwrap() + 1;
                    let question = put("/counter", next.to_string()).field("If-Match", current.tag());
                    client.send(question.bytes());
                    let answer = client.read(&question).expect_one_of(&[204, 409, 412]);
                    done += usize::from(answer.status == 204);
                    if done == times {
                        return;
                    }
                    if answer.lists("Connection", "close") {
                        client = servers[number % servers.len()].connect();
                    }
                }
            });
        }
    });
    fs::read_to_string(path).unwrap().parse().unwrap()
}

#[test]
fn no_increment_is_lost() {
    let servers = servers(&Arc::new(Folder::new()), 1);
    assert_eq!(increments(&servers, 8, 25), 200);
    assert_nothing_left(&servers[0]);
}

#[test]
fn an_unconditional_write_is_whole_whoever_comes_last() {
    let servers = servers(&Arc::new(Folder::new()), 2);
    for round in 0..10_u64 {
        let bytes = |number: usize| version_bytes(1000 * round + number as u64, 1000 + 40_000 * (number % 8));
        let statuses = all_at_once(&servers, WRITERS, |number| put("/file", bytes(number)));
        assert_eq!(count(&statuses, &[201, 204]), WRITERS, "{statuses:?}");
        assert!(count(&statuses, &[201]) <= 1, "{statuses:?}");
        let there = fs::read(servers[0].folder().path("file")).unwrap();
        assert!((0..WRITERS).any(|number| bytes(number) == there), "round {round}");
        for server in &servers {
            server.get("/file").expect_file(&there);
        }
    }
    assert_nothing_left(&servers[0]);
}

/// The bytes of all conflict copies in the folder.
fn conflict_copies(root: &Path) -> Vec<Vec<u8>> {
    let names = tree(root).into_keys().filter(|name| name.display().to_string().contains(".conflict-"));
    names.map(|name| fs::read(root.join(name)).unwrap()).collect()
}

/// Another program saves while clients write over, or delete, the version before. Whoever comes first, what was saved is
/// there in the end: at its place, or, if it was written into what had just been displaced, as a conflict copy.
fn a_save_against_writes(how: How, rounds: u64, question: impl Fn(u64) -> Request) {
    let folder = Arc::new(Folder::new());
    let servers = servers(&folder, 1);
    let path = folder.path("notes.txt");
    let (mut won, mut copies) = (0, 0);
    for round in 0..rounds {
        let old = folder.write_version("notes.txt", 10 * round, 4000);
        servers[0].get("/notes.txt").expect_file(&old);
        let saved = version_bytes(10 * round + 1, 4000);
        let barrier = Barrier::new(4);
        let statuses = std::thread::scope(|scope| {
            let saver = scope.spawn(|| {
                barrier.wait();
                save(how, &path, &saved).unwrap();
            });
            let writers: Vec<_> = (0..3)
                .map(|number| {
                    let question = question(10 * round + 2 + number).field("If-Match", tag_of(&old));
                    let (barrier, server) = (&barrier, &servers[0]);
                    scope.spawn(move || {
                        let mut client = server.connect();
                        let bytes = question.bytes();
                        client.send(&bytes[..bytes.len() - 1]);
                        barrier.wait();
                        client.send(&bytes[bytes.len() - 1..]);
                        client.read(&question).expect_one_of(&[204, 404, 409, 412]).status
                    })
                })
                .collect();
            saver.join().unwrap();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(count(&statuses, &[204]) <= 1, "{how:?}, round {round}: {statuses:?}");
        won += count(&statuses, &[204]);
        if fs::read(&path).is_ok_and(|bytes| bytes == saved) {
            continue;
        }
        assert!(
            !matches!(how, How::Rename | How::Recreate),
            "{how:?}, round {round}: the save is lost: {statuses:?}"
        );
        eventually("the save is kept beside the file", || {
            conflict_copies(&folder.root()).contains(&saved).then_some(())
        });
        copies += 1;
        // And the file itself is a whole version, or was deleted.
        let there = fs::read(&path).ok().map(|bytes| version_of(&bytes));
        assert!(there.is_none_or(|version| version.is_some()), "{how:?}, round {round}: a mixed file");
    }
    eprintln!("{how:?}: {rounds} rounds, {won} writes were first, {copies} saves became conflict copies");
    assert_nothing_left(&servers[0]);
}

#[test]
fn what_another_program_saves_is_never_lost_to_a_put() {
    for how in How::ALL {
        a_save_against_writes(how, 60, |version| put("/notes.txt", version_bytes(version, 4000)));
    }
}

#[test]
fn what_another_program_saves_is_never_lost_to_a_delete() {
    for how in How::ALL {
        // A path that is saved in place must be there: between the two there may be nothing.
        if how == How::Recreate {
            continue;
        }
        a_save_against_writes(how, 40, |_| delete("/notes.txt"));
    }
}

/// Reads over and over, and looks whether what comes is one whole version under its own tag.
fn read_on(server: &Server, stop: &AtomicBool) -> u64 {
    let mut reads = 0;
    let mut client = server.connect();
    while !stop.load(Ordering::Relaxed) {
        let question = get("/file");
        client.send(question.bytes());
        // `Client` itself refuses a strong tag that is not that of the body.
        let answer = client.try_read(&question).unwrap_or_else(|broken| panic!("{broken:?}"));
        let answer = answer.expect(200);
        assert!(version_of(&answer.body).is_some(), "a mixture of versions\n{answer}");
        if !answer.tag().starts_with("W/") {
            assert_eq!(answer.tag(), tag_of(&answer.body), "{answer}");
        }
        reads += 1;
    }
    reads
}

/// Reads a version and writes over it, again and again; notes each version that was displaced.
fn write_on(server: &Server, first: u64, stop: &AtomicBool, displaced: &Mutex<HashSet<String>>) -> u64 {
    let (mut client, mut done): (Client, u64) = (server.connect(), 0);
    for version in first.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let current = client.ask(&get("/file")).expect(200);
        if current.tag().starts_with("W/") {
            continue;
        }
        let size = if version % 4 == 0 { 300_000 } else { 3000 };
        let question = put("/file", version_bytes(version, size)).field("If-Match", current.tag());
        client.send(question.bytes());
        let answer = client.read(&question).expect_one_of(&[204, 409, 412]);
        if answer.status == 204 {
            done += 1;
            let new = displaced.lock().unwrap().insert(current.tag());
            assert!(new, "the version {} was displaced twice", current.tag());
        }
        if answer.lists("Connection", "close") {
            client = server.connect();
        }
    }
    done
}

fn storm(server_count: usize, how: How) {
    let folder = Arc::new(Folder::new());
    folder.write_version("file", 1, 3000);
    let servers = servers(&folder, server_count);
    let (stop, displaced) = (AtomicBool::new(false), Mutex::new(HashSet::new()));
    let mut saver = Saver::start();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|number| {
                let (server, stop) = (&servers[number % server_count], &stop);
                scope.spawn(move || read_on(server, stop))
            })
            .collect();
        let writers: Vec<_> = (0..4_u64)
            .map(|number| {
                let (server, stop, displaced) = (&servers[number as usize % server_count], &stop, &displaced);
                scope.spawn(move || write_on(server, (number + 1) * 1_000_000_000, stop, displaced))
            })
            .collect();
        saver.keep_saving(how, &folder.path("file"), 4000, Duration::from_micros(3000));
        std::thread::sleep(Duration::from_secs(4));
        let saves = saver.stop().saves;
        stop.store(true, Ordering::Relaxed);
        let written: u64 = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
        let read: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        eprintln!("{how:?}, {server_count} servers: {written} writes, {saves} saves, {read} reads");
        assert!(written > 0 && saves > 0 && read > 0);
    });
    let there = fs::read(folder.path("file")).unwrap();
    assert!(version_of(&there).is_some());
    for server in &servers {
        server.get_settled("/file").expect_file(&there);
        assert_nothing_left(server);
    }
}

#[test]
fn readers_see_whole_versions_while_all_write() {
    storm(1, How::Rename);
}

#[test]
fn readers_of_two_servers_see_whole_versions_while_all_write() {
    storm(2, How::Rename);
}
