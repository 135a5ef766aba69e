//! Where a PUT or DELETE may go: nowhere outside the served folder, to no name of the server's own, to no folder. And
//! which names a file may have.

use std::fs;
use std::sync::Arc;

use crate::harness::{
    Folder, Launch, Request, Response, Server, assert_nothing_left, delete, get, put, request, tag_of, tree,
};

const EVIL: &str = "EVIL CONTENT";

/// A folder with files inside, and files of the same names all around it.
fn folder() -> Arc<Folder> {
    let folder = Folder::new();
    folder.write("file.txt", "inside");
    folder.write("sub/file.txt", "inside sub");
    for name in ["file.txt", "secret.txt", "root-too/secret.txt", "secrets/secret.txt"] {
        folder.write_outside(name, "outside");
    }
    Arc::new(folder)
}

/// All ways that were ever found to lead out of a folder, each to a file that is there outside.
pub(crate) const ESCAPES: [&str; 43] = [
    "/../secret.txt",
    "/sub/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2E/secret.txt",
    "/.%2e/secret.txt",
    "/%2e./secret.txt",
    "/sub/%2e%2e/%2e%2e/secret.txt",
    "/new/../../secret.txt",
    "/new/%2e%2e/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/..%2Fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "/%252e%252e/secret.txt",
    "/%252e%252e%252fsecret.txt",
    "/%25252e%25252e/secret.txt",
    "/%c0%ae%c0%ae/secret.txt",
    "/%c0%2e%c0%2e/secret.txt",
    "/%e0%80%ae%e0%80%ae/secret.txt",
    "/%uff0e%uff0e/secret.txt",
    "/%ef%bc%8e%ef%bc%8e/secret.txt",
    "/..%00/secret.txt",
    "/%00../secret.txt",
    "/....//secret.txt",
    "/.../secret.txt",
    "/..;/secret.txt",
    "/../root-too/secret.txt",
    "-too/secret.txt",
    "../secret.txt",
    "secret.txt",
    "//../secret.txt",
    "///../../secret.txt",
    "/./../secret.txt",
    "/sub/..%5c..%5c..%5csecret.txt",
    "http://localhost/../secret.txt",
    "http://localhost/%2e%2e/secret.txt",
    "http://localhost/..%2fsecret.txt",
    "file:///../secret.txt",
    "//localhost/../secret.txt",
    "/?/../secret.txt",
    "/file.txt/../../secret.txt",
    "/#/../../secret.txt",
];

/// Of these the segments that lead out are plain to see: they are refused and nothing is made.
fn is_plainly_malformed(target: &str) -> bool {
    let decoded = target.replace("%2e", ".").replace("%2E", ".").replace("%2f", "/").replace("%2F", "/");
    let path = decoded.strip_prefix("http://localhost").unwrap_or(&decoded);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.starts_with('/') && (climbs(path) || target.contains("%00"))
}

/// Does a path leave more folders than it has entered, at any point?
fn climbs(path: &str) -> bool {
    let mut depth = 0;
    path.split('/').any(|segment| {
        depth += match segment {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        depth < 0
    })
}

#[test]
fn no_write_leads_out_of_the_root() {
    let folder = folder();
    for launch in [Launch::writing(), Launch::writing().arg("--hidden")] {
        let mut server = launch.start_in(Arc::clone(&folder));
        let absolute = format!("/{}", folder.outside("secret.txt").display());
        for target in ESCAPES.into_iter().chain([absolute.as_str()]) {
            let inside_before = tree(&folder.root());
            for question in [
                put(target, EVIL),
                put(target, EVIL).field("If-None-Match", "*"),
                put(target, EVIL).field("If-Match", tag_of(b"outside")),
                request("PUT", target).chunked(EVIL, 3),
                delete(target),
                delete(target).field("If-Match", tag_of(b"outside")),
                delete(target).field("If-Match", "*"),
            ] {
                let mut client = server.connect();
                client.send(question.field("Connection", "close").bytes());
                client.finish_sending();
                let answer = String::from_utf8_lossy(&client.read_to_end()).into_owned();
                assert!(!answer.starts_with("HTTP/1.1 5"), "{target}\n{answer}");
                if is_plainly_malformed(target) {
                    assert!(answer.starts_with("HTTP/1.1 400"), "{target}\n{answer}");
                    assert_eq!(tree(&folder.root()), inside_before, "{target}");
                }
            }
            for name in ["file.txt", "secret.txt", "root-too/secret.txt", "secrets/secret.txt"] {
                let outside = fs::read_to_string(folder.outside(name));
                assert_eq!(outside.ok().as_deref(), Some("outside"), "{target} reached {name}");
            }
            assert!(!fs::exists("/secret.txt").unwrap(), "{target}");
        }
        let mut beside: Vec<String> = fs::read_dir(folder.outside(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != "home" && name != "cache")
            .collect();
        beside.sort();
        assert_eq!(beside, ["file.txt", "root", "root-too", "secret.txt", "secrets"]);
        server.assert_well();
        assert_nothing_left(&server);
    }
}

#[test]
fn the_root_and_folders_are_not_written_or_deleted() {
    let server = Launch::writing().start_in(folder());
    server.folder().folder("empty");
    let before = tree(&server.folder().root());
    let folders = [
        "/",
        "//",
        "/sub",
        "/sub/",
        "/empty",
        "/empty/",
        "/file.txt/",
        "/missing/",
        "/a/b/",
        "http://localhost",
    ];
    for target in folders {
        for question in [
            put(target, "new"),
            put(target, "new").field("If-None-Match", "*"),
            put(target, "new").field("If-Match", "*"),
            put(target, "new").field("Expect", "100-continue"),
            request("PUT", target).chunked("new", 2),
            delete(target),
            delete(target).field("If-Match", "*"),
            delete(target).field("Depth", "infinity"),
        ] {
            server.ask(&question).expect_problem(409);
            assert_eq!(tree(&server.folder().root()), before);
        }
    }
    for target in ["/.", "/..", "/%2e", "/sub/.", "/./", "/sub/..", "/%2e%2e", "*", "/*"] {
        for question in [put(target, "new"), delete(target)] {
            server.ask(&question).expect_one_of(&[400, 409]);
            assert_eq!(tree(&server.folder().root()), before);
        }
    }
}

#[test]
fn a_folder_with_an_index_is_still_a_folder() {
    let server = Launch::writing().start_in(folder());
    server.folder().write("sub/index.html", "the index");
    let tag = server.get("/sub/").expect(200).tag();
    let before = tree(&server.folder().root());
    for question in [put("/sub/", "new"), delete("/sub/"), put("/sub", "new"), delete("/sub")] {
        server.ask(&question.field("If-Match", &tag)).expect_problem(409);
    }
    assert_eq!(tree(&server.folder().root()), before);
    server.ask(&put("/sub/index.html", "new").field("If-Match", &tag)).expect(204);
    server.get("/sub/").expect_file(b"new");
}

#[test]
fn hidden_and_reserved_names_are_not_written() {
    let reserved = ".~ifmatch.t.1.0.0.0.any.";
    let folder = folder();
    folder.write(".hidden", "hidden");
    folder.write(".git/config", "config");
    let forbidden_always = [
        format!("/{reserved}"),
        "/.~ifmatch.".to_owned(),
        "/.~ifmatch.new".to_owned(),
        "/%2e%7eifmatch.new".to_owned(),
        "/sub/.~ifmatch.r.1.0.0.0.any.file.txt".to_owned(),
        "/.~ifmatch.folder/file".to_owned(),
        "/__ifmatch__".to_owned(),
        "/__ifmatch__/health".to_owned(),
        "/__ifmatch__/new".to_owned(),
        "/%5f_ifmatch__/new".to_owned(),
    ];
    let hidden =
        ["/.hidden", "/.new", "/%2enew", "/.git/config", "/.git/new", "/sub/.new", "/.new/file", "/sub/.x/y"];
    let server = Launch::writing().start_in(Arc::clone(&folder));
    let before = tree(&folder.root());
    let both = |target: &str| [put(target, EVIL), delete(target), put(target, EVIL).field("If-Match", "*")];
    for target in forbidden_always.iter().map(String::as_str).chain(hidden) {
        for question in both(target) {
            server.ask(&question).expect_problem(403);
        }
    }
    assert_eq!(tree(&folder.root()), before);
    server.ask(&put("/.well-known/security.txt", "x")).expect(201);
    server.ask(&put("/sub/__ifmatch__", "x")).expect(201);
    drop(server);

    let server = Launch::writing().arg("--hidden").start_in(Arc::clone(&folder));
    let before = tree(&folder.root());
    for target in &forbidden_always {
        for question in both(target) {
            server.ask(&question).expect_problem(403);
        }
    }
    assert_eq!(tree(&folder.root()), before);
    for target in ["/.new", "/.git/new", "/sub/.new", "/.new-folder/.file"] {
        server.ask(&put(target, "x")).expect(201);
        server.get(target).expect_file(b"x");
    }
    server.ask(&delete("/.hidden")).expect(204);
}

/// The name as a request spells it.
fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    format!("/{}", name.bytes().map(byte).collect::<String>())
}

#[test]
fn a_file_may_have_any_name_that_can_be_served() {
    let server = Launch::writing().start();
    let longest = "x".repeat(255);
    let longest_of_wide = "\u{65e5}".repeat(85);
    let names = [
        "with space",
        " leading and trailing ",
        "d\u{e9}j\u{e0} vu.txt",
        "\u{65e5}\u{672c}\u{8a9e}.txt",
        "e\u{301} combined",
        "\u{1f600}",
        "quote\"s and 'apostrophes'",
        "<img src=x onerror=alert(1)>x",
        "per%cent %2e%2e",
        "question?mark#hash&amp;",
        "back\\slash",
        "a+b=c;d,e@f$g!h~i(j)[k]{l}|m^n`o",
        "-rf",
        "~",
        "a..b",
        "...x",
        "con.txt",
        "new.conflict-20261122T151309Z-1a2b3c.txt",
        longest.as_str(),
        longest_of_wide.as_str(),
    ];
    for name in names {
        let hidden = name.starts_with('.');
        let target = encoded(name);
        let created = server.ask(&put(&target, name)).expect(if hidden { 403 } else { 201 });
        if hidden {
            continue;
        }
        assert_eq!(fs::read_to_string(server.folder().path(name)).unwrap(), name);
        let location = created.leads_to(&target);
        server.get(&location).expect_file(name.as_bytes());
        server.get(&target).expect_file(name.as_bytes());
        let again = put(&location, format!("{name} again")).field("If-Match", created.tag());
        let replaced = server.ask(&again).expect(204);
        server.get(&target).expect_file(format!("{name} again").as_bytes());
        server.ask(&delete(&target).field("If-Match", replaced.tag())).expect(204);
        assert!(!server.folder().path(name).exists());
        server.ask(&put(&target, name)).expect(201);
        server.ask(&delete(&location)).expect(204);
    }
    assert_nothing_left(&server);
    assert_eq!(tree(&server.folder().root()).len(), 0);
}

#[test]
fn a_name_that_is_too_long_or_cannot_be_is_refused_and_leaves_nothing() {
    let server = Launch::writing().start();
    server.folder().write("sub/file", "x");
    let before = tree(&server.folder().root());
    let long = "x".repeat(256);
    let wide = format!("/{}", "%E6%97%A5".repeat(86));
    let deep = format!("/{}file", "0123456789abcde/".repeat(260));
    let targets = [
        format!("/{long}"),
        format!("/sub/{long}"),
        format!("/new/{long}"),
        format!("/new/deeper/{long}"),
        format!("/{long}/file"),
        format!("/new/{long}/file"),
        wide,
        deep.clone(),
        "/control%01character".to_owned(),
        "/line%0abreak".to_owned(),
        "/nul%00".to_owned(),
        "/not%ffutf8".to_owned(),
        "/%".to_owned(),
        "/ends-in:".to_owned(),
    ];
    for target in &targets {
        for body in [b"x".to_vec(), vec![b'x'; 600_000]] {
            for question in [put(target, &body), request("PUT", target).chunked(&body, 100_000)] {
                let answer = server.ask(&question);
                // A lone percent sign may be taken for itself.
                if target == "/%" && answer.status == 201 {
                    server.ask(&delete(target)).expect(204);
                    continue;
                }
                answer.expect_problem(if *target == deep { 414 } else { 400 });
                assert_eq!(tree(&server.folder().root()), before, "{target}");
            }
        }
        server.ask(&delete(target)).expect_one_of(&[400, 404, 414]);
    }
    assert_nothing_left(&server);
}

/// What is known of an answer, for two requests that must be treated alike.
fn outcome(response: &Response) -> (u16, Option<String>) {
    (response.status, response.field("Location").map(str::to_owned))
}

#[test]
fn one_file_has_one_place_however_it_is_spelled() {
    let spellings = [
        "/a/b",
        "//a/b",
        "/a//b",
        "/%61/%62",
        "/a/b?query=/../x",
        "/a/b#fragment",
        "http://localhost/a/b",
        "/./a/b",
        "/a/./b",
        "/%2e/a/%2E/b",
        "/a/x/../b",
        "/x/../a/b",
        "/x/%2e%2E/a/b",
        "/x//../a/b",
        "/.hidden/../a/b",
        "http://localhost/x/../a/./b",
    ];
    for spelling in spellings {
        let server = Launch::writing().start();
        let created = server.ask(&put(spelling, "x"));
        if spelling.contains('#') && created.status == 400 {
            continue;
        }
        assert_eq!(outcome(&created), (201, Some("b".to_owned())), "{created}");
        assert_eq!(fs::read_to_string(server.folder().path("a/b")).unwrap(), "x");
        assert_eq!(tree(&server.folder().root()).len(), 2);
        server.ask(&delete(spelling).field("If-Match", created.tag())).expect(204);
        assert!(!server.folder().path("a/b").exists());
    }
}

#[test]
fn missing_folders_are_made_for_a_file_that_is_created() {
    let server = Launch::writing().start();
    for size in [10, 600_000] {
        let bytes = crate::harness::version_bytes(1, size);
        let created = server.ask(&put(format!("/{size}/b/c/d.txt"), &bytes)).expect(201);
        assert_eq!(created.field("Location"), Some("d.txt"), "{created}");
        server.get(format!("/{size}/b/c/d.txt")).expect_file(&bytes);
        // A DELETE takes the file and no folder.
        server.ask(&delete(format!("/{size}/b/c/d.txt"))).expect(204);
        assert!(server.folder().path(format!("{size}/b/c")).is_dir());
        server.ask(&get(format!("/{size}/b/c/"))).expect(200);
    }
}

/// Writes that fail late, each for a reason of its own.
fn failing_writes(target: &str, size: usize) -> Vec<(Request, u16)> {
    let body = vec![b'x'; size];
    let wrong = crate::harness::content::repr_digest_of("sha-256", b"other");
    vec![
        (put(target, &body).field("If-Match", "*"), 412),
        (put(target, &body).field("Content-Digest", wrong), 400),
        (put(target, &body).field("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="), 400),
        (request("PUT", target).chunked(vec![b'x'; 2 << 20], 65536), 413),
        (put(format!("{target}{}", "x".repeat(256)), &body), 400),
    ]
}

#[test]
fn folders_made_for_a_write_that_fails_are_removed_again() {
    let server = Launch::writing().args(["--max-upload-size", "1M"]).start();
    let before = tree(&server.folder().root());
    for size in [10, 600_000] {
        for (question, status) in failing_writes("/new/deeper/file", size) {
            server.ask(&question).expect_problem(status);
            assert_eq!(tree(&server.folder().root()), before);
        }
    }
    assert_nothing_left(&server);
}

#[test]
fn many_at_once_may_need_the_same_missing_folders() {
    let server = Launch::writing().args(["--durability", "none"]).start();
    for round in 0..10 {
        std::thread::scope(|scope| {
            for number in 0..16 {
                let server: &Server = &server;
                scope.spawn(move || {
                    // Every other one fails, and takes away nothing that others use.
                    let target = format!("/{round}/a/b/file-{number}");
                    if number % 2 == 0 {
                        server.ask(&put(&target, "x")).expect(201);
                    } else {
                        let name = format!("/{round}/a/b/{}", "x".repeat(256));
                        server.ask(&put(&name, "x")).expect_problem(400);
                    }
                });
            }
        });
        let names = fs::read_dir(server.folder().path(format!("{round}/a/b"))).unwrap().count();
        assert_eq!(names, 8);
    }
    assert_nothing_left(&server);
}

#[test]
fn one_upload_makes_a_bounded_number_of_folders() {
    let server = Launch::writing().start();
    let root = server.folder().root();
    let deep = |folders: usize| format!("/{}file", "d/".repeat(folders));
    for size in [10, 700_000] {
        let body = vec![b'x'; size];
        for question in
            [put(deep(33), &body), put(deep(200), &body), request("PUT", deep(33)).chunked(&body, 70_000)]
        {
            let refused = server.ask(&question).expect_problem(409);
            assert!(refused.text().contains("32"), "{refused}");
            let waiting = question.field("Expect", "100-continue");
            let mut client = server.connect();
            client.send(waiting.clone().only_head().bytes());
            client.next_head(&waiting).unwrap().expect(409);
        }
    }
    assert!(tree(&root).is_empty());
    server.ask(&put(deep(32), "deep")).expect(201);
    server.get(deep(32)).expect_file(b"deep");
    // Those that are there count no more.
    server.ask(&put(deep(60), "deeper")).expect(201);
    server.get(deep(60)).expect_file(b"deeper");
}

#[test]
fn an_interrupted_upload_leaves_no_folders() {
    let server = Launch::writing().start();
    for size in [1000, 700_000, 3 << 20] {
        let body = vec![b'x'; size];
        let wrong = put("/a/b/c/file", &body).field("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==");
        server.ask(&wrong).expect_problem(400);
        for question in [put("/a/b/c/file", &body), request("PUT", "/a/b/c/file").chunked(&body, 70_000)] {
            let mut client = server.connect();
            let bytes = question.bytes();
            client.send(&bytes[..bytes.len() - 10]);
            client.finish_sending();
            client.read_to_end();
        }
    }
    assert!(tree(&server.folder().root()).is_empty());
    assert_nothing_left(&server);
}
