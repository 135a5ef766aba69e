//! Listings of folders, in HTML and in JSON: complete, current, safe against the names in them, and honest about what
//! is not theirs to show.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use crate::harness::{Launch, Response, Server, get};

/// Names that have a meaning in HTML, in URLs or to somebody who reads a terminal, and that are served nevertheless.
const AWKWARD: [&str; 20] = [
    "plain.txt",
    "with space",
    " leading",
    "trailing ",
    "ünïcode-日本",
    "percent%41",
    "hash#tag",
    "question?mark",
    "amp&ersand",
    "semi;colon",
    "plus+sign",
    "quote\"d",
    "apostrophe'd",
    "<img src=x onerror=alert(1)>.txt",
    "\"onmouseover=\"alert(1)",
    "javascript:alert(1)",
    "http:evil.example",
    "right\u{202e}left",
    "--flag",
    "{{template}}",
];

/// Names that may be refused. What is refused is not listed either.
const UNSPEAKABLE: [&str; 9] = [
    "<script>alert(1)<script>",
    "*star",
    "colon:",
    "less<",
    "back\\slash",
    "new\nline",
    "carriage\r\nX-Injected: 1",
    "escape\u{1b}[31mred",
    "tab\tbed",
];

fn json_of(response: &Response) -> BTreeMap<String, Value> {
    let listing = response.json();
    let entries = listing.as_array().unwrap_or_else(|| panic!("no array\n{response}"));
    entries.iter().map(|entry| (entry["name"].as_str().unwrap().to_owned(), entry.clone())).collect()
}

fn listed(server: &Server, target: &str) -> BTreeMap<String, Value> {
    let response = server.ask(&get(target).field("Accept", "application/json")).expect(200);
    assert!(
        response.field("Content-Type").is_some_and(|kind| kind.starts_with("application/json")),
        "{response}"
    );
    json_of(&response)
}

fn html(server: &Server, target: &str) -> Response {
    let response = server.ask(&get(target).field("Accept", "text/html")).expect(200);
    assert_eq!(response.field("Content-Type"), Some("text/html; charset=utf-8"), "{response}");
    response
}

/// The links of a page, with the character references undone.
fn links(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    for rest in page.split("href=\"").skip(1) {
        let link = rest.split('"').next().unwrap();
        let link =
            link.replace("&#39;", "'").replace("&#x27;", "'").replace("&#x2F;", "/").replace("&#47;", "/");
        links.push(
            link.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"),
        );
    }
    links
}

#[test]
fn a_json_listing_tells_what_is_in_the_folder() {
    let server = Server::start();
    server.folder().write("file.txt", "12345");
    server.folder().write("sub/inner", "x");
    let entries = listed(&server, "/");
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["file.txt", "sub"]);
    assert_eq!(entries["file.txt"]["type"], "file");
    assert_eq!(entries["file.txt"]["size"], 5);
    assert!(!entries["file.txt"]["modified"].is_null());
    assert_eq!(entries["sub"]["type"], "directory");
    assert_eq!(listed(&server, "/sub/").keys().collect::<Vec<_>>(), ["inner"]);
}

#[test]
fn a_listing_varies_with_accept_and_each_form_has_its_tag() {
    let server = Server::start();
    server.folder().write("file.txt", "12345");
    let ask = |accept: &str| server.ask(&get("/").field("Accept", accept)).expect(200);
    let (page, data) = (ask("text/html"), ask("application/json"));
    assert_ne!(page.tag(), data.tag());
    for (response, accept) in [(&page, "text/html"), (&data, "application/json")] {
        assert!(response.lists("Vary", "Accept"), "{response}");
        assert_eq!(response.field("Cache-Control"), Some("no-cache"), "{response}");
        let not_modified =
            server.ask(&get("/").field("Accept", accept).field("If-None-Match", response.tag())).expect(304);
        assert!(not_modified.lists("Vary", "Accept"), "{not_modified}");
    }
    server.ask(&get("/").field("Accept", "text/html").field("If-None-Match", data.tag())).expect(200);
    let default = server.get("/").expect(200);
    assert_eq!(default.field("Content-Type"), Some("text/html; charset=utf-8"), "{default}");
    let weighed = ask("text/html;q=0.5, application/json");
    assert_eq!(weighed.tag(), data.tag(), "{weighed}");
    let refused = ask("application/json;q=0, text/html");
    assert_eq!(refused.tag(), page.tag(), "{refused}");
}

#[test]
fn a_listing_is_current() {
    let server = Server::start();
    server.folder().write("first", "1");
    let path = server.folder().path("second");
    let mut tags = Vec::new();
    for _ in 0..100 {
        fs::write(&path, "2").unwrap();
        assert!(listed(&server, "/").contains_key("second"));
        tags.push(html(&server, "/").tag());
        fs::remove_file(&path).unwrap();
        assert!(!listed(&server, "/").contains_key("second"));
        tags.push(html(&server, "/").tag());
        fs::create_dir(&path).unwrap();
        assert_eq!(listed(&server, "/")["second"]["type"], "directory");
        fs::remove_dir(&path).unwrap();
    }
    assert!(tags.windows(2).all(|pair| pair[0] != pair[1]), "{tags:?}");
}

#[test]
fn a_listing_tells_the_size_as_it_is_now() {
    let server = Server::start();
    for size in 1..100 {
        server.folder().write("file", vec![b'x'; size]);
        assert_eq!(listed(&server, "/")["file"]["size"], size);
    }
}

#[test]
fn every_link_of_a_listing_leads_to_its_file() {
    let server = Server::start();
    for name in AWKWARD.iter().chain(&UNSPEAKABLE) {
        server.folder().write(format!("sub/{name}"), name);
    }
    let page = html(&server, "/sub/").text();
    let mut found = Vec::new();
    for link in links(&page).iter().filter(|link| !link.contains("..")) {
        assert!(!link.to_ascii_lowercase().starts_with("javascript:") && !link.starts_with("http"), "{link}");
        let target = if link.starts_with('/') {
            link.clone()
        } else {
            format!("/sub/{}", link.trim_start_matches("./"))
        };
        if target != "/sub/" && target != "/" {
            found.push(server.get(&target).expect(200).text());
        }
    }
    // The same names in both forms; each of these that can be named at all, and each once.
    let in_json = listed(&server, "/sub/");
    found.sort();
    assert_eq!(found, in_json.keys().cloned().collect::<Vec<_>>(), "{page}");
    for name in AWKWARD {
        assert!(in_json.contains_key(name), "{name} is not listed\n{page}");
    }
}

#[test]
fn no_name_becomes_markup() {
    let server = Server::start();
    for name in AWKWARD.iter().chain(&UNSPEAKABLE) {
        server.folder().write(format!("a/{name}"), "x");
        server.folder().folder(format!("b/{name}"));
    }
    for target in ["/a/", "/b/"] {
        let response = html(&server, target);
        let page = response.text();
        for markup in [
            "<img",
            "<script>alert",
            "\"onmouseover",
            "href=\"javascript:",
            "href='",
            "\u{1b}",
            "href=\"http:",
        ] {
            assert!(!page.contains(markup), "{markup} in\n{page}");
        }
        let policy = response
            .field("Content-Security-Policy")
            .unwrap_or_else(|| panic!("no Content-Security-Policy\n{response}"));
        assert!(policy.contains("default-src 'none'") || policy.contains("script-src 'none'"), "{policy}");
        assert_eq!(response.field("X-Injected"), None, "{response}");
    }
    // The folder's own name stands in its listing as well.
    let response = html(&server, "/b/%3Cimg%20src=x%20onerror=alert(1)%3E.txt/");
    assert!(!response.text().contains("<img"), "{response}");
}

#[test]
fn a_name_that_is_not_utf_8_does_no_harm() {
    let server = Server::start();
    let name = OsStr::from_bytes(b"not\xff\xfeutf8");
    server.folder().write(name, "x");
    server.folder().write("plain", "y");
    html(&server, "/");
    assert!(listed(&server, "/").contains_key("plain"));
    server.get("/not%ff%feutf8").expect_one_of(&[400, 404]);
}

#[test]
fn hidden_and_reserved_names_are_not_listed() {
    for launch in [Launch::new(), Launch::new().arg("--hidden")] {
        let server = launch.start();
        for name in [".env", ".git/config", "shown", ".~ifmatch.staged", ".well-known/security.txt"] {
            server.folder().write(name, "x");
        }
        let names = listed(&server, "/");
        let page = html(&server, "/").text();
        assert!(names.contains_key("shown") && page.contains("shown"));
        assert!(
            !page.contains(".~ifmatch") && !names.keys().any(|name| name.starts_with(".~ifmatch")),
            "{names:?}"
        );
        let hidden = server.get("/.env").status == 200;
        assert_eq!(names.contains_key(".env"), hidden);
        assert_eq!(page.contains(".env"), hidden);
    }
}

#[test]
fn without_listing_a_folder_is_not_found() {
    let server = Launch::new().arg("--no-listing").start();
    server.folder().write("with/index.html", "index");
    server.folder().write("without/file", "file");
    server.get("/").expect(404);
    server.get("/without/").expect(404);
    server.ask(&get("/without/").field("Accept", "application/json")).expect(404);
    server.get("/without/file").expect_file(b"file");
    server.get("/with/").expect_file(b"index");
}

#[test]
fn an_index_is_not_listed_over() {
    let server = Server::start();
    server.folder().write("sub/index.html", "index");
    server.ask(&get("/sub/").field("Accept", "text/html")).expect_file(b"index");
    fs::remove_file(server.folder().path("sub/index.html")).unwrap();
    assert!(listed(&server, "/sub/").is_empty());
    server.folder().write("sub/index.html", "again");
    server.get("/sub/").expect_file(b"again");
}

#[test]
fn programs_get_a_large_folder_whole_and_people_a_page_at_a_time() {
    let server = Server::start();
    for number in 0..2500 {
        server.folder().write(format!("sub/file{number:04}"), "x");
    }
    let names = listed(&server, "/sub/");
    assert_eq!(names.len(), 2500);
    // Every page once, by its links.
    let (mut target, mut found) = ("/sub/".to_owned(), Vec::new());
    loop {
        let page = html(&server, &target);
        let links = links(&page.text());
        found.extend(links.iter().filter_map(|link| link.strip_prefix("./file")).map(str::to_owned));
        let next = page
            .text()
            .split(" <a href=\"")
            .find_map(|rest| rest.strip_suffix("\">Next</a>").map(str::to_owned));
        let header = page.field("Link").map(|link| link.to_owned());
        assert_eq!(header, next.as_ref().map(|next| format!("<{next}>; rel=\"next\"")), "{page}");
        match next {
            Some(next) => target = format!("/sub/{next}"),
            None => break,
        }
    }
    assert_eq!(target, "/sub/?page=3");
    assert_eq!(found, (0..2500).map(|number| format!("{number:04}")).collect::<Vec<_>>());
}

#[test]
fn a_program_may_ask_for_a_part_and_is_told_where_it_goes_on() {
    let server = Server::start();
    for number in 0..25 {
        server.folder().write(format!("{number:02}"), "x");
    }
    let (mut query, mut found, mut tags) = ("?limit=10".to_owned(), Vec::new(), Vec::new());
    loop {
        let part = server.ask(&get(format!("/{query}")).field("Accept", "application/json")).expect(200);
        found.extend(json_of(&part).into_keys());
        tags.push(part.tag());
        let condition = get(format!("/{query}")).field("Accept", "application/json");
        server.ask(&condition.field("If-None-Match", part.tag())).expect(304);
        match part.field("Link") {
            Some(link) => query = link.strip_prefix('<').unwrap().split('>').next().unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(query, "?page=3&limit=10");
    assert_eq!(found, (0..25).map(|number| format!("{number:02}")).collect::<Vec<_>>());
    assert!(tags[0] != tags[1] && tags[1] != tags[2]);
    // What makes no sense is no reason to refuse.
    for query in ["?page=0", "?limit=x", "?v=1", "?page"] {
        assert_eq!(listed(&server, &format!("/{query}")).len(), 25, "{query}");
    }
    assert_eq!(listed(&server, "/?page=9").len(), 0);
}

#[test]
fn slow_readers_of_a_large_listing_cost_little_more_than_one() {
    const READERS: usize = 40;
    let server = Server::start();
    for number in 0..10_000 {
        server.folder().write(format!("{number:0220}"), "");
    }
    let whole = server.ask(&get("/").field("Accept", "application/json")).expect(200);
    let length = whole.body.len() as u64;
    assert!(length > 2 << 20, "{length}");
    let before = server.memory("VmRSS");
    let whole = get("/").field("Accept", "application/json");
    let pieces = whole.clone().field("Range", "bytes=1-1400000,1500000-2800000");
    let readers: Vec<_> = (0..READERS)
        .map(|number| {
            let mut reader = server.connect();
            let request = if number % 2 == 0 { &whole } else { &pieces };
            reader.send(request.bytes());
            reader.try_read_head(request).unwrap().expect_one_of(&[200, 206]);
            reader
        })
        .collect();
    let used = server.memory("VmRSS").saturating_sub(before) << 10;
    assert!(used < 8 * length + (32 << 20), "{used} bytes for {READERS} readers of {length}");
    drop(readers);
}

#[test]
fn a_link_is_listed_as_what_it_leads_to() {
    let server = Server::start();
    server.folder().write("sub/inner", "1234");
    let root = server.folder().root().to_owned();
    for (target, link) in
        [("sub/inner", "to-file"), ("sub", "to-folder"), ("nothing", "dangling"), ("/etc", "out")]
    {
        std::os::unix::fs::symlink(target, root.join(link)).unwrap();
    }
    let listing = listed(&server, "/");
    assert_eq!((&listing["to-file"]["type"], &listing["to-file"]["size"]), (&"file".into(), &4.into()));
    assert_eq!(listing["to-folder"]["type"], "directory");
    assert!(!listing.contains_key("dangling") && !listing.contains_key("out"), "{listing:?}");
    server.get("/to-folder/inner").expect_file(b"1234");
}

#[test]
fn the_form_of_a_listing_is_the_one_that_is_wanted_most() {
    let server = Server::start();
    for (accept, json) in [
        ("application/json", true),
        ("application/*", true),
        ("text/html;q=0.5, application/json", true),
        ("application/json;q=0.5, text/html", false),
        ("application/json;q=0", false),
        ("application/json;q=0, */*", false),
        ("*/*", false),
        ("image/png", false),
    ] {
        let response = server.ask(&get("/").field("Accept", accept)).expect(200);
        let found = response.field("Content-Type").is_some_and(|kind| kind == "application/json");
        assert_eq!(found, json, "{accept}\n{response}");
    }
}

#[test]
fn a_listing_fits_a_phone_and_follows_the_colours_of_the_browser() {
    let server = Server::start();
    server.folder().write("name".repeat(60), "");
    let page = html(&server, "/").text();
    for wanted in [
        "<meta name=\"viewport\" content=\"width=device-width",
        ":root{color-scheme:light dark}",
        "overflow-wrap:anywhere",
    ] {
        assert!(page.contains(wanted), "{wanted} in {page}");
    }
}
