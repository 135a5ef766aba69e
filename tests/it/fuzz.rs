//! Random requests over the wire: paths, fields and framing from a grammar, with mutations. Whatever comes, the server
//! answers below 500 and goes on. The exceptions belong to the HTTP library, and are named.

use std::os::unix::fs::symlink;

use crate::harness::request::shown;
use crate::harness::{Broken, Client, Ending, Launch, Random, Request, Server, get, request, tag_of};

/// 501 is the library's answer to a transfer coding it does not know, 505 to a version of HTTP it does not speak.
const OF_THE_LIBRARY: [u16; 2] = [501, 505];

const METHODS: [&str; 9] = ["GET", "GET", "GET", "GET", "HEAD", "HEAD", "OPTIONS", "PUT", "BREW"];

/// Targets that exist.
const TARGETS: [&str; 10] = [
    "/small.txt",
    "/small.txt",
    "/large.bin",
    "/empty",
    "/sub/",
    "/sub",
    "/other/",
    "/link",
    "/sub/small.txt",
    "/__ifmatch__/health",
];

/// What other targets are made of.
const SEGMENTS: [&str; 34] = [
    "small.txt",
    "large.bin",
    "sub",
    "sub/",
    "index.html",
    "link",
    "out",
    "missing",
    "",
    ".",
    "..",
    "...",
    "%2e%2e",
    "%2E",
    "%2f",
    "%5c",
    "%00",
    "%ff",
    "%c0%ae",
    "%25",
    "%",
    "%4",
    "%zz",
    "ünï",
    "a b",
    "\\",
    "*",
    "?x=y",
    "#frag",
    ".hidden",
    ".~ifmatch.x",
    "__ifmatch__/health",
    "404.html",
    "a:",
];

const TAGS: &[&str] = &[
    "*",
    "\"{}\"",
    "\"{}\"",
    "W/\"{}\"",
    "\"other\"",
    "\"a,b\"",
    "\"",
    "\"\"",
    "W/",
    "w/\"x\"",
    ",",
    ",,\"{}\",",
    "\"{}\", \"other\"",
    "\\\"",
];

const DATES: &[&str] = &[
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 99 Foo 0000 99:99:99 GMT",
    "tomorrow",
];

const RANGES: &[&str] = &[
    "bytes=0-0",
    "bytes=-1",
    "bytes=-0",
    "bytes=5-2",
    "bytes=0-",
    "bytes=0-9,20-29",
    "bytes=0-9,5-14,-3",
    "bytes=499-,0-1",
    "bytes=18446744073709551615-",
    "bytes=-18446744073709551616",
    "bytes=,",
    "bytes",
    "items=1-2",
];

const OTHERS: &[&str] = &[
    "text/html",
    "application/json",
    "text/html;q=0.5, application/json;q=1.0",
    "text/html;q=x",
    "*/*;q=0",
    "gzip, br;q=0, *;q=-1",
    "identity;q=0",
    "localhost",
    "evil.example:99999",
    "[::1]",
    "keep-alive",
    "100-continue",
    "",
    " ",
    "\t",
    "h2c, websocket",
];

/// Fields with the values that belong to them.
const FIELDS: [(&str, &[&str]); 17] = [
    ("If-Match", TAGS),
    ("If-None-Match", TAGS),
    ("If-None-Match", TAGS),
    ("If-Modified-Since", DATES),
    ("If-Unmodified-Since", DATES),
    ("If-Range", TAGS),
    ("If-Range", DATES),
    ("Range", RANGES),
    ("Range", RANGES),
    ("Range", RANGES),
    ("Accept", OTHERS),
    ("Accept-Encoding", OTHERS),
    ("Host", OTHERS),
    ("Connection", OTHERS),
    ("Expect", OTHERS),
    ("Upgrade", OTHERS),
    ("X-Other", OTHERS),
];

fn served() -> Server {
    let server = Launch::new().arg("-v").start();
    let folder = server.folder();
    folder.write_version("small.txt", 1, 500);
    folder.write_version("large.bin", 2, (1 << 20) + 1000);
    folder.write("empty", "");
    folder.write("sub/index.html", "index");
    folder.write("sub/small.txt", "sub");
    folder.write("other/file", "x");
    folder.write("404.html", "no such page");
    symlink("small.txt", folder.path("link")).unwrap();
    symlink("/etc/passwd", folder.path("out")).unwrap();
    server
}

fn target(random: &mut Random) -> Vec<u8> {
    if !random.one_in(3) {
        return random.pick(&TARGETS).as_bytes().to_vec();
    }
    let mut target = Vec::new();
    if random.one_in(20) {
        target.extend_from_slice(b"http://localhost");
    }
    for _ in 0..1 + random.below(3) {
        target.push(b'/');
        target.extend_from_slice(random.pick(&SEGMENTS).as_bytes());
    }
    // A space would end the target.
    target.retain(|byte| !byte.is_ascii_whitespace());
    target
}

/// A field: usually with a value of its own kind, now and then with any.
fn field(random: &mut Random, tag: &str) -> (&'static str, Vec<u8>) {
    let (name, values) = *random.pick(&FIELDS);
    let any = random.one_in(12);
    let mut one = || {
        let values = if any { random.pick(&FIELDS).1 } else { values };
        random.pick(values).replace("{}", tag).into_bytes()
    };
    let mut value = one();
    let second = one();
    if random.one_in(10) {
        value = [value.as_slice(), b", ", &second].concat();
    }
    if random.one_in(80) {
        value = value.repeat(1 + random.below(400));
    }
    if random.one_in(10) {
        mutate(random, &mut value);
    }
    (name, value)
}

/// Changes some bytes; never to a CR or LF, which would make another request of it.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len() + 1);
        let byte = loop {
            let byte = (random.next() >> 32) as u8;
            if byte != b'\r' && byte != b'\n' {
                break byte;
            }
        };
        match random.below(3) {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte),
        }
    }
}

fn random_request(random: &mut Random, tag: &str) -> Request {
    let mut target = target(random);
    if random.one_in(10) {
        mutate(random, &mut target);
        target.retain(|byte| !byte.is_ascii_whitespace());
    }
    let method = random.pick::<&str>(&METHODS);
    let mut request = request(method, target);
    for _ in 0..random.below(4) {
        let (name, value) = field(random, tag);
        request = request.field(name, value);
    }
    if request.method == "PUT" {
        request = request.body("some body");
    }
    request
}

/// Requests with broken framing: what comes back need not be a response, but it must not be a failure of the server.
fn broken_bytes(random: &mut Random, tag: &str) -> Vec<u8> {
    let mut bytes = random_request(random, tag).bytes();
    for _ in 0..1 + random.below(6) {
        let at = random.below(bytes.len());
        // `at` stays below the length: nothing makes the bytes fewer than one.
        match random.below(5) {
            0 => bytes[at] = (random.next() >> 32) as u8,
            1 if bytes.len() > 1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, (random.next() >> 32) as u8),
            3 => bytes.truncate(at.max(1)),
            _ => bytes.insert(at, b'\n'),
        }
    }
    bytes
}

fn assert_no_failure(answers: &[u8], asked: &[u8]) {
    let text = String::from_utf8_lossy(answers);
    let fits = |status: &str| OF_THE_LIBRARY.iter().any(|known| status == known.to_string());
    for status in text.split("HTTP/1.1 ").skip(1).map(|rest| rest.get(..3).unwrap_or_default()) {
        assert!(!status.starts_with('5') || fits(status), "{status} to\n{}", shown(asked));
    }
    assert!(!text.contains("root:x:0"), "the outside is revealed to\n{}", shown(asked));
}

/// How requests follow one another on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Each after the answer to the one before.
    OneByOne,
    /// Several in one write.
    Pipelined,
}

/// Sends this many requests and reads every answer.
pub(crate) fn fuzz(how: Sent, requests: usize, purpose: &str) {
    let mut server = served();
    let mut random = Random::new(purpose);
    let tag = tag_of(&crate::harness::version_bytes(1, 500));
    let tag = tag.trim_matches('"');
    let mut client = server.connect();
    let mut sent = 0;
    let mut counts = std::collections::BTreeMap::new();
    while sent < requests {
        let more = if how == Sent::Pipelined { random.below(6) } else { 0 };
        let batch: Vec<Request> = (0..1 + more).map(|_| random_request(&mut random, tag)).collect();
        sent += batch.len();
        let bytes: Vec<u8> = batch.iter().flat_map(Request::bytes).collect();
        let mut open = client.try_send(&bytes).is_ok();
        let alone = batch.len() == 1;
        for request in batch {
            match client.try_read(&request) {
                Ok(response) => {
                    assert_no_failure(format!("HTTP/1.1 {}", response.status).as_bytes(), &request.bytes());
                    // A refusal of a later request resets the connection, and may take the end of this answer with it.
                    assert!(response.ending == Ending::Complete || !alone, "{response}");
                    assert!(!response.body.starts_with(b"root:x:0"), "{response}");
                    *counts.entry(response.status).or_insert(0) += 1;
                    open =
                        open && response.ending == Ending::Complete && !response.lists("Connection", "close");
                    if !open {
                        break;
                    }
                }
                Err(Broken::Closed) => {
                    open = false;
                    break;
                }
                // The library answers a head that it cannot parse by itself, without a Date.
                Err(Broken::Malformed(text))
                    if text.starts_with("no Date\n") && text.contains("--- response\n400") =>
                {
                    open = false;
                    break;
                }
                Err(broken) => panic!("{broken:?}\n{}", request.shown()),
            }
        }
        if !open {
            client = server.connect();
        }
        if random.one_in(10) {
            sent += 1;
            let bytes = broken_bytes(&mut random, tag);
            let mut other = Client::connect(server.address());
            let _ = other.try_send(&bytes);
            other.finish_sending();
            assert_no_failure(&other.read_to_end(), &bytes);
        }
    }
    eprintln!("{purpose}: {sent} requests, answers {counts:?}");
    assert!(
        counts.contains_key(&200)
            && counts.contains_key(&206)
            && counts.contains_key(&304)
            && counts.contains_key(&412),
        "{counts:?}"
    );
    server.assert_well();
    server.ask(&get("/small.txt")).expect_file(&crate::harness::version_bytes(1, 500));
}

#[test]
fn random_requests_are_all_answered() {
    fuzz(Sent::OneByOne, 3_000, "random_requests_are_all_answered");
}

#[test]
fn random_pipelined_requests_are_all_answered_in_step() {
    fuzz(Sent::Pipelined, 3_000, "random_pipelined_requests_are_all_answered_in_step");
}
