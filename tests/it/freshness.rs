//! A change that was complete before the request began is in the answer: bytes, tag, length and date, with no time in
//! between. Every way of saving, some hundred rounds each; the long versions are in `stress`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::harness::folder::modified;
use crate::harness::server::is_root;
use crate::harness::{
    Client, Folder, How, Launch, Response, Saver, Server, eventually, get, head, save, tag_of, version_bytes,
};

const ROUNDS: u64 = 300;

/// Asks for a file that has just been saved, in all the ways a client may ask.
#[track_caller]
fn assert_current(client: &mut Client, target: &str, path: &Path, bytes: &[u8], former: &str) {
    let settled = |request| if bytes.len() > 1 << 20 { request } else { get(target) };
    let response = client.ask(&settled(get(target).field("If-None-Match", "\"other\""))).expect_file(bytes);
    assert_date(&response, path);
    let of_head = client.ask(&head(target).field("If-None-Match", former)).expect(200);
    assert_eq!(of_head.tag(), tag_of(bytes));
    client.ask(&get(target).field("If-Match", former)).expect(412);
    client.ask(&get(target).field("If-None-Match", tag_of(bytes))).expect(304);
}

/// The date is that of the file, or later where its time did not tell of the change; and not later than now.
#[track_caller]
fn assert_date(response: &Response, path: &Path) {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    if let Some(date) = response.last_modified() {
        assert!(seconds(date) >= seconds(modified(path)), "older than the file\n{response}");
    }
}

fn rounds(server: &Server, hows: &[How], size: usize, rounds: u64) {
    let mut client = server.connect();
    let mut saver = Saver::start();
    for how in hows {
        let name = format!("{how:?}");
        let path = server.folder().path(&name);
        server.folder().write_version(&name, 0, size);
        let mut former = tag_of(&version_bytes(0, size));
        for round in 1..=rounds {
            // Sizes differ in two rounds of three; in the third only the bytes do.
            let size = if round % 3 == 0 { size } else { size - (round as usize % 7) };
            saver.save(*how, &path, round, size);
            let bytes = version_bytes(round, size);
            assert_current(&mut client, &format!("/{name}"), &path, &bytes, &former);
            former = tag_of(&bytes);
        }
    }
}

fn rounds_with_the_time_put_back(server: &Server, hows: &[How], size: usize, rounds: u64) {
    let mut client = server.connect();
    let mut saver = Saver::start();
    for how in hows {
        let name = format!("{how:?}");
        let path = server.folder().path(&name);
        let mut former = tag_of(&server.folder().write_version(&name, 0, size));
        let time = modified(&path);
        for round in 1..=rounds {
            saver.save_and_restore_time(*how, &path, round, size);
            assert_eq!(modified(&path), time);
            let bytes = version_bytes(round, size);
            assert_current(&mut client, &format!("/{name}"), &path, &bytes, &former);
            former = tag_of(&bytes);
        }
    }
}

fn on_tmpfs(launch: Launch) -> Option<Server> {
    Some(launch.start_in(Arc::new(Folder::on_tmpfs()?)))
}

#[test]
fn a_save_by_another_process_is_in_the_next_answer() {
    rounds(&Server::start(), &How::ALL, 5000, ROUNDS);
}

#[test]
fn a_save_under_the_same_size_and_time_is_in_the_next_answer() {
    rounds_with_the_time_put_back(&Server::start(), &How::ALL, 5000, ROUNDS);
}

#[test]
fn a_save_of_a_large_file_is_in_the_next_answer() {
    rounds(&Server::start(), &How::ALL, (1 << 20) + 4096, 20);
    rounds_with_the_time_put_back(&Server::start(), &How::ALL, (1 << 20) + 4096, 20);
}

#[test]
fn a_save_on_tmpfs_is_in_the_next_answer() {
    let Some(server) = on_tmpfs(Launch::new()) else { return };
    rounds(&server, &How::ON_TMPFS, 5000, ROUNDS);
    rounds_with_the_time_put_back(&server, &How::ON_TMPFS, 5000, ROUNDS);
}

#[test]
fn a_save_is_in_the_next_answer_without_the_watcher() {
    rounds(&Launch::new().arg("--no-watch").start(), &How::ALL, 5000, 100);
    rounds_with_the_time_put_back(&Launch::new().arg("--no-watch").start(), &How::ALL, 5000, 100);
    if let Some(server) = on_tmpfs(Launch::new().arg("--no-watch")) {
        rounds(&server, &How::ON_TMPFS, 5000, 100);
    }
}

#[test]
fn a_save_through_a_mapping_on_tmpfs_is_seen_once_the_mapping_is_gone() {
    // A page that was read before does not stamp the file when it is stored to: tmpfs tells nobody but the watcher, at
    // the end of the mapping. That takes a moment; nothing stale may stay for good.
    let Some(server) = on_tmpfs(Launch::new()) else { return };
    eventually("the watcher is ready", || (server.health()["watcher"]["state"] == "watching").then_some(()));
    let path = server.folder().path("file");
    server.folder().write_version("file", 0, 5000);
    for round in 1..50 {
        let bytes = version_bytes(round, 5000);
        save(How::Map, &path, &bytes).unwrap();
        eventually("the mapped bytes are served", || {
            (server.get("/file").expect(200).body == bytes).then_some(())
        });
    }
}

#[test]
fn a_save_is_in_the_next_answer_where_no_lease_can_be_had() {
    // Another user's files: the kernel refuses the lease, and only age can prove that a file is at rest.
    if !is_root() {
        return crate::harness::skip("only root can run the server as another user");
    }
    let server = Launch::new().by_nobody().start();
    let path = server.folder().path("file");
    let old = server.folder().write_version("old", 7, 5000);
    let mut client = server.connect();
    for round in 0..10 {
        for how in How::ALL {
            let bytes = version_bytes(round, 5000);
            save(how, &path, &bytes).unwrap();
            client.ask(&get("/file")).expect_file(&bytes);
            client.ask(&get("/file").field("If-None-Match", tag_of(&bytes))).expect(304);
        }
        client.ask(&get("/old")).expect_file(&old);
    }
    save(How::InPlace, &server.folder().path("old"), &version_bytes(8, 5000)).unwrap();
    client.ask(&get("/old")).expect_file(&version_bytes(8, 5000));
}

#[test]
fn a_store_through_a_mapping_is_not_hidden_for_long_where_no_lease_can_be_had() {
    // A store to a page that is dirty already moves no stamp, and without a lease nobody knows of the mapping.
    if !is_root() {
        return crate::harness::skip("only root can run the server as another user");
    }
    const SIZE: usize = 5000;
    let server = Launch::new().by_nobody().start();
    let file = fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(server.folder().path("mapped"))
        .unwrap();
    file.set_len(SIZE as u64).unwrap();
    let store = crate::harness::saver::map(&file, SIZE);
    fs::set_permissions(server.folder().path("mapped"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    store(b'A');
    eventually("the file counts as settled", || {
        let response = server.get("/mapped").expect_file(&[b'A'; SIZE]);
        response.field("Last-Modified").map(drop)
    });
    store(b'B');
    eventually("the store is seen", || {
        (server.get("/mapped").expect(200).body == [b'B'; SIZE]).then_some(())
    });
}

#[test]
fn what_comes_and_goes_is_there_or_not_at_once() {
    let server = Server::start();
    let mut client = server.connect();
    let path = server.folder().path("sub/file");
    server.folder().folder("sub");
    for round in 0..ROUNDS {
        client.ask(&get("/sub/file")).expect(404);
        let bytes = server.folder().write_version("sub/file", round, 300);
        client.ask(&get("/sub/file")).expect_file(&bytes);
        fs::remove_file(&path).unwrap();
        client.ask(&get("/sub/file")).expect(404);
        fs::create_dir(&path).unwrap();
        client.ask(&get("/sub/file")).expect(301);
        fs::write(path.join("index.html"), &bytes).unwrap();
        client.ask(&get("/sub/file/")).expect_file(&bytes);
        fs::remove_file(path.join("index.html")).unwrap();
        client.ask(&get("/sub/file/").field("If-None-Match", tag_of(&bytes))).expect(200);
        fs::remove_dir(&path).unwrap();
    }
}

#[test]
fn a_folder_that_changes_places_is_the_other_at_once() {
    let server = Server::start();
    let folder = server.folder();
    let one = folder.write_version("one/deep/file", 1, 400);
    let two = folder.write_version("two/deep/file", 2, 400);
    let mut client = server.connect();
    for round in 0..ROUNDS {
        let (here, there) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        client.ask(&get("/one/deep/file")).expect_file(here);
        client.ask(&get("/two/deep/file")).expect_file(there);
        for (from, to) in [("one", "away"), ("two", "one"), ("away", "two")] {
            fs::rename(folder.path(from), folder.path(to)).unwrap();
        }
    }
}

#[test]
fn a_link_that_is_turned_leads_to_the_other_file_at_once() {
    let server = Server::start();
    let folder = server.folder();
    let contents = [folder.write_version("one", 1, 400), folder.write_version("two", 2, 400)];
    let (link, beside) = (folder.path("link"), folder.path("link-beside"));
    let mut client = server.connect();
    for round in 0..ROUNDS as usize {
        symlink(["one", "two"][round % 2], &beside).unwrap();
        fs::rename(&beside, &link).unwrap();
        client.ask(&get("/link")).expect_file(&contents[round % 2]);
    }
}

#[test]
fn a_change_through_another_name_is_in_the_next_answer() {
    // No event tells of a write through a hard link outside the root.
    let server = Server::start();
    let folder = server.folder();
    folder.write_version("file", 0, 400);
    fs::hard_link(folder.path("file"), folder.outside("other-name")).unwrap();
    let mut client = server.connect();
    for round in 1..ROUNDS {
        let bytes = version_bytes(round, 400);
        save(How::InPlace, &folder.outside("other-name"), &bytes).unwrap();
        client.ask(&get("/file")).expect_file(&bytes);
    }
}

#[test]
fn going_back_and_forth_is_followed() {
    let server = Server::start();
    let path = server.folder().path("file");
    let versions = [version_bytes(1, 900), version_bytes(2, 900)];
    let mut client = server.connect();
    for round in 0..2 * ROUNDS as usize {
        let (now, before) = (&versions[round % 2], &versions[(round + 1) % 2]);
        save(How::ALL[(round / 2) % 5], &path, now).unwrap();
        client.ask(&get("/file").field("If-None-Match", tag_of(before))).expect_file(now);
        client.ask(&get("/file").field("If-None-Match", tag_of(now))).expect(304);
    }
}

#[test]
fn every_worker_and_every_connection_sees_the_change() {
    let server = Server::start();
    let path = server.folder().path("file");
    let mut clients: Vec<Client> = (0..12).map(|_| server.connect()).collect();
    for round in 0..ROUNDS {
        let bytes = version_bytes(round, 700);
        save(How::ALL[round as usize % 5], &path, &bytes).unwrap();
        for client in &mut clients {
            client.ask(&get("/file")).expect_file(&bytes);
        }
    }
}

#[test]
fn an_empty_file_and_a_filled_one_are_told_apart_at_once() {
    let server = Server::start();
    let path = server.folder().path("file");
    let mut client = server.connect();
    for round in 0..ROUNDS {
        fs::write(&path, "").unwrap();
        client.ask(&get("/file")).expect_file(b"");
        let bytes = version_bytes(round, 1 + round as usize);
        fs::write(&path, &bytes).unwrap();
        client.ask(&get("/file")).expect_file(&bytes);
    }
}
