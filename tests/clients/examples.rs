//! Each example prints what is kept beside it, a second time as well; and what the server has seen of it is what the
//! example says.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;

use crate::harness::{Server, eventually};
use crate::programs::{example, examples, logged, need, need_part, printed, serving};

const CURL: [&str; 6] = [
    "curl-conditional-get.sh",
    "curl-create-only.sh",
    "curl-resume.sh",
    "curl-stale-if-match.sh",
    "curl-update-loop.sh",
    "curl-upload.sh",
];
const PHP: [&str; 2] = ["php-precondition-failed.php", "php-update-loop.php"];
const REQUESTS: [&str; 2] = ["requests-precondition-failed.py", "requests-update-loop.py"];
const WGET: [&str; 2] = ["wget-continue.sh", "wget-newer.sh"];
const ARIA2: [&str; 1] = ["aria2c-ranges.sh"];
const RCLONE: [&str; 1] = ["rclone-copy.sh"];
const DEPLOY: [&str; 2] = ["deploy-git.sh", "deploy-rsync.sh"];
/// The browser's is the page `site/editor.html`; `browser.rs` runs it.
const BROWSER: &str = "browser.out";

/// Panics unless the example prints what is kept beside it, and leaves no temporary file behind.
#[track_caller]
fn assert_prints(server: &mut Server, name: &str, arguments: &[&OsStr]) {
    let (stem, _) = name.rsplit_once('.').unwrap();
    let expected = fs::read_to_string(examples().join(format!("{stem}.out"))).unwrap();
    let output = printed(&mut example(server, name, arguments));
    assert_eq!(output, expected, "left: what {name} prints, right: {stem}.out");
    let left: Vec<_> = fs::read_dir(server.folder().outside("temporary")).unwrap().collect();
    assert!(left.is_empty(), "{name} leaves {left:?}");
    server.assert_well();
}

/// Runs each example twice, for whoever tries them does that too. Returns the server.
#[track_caller]
fn run(examples: &[&str], arguments: &[&OsStr]) -> Server {
    let mut server = serving();
    for name in examples {
        assert_prints(&mut server, name, arguments);
        assert_prints(&mut server, name, arguments);
    }
    server
}

/// Waits until the server has logged so many requests, of which the last may still be on its way to us.
#[track_caller]
fn assert_logged(server: &Server, method: &str, path: &str, status: u16, count: usize) {
    let what = format!("{count} times {method} {path} {status} is logged");
    eventually(&what, || (logged(server, method, path, status) >= count).then_some(()));
    assert_eq!(logged(server, method, path, status), count, "{method} {path} {status}");
}

#[test]
fn every_example_has_its_output_beside_it_and_is_run() {
    let names =
        fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> =
        names.filter(|name| !["README.md", "site"].contains(&name.as_str())).collect();
    let groups: [&[&str]; 7] = [&CURL, &PHP, &REQUESTS, &WGET, &ARIA2, &RCLONE, &DEPLOY];
    let mut expected = BTreeSet::from([BROWSER.to_owned()]);
    for name in groups.into_iter().flatten() {
        let (stem, _) = name.rsplit_once('.').unwrap();
        expected.extend([(*name).to_owned(), format!("{stem}.out")]);
    }
    assert_eq!(found, expected);
}

#[test]
fn curl() {
    need("curl", "curl");
    let server = run(&CURL, &[]);
    assert_eq!(server.get("/counter.txt").text(), "20\n");
}

#[test]
fn php_prints_that_the_precondition_failed_and_counts() {
    need("php", "php-cli");
    need_part(&["php", "-r", "exit(function_exists('curl_init') ? 0 : 1);"], "php-curl");
    let server = run(&PHP, &[]);
    assert_logged(&server, "PUT", "/page.txt", 412, 2);
    assert_eq!(server.get("/counter.txt").text(), "20\n");
}

#[test]
fn python_requests_prints_that_the_precondition_failed_and_counts() {
    need_part(&["/usr/bin/python3", "-c", "import requests"], "python3-requests");
    let server = run(&REQUESTS, &[]);
    assert_logged(&server, "PUT", "/page.txt", 412, 2);
    assert_eq!(server.get("/counter.txt").text(), "20\n");
}

#[test]
fn wget_fetches_what_is_newer_and_what_is_missing() {
    need("wget", "wget");
    let server = run(&WGET, &[]);
    assert_logged(&server, "GET", "/numbers.txt", 412, 2);
}

#[test]
fn aria2c_fetches_several_ranges_of_one_version() {
    need("aria2c", "aria2");
    need("curl", "curl");
    let server = run(&ARIA2, &[]);
    // Each download goes over several connections: two of them succeed, or end with the wrong digest.
    let parts = "aria2c has asked for several ranges";
    eventually(parts, || (logged(&server, "GET", "/large.txt", 206) >= 8).then_some(()));
    assert!(logged(&server, "GET", "/large.txt", 412) >= 2);
}

#[test]
fn rclone_downloads_nothing_the_second_time() {
    need("rclone", "rclone");
    let server = run(&RCLONE, &[]);
    // To copy and to compare the bytes, in each of two runs.
    assert_logged(&server, "GET", "/photos/one.txt", 200, 4);
    assert_logged(&server, "GET", "/photos/two.txt", 200, 4);
}

#[test]
fn after_a_deploy_clients_fetch_what_has_changed_and_nothing_else() {
    need("curl", "curl");
    need("git", "git");
    need("rsync", "rsync");
    let mut server = serving();
    let folder = server.folder().root();
    for name in DEPLOY {
        assert_prints(&mut server, name, &[folder.as_os_str()]);
        assert_prints(&mut server, name, &[folder.as_os_str()]);
    }
}
