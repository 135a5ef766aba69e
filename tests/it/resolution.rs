//! From the request path to what answers it: files, indexes, redirects, error pages, the single-page fallback, hidden
//! names, media types, methods and the reserved prefix.

use std::fs;

use crate::harness::{Launch, Request, Server, get, head, put, request, tag_of};

const PROBLEM: &str = "application/problem+json";

fn accepting(target: impl AsRef<[u8]>, accept: &str) -> Request {
    get(target).field("Accept", accept)
}

#[test]
fn a_path_names_the_file_it_spells() {
    let server = Server::start();
    for (name, targets) in [
        (
            "plain.txt",
            vec![
                "/plain.txt",
                "/plain%2etxt",
                "/%70lain.txt",
                "//plain.txt",
                "///plain.txt",
                "/plain.txt?x=1",
                "/plain.txt?",
            ],
        ),
        ("sub/deep/file", vec!["/sub/deep/file", "//sub///deep//file", "/sub/deep/file?a=/../b"]),
        ("with space", vec!["/with%20space"]),
        ("plus+sign", vec!["/plus+sign", "/plus%2Bsign"]),
        ("per%cent", vec!["/per%25cent"]),
        ("%41", vec!["/%2541"]),
        ("ünï", vec!["/%C3%BCn%c3%af"]),
        ("a=b&c;d,e", vec!["/a=b&c;d,e"]),
        ("...", vec![]),
        ("..a", vec![]),
        ("~", vec!["/~"]),
        ("colon:at@", vec!["/colon:at@"]),
    ] {
        server.folder().write(name, name);
        for target in targets {
            server.get(target).expect_file(name.as_bytes());
            server.get(format!("http://localhost{target}")).expect_file(name.as_bytes());
        }
    }
    server.get("/PLAIN.TXT").expect(404);
    server.get("/with+space").expect(404);
    server.get("/A").expect(404);
}

#[test]
fn what_no_path_can_spell_is_refused() {
    let server = Server::start();
    server.folder().write("sub/file", "x");
    for target in [
        "/..",
        "/../sub/file",
        "/sub/../../sub/file",
        "/./../sub/file",
        "/sub//../../sub/file",
        "/%2E%2e/sub/file",
        "/.%2e/sub/file",
        "/sub/..%2fsub/file",
        "/sub/.%2ffile",
        "http://localhost/../sub/file",
        "/sub%2Ffile",
        "/sub%2ffile",
        "/sub/file%00",
        "/%00",
        "/sub/%ff",
        "/%c3%28",
        "/%c0%ae%c0%ae/x",
        "/%ed%a0%80",
    ] {
        server.get(target).expect(400);
        server.head(target).expect(400);
    }
    for target in ["/%", "/%4", "/%zz", "/sub/%2", "/%u0041"] {
        server.get(target).expect_one_of(&[400, 404]);
    }
    // Each step is decoded once.
    server.get("/%252e%252e/x").expect(404);
    server.get("/sub%252ffile").expect(404);
}

#[test]
fn dot_segments_are_removed_and_the_path_that_is_left_is_served() {
    let server = Server::start();
    server.folder().write("Packages", "packages");
    server.folder().write("sub/file", "x");
    server.folder().write("sub/index.html", "the index");
    server.folder().write("index.html", "the root's");
    for (target, bytes) in [
        ("/./Packages", "packages"),
        ("/%2e/Packages", "packages"),
        ("/sub/../Packages", "packages"),
        ("/sub/%2E%2e/Packages", "packages"),
        ("/sub/.%2e/./Packages", "packages"),
        ("/nothing/../Packages", "packages"),
        ("/sub//../Packages", "packages"),
        ("/.git/../Packages", "packages"),
        ("/sub/../sub/./file?a=/../b", "x"),
        ("/sub/.", "the index"),
        ("/sub/./", "the index"),
        ("/sub/x/..", "the index"),
        ("/sub/%2e", "the index"),
        ("/sub/..", "the root's"),
        ("/.", "the root's"),
    ] {
        server.get(target).expect_file(bytes.as_bytes());
        server.get(format!("http://localhost{target}")).expect_file(bytes.as_bytes());
        server.ask(&get(target).field("If-None-Match", tag_of(bytes.as_bytes()))).expect(304);
        let of_head = server.head(target).expect(200);
        assert_eq!(of_head.tag(), tag_of(bytes.as_bytes()), "{of_head}");
    }
    // What they are removed from is judged, and no answer repeats them.
    for target in ["/sub/../.hidden", "/./__ifmatch__/file", "/x/../sub/file/.", "/sub/../nothing"] {
        let missing = server.get(target).expect(404);
        assert!(!missing.text().contains("/../") && !missing.text().contains("/./"), "{missing}");
    }
    let moved = server.get("/x/../sub").expect(301);
    assert_eq!(moved.field("Location"), Some("sub/"), "{moved}");
}

#[test]
fn a_target_that_is_not_percent_encoded_means_its_encoded_form() {
    let server = Launch::writing().start();
    server.folder().write("ä ö.txt", "x");
    server.folder().write("ünï/index.html", "index");
    for target in ["/ä%20ö.txt", "/%C3%A4%20ö.txt", "http://localhost/ä%20ö.txt", "/ünï/../ä%20ö.txt?q=ß"]
    {
        server.get(target).expect_file(b"x");
    }
    let moved = server.get("/ünï?ü").expect(301);
    assert_eq!(moved.field("Location"), Some("%C3%BCn%C3%AF/?%C3%BC"), "{moved}");
    server.ask(&put("/neu/ß", "new")).expect(201);
    server.get("/neu/%C3%9F").expect_file(b"new");
    server.get("/fehlt-ä").expect_problem(404);
    // Bytes that are no UTF-8 name nothing, and the answer says so.
    let refused = server.get(b"/\xff.txt").expect_problem(400);
    assert!(refused.text().contains("not UTF-8"), "{refused}");

    // However the bytes come: in pieces, one request behind the other, behind a body, behind blank lines.
    let mut client = server.connect();
    for piece in [&b"GET /\xc3"[..], b"\xa4%20\xc3\xb6.t", b"xt HTTP/1.1\r\nHo", b"st: localhost\r\n\r\n"] {
        client.send(piece);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    client.read(&get("/")).expect_file(b"x");
    let asked = get("/ä%20ö.txt").bytes();
    let body = put("/neu/ä", "body").bytes();
    client.send([&asked[..], b"\r\n", &asked, &body, &asked].concat());
    for expected in [200, 200, 201, 200] {
        client.read(&get("/")).expect(expected);
    }
    assert_eq!(fs::read(server.folder().path("neu/ä")).unwrap(), b"body");
}

#[test]
fn a_path_that_is_too_long_is_414_and_a_name_that_is_too_long_is_not_found() {
    let server = Server::start();
    for length in [255, 256, 300, 4000, 4095] {
        server.get(format!("/{}", "x".repeat(length))).expect(404);
    }
    for length in [4096, 5000, 20_000] {
        server.get(format!("/{}", "x".repeat(length))).expect_problem(414);
        server.head(format!("/{}", "x".repeat(length))).expect(414);
    }
    server.get(format!("/{}", "d/".repeat(255))).expect(404);
    for deep in ["d/".repeat(255) + "file", "d/".repeat(10_000), "%64/".repeat(256), "d/".repeat(256) + ".."]
    {
        server.get(format!("/{deep}")).expect_problem(414);
        server.ask(&request("OPTIONS", format!("/{deep}"))).expect(204);
    }
    let name = "n".repeat(255);
    server.folder().write(&name, "long");
    server.get(format!("/{name}")).expect_file(b"long");
}

#[test]
fn a_file_with_a_trailing_slash_is_not_found() {
    let server = Server::start();
    server.folder().write("file", "x");
    for target in ["/file/", "/file//", "/file/x", "/file/index.html"] {
        server.get(target).expect(404);
    }
}

#[test]
fn a_folder_answers_with_its_index() {
    let server = Server::start();
    server.folder().write("index.html", "the index");
    server.folder().write("sub/index.html", "the other");
    server.get("/").expect_file(b"the index");
    let index = server.get("/?x=1").expect_file(b"the index");
    assert_eq!(index.field("Content-Type"), Some("text/html; charset=utf-8"), "{index}");
    server.get("/index.html").expect_file(b"the index");
    server.get("/sub/").expect_file(b"the other");
    server.ask(&get("/sub/").field("If-None-Match", tag_of(b"the other"))).expect(304);
    server.ask(&get("/sub/").field("Range", "bytes=0-2")).expect(206);

    let server = Launch::new().args(["--index-file", "main.htm"]).start();
    server.folder().write("index.html", "not this");
    server.folder().write("main.htm", "but this");
    server.get("/").expect_file(b"but this");
}

#[test]
fn an_index_that_is_no_file_does_no_harm() {
    let server = Server::start();
    server.folder().folder("sub/index.html");
    server.folder().write("sub/file", "x");
    server.get("/sub/").expect_one_of(&[200, 404]);
    server.get("/sub/file").expect_file(b"x");
}

#[test]
fn a_folder_without_its_slash_is_redirected() {
    let server = Launch::new().args(["--allow-host", "evil.example"]).start();
    for name in
        ["sub/deep", "with space", "ünï", "quo\"te", "a?b", "a#b", "per%41", "evil.example", "colon:here"]
    {
        server.folder().write(format!("{name}/index.html"), "x");
    }
    for (target, location) in [
        ("/sub", "/sub/"),
        ("/sub/deep", "/sub/deep/"),
        ("/sub?x=1&y=/z", "/sub/?x=1&y=/z"),
        ("/sub?", "/sub/?"),
        ("/sub/deep?next=//evil.example", "/sub/deep/?next=//evil.example"),
        ("/with%20space", "/with%20space/"),
        ("/%C3%BCn%C3%AF", "/%C3%BCn%C3%AF/"),
        ("/a%3Fb", "/a%3Fb/"),
        ("/a%23b", "/a%23b/"),
        ("/per%2541", "/per%2541/"),
        ("//evil.example", "//evil.example/"),
        ("///evil.example", "///evil.example/"),
        ("/sub/../colon%3Ahere", "/sub/../colon%3Ahere/"),
        ("http://evil.example/sub", "/sub/"),
    ] {
        for method in ["GET", "HEAD"] {
            let response = server.ask(&request(method, target)).expect(301);
            // Relative, so that it is right behind a proxy that strips a prefix, too.
            let text = response.field("Location").unwrap();
            assert!(!text.starts_with('/') && !text.split('?').next().unwrap().contains(':'), "{response}");
            let found = response.leads_to(target);
            // "?" alone may be kept or dropped; escapes may be spelled in either case.
            let same = found.eq_ignore_ascii_case(location) || format!("{found}?") == location;
            assert!(same, "{found} instead of {location}\n{response}");
            assert_eq!(response.field("Cache-Control"), Some("no-cache"), "{response}");
            assert_eq!(response.field("Set-Cookie"), None, "{response}");
        }
        let followed = server.get(target).leads_to(target);
        server.get(followed).expect(200);
    }
}

#[test]
fn a_folder_whose_name_breaks_lines_injects_no_field() {
    let server = Server::start();
    server.folder().write("x\r\nSet-Cookie: a=b/index.html", "x");
    for target in
        ["/x%0D%0ASet-Cookie:%20a=b", "/x%0d%0aSet-Cookie:%20a=b/", "/x%0D%0ASet-Cookie:%20a=b/missing"]
    {
        let response = server.get(target).expect_one_of(&[301, 200, 404, 400]);
        assert_eq!(response.field("Set-Cookie"), None, "{response}");
    }
}

#[test]
fn an_error_is_a_problem_document() {
    let server = Server::start();
    for (target, status) in [("/missing", 404), ("/%2e%2e", 400)] {
        let response = server.get(target).expect(status);
        assert!(response.field("Content-Type").is_some_and(|kind| kind.starts_with(PROBLEM)), "{response}");
        let problem = response.json();
        assert_eq!(problem["status"], status, "{response}");
        for member in ["type", "title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no {member}\n{response}");
        }
        assert!(
            !response.text().contains(server.folder().root().to_str().unwrap()),
            "a path of the host\n{response}"
        );
        server.ask(&accepting(target, "application/json")).expect(status).json();

        let page = server.ask(&accepting(target, "text/html,application/xhtml+xml,*/*;q=0.8")).expect(status);
        assert!(page.field("Content-Type").is_some_and(|kind| kind.starts_with("text/html")), "{page}");
        assert!(page.text().contains(&status.to_string()), "{page}");
    }
}

#[test]
fn an_error_page_repeats_nothing_unescaped() {
    let server = Server::start();
    for target in [
        "/%3Cscript%3Ealert(1)%3C/script%3E",
        "/%22onmouseover=%22alert(1)",
        "/<script>alert(1)",
        "/%1b%5b31m",
    ] {
        let page = server.ask(&accepting(target, "text/html")).expect_one_of(&[404, 400]).text();
        for markup in ["<script", "\"onmouseover", "\u{1b}"] {
            assert!(!page.contains(markup), "{markup} in\n{page}");
        }
    }
}

#[test]
fn the_404_page_of_the_folder_is_the_body_of_every_404() {
    let server = Server::start();
    let page = "<h1>not here</h1>";
    server.folder().write("404.html", page);
    server.folder().write("file", "x");
    for target in ["/missing", "/sub/missing", "/file/", "/.hidden"] {
        for accept in ["text/html", "*/*"] {
            let response = server.ask(&accepting(target, accept)).expect(404);
            assert_eq!(response.text(), page, "{response}");
            assert!(
                response.field("Content-Type").is_some_and(|kind| kind.starts_with("text/html")),
                "{response}"
            );
            let of_head = server.ask(&head(target).field("Accept", accept)).expect(404);
            assert_eq!(of_head.field("Content-Length"), Some(page.len().to_string().as_str()), "{of_head}");
        }
    }
    server.get("/404.html").expect_file(page.as_bytes());
    // It stays an error: no condition and no range makes it anything else.
    for (name, value) in [
        ("If-None-Match", tag_of(page.as_bytes())),
        ("If-None-Match", "*".into()),
        ("Range", "bytes=0-1".into()),
    ] {
        let response = server.ask(&get("/missing").field(name, value)).expect(404);
        assert_eq!(response.text(), page, "{response}");
    }
    server.ask(&request("PUT", "/missing").body("x")).expect(405);
    // And it is current.
    for round in 0..50 {
        let page = format!("<h1>round {round}</h1>");
        server.folder().write("404.html", &page);
        assert_eq!(server.get("/missing").expect(404).text(), page);
    }
    fs::remove_file(server.folder().path("404.html")).unwrap();
    server.get("/missing").expect(404).json();
}

#[test]
fn the_single_page_fallback_answers_for_routes_only() {
    let server = Launch::new().arg("--spa").start();
    let index = "<h1>app</h1>";
    server.folder().write("index.html", index);
    server.folder().write("real/file.js", "js");
    for target in ["/", "/route", "/route/deep/er", "/route/?x=1", "/users/42"] {
        let page = accepting(target, "text/html");
        let response = server.ask(&page).expect_file(index.as_bytes());
        assert_eq!(response.field("Content-Type"), Some("text/html; charset=utf-8"), "{response}");
        server.ask(&page.clone().field("If-None-Match", tag_of(index.as_bytes()))).expect(304);
        server.ask(&head(target).field("Accept", "text/html")).expect(200);
    }
    server.get("/missing.js").expect(404);
    for accept in ["*/*", "text/*", "application/json, text/html;q=0.5"] {
        server.ask(&accepting("/missing.js", accept)).expect(404);
        server.ask(&accepting("/route", accept)).expect(404);
    }
    server.ask(&accepting("/release/v1.2", "text/html,*/*;q=0.8")).expect_file(index.as_bytes());
    server.get("/real/file.js").expect_file(b"js");
    server.get("/%2e%2e/route").expect(400);
    for round in 0..50 {
        let index = format!("<h1>round {round}</h1>");
        server.folder().write("index.html", &index);
        server.ask(&accepting("/route", "text/html")).expect_file(index.as_bytes());
    }
    fs::remove_file(server.folder().path("index.html")).unwrap();
    server.ask(&accepting("/route", "text/html")).expect(404);
}

#[test]
fn a_browser_says_itself_whether_it_wants_a_page() {
    let server = Launch::new().arg("--spa").start();
    server.folder().write("index.html", "<h1>app</h1>");
    let navigation = "text/html,application/xhtml+xml,*/*;q=0.8";
    for (dest, mode, accept, status) in [
        (Some("document"), Some("navigate"), navigation, 200),
        (Some("document"), Some("navigate"), "*/*", 200),
        (Some("iframe"), Some("navigate"), navigation, 200),
        // A service worker that passes a navigation on.
        (Some("empty"), Some("navigate"), navigation, 200),
        (None, Some("navigate"), navigation, 200),
        (Some("document"), None, navigation, 200),
        (Some("script"), Some("no-cors"), "*/*", 404),
        (Some("script"), Some("no-cors"), navigation, 404),
        (Some("empty"), Some("cors"), navigation, 404),
        (Some("image"), Some("no-cors"), "image/avif,*/*", 404),
        (Some("object"), Some("navigate"), navigation, 404),
        (None, None, navigation, 200),
        (None, None, "*/*", 404),
    ] {
        let mut request = accepting("/place", accept);
        for (name, value) in [("Sec-Fetch-Dest", dest), ("Sec-Fetch-Mode", mode)] {
            request = match value {
                Some(value) => request.field(name, value),
                None => request,
            };
        }
        server.ask(&request).expect(status);
    }
}

#[test]
fn the_page_and_the_404_in_its_place_name_the_fields_that_decide() {
    let server = Launch::new().args(["--spa", "--cors=https://app.example"]).start();
    let index = b"<h1>app</h1>";
    server.folder().write("index.html", index);
    let page = accepting("/place", "text/html");
    for (request, status) in [
        (page.clone(), 200),
        (head("/place").field("Accept", "text/html"), 200),
        (page.clone().field("If-None-Match", tag_of(index)), 304),
        (page.clone().field("If-Match", "\"other\""), 412),
        (page.clone().field("Range", "bytes=0-3"), 206),
        (page.field("Range", "bytes=900-"), 416),
        (accepting("/place", "*/*"), 404),
        (get("/place"), 404),
    ] {
        let response = server.ask(&request).expect(status);
        for name in ["Accept", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Origin"] {
            assert!(response.lists("Vary", name), "{name}\n{response}");
        }
        assert_eq!(response.lines("Vary").len(), 1, "{response}");
    }
    // What is there does not depend on them.
    assert_eq!(server.get("/index.html").expect_file(index).field("Vary"), Some("Origin"));
    // Nor does a 404 without a page that could take its place.
    let server = Server::start();
    assert_eq!(server.get("/place").expect(404).field("Vary"), Some("Accept"));
}

#[test]
fn hidden_names_are_not_found() {
    let server = Server::start();
    for name in
        [".env", ".git/config", "sub/.htpasswd", ".well-known/security.txt", ".well-known/.secret", "..."]
    {
        server.folder().write(name, name);
    }
    server.get("/.well-known/security.txt").expect_file(b".well-known/security.txt");
    for target in [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/.git/",
        "/.git",
        "/sub/.htpasswd",
        "//.env",
        "/.well-known/.secret",
        "/...",
    ] {
        server.get(target).expect(404);
    }

    let server = Launch::new().arg("--hidden").start();
    for name in [".env", ".git/config", "sub/.htpasswd"] {
        server.folder().write(name, name);
        server.get(format!("/{name}")).expect_file(name.as_bytes());
    }
}

#[test]
fn reserved_names_are_never_served() {
    for launch in [Launch::new(), Launch::new().arg("--hidden")] {
        let server = launch.start();
        for name in [
            ".~ifmatch.staged",
            "sub/.~ifmatch.x",
            ".~ifmatch.dir/file",
            "__ifmatch__/file",
            "__ifmatch__/index.html",
        ] {
            server.folder().write(name, "reserved");
        }
        let targets = [
            "/.~ifmatch.staged",
            "/%2e~ifmatch.staged",
            "/.%7eifmatch.staged",
            "/sub/.~ifmatch.x",
            "/.~ifmatch.dir/file",
            "/.~ifmatch.dir/",
            "/.~ifmatch.dir",
            "/__ifmatch__/file",
            "/__ifmatch__/index.html",
            "/__ifmatch__/",
            "/__ifmatch__",
            "//__ifmatch__/file",
            "/%5f_ifmatch__/file",
        ];
        for target in targets {
            server.get(target).expect(404);
        }
    }
}

#[test]
fn a_file_has_the_media_type_of_its_extension() {
    let server = Server::start();
    for (name, expected) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.HTML", "text/html; charset=utf-8"),
        ("a.htm", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.min.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.wasm", "application/wasm"),
        ("a.woff2", "font/woff2"),
        ("a.pdf", "application/pdf"),
        ("a.mp4", "video/mp4"),
        ("a.zip", "application/zip"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.unknown-extension", "text/plain; charset=utf-8"),
        ("no-extension", "text/plain; charset=utf-8"),
        ("html", "text/plain; charset=utf-8"),
    ] {
        server.folder().write(name, "x");
        let response = server.get(format!("/{name}")).expect(200);
        let found = response.field("Content-Type").unwrap_or_default();
        let bare = |text: &str| text.split(';').next().unwrap().trim().to_owned();
        // The character set is asked for where a browser would otherwise guess: in text.
        let right = if expected.starts_with("text/") { found == expected } else { bare(found) == expected };
        assert!(right, "{name}: {found} instead of {expected}\n{response}");
    }
}

#[test]
fn only_reading_is_allowed() {
    let server = Server::start();
    server.folder().write("file", "untouched");
    for target in ["/file", "/new", "/", "/file/"] {
        for method in ["PUT", "POST", "DELETE", "PATCH", "MKCOL", "PROPFIND", "QUERY"] {
            let response = server.ask(&request(method, target).body("other")).expect(405);
            for allowed in ["GET", "HEAD", "OPTIONS"] {
                assert!(response.lists("Allow", allowed), "{response}");
            }
            assert!(!response.lists("Allow", method), "{response}");
        }
    }
    server.ask(&request("TRACE", "/file")).expect_one_of(&[405, 501]);
    server.ask(&request("get", "/file")).expect_one_of(&[405, 400, 501]);
    server.get("/file").expect_file(b"untouched");
    server.get("/new").expect(404);
}

#[test]
fn options_tells_what_is_allowed() {
    let server = Server::start();
    server.folder().write("file", "x");
    for target in ["/file", "/missing", "/", "*"] {
        let response = server.ask(&request("OPTIONS", target)).expect_one_of(&[200, 204]);
        for allowed in ["GET", "HEAD", "OPTIONS"] {
            assert!(response.lists("Allow", allowed), "{response}");
        }
    }
}

#[test]
fn health_tells_version_watcher_and_freshness() {
    let server = Server::start();
    let response = server.get("/__ifmatch__/health").expect(200);
    assert!(
        response.field("Content-Type").is_some_and(|kind| kind.starts_with("application/json")),
        "{response}"
    );
    let health = response.json();
    assert_eq!(health["ok"], true, "{response}");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"), "{response}");
    let one_of = |value: &serde_json::Value, known: &[&str]| {
        value.as_str().is_some_and(|value| known.contains(&value))
    };
    assert!(
        one_of(&health["watcher"]["state"], &["off", "starting", "watching", "limited", "failed"]),
        "{response}"
    );
    for number in ["overflows", "evictions"] {
        assert!(health["watcher"][number].is_u64(), "{response}");
    }
    assert!(one_of(&health["freshness"]["proof"], &["lease", "age"]), "{response}");
    assert!(one_of(&health["freshness"]["timestamps"], &["multigrain", "coarse"]), "{response}");
    assert!(health["freshness"]["filesystem"].as_str().is_some_and(|name| !name.is_empty()), "{response}");
    assert!(
        !response.text().contains(server.folder().root().to_str().unwrap()),
        "a path of the host\n{response}"
    );
    server.get("/__ifmatch__/nothing").expect(404);
}

#[test]
fn cache_control_is_what_was_asked_for() {
    let server = Launch::new().args(["--cache-control", "public, max-age=60"]).start();
    server.folder().write("file", "x");
    assert_eq!(server.get("/file").field("Cache-Control"), Some("public, max-age=60"));
    let not_modified = server.ask(&get("/file").field("If-None-Match", tag_of(b"x"))).expect(304);
    assert_eq!(not_modified.field("Cache-Control"), Some("public, max-age=60"), "{not_modified}");
    let part = server.ask(&get("/file").field("Range", "bytes=0-0")).expect(206);
    assert_eq!(part.field("Cache-Control"), Some("public, max-age=60"), "{part}");
}

#[test]
fn the_single_page_fallback_has_no_date_and_is_for_who_takes_html() {
    let server = Launch::new().arg("--spa").start();
    let index = server.folder().write("index.html", "<h1>app</h1>");
    crate::harness::folder::set_modified_seconds(&index, 1_700_000_000);
    let response = server.ask(&accepting("/about", "text/html")).expect_file(b"<h1>app</h1>");
    assert_eq!(response.field("Last-Modified"), None, "{response}");
    // A page that was here and has gone: who has its date has not got the index.
    let page = server.folder().write("about", "real");
    let dated = server.get("/about").expect_file(b"real");
    fs::remove_file(page).unwrap();
    let since =
        accepting("/about", "text/html").field("If-Modified-Since", dated.field("Last-Modified").unwrap());
    server.ask(&since).expect_file(b"<h1>app</h1>");
    server.ask(&accepting("/api/users", "application/json")).expect(404);
    server.ask(&accepting("/pictures/1", "image/avif,image/*;q=0.8")).expect(404);
}

#[test]
fn a_listing_is_always_asked_for_again() {
    let server = Launch::new().args(["--cache-control", "max-age=31536000, immutable"]).start();
    server.folder().write("sub/file", "x");
    assert_eq!(server.get("/sub/").field("Cache-Control"), Some("no-cache"));
    assert_eq!(server.get("/sub/file").field("Cache-Control"), Some("max-age=31536000, immutable"));
}
