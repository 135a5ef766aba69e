//! Uploads that browsers would run as pages of the site.

use std::sync::Arc;

use crate::harness::{Folder, Launch, Request, Response, Server, eventually, get, head, put, tag_of};

const PAGE: &str = "<!doctype html><script>alert(document.domain)</script>";

/// The hash of "secret", cheap to compute.
const HASH: &str = "$2y$04$AzUuCvSXDuQKgyjurPtmaeMErsblz6G1f7ANpuJJVVwDcVqa2lZ7C";

/// Everybody writes below /inbox, alice everywhere.
fn with_an_inbox() -> Launch {
    Launch::writing().args(["-a", &format!("alice:{HASH}"), "-a", "@/inbox:rw"])
}

/// The answer that is given at once, and the one that actix gives.
fn by_both_ways(server: &Server, asked: &Request) -> [Response; 2] {
    server.ask(asked);
    let at_once = server.ask(asked);
    [at_once, server.ask(&asked.clone().field("Want-Repr-Digest", "unknown=1"))]
}

#[track_caller]
fn assert_confined(response: &Response) {
    assert_eq!(response.field("Content-Security-Policy"), Some("sandbox"), "{response}");
    assert_eq!(response.field("Content-Disposition"), Some("attachment"), "{response}");
}

#[track_caller]
fn assert_free(response: &Response) {
    assert_eq!(response.field("Content-Security-Policy"), None, "{response}");
    assert_eq!(response.field("Content-Disposition"), None, "{response}");
}

#[test]
fn a_page_that_others_may_have_written_does_not_run() {
    let server = with_an_inbox().start();
    for name in ["a.html", "a.HTM", "a.xhtml", "a.svg", "a.svgz", "a.xml", "a.xsl", "a.rss"] {
        let target = format!("/inbox/{name}");
        server.ask(&put(&target, PAGE)).expect(201);
        for (asked, status) in [
            (get(&target), 200),
            (head(&target), 200),
            (get(&target).field("Range", "bytes=0-3"), 206),
            (get(&target).field("Range", "bytes=0-3,6-7"), 206),
            (get(&target).field("If-None-Match", tag_of(PAGE.as_bytes())), 304),
        ] {
            for response in by_both_ways(&server, &asked) {
                assert_confined(&response.expect(status));
            }
        }
    }
    let refused =
        put("/inbox/a.html", "").field("If-Match", "\"other\"").field("Prefer", "return=representation");
    assert_confined(&server.ask(&refused).expect(412));
}

#[test]
fn what_runs_nothing_is_as_it_was() {
    let server = with_an_inbox().start();
    for name in ["a.txt", "a.png", "a.pdf", "a.json", "a.js", "a.css", "README", "page"] {
        let target = format!("/inbox/{name}");
        server.ask(&put(&target, PAGE)).expect(201);
        by_both_ways(&server, &get(&target)).iter().for_each(assert_free);
    }
    // Nor is a listing, or a problem, something to be saved.
    for (target, status) in [("/inbox/", 200), ("/inbox/missing.html", 404)] {
        let response = server.ask(&get(target).field("Accept", "text/html")).expect(status);
        assert_eq!(response.field("Content-Disposition"), None, "{response}");
        assert!(!response.lines("Content-Security-Policy").contains(&"sandbox"), "{response}");
    }
}

#[test]
fn a_large_page_is_confined_before_it_is_hashed_and_after() {
    let server = with_an_inbox().start();
    server.folder().write("inbox/large.html", PAGE.repeat(400_000));
    assert_confined(&server.get("/inbox/large.html").expect(200));
    assert_confined(&server.get_settled("/inbox/large.html").expect(200));
}

#[test]
fn pages_run_where_their_authors_may_do_all_that_visitors_may() {
    let alice = format!("alice:{HASH}");
    let inbox = ["-A", "-a", &alice, "-a", "@/inbox:rw"];
    let cases: [(&[&str], &str, bool); 9] = [
        // Only this machine writes, and could do without a page whatever a page could.
        (&["-A"], "/a.html", true),
        // Somebody stands between: this is no machine of one person any more.
        (&["-A", "--allow-host", "site.example"], "/a.html", false),
        (&["-A", "--bind", "0.0.0.0", "--insecure-writes"], "/a.html", false),
        (&["-A", "-a", &alice], "/a.html", true),
        (&inbox, "/a.html", true),
        (&inbox, "/inbox/a.html", false),
        (&["-A", "-a", &alice, "-a", "@/inbox:rw", "--trust-uploads"], "/inbox/a.html", true),
        (&["--allow-delete", "-a", &alice, "-a", "@/inbox:rw"], "/inbox/a.html", true),
        (&["-A", "--create-only", "-a", &alice, "-a", "@/inbox:rw"], "/inbox/a.html", false),
    ];
    for (arguments, target, runs) in cases {
        let server = Launch::new().args(arguments).start();
        server.folder().write(&target[1..], PAGE);
        for response in by_both_ways(&server, &get(target)) {
            if runs { assert_free(&response) } else { assert_confined(&response) }
        }
        let is_told = || server.stdout().contains("\n  uploaded pages: browsers save them");
        match !runs || arguments == inbox {
            true => eventually("the start tells of it", || is_told().then_some(())),
            false => assert!(!is_told(), "{arguments:?}"),
        }
    }
}

#[test]
fn the_folders_own_404_page_runs_nothing_either_but_is_shown() {
    let server = Launch::writing().args(["--allow-host", "site.example"]).start();
    server.ask(&put("/404.html", PAGE)).expect(201);
    for response in by_both_ways(&server, &get("/missing")) {
        let response = response.expect(404);
        assert_eq!(response.field("Content-Security-Policy"), Some("sandbox"), "{response}");
        assert_eq!(response.field("Content-Disposition"), None, "{response}");
    }
}

#[test]
fn the_operators_fields_stay() {
    let server = with_an_inbox()
        .args(["--header", "Content-Security-Policy: img-src 'self'"])
        .args(["--header", "Content-Disposition: inline"])
        .start();
    server.folder().write("inbox/a.html", PAGE);
    for response in by_both_ways(&server, &get("/inbox/a.html")) {
        assert_eq!(response.lines("Content-Security-Policy"), ["img-src 'self'", "sandbox"], "{response}");
        assert_eq!(response.lines("Content-Disposition"), ["inline"], "{response}");
    }
}

#[test]
fn what_a_rule_makes_a_page_of_is_confined_as_well() {
    let folder = Arc::new(Folder::new());
    folder.write_outside(
        "ifmatch.toml",
        "[[rule]]\nfiles = \"*.page\"\ncontent-type = \"TEXT/HTML\"\n[[rule]]\nfiles = \"*.html\"\ncontent-type = \"text/plain\"\n",
    );
    folder.write("inbox/a.page", PAGE);
    folder.write("inbox/a.html", PAGE);
    let server = with_an_inbox().args(["--config", "ifmatch.toml"]).start_in(folder);
    by_both_ways(&server, &get("/inbox/a.page")).iter().for_each(assert_confined);
    by_both_ways(&server, &get("/inbox/a.html")).iter().for_each(assert_free);
}

#[test]
fn to_trust_uploads_takes_uploads() {
    let folder = Folder::new();
    let output = Launch::new().command(&folder).arg("--trust-uploads").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{error}");
    assert_eq!(
        error,
        "ifmatch: --trust-uploads lets uploaded pages run; allow uploads with --allow-upload\n"
    );
}
