//! The units of systemd in `deploy/`: what systemd thinks of them, and whether the server lives within what they leave it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;

use crate::harness::server::PROGRAM;
use crate::harness::{Folder, Launch, delete, eventually, get, put, tag_of};
use crate::tls::write_certificate;

/// The units, with the program under test in the place of the installed one.
fn units(folder: &Folder) -> [PathBuf; 2] {
    ["ifmatch.service", "ifmatch.socket"].map(|name| {
        let text = fs::read_to_string(deploy(name)).unwrap().replace("/usr/local/bin/ifmatch", PROGRAM);
        folder.write_outside(name, text)
    })
}

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

/// What `systemd-analyze` says, on both of its outputs.
#[track_caller]
fn analyze(arguments: &[&str]) -> String {
    let output = Command::new("systemd-analyze").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("systemd-analyze (Debian package systemd): {error}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

#[test]
fn systemd_finds_no_fault_with_the_units() {
    let folder = Folder::new();
    let units = units(&folder).map(|path| path.display().to_string());
    assert_eq!(analyze(&["verify", "--man=no", &units[0], &units[1]]), "");
    // From 0, nothing at all, to 100; 25 and more is what it calls more than "OK".
    analyze(&["security", "--offline=true", "--threshold=20", &units[0]]);
}

/// The system calls of a filter of systemd, which may name groups of them.
fn calls(filter: &str) -> BTreeSet<String> {
    let of = |name: &str| match name.starts_with('@') {
        false => BTreeSet::from([name.to_owned()]),
        true => {
            let said = analyze(&["syscall-filter", name]);
            let members = said.lines().skip(1).map(str::trim).filter(|line| !line.starts_with('#'));
            calls(&members.collect::<Vec<_>>().join(" "))
        }
    };
    filter.split_whitespace().flat_map(of).collect()
}

#[test]
fn the_server_makes_no_system_call_that_the_unit_forbids() {
    let text = fs::read_to_string(deploy("ifmatch.service")).unwrap();
    let filters = text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter="));
    let (mut allowed, mut forbidden) = (BTreeSet::new(), BTreeSet::new());
    for filter in filters {
        match filter.strip_prefix('~') {
            Some(filter) => forbidden.extend(calls(filter)),
            None => allowed.extend(calls(filter)),
        }
    }
    let folder = Arc::new(Folder::new());
    folder.write("file", "one");
    write_certificate(&folder, "tls", 3000);
    let trace = folder.outside("trace");
    let strace = ["strace", "-D", "-f", "-qq", "-o", trace.to_str().unwrap()];
    let launch = Launch::writing().through(&strace).args(["-v", "--index", "eager"]);
    let account = format!("{}@/:rw", crate::accounts::hash(&["alice"], "wonder")[0]);
    let launch = launch.args(["--auth", &account, "--auth", "@/:rw", "--auth", "@/secret:-"]);
    let mut server = launch.start_in(folder);
    server.get("/file").expect_file(b"one");
    server.ask(&get("/secret/x").field("Authorization", "Basic YWxpY2U6d29uZGVy")).expect(404);
    server.ask(&put("/new/small", "one")).expect(201);
    server.ask(&put("/new/large", "x".repeat(3 << 20))).expect(201);
    server.ask(&put("/file", "two").field("If-Match", tag_of(b"one"))).expect(204);
    server.ask(&get("/new/large").field("Range", "bytes=1000000-2000000")).expect(206);
    server.ask(&delete("/new/large")).expect(204);
    server.signal(Signal::HUP);
    eventually("it is read again", || server.stderr().contains("read again").then_some(()));
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let trace = eventually("all is traced", || {
        fs::read_to_string(&trace).ok().filter(|trace| trace.contains(" exit_group(0"))
    });
    let made: BTreeSet<&str> = trace
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1)?.split_once('(').map(|(name, _)| name))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .collect();
    assert!(made.len() > 40 && made.contains("landlock_restrict_self"), "{made:?}");
    let refused: Vec<_> =
        made.iter().filter(|name| !allowed.contains(**name) || forbidden.contains(**name)).collect();
    assert!(refused.is_empty(), "{refused:?}");
}
