//! What files are said to be: by their names, by their bytes, and by rules.

use std::sync::Arc;

use crate::harness::{Folder, Launch, Request, Response, Server, get, head, put, tag_of};

const GERMAN: &str = "<!doctype html><title>Gr\u{fc}\u{df}e</title>";
const LATIN_1: &[u8] = b"<!doctype html><meta charset=windows-1252><title>Gr\xfc\xdfe</title>";

/// Larger than what is kept in memory, and so large that it takes a while to hash.
const LARGE: usize = 3 << 20;

/// The answer that is given at once, and the one that actix gives.
fn by_both_ways(server: &Server, asked: &Request) -> [Response; 2] {
    server.ask(asked);
    let at_once = server.ask(asked);
    [at_once, server.ask(&asked.clone().field("Want-Repr-Digest", "unknown=1"))]
}

#[track_caller]
fn assert_type(server: &Server, target: &str, expected: &str) {
    for asked in [get(target), head(target)] {
        for response in by_both_ways(server, &asked) {
            assert_eq!(response.expect(200).field("Content-Type"), Some(expected), "{target}");
        }
    }
}

#[test]
fn utf_8_is_said_only_of_what_is_utf_8() {
    let server = Server::start();
    let folder = server.folder();
    folder.write("page.html", GERMAN);
    assert_type(&server, "/page.html", "text/html; charset=utf-8");
    // A page in another encoding says so itself, and what the header says would count more.
    folder.write("page.html", LATIN_1);
    assert_type(&server, "/page.html", "text/html");
    folder.write("page.html", GERMAN);
    assert_type(&server, "/page.html", "text/html; charset=utf-8");
    for (name, bytes, expected) in [
        ("feed.xml", "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><a/>", "text/xml"),
        ("logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "image/svg+xml"),
        ("data.json", "{}", "application/json"),
    ] {
        folder.write(name, bytes);
        assert_type(&server, &format!("/{name}"), expected);
    }
    folder.write("notes.txt", b"Gr\xfc\xdfe");
    assert_type(&server, "/notes.txt", "text/plain");
}

#[test]
fn a_part_of_a_page_says_of_it_what_the_whole_says() {
    let server = Server::start();
    server.folder().write("page.html", LATIN_1);
    server.folder().write("notes.txt", GERMAN);
    for (target, expected) in [("/page.html", "text/html"), ("/notes.txt", "text/plain; charset=utf-8")] {
        // These bytes alone are ASCII.
        for response in by_both_ways(&server, &get(target).field("Range", "bytes=0-9")) {
            assert_eq!(response.expect(206).field("Content-Type"), Some(expected), "{target}");
        }
        let parts = server.ask(&get(target).field("Range", "bytes=0-1,5-6")).expect(206);
        assert_eq!(parts.text().matches(&format!("{expected}\r\n")).count(), 2, "{parts}");
    }
}

#[test]
fn text_without_a_known_extension_is_plain_text() {
    let server = Server::start();
    let text = "# \u{dc}ber dies\r\n\tund das\n";
    for name in ["README", "LICENSE", "a.rst", "a.go", "a.rb", "a.java", "a.diff", "a.odd-extension", "a.ts"]
    {
        server.folder().write(name, text);
        assert_type(&server, &format!("/{name}"), "text/plain; charset=utf-8");
    }
    let mut film = vec![0xff; 188 * 4];
    film.iter_mut().step_by(188).for_each(|byte| *byte = b'G');
    for (name, bytes, expected) in [
        ("binary", &b"\x7fELF\x02\x01\x01\0"[..], "application/octet-stream"),
        ("latin-1", &b"Gr\xfc\xdfe"[..], "application/octet-stream"),
        ("nul", &b"text\0"[..], "application/octet-stream"),
        ("film.ts", &film, "video/mp2t"),
    ] {
        server.folder().write(name, bytes);
        assert_type(&server, &format!("/{name}"), expected);
    }
}

#[test]
fn bytes_never_make_a_page_or_a_script_of_a_file() {
    let server = Server::start();
    for (name, bytes) in [
        ("page", "<!doctype html><script>alert(1)</script>"),
        ("image", "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>"),
        ("feed.odd", "<?xml version=\"1.0\"?><?xml-stylesheet href=\"a.xsl\"?><a/>"),
        ("script", "#!/usr/bin/env node\nalert(1)"),
    ] {
        server.folder().write(name, bytes);
        for response in by_both_ways(&server, &get(format!("/{name}"))) {
            assert_eq!(response.field("Content-Type"), Some("text/plain; charset=utf-8"), "{response}");
            assert_eq!(response.field("X-Content-Type-Options"), Some("nosniff"), "{response}");
        }
    }
}

#[test]
fn an_uploaded_file_is_what_a_file_is_that_was_there() {
    let server = Launch::writing().start();
    let long = "\u{fc}".repeat(LARGE / 2);
    for (name, bytes, expected) in [
        ("README", GERMAN.as_bytes(), "text/plain; charset=utf-8"),
        ("page.html", LATIN_1, "text/html"),
        ("page.html", GERMAN.as_bytes(), "text/html; charset=utf-8"),
        ("long", long.as_bytes(), "text/plain; charset=utf-8"),
        ("long.txt", &[b'\xfc'; LARGE], "text/plain"),
    ] {
        server.ask(&put(format!("/{name}"), bytes)).expect_one_of(&[201, 204]);
        assert_type(&server, &format!("/{name}"), expected);
    }
}

#[test]
fn a_large_file_has_the_same_type_before_and_after_it_is_hashed_and_after_a_restart() {
    let folder = Arc::new(Folder::new());
    folder.write("README", "\u{fc}".repeat(LARGE / 2));
    folder.write("notes.txt", "\u{fc}".repeat(16 << 20));
    folder.write("page.html", [LATIN_1, &vec![b' '; LARGE]].concat());
    folder.write("disk", vec![0; LARGE]);
    for _ in 0..2 {
        let server = Launch::new().start_in(Arc::clone(&folder));
        for (target, expected) in [
            ("/README", "text/plain; charset=utf-8"),
            ("/notes.txt", "text/plain; charset=utf-8"),
            ("/page.html", "text/html"),
            ("/disk", "application/octet-stream"),
        ] {
            // The first of these may come before its hash.
            assert_type(&server, target, expected);
            server.get_settled(target).expect(200);
            assert_type(&server, target, expected);
        }
        let mut server = server;
        server.signal(rustix::process::Signal::TERM);
        assert!(server.wait().success());
    }
}

#[test]
fn a_file_that_is_stored_encoded_is_sent_so() {
    let server = Server::start();
    let bytes = b"\x1f\x8b\x08 is how gzip begins";
    server.folder().write("logo.svgz", bytes);
    server.folder().write("site.tar.gz", bytes);
    for (target, media_type, coding) in
        [("/logo.svgz", "image/svg+xml", Some("gzip")), ("/site.tar.gz", "application/gzip", None)]
    {
        for asked in [get(target), head(target), get(target).field("Range", "bytes=0-1")] {
            for response in by_both_ways(&server, &asked) {
                assert_eq!(response.field("Content-Type"), Some(media_type), "{response}");
                assert_eq!(response.field("Content-Encoding"), coding, "{response}");
                assert_eq!(response.field("ETag"), Some(tag_of(bytes).as_str()), "{response}");
            }
        }
    }
}

#[test]
fn a_rule_says_what_files_are_and_how_they_are_encoded() {
    let folder = Arc::new(Folder::new());
    folder.write_outside(
        "ifmatch.toml",
        "[[rule]]\nfiles = \"*.data.br\"\ncontent-type = \"application/octet-stream\"\ncontent-encoding = \"br\"\n\
         [[rule]]\nfiles = \"/old/**\"\ncontent-type = \"text/html; charset=windows-1252\"\n\
         [[rule]]\nfiles = \"/plain.svgz\"\ncontent-encoding = \"identity\"\n\
         [[rule]]\nfiles = \"/404.html\"\ncontent-type = \"text/plain\"\n",
    );
    for name in ["game.data.br", "old/page.html", "plain.svgz", "404.html"] {
        folder.write(name, "x");
    }
    let server = Launch::writing().args(["--config", "ifmatch.toml"]).start_in(folder);
    for (target, media_type, coding) in [
        ("/game.data.br", "application/octet-stream", Some("br")),
        ("/old/page.html", "text/html; charset=windows-1252", None),
        ("/plain.svgz", "image/svg+xml", None),
    ] {
        for response in by_both_ways(&server, &get(target)) {
            assert_eq!(response.field("Content-Type"), Some(media_type), "{response}");
            assert_eq!(response.field("Content-Encoding"), coding, "{response}");
        }
    }
    assert_eq!(server.get("/missing").expect(404).field("Content-Type"), Some("text/plain"));
    // A listing is no file.
    let listing = server.get("/old/").expect(200);
    assert_eq!(listing.field("Content-Type"), Some("text/html; charset=utf-8"), "{listing}");
}

#[test]
fn an_upload_may_have_the_coding_under_which_the_file_is_sent() {
    let server = Launch::writing().start();
    let upload = |target, coding| put(target, "x").field("Content-Encoding", coding);
    server.ask(&upload("/logo.svgz", "gzip")).expect(201);
    server.ask(&upload("/logo.svgz", "br")).expect_problem(415);
    server.ask(&upload("/logo.svg", "gzip")).expect_problem(415);
    server.ask(&upload("/logo.svg", "identity")).expect(201);
}
