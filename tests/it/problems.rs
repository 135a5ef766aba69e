//! Problems as people meet them: a page for a browser, a document for a program, and advice that can be followed.

use crate::harness::{Launch, Request, Response, Server, delete, eventually, get, put, request};

/// A server with something to go wrong for every status that a request alone can cause, and the requests.
fn wrong() -> (Server, Vec<(u16, Request)>) {
    let server = Launch::writing().args(["--max-upload-size", "10", "--require-preconditions"]).start();
    server.folder().write("file", "here");
    server.folder().write("folder/file", "here");
    let requests = vec![
        (400, get("/%2F")),
        (400, put("/file", "x").field("If-Match", "bare")),
        (400, put("/new", "x").field("Content-Range", "bytes 0-0/1")),
        (400, put("/new", "x").field("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")),
        (403, put("/.hidden", "x")),
        (403, put("/new", "x").field("Origin", "https://elsewhere.example")),
        (404, get("/missing")),
        (404, get("/missing/")),
        (404, delete("/missing")),
        (405, request("PATCH", "/file")),
        (409, put("/folder", "x")),
        (412, get("/file").field("If-Match", "\"other\"")),
        (412, put("/file", "x").field("If-Match", "\"other\"")),
        (412, put("/file", "x").field("If-None-Match", "*")),
        (412, put("/missing", "x").field("If-Match", "*")),
        (412, delete("/file").field("If-Match", "\"other\"")),
        (413, put("/file", "more than ten bytes")),
        (415, put("/file", "x").field("Content-Encoding", "gzip")),
        (416, get("/file").field("Range", "bytes=100-")),
        (428, put("/file", "x")),
    ];
    (server, requests)
}

/// Asks as a browser does when a person follows a link.
fn as_browser(request: &Request) -> Request {
    request.clone().field("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

#[track_caller]
fn assert_page(page: &Response, status: u16) {
    assert_eq!(page.field("Content-Type"), Some("text/html; charset=utf-8"), "{page}");
    assert!(page.lists("Vary", "Accept"), "{page}");
    assert!(page.field("Content-Security-Policy").is_some_and(|policy| policy.contains("'none'")), "{page}");
    let text = page.text();
    assert!(text.contains("<meta name=\"viewport\" content=\"width=device-width"), "{text}");
    assert!(text.contains(":root{color-scheme:light dark}"), "{text}");
    assert!(text.contains(&format!("<h1>{status} ")) && text.contains("<p>"), "{text}");
}

#[test]
fn every_problem_is_a_page_for_a_browser_with_a_way_back() {
    let (server, requests) = wrong();
    for (status, asked) in requests {
        let page = server.ask(&as_browser(&asked)).expect(status);
        assert_page(&page, status);
        let up = if asked.shown().contains("/missing/ ") { "../" } else { "./" };
        assert!(page.text().contains(&format!("<a href=\"{up}\">")), "{page}");
        // A page and a document say the same about what is there.
        let document = server.ask(&asked).expect_problem(status);
        assert_eq!(page.field("ETag"), document.field("ETag"), "{page}");
    }
}

#[test]
fn a_problem_before_the_body_is_a_page_too() {
    let (server, _) = wrong();
    let asked = put("/file", "more than ten bytes").field("Expect", "100-continue");
    assert_page(&server.ask(&as_browser(&asked)).expect(413), 413);
    let asked = put("/file", "x").field("If-Match", "\"other\"").field("Expect", "100-continue");
    assert_page(&server.ask(&as_browser(&asked)).expect(412), 412);
}

#[test]
fn who_asks_too_often_or_without_an_account_gets_a_page_too() {
    let server = Launch::new().args(["--rate-limit", "1/h"]).start();
    server.folder().write("file", "here");
    server.get("/file");
    assert_page(&server.ask(&as_browser(&get("/file"))).expect(429), 429);
    assert_page(&server.ask(&as_browser(&put("/file", "x"))).expect(429), 429);
    let problem = server.get("/file").expect_problem(429);
    assert_eq!(problem.json()["status"], 429, "{problem}");

    let account = crate::accounts::hash(&["alice"], "wonder").remove(0);
    let server = Launch::new().args(["--private", "--auth", &account]).start();
    assert_page(&server.ask(&as_browser(&get("/file"))).expect(401), 401);
}

#[test]
fn a_refused_method_names_the_option_that_allows_it() {
    let cases: [(&[&str], Request, &str, &str); 5] = [
        (&[], put("/file", "x"), "--allow-upload", "--allow-delete"),
        (&[], delete("/file"), "--allow-delete", "--allow-upload"),
        (&["--allow-upload"], delete("/file"), "--allow-delete", "--allow-upload"),
        (&["--allow-delete"], put("/file", "x"), "--allow-upload", "--allow-delete"),
        (&["-A"], request("POST", "/file"), "POST", "--allow"),
    ];
    for (options, asked, named, not_named) in cases {
        let server = Launch::new().args(options).start();
        let problem = server.ask(&asked).expect_problem(405);
        let detail = problem.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(named) && !detail.contains(not_named), "{options:?}: {detail}");
    }
}

#[test]
fn advice_about_a_file_that_is_not_there_can_be_followed() {
    let server = Launch::writing().start();
    let detail = |asked: Request, status| {
        server.ask(&asked).expect_problem(status).json()["detail"].as_str().unwrap().to_owned()
    };
    let upload = detail(put("/missing", "x").field("If-Match", "\"some\""), 412);
    assert!(upload.contains("If-None-Match: *"), "{upload}");
    server.ask(&put("/missing", "x").field("If-None-Match", "*")).expect(201);
    let deletion = detail(delete("/gone").field("If-Match", "\"some\""), 404);
    assert!(deletion.contains("no file") && !deletion.contains("If-None-Match"), "{deletion}");
}

#[test]
fn a_link_that_is_not_followed_is_explained_in_the_log() {
    for (policy, to, why) in [
        ("within", "../secret", "leads out of the folder; --follow-symlinks all"),
        ("deny", "file", "there is a symbolic link on the way; --follow-symlinks within"),
    ] {
        let server = Launch::new().args(["-v", "--follow-symlinks", policy]).start();
        server.folder().write("file", "x");
        server.folder().write_outside("secret", "x");
        std::os::unix::fs::symlink(to, server.folder().path("link")).unwrap();
        let problem = server.get("/link").expect_problem(404);
        assert!(
            !problem.text().contains("link on the way") && !problem.text().contains("leads out"),
            "{problem}"
        );
        eventually("the log says why", || {
            let log = server.stderr();
            log.lines()
                .any(|line| line.contains("nothing is served at /link: ") && line.contains(why))
                .then_some(())
        });
    }
}
