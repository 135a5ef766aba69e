//! Whatever is asked, the answer through a proxy is the one that ifmatch itself gives: status, fields and bytes.

use crate::exchange;
use crate::harness::folder::set_modified;
use crate::harness::{Request, Response, delete, get, head, put, request, tag_of, version_bytes};
use crate::proxies::{HOST, KINDS, Kind, Stack, Whose};

const SIZE: usize = 50_000;
const DATE: &str = "Sat, 01 Feb 2020 00:00:00 GMT";

/// What must be the same.
const FIELDS: [&str; 16] = [
    "ETag",
    "Last-Modified",
    "Cache-Control",
    "Content-Type",
    "Content-Length",
    "Content-Range",
    "Content-Encoding",
    "Content-Location",
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "Accept-Ranges",
    "Repr-Digest",
    "Location",
    "Allow",
    "Vary",
    "Retry-After",
];

/// Where an answer differs, and it cannot be helped: nginx refuses a second line of this field with 400.
const DIFFERENT: &[(Kind, &str)] =
    &[(Kind::Nginx, "If-None-Match, two lines"), (Kind::NginxCache, "If-None-Match, two lines")];

/// Requests that change nothing.
fn questions() -> Vec<(&'static str, Request)> {
    let tag = tag_of(&version_bytes(1, SIZE));
    let weak = format!("W/{tag}");
    let list = format!("\"a,b\", {tag}");
    let past = "Thu, 01 Jan 2015 00:00:00 GMT";
    let later = "Sun, 02 Feb 2020 02:02:02 GMT";
    let file = || get("/file.bin");
    let range = |range: &str| get("/file.bin").field("Range", range);
    let write = || put("/file.bin", "other");
    vec![
        ("GET", file()),
        ("HEAD", head("/file.bin")),
        ("If-None-Match", file().field("If-None-Match", &tag)),
        ("HEAD with If-None-Match", head("/file.bin").field("If-None-Match", &tag)),
        ("If-None-Match, weak", file().field("If-None-Match", &weak)),
        ("If-None-Match, a list", file().field("If-None-Match", &list)),
        ("If-None-Match, two lines", file().field("If-None-Match", "\"x\"").field("If-None-Match", &tag)),
        ("If-None-Match: *", file().field("If-None-Match", "*")),
        ("If-None-Match, stale", file().field("If-None-Match", "\"stale\"")),
        ("If-Modified-Since, its date", file().field("If-Modified-Since", DATE)),
        ("If-Modified-Since, later", file().field("If-Modified-Since", later)),
        ("If-Modified-Since, earlier", file().field("If-Modified-Since", past)),
        (
            "a stale tag and a good date",
            file().field("If-None-Match", "\"stale\"").field("If-Modified-Since", later),
        ),
        ("If-Match", file().field("If-Match", &tag)),
        ("If-Match: *", file().field("If-Match", "*")),
        ("If-Match, stale", file().field("If-Match", "\"stale\"")),
        ("HEAD with If-Match, stale", head("/file.bin").field("If-Match", "\"stale\"")),
        ("If-Match, weak", file().field("If-Match", &weak)),
        ("If-Unmodified-Since, earlier", file().field("If-Unmodified-Since", past)),
        ("If-Unmodified-Since, later", file().field("If-Unmodified-Since", later)),
        ("a range", range("bytes=100-199")),
        ("HEAD with a range", head("/file.bin").field("Range", "bytes=100-199")),
        ("an open range", range("bytes=49000-")),
        ("the end", range("bytes=-10")),
        ("several ranges", range("bytes=0-9,100-109")),
        ("no such range", range("bytes=50000-")),
        ("no such unit", range("lines=1-2")),
        ("a range that is none", range("bytes=9-5")),
        ("If-Range", range("bytes=100-199").field("If-Range", &tag)),
        ("If-Range, weak", range("bytes=100-199").field("If-Range", &weak)),
        ("If-Range, stale", range("bytes=100-199").field("If-Range", "\"stale\"")),
        ("If-Range, its date", range("bytes=100-199").field("If-Range", DATE)),
        ("If-Range, a date", range("bytes=100-199").field("If-Range", past)),
        ("a range and If-None-Match", range("bytes=100-199").field("If-None-Match", &tag)),
        ("gzip is accepted", get("/text.txt").field("Accept-Encoding", "gzip, br")),
        ("a digest is wanted", file().field("Want-Repr-Digest", "sha-256=10")),
        ("a name with a space, a percent sign and an umlaut", get("/a%20b%25c%C3%A4.txt")),
        ("an encoded slash", get("/folder%2Ffile.txt")),
        ("a query", get("/file.bin?version=7&x=%2F")),
        ("a folder without a slash", get("/folder")),
        ("a listing", get("/folder/")),
        ("a listing as JSON", get("/folder/").field("Accept", "application/json")),
        ("nothing there", get("/nothing")),
        ("nothing there, If-Match", get("/nothing").field("If-Match", "*")),
        ("OPTIONS", request("OPTIONS", "/file.bin")),
        ("POST", request("POST", "/file.bin").body("x")),
        ("PUT, If-Match, stale", write().field("If-Match", "\"stale\"")),
        ("PUT, If-Match, weak", write().field("If-Match", &weak)),
        ("PUT, If-Match without quotes", write().field("If-Match", "stale")),
        ("PUT, If-None-Match: *", write().field("If-None-Match", "*")),
        ("PUT, If-Unmodified-Since", write().field("If-Unmodified-Since", past)),
        ("PUT of a part", write().field("Content-Range", "bytes 0-4/50000")),
        ("PUT of a coding", write().field("Content-Encoding", "gzip")),
        ("PUT with a wrong digest", write().field("Content-Digest", "sha-256=:AAAA:")),
        (
            "PUT, stale, the current one is preferred",
            write().field("If-Match", "\"stale\"").field("Prefer", "return=representation"),
        ),
        ("PUT by a page of another site", write().field("Origin", "http://elsewhere.example")),
        ("PUT to a folder", put("/folder/", "x")),
        (
            "PUT in chunks, stale",
            request("PUT", "/file.bin").chunked("other", 2).field("If-Match", "\"stale\""),
        ),
        ("DELETE, If-Match, stale", delete("/file.bin").field("If-Match", "\"stale\"")),
        ("DELETE of nothing", delete("/nothing")),
    ]
}

/// What is compared of an answer.
#[derive(PartialEq)]
struct Essence {
    status: u16,
    fields: Vec<(&'static str, Vec<String>)>,
    body: Vec<u8>,
}

/// Boundaries between several parts are made anew each time, and are not compared.
fn essence(response: &Response) -> Essence {
    let kind = response.field("Content-Type").unwrap_or_default();
    let boundary = kind.split_once("boundary=").map(|(_, boundary)| boundary.trim_matches('"').to_owned());
    let plain = |text: &str| match &boundary {
        Some(boundary) => text.replace(boundary, "boundary"),
        None => text.to_owned(),
    };
    // RFC 9110, 15.4.5: these a 304 must have; a cache may send others as well.
    let needed = ["ETag", "Cache-Control", "Content-Location", "Vary"];
    let compared = FIELDS.into_iter().filter(|name| response.status != 304 || needed.contains(name));
    let fields = compared.map(|name| (name, response.lines(name).into_iter().map(plain).collect()));
    let body = match &boundary {
        Some(_) => plain(&String::from_utf8_lossy(&response.body)).into_bytes(),
        None => response.body.clone(),
    };
    Essence { status: response.status, fields: fields.collect(), body }
}

fn difference(direct: &Essence, through: &Essence) -> String {
    let lost = direct.fields.iter().filter(|field| !through.fields.contains(field));
    let lost: Vec<String> = lost.map(|(name, lines)| format!("{name} was {lines:?}")).collect();
    let body = if direct.body == through.body { "" } else { "other bytes" };
    format!("{}, not {}; {}; {body}", through.status, direct.status, lost.join(", "))
}

#[track_caller]
fn compare(kind: Kind) {
    let stack = Stack::start(kind, Whose::Ours);
    let folder = stack.server.folder();
    folder.write_version("file.bin", 1, SIZE);
    set_modified(&folder.path("file.bin"), httpdate::parse_http_date(DATE).unwrap());
    folder.write("text.txt", "words, words\n".repeat(5000));
    folder.write("a b%cä.txt", "x");
    folder.write("folder/file.txt", "x");
    let mut faults = Vec::new();
    for round in ["first", "again"] {
        for (name, question) in questions() {
            let question = question.host(HOST);
            let direct = exchange::ask(stack.server.address(), &question);
            let through = stack.ask(&question);
            let (one, other) = (essence(&direct), essence(&through));
            if one != other && !DIFFERENT.contains(&(kind, name)) {
                faults.push(format!("{round}: {name}: {}", difference(&one, &other)));
            }
            // Whatever was asked, the next one gets the file.
            let next = stack.ask(&get("/file.bin"));
            if next.status != 200 || next.body != version_bytes(1, SIZE) {
                faults.push(format!("{round}: a GET after {name}: {}", next.status));
            }
        }
    }
    assert!(faults.is_empty(), "{}\n{}", kind.file(), faults.join("\n"));
}

#[test]
fn every_answer_is_the_same_as_without_a_proxy() {
    std::thread::scope(|scope| {
        let compared = KINDS.map(|kind| scope.spawn(move || compare(kind)));
        let failed = compared.into_iter().filter_map(|kind| kind.join().err()).count();
        assert_eq!(failed, 0, "the faults stand above");
    });
}
