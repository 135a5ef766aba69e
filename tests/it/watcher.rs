//! The watcher is a help and never the reason for an answer: off, overrun, or out of watches, answers stay right; and
//! its state can be seen.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use crate::harness::{Folder, How, Launch, Server, eventually, get, save, tag_of, version_bytes};

/// Changes files in every way, old and new, and checks each answer.
fn answers_stay_right(server: &Server) {
    let mut client = server.connect();
    for round in 0..20 {
        for name in ["file", "sub/file", "sub/deep/er/file"] {
            for how in How::ALL {
                let path = server.folder().path(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let bytes = version_bytes(round, 600);
                save(how, &path, &bytes).unwrap();
                client.ask(&get(format!("/{name}"))).expect_file(&bytes);
            }
        }
    }
}

fn state(server: &Server) -> String {
    server.health()["watcher"]["state"].as_str().unwrap().to_owned()
}

#[test]
fn it_watches_unless_it_is_told_not_to() {
    let server = Server::start();
    eventually("it watches", || (state(&server) == "watching").then_some(()));
    let server = Launch::new().arg("--no-watch").start();
    assert_eq!(state(&server), "off");
    answers_stay_right(&server);
    assert_eq!(state(&server), "off");
}

#[test]
fn a_save_in_a_new_folder_is_heard_of() {
    let server = Server::start();
    eventually("it watches", || (state(&server) == "watching").then_some(()));
    server.folder().write("new/one/two/file", "old");
    server.get("/new/one/two/file").expect_file(b"old");
    let before = server.health()["watcher"]["evictions"].as_u64().unwrap();
    // The watch of a new folder comes a moment after the folder; from then on every save evicts.
    eventually("the save is heard of", || {
        server.folder().write("new/one/two/file", "new");
        server.get("/new/one/two/file").expect_file(b"new");
        (server.health()["watcher"]["evictions"].as_u64().unwrap() > before + 5).then_some(())
    });
}

#[test]
fn files_in_new_folders_are_right_at_once() {
    let server = Server::start();
    let mut client = server.connect();
    for round in 0..40_u64 {
        let folder = format!("n{round}/m{round}/deep");
        let names: Vec<String> = (0..5).map(|number| format!("{folder}/file{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            let bytes = server.folder().write_version(name, round * 10 + number as u64, 300);
            client.ask(&get(format!("/{name}"))).expect_file(&bytes);
        }
        for name in &names {
            let bytes = server.folder().write_version(name, 1000 + round, 300);
            client.ask(&get(format!("/{name}"))).expect_file(&bytes);
        }
        fs::rename(server.folder().path(&folder), server.folder().path(format!("n{round}/moved"))).unwrap();
        client.ask(&get(format!("/{}", names[0]))).expect(404);
        client.ask(&get(format!("/n{round}/moved/file0"))).expect_file(&version_bytes(1000 + round, 300));
    }
}

#[test]
fn many_files_changed_at_once_are_all_right() {
    const FILES: u64 = 2000;
    let mut server = Server::start();
    let name = |number: u64| format!("many{}/file{number}", number % 20);
    for version in 1..4 {
        for number in 0..FILES {
            server.folder().write_version(&name(number), version * FILES + number, 200);
        }
        let mut client = server.connect();
        for number in 0..FILES {
            let bytes = version_bytes(version * FILES + number, 200);
            client.ask(&get(format!("/{}", name(number)))).expect_file(&bytes);
        }
    }
    server.assert_well();
}

#[test]
fn a_flood_of_events_changes_no_answer() {
    // More than the kernel queues (16,384 by default), in folders that come and go.
    let mut server = Server::start();
    server.folder().write_version("file", 0, 500);
    let root = server.folder().root();
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let root = &root;
            scope.spawn(move || {
                for round in 0..60 {
                    let folder = root.join(format!("flood{worker}-{round}"));
                    fs::create_dir(&folder).unwrap();
                    for number in 0..200 {
                        let path = folder.join(number.to_string());
                        fs::write(&path, "x").unwrap();
                        fs::rename(&path, path.with_extension("y")).unwrap();
                    }
                    if round % 2 == 0 {
                        fs::remove_dir_all(&folder).unwrap();
                    }
                }
            });
        }
        let mut client = server.connect();
        for round in 1..300 {
            let bytes = server.folder().write_version("file", round, 500);
            client.ask(&get("/file")).expect_file(&bytes);
        }
    });
    answers_stay_right(&server);
    server.get("/flood1-59/7.y").expect_file(b"x");
    server.folder().write("flood1-59/late", "late");
    server.get("/flood1-59/late").expect_file(b"late");
    let watcher = &server.health()["watcher"];
    assert!(watcher["state"] == "watching" || watcher["state"] == "limited", "{watcher}");
    server.assert_well();
}

#[test]
fn a_change_evicts_what_was_kept() {
    let server = Server::start();
    eventually("it watches", || (state(&server) == "watching").then_some(()));
    let evictions = || server.health()["watcher"]["evictions"].as_u64().unwrap();
    let bytes = server.folder().write_version("file", 1, 400);
    for _ in 0..3 {
        server.get("/file").expect_file(&bytes);
    }
    let before = evictions();
    fs::write(server.folder().path("file"), version_bytes(2, 400)).unwrap();
    eventually("the entry is evicted", || (evictions() > before).then_some(()));
    server.get("/file").expect_file(&version_bytes(2, 400));
}

/// A server that may have only so many of something, in a user namespace of its own.
fn limited(limit: &str, folder: &Arc<Folder>) -> Option<Server> {
    let script = format!("echo {limit} && exec \"$@\"");
    let wrapper = ["unshare", "--user", "--map-root-user", "sh", "-ec", &script, "sh"];
    let tried = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
    match tried {
        Ok(output) if output.status.success() => {
            Some(Launch::new().through(&wrapper).start_in(Arc::clone(folder)))
        }
        other => {
            crate::harness::skip(&format!("no user namespace: {other:?}"));
            None
        }
    }
}

#[test]
fn out_of_watches_answers_stay_right_and_the_state_says_so() {
    let folder = Arc::new(Folder::new());
    for number in 0..20 {
        folder.write(format!("sub{number}/file"), "x");
    }
    let Some(mut server) = limited("5 > /proc/sys/user/max_inotify_watches", &folder) else { return };
    eventually("it says that it is limited", || (state(&server) == "limited").then_some(()));
    assert!(server.health()["ok"] == true);
    eventually("the log says so", || server.stderr().to_lowercase().contains("watch").then_some(()));
    answers_stay_right(&server);
    for number in 0..20 {
        let bytes = folder.write_version(&format!("sub{number}/file"), number, 100);
        server.get(format!("/sub{number}/file")).expect_file(&bytes);
    }
    server.assert_well();
}

#[test]
fn without_any_watcher_to_be_had_answers_stay_right_and_the_state_says_so() {
    let folder = Arc::new(Folder::new());
    let Some(mut server) = limited("0 > /proc/sys/user/max_inotify_instances", &folder) else { return };
    eventually("it says that there is no watcher", || (state(&server) == "failed").then_some(()));
    assert!(server.health()["ok"] == true);
    eventually("the log says so", || server.stderr().to_lowercase().contains("watch").then_some(()));
    answers_stay_right(&server);
    server.assert_well();
}

#[test]
fn reading_makes_no_events() {
    let server = Server::start();
    eventually("it watches", || (state(&server) == "watching").then_some(()));
    let bytes = server.folder().write_version("file", 1, 400);
    server.folder().write_version("large", 1, 2 << 20);
    server.get("/file").expect_file(&bytes);
    server.get_settled("/large").expect(200);
    // What the writes caused has to be over first.
    let evictions = || server.health()["watcher"]["evictions"].as_u64().unwrap();
    let before = eventually("the events are over", || {
        let first = evictions();
        std::thread::sleep(std::time::Duration::from_millis(300));
        (evictions() == first).then_some(first)
    });
    let mut client = server.connect();
    for _ in 0..500 {
        client.ask(&get("/file")).expect_file(&bytes);
        client.ask(&get("/large").field("If-None-Match", tag_of(&version_bytes(1, 2 << 20)))).expect(304);
        client.ask(&get("/")).expect(200);
    }
    assert_eq!(evictions(), before);
}
