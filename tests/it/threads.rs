//! A machine that has no thread left: a sentence for whoever asks, no panic, nothing that leaks, and everything is well again
//! afterwards.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::harness::server::is_root;
use crate::harness::{
    Folder, Launch, Server, assert_nothing_left, delete, eventually, get, put, skip, tag_of, version_bytes,
};

/// A user of whom there are no other processes: the limit counts all of them.
const USER: &str = "61234";

/// A server whose user may have a limited number of threads.
fn by_a_user_of_its_own(folder: &Arc<Folder>, launch: Launch) -> Option<Server> {
    if !is_root() {
        skip("only root can become another user");
        return None;
    }
    // Of the files of another user no lease is had.
    let files = std::fs::read_dir(folder.root()).unwrap().map(|entry| entry.unwrap().path());
    for path in files.chain([folder.outside(""), folder.root()]) {
        std::os::unix::fs::chown(path, Some(USER.parse().unwrap()), None).unwrap();
    }
    let program = folder.outside("ifmatch-of-the-user");
    let copied = Command::new("cp").arg(crate::harness::server::PROGRAM).arg(&program).status().unwrap();
    assert!(copied.success());
    // The wrapper runs the copy instead of the program, which stands behind it.
    let script = format!(
        "shift; exec setpriv --reuid={USER} --regid={USER} --clear-groups {} \"$@\"",
        program.display()
    );
    Some(launch.through(&["sh", "-c", &script, "sh"]).start_in(Arc::clone(folder)))
}

/// Lets the server have no more threads than it has, or as many as it likes.
fn limit_threads(server: &Server, limit: Option<usize>) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.process())).unwrap();
    let hard = limits.lines().find(|line| line.starts_with("Max processes")).unwrap();
    let hard = hard.split_whitespace().nth(3).unwrap().to_owned();
    let limit = limit.map_or(hard, |limit| limit.to_string());
    let status = Command::new("setpriv")
        .args(["--reuid", USER, "--regid", USER, "--clear-groups", "prlimit"])
        .args(["--pid", &server.process().to_string(), &format!("--nproc={limit}:")])
        .status()
        .expect("prlimit (Debian package util-linux)");
    assert!(status.success());
}

fn threads(server: &Server) -> usize {
    std::fs::read_dir(Path::new("/proc").join(server.process().to_string()).join("task")).unwrap().count()
}

/// Counts the threads once no more of them begin: the server can answer before all of its workers have started.
fn settled_threads(server: &Server) -> usize {
    server.ask(&get("/__ifmatch__/health")).expect(200);
    let (mut count, mut unchanged) = (threads(server), 0);
    while unchanged < 25 {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let now = threads(server);
        unchanged = if now == count { unchanged + 1 } else { 0 };
        count = now;
    }
    count
}

#[test]
fn without_another_thread_everything_is_answered_and_nothing_leaks() {
    let folder = Arc::new(Folder::new());
    let large = version_bytes(1, 3 << 20);
    folder.write("large", &large);
    let Some(mut server) = by_a_user_of_its_own(&folder, Launch::writing().args(["--durability", "none"]))
    else {
        return;
    };
    limit_threads(&server, Some(settled_threads(&server)));
    let before = server.descriptors();
    let mut old = version_bytes(0, 1000);
    server.ask(&put("/file", &old)).expect(201);
    for round in 1..40_u64 {
        let new = version_bytes(round, if round % 2 == 0 { 1000 } else { 700_000 });
        server.ask(&put("/file", &new).field("If-Match", tag_of(&old))).expect(204);
        server.get("/file").expect_file(&new);
        old = new;
    }
    server.get_settled("/large").expect_file(&large);
    server.ask(&get("/").field("Accept", "application/json")).expect(200);
    // Many at once have to take turns.
    let shared: &Server = &server;
    std::thread::scope(|scope| {
        for number in 0..20_u64 {
            scope.spawn(move || {
                let bytes = version_bytes(number, 600_000);
                shared.ask(&put(format!("/new-{number}"), &bytes)).expect(201);
                shared.get_settled(format!("/new-{number}")).expect_file(&bytes);
            });
        }
    });
    server.ask(&delete("/file").field("If-Match", tag_of(&old))).expect(204);
    server.assert_well();
    assert_nothing_left(&server);
    eventually("what was displaced is released", || (server.descriptors() < before + 20).then_some(()));
    limit_threads(&server, None);
    server.ask(&put("/file", "new")).expect(201);
    server.assert_well();
}

#[test]
fn a_server_that_can_start_no_thread_says_so() {
    let folder = Arc::new(Folder::new());
    if !is_root() {
        skip("only root can become another user");
        return;
    }
    let program = folder.outside("ifmatch-of-the-user");
    let copied = Command::new("cp").arg(crate::harness::server::PROGRAM).arg(&program).status().unwrap();
    assert!(copied.success());
    let output = Command::new("prlimit")
        .args(["--nproc=1", "setpriv", "--reuid=61235", "--regid=61235", "--clear-groups"])
        .arg(&program)
        .args(["-p", "0"])
        .arg(folder.root())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("no thread can be started") && !told.contains("panicked"), "{told}");
}
