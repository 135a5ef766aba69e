//! Links within the folder that lead to hidden names: what is not served under its own name is not served under another one, nor
//! listed, nor written. What Kubernetes makes of a volume is served all the same.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use crate::harness::{Folder, Launch, Server, delete, get, put, tree};

const SECRET: &str = "the hidden secret";

/// A folder with hidden names, and links to them of every kind.
fn folder() -> Arc<Folder> {
    let folder = Folder::new();
    folder.write("file", "open");
    folder.write("sub/file", "open");
    for name in
        [".git/config", ".env", "sub/.htpasswd", ".well-known/key", ".~ifmatch.left", "__ifmatch__/own"]
    {
        folder.write(name, SECRET);
    }
    for (name, to) in LINKS.into_iter().chain(OPEN_LINKS) {
        link(&folder, name, to);
    }
    link(&folder, "absolute", folder.path(".git/config"));
    link(&folder, "absolute-folder", folder.path(".git"));
    Arc::new(folder)
}

/// Links to what is hidden.
const LINKS: [(&str, &str); 9] = [
    ("config", ".git/config"),
    ("docs", ".git"),
    ("env", ".env"),
    ("sub/up", "../.env"),
    ("sub/password", ".htpasswd"),
    ("chain", "config"),
    ("chain-folder", "docs"),
    ("page/index.html", "../.env"),
    ("detour", ".git/../.git/config"),
];

/// Links to what is not.
const OPEN_LINKS: [(&str, &str); 4] =
    [("to-file", "file"), ("to-sub", "sub"), ("through", ".git/../sub/file"), ("known", ".well-known/key")];

fn link(folder: &Folder, name: &str, to: impl AsRef<Path>) {
    let path = folder.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(to, path).unwrap();
}

const HIDDEN: [&str; 13] = [
    "/config",
    "/docs/config",
    "/docs/",
    "/docs",
    "/env",
    "/sub/up",
    "/sub/password",
    "/to-sub/password",
    "/chain",
    "/chain-folder/config",
    "/detour",
    "/absolute",
    "/absolute-folder/config",
];

#[test]
fn what_a_link_leads_to_is_judged_by_its_own_name_too() {
    let folder = folder();
    for launch in [Launch::new(), Launch::new().arg("--no-watch"), Launch::new().arg("--spa")] {
        let server = launch.start_in(Arc::clone(&folder));
        for target in HIDDEN {
            for _ in 0..2 {
                let missing = server.get(target).expect(404);
                assert!(!missing.text().contains(SECRET) && missing.field("ETag").is_none(), "{missing}");
            }
        }
        assert!(!server.get("/page/").text().contains(SECRET));
        for target in ["/to-file", "/to-sub/file", "/through"] {
            server.get(target).expect_file(b"open");
        }
        server.get("/known").expect_file(SECRET.as_bytes());
    }
}

#[test]
fn a_listing_does_not_name_links_to_what_is_hidden() {
    let server = Server::start_in_folder(folder());
    let names = |target: &str| -> Vec<String> {
        let listing = server.ask(&get(target).field("Accept", "application/json")).expect(200).json();
        let mut names: Vec<String> =
            listing.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("/"), [".well-known", "file", "known", "page", "sub", "through", "to-file", "to-sub"]);
    assert_eq!(names("/sub/"), ["file"]);
}

#[test]
fn with_hidden_names_served_links_to_them_are_followed_but_not_to_names_of_the_server() {
    let folder = folder();
    link(&folder, "left", ".~ifmatch.left");
    link(&folder, "own", "__ifmatch__/own");
    let server = Launch::new().arg("--hidden").start_in(folder);
    for target in
        HIDDEN.into_iter().filter(|target| !target.starts_with("/docs") || *target == "/docs/config")
    {
        server.get(target).expect_file(SECRET.as_bytes());
    }
    server.get("/docs").expect(301);
    for target in ["/left", "/own"] {
        server.get(target).expect(404);
    }
}

#[test]
fn no_write_goes_through_a_link_to_what_is_hidden() {
    let folder = folder();
    let server = Launch::writing().start_in(Arc::clone(&folder));
    let before = tree(&folder.root());
    for target in [
        "/config",
        "/docs/config",
        "/docs/new",
        "/docs/new/deep",
        "/chain",
        "/absolute",
        "/absolute-folder/new",
    ] {
        server.ask(&put(target, "EVIL")).expect_problem(409);
        assert_eq!(tree(&folder.root()), before, "{target}");
    }
    for target in ["/config", "/docs/config", "/chain-folder/config"] {
        server.ask(&delete(target)).expect_one_of(&[404, 409]);
        assert_eq!(tree(&folder.root()), before, "{target}");
    }
}

#[test]
fn a_folder_that_is_hidden_behind_its_link_is_gone_at_once() {
    for watch in [&["--no-watch"][..], &[]] {
        let folder = Arc::new(Folder::new());
        folder.write("releases/file", "open");
        folder.write("single", "open");
        link(&folder, "current", "releases");
        link(&folder, "one", "single");
        let server = Launch::new().args(watch).start_in(Arc::clone(&folder));
        for target in ["/current/file", "/one"] {
            server.get_settled(target).expect_file(b"open");
        }
        // The files keep their inodes and their times, but for the ctime of the second one.
        fs::rename(folder.path("releases"), folder.path(".releases")).unwrap();
        fs::rename(folder.path("single"), folder.path(".single")).unwrap();
        for (name, to) in [("current", ".releases"), ("one", ".single")] {
            fs::remove_file(folder.path(name)).unwrap();
            link(&folder, name, to);
        }
        for target in ["/current/file", "/one"] {
            server.get(target).expect(404);
        }
    }
}

#[test]
fn a_volume_of_kubernetes_is_served() {
    let folder = Arc::new(Folder::new());
    folder.write("..2026_11_29_08_00_00.1/page.html", "one");
    folder.write("..2026_11_29_09_00_00.2/page.html", "two");
    link(&folder, "..data", "..2026_11_29_08_00_00.1");
    link(&folder, "page.html", "..data/page.html");
    let server = Server::start_in_folder(Arc::clone(&folder));
    for _ in 0..3 {
        server.get("/page.html").expect_file(b"one");
    }
    // As the kubelet exchanges it.
    symlink("..2026_11_29_09_00_00.2", folder.path("..data_tmp")).unwrap();
    fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();
    server.get("/page.html").expect_file(b"two");
    server.get("/..data/page.html").expect(404);
}
