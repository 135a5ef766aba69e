//! The index: what is read only once, where it is kept, and that nothing in it is ever believed too much.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;

use rustix::process::Signal;

use crate::harness::folder::{modified, set_modified};
use crate::harness::server::{is_root, wait};
use crate::harness::{Folder, Launch, Server, eventually, get, put, skip, tag_of, version_bytes};

/// So large that it is not kept in memory, and so taken from the index.
const LARGE: usize = 3 << 20;

/// A number of the index's part of health.
fn count(server: &Server, name: &str) -> u64 {
    server.health()["index"][name].as_u64().unwrap()
}

fn state(server: &Server) -> String {
    server.health()["index"]["state"].as_str().unwrap().to_owned()
}

/// Starts a server and waits until the index is what it should be.
#[track_caller]
fn start(launch: Launch, folder: &Arc<Folder>) -> Server {
    let server = launch.start_in(Arc::clone(folder));
    eventually("the index is complete", || (state(&server) == "complete").then_some(()));
    server
}

/// Ends a server as people do, so that it saves its index.
#[track_caller]
fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

/// Whether files in temporary folders have stamps that tell of every change; if not, nothing of them is indexed.
fn is_indexed() -> bool {
    let server = Server::start();
    let filesystem = server.health()["freshness"]["filesystem"].clone();
    let indexed = ["ext4", "xfs", "btrfs", "f2fs", "bcachefs"].iter().any(|name| filesystem == *name);
    if !indexed {
        skip(&format!("files on {filesystem} are not indexed"));
    }
    indexed
}

/// The files in a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The one file of the index where it usually is in these tests.
#[track_caller]
fn saved(folder: &Folder) -> PathBuf {
    match &files(&folder.outside("cache/ifmatch"))[..] {
        [file] => file.clone(),
        other => panic!("not one file: {other:?}"),
    }
}

fn folder_with(name: &str) -> Arc<Folder> {
    let folder = Folder::new();
    folder.write_version(name, 1, LARGE);
    Arc::new(folder)
}

fn eager() -> Launch {
    Launch::new().args(["--index", "eager"])
}

#[test]
fn a_large_file_is_read_once_and_not_again_after_a_restart() {
    if !is_indexed() {
        return;
    }
    let folder = folder_with("sub/large");
    let server = start(Launch::new(), &folder);
    let tag = server.get_settled("/sub/large").expect(200).tag().to_owned();
    assert_eq!((count(&server, "read"), count(&server, "known")), (1, 0));
    assert_eq!(count(&server, "bytes_hashed"), LARGE as u64);
    stop(server);

    fs::rename(folder.path("sub"), folder.path("renamed")).unwrap();
    let server = start(Launch::new(), &folder);
    assert_eq!(server.get_settled("/renamed/large").expect(200).tag(), tag);
    assert_eq!(tag, tag_of(&version_bytes(1, LARGE)));
    assert_eq!((count(&server, "read"), count(&server, "known")), (0, 1));
    assert_eq!((count(&server, "files"), count(&server, "bytes_hashed")), (1, 0));
}

#[test]
fn what_changed_while_nobody_served_is_read_again() {
    if !is_indexed() {
        return;
    }
    let folder = folder_with("large");
    let server = start(eager(), &folder);
    assert_eq!(count(&server, "read"), 1);
    stop(server);
    let path = folder.path("large");
    let time = modified(&path);
    let bytes = folder.write_version("large", 2, LARGE);
    set_modified(&path, time);
    for launch in [Launch::new(), eager()] {
        let server = start(launch, &folder);
        server.get_settled("/large").expect_file(&bytes);
        assert_eq!(count(&server, "read"), 1, "same size, same mtime, and yet it changed");
    }
}

#[test]
fn eager_reads_every_file_that_is_served_and_the_next_start_none() {
    if !is_indexed() {
        return;
    }
    let folder = folder_with("large");
    for number in 0..50 {
        folder.write_version(format!("folder{}/file{number}", number % 7).as_str(), number, 100);
    }
    folder.write(".hidden/file", "x");
    folder.write("__ifmatch__/file", "x");
    fs::write(folder.outside("secret"), "x").unwrap();
    std::os::unix::fs::symlink("../secret", folder.path("link")).unwrap();
    let server = start(eager(), &folder);
    assert_eq!(server.health()["index"]["mode"], "eager");
    assert_eq!((count(&server, "files"), count(&server, "read"), count(&server, "known")), (51, 51, 0));
    assert_eq!(count(&server, "bytes_hashed"), (LARGE + 50 * 100) as u64);
    server.get_settled("/large").expect_file(&version_bytes(1, LARGE));
    assert_eq!(
        (count(&server, "read"), count(&server, "known")),
        (51, 1),
        "it was known when it was asked for"
    );
    stop(server);

    fs::remove_file(folder.path("folder0/file0")).unwrap();
    let server = start(eager(), &folder);
    assert_eq!((count(&server, "files"), count(&server, "read"), count(&server, "known")), (50, 0, 50));
    assert_eq!(count(&server, "bytes_hashed"), 0);
    stop(server);
    let server = start(eager().arg("--hidden"), &folder);
    assert_eq!((count(&server, "files"), count(&server, "read")), (51, 1), "hidden names are served now");
}

#[test]
fn a_version_that_was_uploaded_is_known_after_a_restart() {
    if !is_indexed() {
        return;
    }
    let folder = Arc::new(Folder::new());
    let server = start(Launch::writing(), &folder);
    let bytes = version_bytes(5, LARGE);
    server.ask(&put("/new", &bytes)).expect(201);
    assert_eq!(count(&server, "read"), 0);
    stop(server);
    let server = start(Launch::writing(), &folder);
    server.get_settled("/new").expect_file(&bytes);
    assert_eq!((count(&server, "read"), count(&server, "known")), (0, 1));
    let newer = version_bytes(6, LARGE);
    server.ask(&put("/new", &newer).field("If-Match", tag_of(&bytes))).expect(204);
    server.get_settled("/new").expect_file(&newer);
}

#[test]
fn an_index_that_is_broken_is_not_used() {
    if !is_indexed() {
        return;
    }
    let folder = folder_with("large");
    stop(start(eager(), &folder));
    let file = saved(&folder);
    let whole = fs::read(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut turned = whole.clone();
    turned[whole.len() - 20] ^= 1;
    for bytes in [&whole[..whole.len() - 1], &whole[..10], &[], &turned, &[&whole[..], &[0]].concat()] {
        fs::write(&file, bytes).unwrap();
        let server = start(eager(), &folder);
        server.get_settled("/large").expect_file(&version_bytes(1, LARGE));
        assert_eq!(count(&server, "read"), 1);
        let log = server.stderr();
        assert!(log.lines().count() == 1 && log.contains("is not used"), "{log}");
        stop(server);
        assert_eq!(fs::read(&file).unwrap(), whole, "it is saved anew");
    }
    if is_root() {
        std::os::unix::fs::chown(&file, Some(crate::harness::server::NOBODY), None).unwrap();
        let server = start(eager(), &folder);
        assert_eq!(count(&server, "read"), 1, "somebody else could say what a digest is");
        assert!(server.stderr().contains("other users"), "{}", server.stderr());
    }
}

#[test]
fn what_another_run_of_the_machine_saved_is_not_used() {
    if !is_indexed() {
        return;
    }
    let folder = folder_with("large");
    stop(start(eager(), &folder));
    let file = saved(&folder);
    let mut bytes = fs::read(&file).unwrap();
    bytes[24] ^= 1;
    let end = bytes.len() - 16;
    let sum = xxhash_rust::xxh3::xxh3_128(&bytes[..end]).to_be_bytes();
    bytes[end..].copy_from_slice(&sum);
    fs::write(&file, &bytes).unwrap();
    let server = start(eager().arg("-v"), &folder);
    assert_eq!((count(&server, "read"), count(&server, "known")), (1, 0));
    assert!(server.stderr().contains("started anew"), "{}", server.stderr());
}

#[test]
fn off_keeps_nothing() {
    let folder = folder_with("large");
    let server = Launch::new().args(["--index", "off"]).start_in(Arc::clone(&folder));
    server.get_settled("/large").expect(200);
    let index = server.health()["index"].clone();
    assert_eq!((&index["mode"], &index["state"]), (&"off".into(), &"off".into()));
    assert_eq!((&index["files"], &index["read"]), (&0.into(), &0.into()));
    stop(server);
    assert!(!folder.outside("cache").exists() && !folder.outside("home").exists());
}

#[test]
fn it_is_kept_where_caches_are() {
    if !is_indexed() {
        return;
    }
    for (launch, place) in [
        (Launch::new(), "cache/ifmatch"),
        (Launch::new().env("XDG_CACHE_HOME", ""), "home/.cache/ifmatch"),
        (Launch::new().args(["--index-cache", "named/folder"]), "named/folder"),
        (Launch::new().env("IFMATCH_INDEX_CACHE", "variable"), "variable"),
    ] {
        let folder = folder_with("large");
        let server = start(launch, &folder);
        server.get_settled("/large").expect(200);
        stop(server);
        let found = files(&folder.outside(place));
        assert_eq!(found.len(), 1, "{place}: {found:?}");
        let text = fs::read(&found[0]).unwrap();
        let told = |word: &[u8]| text.windows(word.len()).any(|bytes| bytes == word);
        assert!(!told(b"large") && !told(b"root"), "it tells a name");
        assert_eq!(fs::metadata(folder.outside(place)).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

/// Runs the program, which ends by itself.
fn run(launch: Launch, folder: &Folder, last: &[&str]) -> Output {
    let mut command = launch.command(folder);
    command.args(last).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait(&mut child);
    child.wait_with_output().unwrap()
}

#[test]
fn a_folder_for_it_in_the_served_one_is_refused() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("root", folder.outside("link")).unwrap();
    for place in ["root", "root/cache", "link/new/cache"] {
        let output = run(Launch::new(), &folder, &["-p", "0", "--index-cache", place, "root"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("--index-cache") && error.contains("served"), "{error}");
    }
    assert!(files(&folder.root()).is_empty());
    // Who serves the home folder has not asked for that place, and is served without.
    let place = folder.root().display().to_string();
    let server = Launch::new().env("XDG_CACHE_HOME", &place).arg("-v").start_in(Arc::new(folder));
    assert_eq!(server.health()["index"]["state"], "complete");
    eventually("it is told", || server.stderr().contains("not saved").then_some(()));
    assert!(files(&server.folder().root()).is_empty());
}

#[test]
fn a_folder_that_cannot_be_made_is_gone_without() {
    let folder = folder_with("large");
    folder.write_outside("file", "x");
    let server = start(Launch::new().args(["-v", "--index-cache", "file/below"]), &folder);
    server.get_settled("/large").expect_file(&version_bytes(1, LARGE));
    assert!(server.stderr().contains("not saved"), "{}", server.stderr());
    stop(server);
}

#[test]
fn the_old_meaning_of_the_flag_is_explained() {
    let folder = Folder::new();
    for (launch, last) in [
        (Launch::new(), vec!["--index", "main.html", "root"]),
        (Launch::new().env("IFMATCH_INDEX", "main.html"), vec!["root"]),
    ] {
        let output = run(launch, &folder, &last);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--index-file"), "{output:?}");
    }
}

#[test]
fn two_servers_do_not_break_each_others_file() {
    if !is_indexed() {
        return;
    }
    let folder = folder_with("large");
    for number in 0..200 {
        folder.write_version(format!("file{number}").as_str(), number, 5000);
    }
    for _ in 0..3 {
        let servers = [start(eager(), &folder), start(eager(), &folder)];
        // Each has something that is not saved yet.
        for (number, server) in servers.iter().enumerate() {
            folder.write_version(format!("new{number}").as_str(), 1, LARGE);
            server.get_settled(format!("/new{number}")).expect(200);
            server.signal(Signal::TERM);
        }
        for mut server in servers {
            assert!(server.wait().success());
            assert_eq!(server.stderr(), "");
        }
        let server = start(eager(), &folder);
        assert_eq!(server.stderr(), "", "what is on disk can be read");
        assert!(count(&server, "known") > 200 && count(&server, "read") <= 2);
        stop(server);
    }
    assert_eq!(files(&folder.outside("cache/ifmatch")).len(), 1, "nothing else is left");
}

#[test]
fn each_hash_has_an_index_of_its_own() {
    if !is_indexed() {
        return;
    }
    let folder = folder_with("large");
    let blake3 = || Launch::new().args(["--etag-hash", "blake3"]);
    for (launch, read) in [(Launch::new(), 1), (blake3(), 1), (Launch::new(), 0), (blake3(), 0)] {
        let server = start(launch, &folder);
        server.get_settled("/large").expect(200);
        assert_eq!(count(&server, "read"), read);
        stop(server);
    }
    let server = start(blake3(), &folder);
    let tag = crate::harness::blake3_tag_of(&version_bytes(1, LARGE));
    assert_eq!(server.get_settled("/large").expect(200).tag(), tag);
}

#[test]
fn a_file_that_somebody_writes_to_is_not_taken_from_it() {
    if !is_indexed() {
        return;
    }
    let folder = folder_with("large");
    stop(start(eager(), &folder));
    let writer = fs::File::options().append(true).open(folder.path("large")).unwrap();
    // The watcher would read it as well, once it is closed.
    let server = start(Launch::new().arg("--no-watch"), &folder);
    let answer = server.ask(&get("/large"));
    assert!(answer.expect(200).tag().starts_with("W/"));
    assert_eq!(count(&server, "known"), 0);
    drop(writer);
    server.get_settled("/large").expect_file(&version_bytes(1, LARGE));
    assert_eq!((count(&server, "read"), count(&server, "known")), (0, 1));
}

/// Two servers in turn, which find nothing that may have a record.
#[track_caller]
fn expect_no_records(launch: fn() -> Launch, folder: Folder) {
    folder.write_version("large", 1, LARGE);
    folder.write("small", "x");
    let folder = Arc::new(folder);
    for _ in 0..2 {
        let server = start(launch(), &folder);
        server.get("/large").expect(200);
        server.get("/small").expect_file(b"x");
        assert_eq!((count(&server, "files"), count(&server, "read"), count(&server, "known")), (0, 0, 0));
        stop(server);
    }
}

#[test]
fn files_on_tmpfs_have_no_records() {
    if let Some(folder) = Folder::on_tmpfs() {
        expect_no_records(eager, folder);
    }
}

#[test]
fn files_for_which_no_lease_is_granted_have_no_records() {
    match is_root() {
        true => expect_no_records(|| eager().by_nobody(), Folder::new()),
        false => skip("only root can serve as another user"),
    }
}
