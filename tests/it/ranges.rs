//! Range requests (RFC 9110, 14) and If-Range (13.1.5): one part, several parts, none, and what is ignored.

use crate::harness::folder::set_modified_seconds;
use crate::harness::{Random, Request, Response, Server, get, head, tag_of, version_bytes};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const SECONDS: i64 = 784_111_777;
const SIZE: usize = 1000;

fn served() -> (Server, Vec<u8>) {
    let server = Server::start();
    let bytes = server.folder().write_version("file", 1, SIZE);
    set_modified_seconds(&server.folder().path("file"), SECONDS);
    (server, bytes)
}

fn range(value: impl AsRef<[u8]>) -> Request {
    get("/file").field("Range", value)
}

/// One part of a multipart/byteranges body, or the whole body of a 206 with Content-Range.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    first: usize,
    last: usize,
    complete: usize,
    bytes: Vec<u8>,
}

/// The parts of a 206, read strictly (RFC 9110, 14.4 and 14.6; RFC 2046, 5.1.1).
#[track_caller]
fn parts(response: &Response) -> Vec<Part> {
    assert_eq!(response.status, 206, "{response}");
    if let Some(content_range) = response.field("Content-Range") {
        return vec![part(content_range, &response.body, response)];
    }
    let content_type = response.field("Content-Type").unwrap_or_default();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap_or_else(|| panic!("no boundary\n{response}"));
    let boundary = boundary.trim_matches('"');
    assert!(!boundary.is_empty() && boundary.len() <= 70, "{response}");
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter may stand at the very beginning, without CR LF.
    let mut rest = [b"\r\n", response.body.as_slice()].concat();
    let mut found = Vec::new();
    let mut at =
        find(&rest, delimiter.as_bytes()).unwrap_or_else(|| panic!("no first delimiter\n{response}"));
    loop {
        rest.drain(..at + delimiter.len());
        if rest.starts_with(b"--") {
            let tail = &rest[2..];
            assert!(
                tail.is_empty() || tail == b"\r\n",
                "{} after the last delimiter\n{response}",
                tail.escape_ascii()
            );
            return found;
        }
        assert!(rest.starts_with(b"\r\n"), "a delimiter in the middle of a line\n{response}");
        rest.drain(..2);
        at = find(&rest, delimiter.as_bytes()).unwrap_or_else(|| panic!("a part without an end\n{response}"));
        let end = find(&rest, b"\r\n\r\n").unwrap_or_else(|| panic!("a part without a body\n{response}"));
        let fields = String::from_utf8(rest[..end].to_vec()).unwrap();
        let field = |name: &str| {
            fields.split("\r\n").find_map(|line| {
                let (other, value) = line.split_once(':')?;
                other.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        assert!(field("Content-Type").is_some(), "a part without Content-Type\n{response}");
        let content_range =
            field("Content-Range").unwrap_or_else(|| panic!("a part without Content-Range\n{response}"));
        found.push(part(&content_range, &rest[end + 4..at], response));
    }
}

#[track_caller]
fn part(content_range: &str, bytes: &[u8], response: &Response) -> Part {
    let numbers = content_range.strip_prefix("bytes ").and_then(|range| {
        let (range, complete) = range.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?, complete.parse().ok()?))
    });
    let (first, last, complete) =
        numbers.unwrap_or_else(|| panic!("Content-Range: {content_range}\n{response}"));
    assert_eq!(last + 1 - first, bytes.len(), "Content-Range: {content_range}\n{response}");
    Part { first, last, complete, bytes: bytes.to_vec() }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[test]
fn one_range_is_one_part() {
    let (server, bytes) = served();
    for (value, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, 999),
        ("bytes=0-999", 0, 999),
        ("bytes=0-99999", 0, 999),
        ("bytes=500-", 500, 999),
        ("bytes=999-999", 999, 999),
        ("bytes=999-1000", 999, 999),
        ("bytes=-1", 999, 999),
        ("bytes=-1000", 0, 999),
        ("bytes=-99999", 0, 999),
        ("bytes=10-19", 10, 19),
        ("BYTES=10-19", 10, 19),
        ("bytes=010-0019", 10, 19),
        ("bytes=10-19,", 10, 19),
        ("bytes=,, 10-19 ,,", 10, 19),
    ] {
        let response = server.ask(&range(value)).expect(206);
        assert_eq!(
            response.field("Content-Range"),
            Some(format!("bytes {first}-{last}/{SIZE}").as_str()),
            "{response}"
        );
        assert_eq!(response.body, bytes[first..=last], "{response}");
    }
}

#[test]
fn a_part_has_the_fields_of_the_whole() {
    let (server, _) = served();
    let whole = server.get("/file");
    for value in ["bytes=0-99", "bytes=0-9,20-29"] {
        let part = server.ask(&range(value)).expect(206);
        for name in
            ["ETag", "Last-Modified", "Cache-Control", "Accept-Ranges", "Vary", "X-Content-Type-Options"]
        {
            assert_eq!(part.field(name), whole.field(name), "{name}\n{part}");
        }
        assert!(part.date_field("Date").is_some(), "{part}");
    }
    assert_eq!(server.ask(&range("bytes=0-99")).field("Content-Type"), whole.field("Content-Type"));
}

#[test]
fn what_cannot_be_satisfied_is_416() {
    let (server, _) = served();
    for value in [
        "bytes=1000-",
        "bytes=99999-",
        "bytes=99999-100000",
        "bytes=-0",
        "bytes=1000-,2000-",
        "bytes=-0,5000-",
    ] {
        let response = server.ask(&range(value)).expect(416);
        assert_eq!(response.field("Content-Range"), Some("bytes */1000"), "{response}");
        let again = server.ask(&head("/file").field("Range", value)).expect(200);
        assert_eq!(again.field("Content-Length"), Some("1000"), "{again}");
    }
}

#[test]
fn what_is_not_understood_is_ignored() {
    let (server, bytes) = served();
    let values: [&[u8]; 26] = [
        b"",
        b"bytes",
        b"bytes=",
        b"bytes=-",
        b"bytes=,",
        b"bytes=5-2",
        b"bytes=0-5-9",
        b"bytes=a-b",
        b"bytes=0x0-0x5",
        b"bytes=+1-+5",
        b"bytes=--5",
        b"bytes=1-2;3-4",
        b"bytes=0-1,a",
        b"bytes=0-1,5-2",
        b"bytes 0-1",
        b"bytes =0-1",
        b"bytes:0-1",
        b"items=0-1",
        b"none=0-1",
        b"lines=1-2",
        b"0-1",
        b"bytes=1.5-2",
        b"bytes=\x800-1",
        b"bytes=0-1\xff",
        b"bytes=\"0-1\"",
        b"bytes=0 - 1",
    ];
    for value in values {
        server.ask(&range(value)).expect_file(&bytes);
        server.ask(&head("/file").field("Range", value)).expect(200);
    }
    server.ask(&range("bytes=0-1").field("Range", "bytes=4-5")).expect_file(&bytes);
}

#[test]
fn numbers_beyond_u64_do_no_harm() {
    let (server, bytes) = served();
    let big = ["18446744073709551615", "18446744073709551616", "99999999999999999999999999999999999999999"];
    for number in big {
        let to = server.ask(&range(format!("bytes=0-{number}"))).expect_one_of(&[206, 200]);
        assert_eq!(to.body, bytes, "{to}");
        let suffix = server.ask(&range(format!("bytes=-{number}"))).expect_one_of(&[206, 200]);
        assert_eq!(suffix.body, bytes, "{suffix}");
        server.ask(&range(format!("bytes={number}-"))).expect_one_of(&[416, 200]);
        server.ask(&range(format!("bytes={number}-{number}"))).expect_one_of(&[416, 200]);
        let both = server.ask(&range(format!("bytes=0-0,{number}-"))).expect_one_of(&[206, 200]);
        assert!(both.status == 200 || parts(&both)[0].bytes == bytes[..1], "{both}");
    }
}

#[test]
fn several_ranges_are_several_parts() {
    let (server, bytes) = served();
    for (value, expected) in [
        ("bytes=0-0,2-2", vec![(0, 0), (2, 2)]),
        ("bytes= 0-9 , 20-29 ,40-49", vec![(0, 9), (20, 29), (40, 49)]),
        ("bytes=0-99,-100", vec![(0, 99), (900, 999)]),
        ("bytes=0-1,5000-6000", vec![(0, 1)]),
        ("bytes=5000-,0-1,-0,4-5", vec![(0, 1), (4, 5)]),
        // Not sorted: RFC 9110, 15.3.7.2, keeps the order that was asked for.
        ("bytes=500-509,0-9", vec![(500, 509), (0, 9)]),
    ] {
        let response = server.ask(&range(value)).expect(206);
        let found = parts(&response);
        let places: Vec<(usize, usize)> = found.iter().map(|part| (part.first, part.last)).collect();
        assert_eq!(places, expected, "{response}");
        for part in found {
            assert_eq!(part.complete, SIZE, "{response}");
            assert_eq!(part.bytes, bytes[part.first..=part.last], "{response}");
        }
    }
}

#[test]
fn too_many_or_overlapping_ranges_are_answered_with_the_whole() {
    let (server, bytes) = served();
    let apart =
        |count: usize| (0..count).map(|number| format!("{0}-{0}", number * 3)).collect::<Vec<_>>().join(",");
    let response = server.ask(&range(format!("bytes={}", apart(64)))).expect(206);
    assert_eq!(parts(&response).len(), 64, "{response}");
    for value in [
        format!("bytes={}", apart(65)),
        format!("bytes={}", apart(300)),
        "bytes=0-9,5-14".to_owned(),
        "bytes=0-,0-".to_owned(),
        "bytes=0-9,0-9".to_owned(),
        "bytes=-10,-5".to_owned(),
        "bytes=990-,-5".to_owned(),
        "bytes=0-999,0-999,0-999".to_owned(),
    ] {
        server.ask(&range(value)).expect_file(&bytes);
    }
}

#[test]
fn an_empty_file_has_no_ranges() {
    let server = Server::start();
    server.folder().write("file", "");
    for value in ["bytes=0-0", "bytes=0-", "bytes=5-9", "bytes=-0"] {
        let response = server.ask(&range(value)).expect(416);
        assert_eq!(response.field("Content-Range"), Some("bytes */0"), "{response}");
    }
    // A suffix of nothing is nothing; no Content-Range could say so.
    server.ask(&range("bytes=-1")).expect_one_of(&[200, 416]);
    server.get("/file").expect_file(b"");
}

#[test]
fn head_ignores_a_range() {
    let (server, bytes) = served();
    for value in ["bytes=0-0", "bytes=0-1,4-5", "bytes=-1", "bytes=99999-", "garbage"] {
        let response = server.ask(&head("/file").field("Range", value)).expect(200);
        assert_eq!(response.field("Content-Length"), Some("1000"), "{response}");
        assert_eq!(response.field("Content-Range"), None, "{response}");
        assert_eq!(response.tag(), tag_of(&bytes));
    }
}

#[test]
fn parts_of_a_large_file_are_its_bytes() {
    const LARGE: usize = (3 << 20) + 12_345;
    let server = Server::start();
    let bytes = server.folder().write_version("large", 3, LARGE);
    let mut random = Random::new("parts_of_a_large_file_are_its_bytes");
    let mut client = server.connect();
    for _ in 0..60 {
        let first = random.below(LARGE);
        let last = (first + random.below(1 << 20)).min(LARGE - 1);
        let response = client.ask(&get("/large").field("Range", format!("bytes={first}-{last}"))).expect(206);
        assert!(response.body == bytes[first..=last], "{first}-{last}\n{response}");
        assert_eq!(response.tag(), tag_of(&bytes));
    }
    for _ in 0..20 {
        let (a, b) = (random.below(1 << 20), (1 << 20) + random.below(1 << 20));
        let value = format!("bytes={a}-{},{b}-{},-7", a + 100_000, b + 300_000);
        let response = client.ask(&get("/large").field("Range", &value)).expect_one_of(&[200, 206]);
        if response.status == 206 {
            let found = parts(&response);
            assert_eq!(found.len(), 3, "{response}");
            for part in found {
                assert!(part.bytes == bytes[part.first..=part.last], "{value}\n{response}");
            }
        } else {
            assert!(a + 100_000 >= b, "nothing overlaps in {value}");
        }
    }
}

#[test]
fn a_range_is_asked_together_with_conditions() {
    let (server, bytes) = served();
    let tag = tag_of(&bytes);
    let ask = |name: &str, value: &str| server.ask(&range("bytes=0-9").field(name, value));
    ask("If-Match", &tag).expect(206);
    ask("If-Match", "\"other\"").expect(412);
    ask("If-None-Match", "\"other\"").expect(206);
    ask("If-None-Match", &tag).expect(304);
    ask("If-Unmodified-Since", DATE).expect(206);
    ask("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT").expect(206);
    ask("If-Modified-Since", DATE).expect(304);
}

#[test]
fn if_range_needs_the_very_same_representation() {
    let (server, bytes) = served();
    let tag = tag_of(&bytes);
    let weak = format!("W/{tag}");
    let two = format!("\"other\", {tag}");
    let unquoted = tag.trim_matches('"');
    for (value, status) in [
        (tag.as_str(), 206),
        (weak.as_str(), 200),
        ("\"other\"", 200),
        ("W/\"other\"", 200),
        (unquoted, 200),
        (two.as_str(), 200),
        ("*", 200),
        ("", 200),
        ("\"", 200),
        // An old date is strong (8.8.2.2); it must be exactly equal (13.1.5).
        (DATE, 206),
        ("Sun, 06 Nov 1994 08:49:38 GMT", 200),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 200),
        ("yesterday", 200),
    ] {
        let response = server.ask(&range("bytes=10-19").field("If-Range", value)).expect(status);
        let expected = if status == 206 { &bytes[10..=19] } else { &bytes[..] };
        assert_eq!(response.body, expected, "{response}");
        // Where the condition is false the range is ignored, even one that cannot be satisfied.
        let status = if status == 206 { 416 } else { 200 };
        server.ask(&range("bytes=5000-").field("If-Range", value)).expect(status);
        server.ask(&get("/file").field("If-Range", value)).expect_file(&bytes);
    }
    let bytes_above_ascii: &[u8] = b"\"\x80\xff\"";
    server.ask(&range("bytes=10-19").field("If-Range", bytes_above_ascii)).expect(200);
    server.ask(&range("bytes=10-19").field("If-Range", &tag).field("If-Range", "\"other\"")).expect(200);
}

#[test]
fn if_range_with_a_large_file_resumes_it() {
    let server = Server::start();
    let bytes = server.folder().write_version("file", 1, 2 << 20);
    let resumed = server.ask(&range("bytes=1000000-").field("If-Range", tag_of(&bytes))).expect(206);
    assert!(resumed.body == bytes[1_000_000..], "{resumed}");
    let changed = server.folder().write_version("file", 2, 2 << 20);
    server.ask(&range("bytes=1000000-").field("If-Range", tag_of(&bytes))).expect_file(&changed);
}

#[test]
fn if_range_takes_no_date_that_may_hide_a_change() {
    // A date within the second in which it is given away is weak (8.8.2.2): the file may change again in that second.
    let server = Server::start();
    for round in 0..40 {
        let bytes = server.folder().write_version("file", round, SIZE);
        let whole = server.get("/file").expect_file(&bytes);
        let Some(date) = whole.field("Last-Modified") else { continue };
        let part = server.ask(&range("bytes=0-9").field("If-Range", date));
        if part.date_field("Date") == whole.last_modified() {
            part.expect_file(&bytes);
        }
        // However that went: after a change within the second no part of the new bytes may be added to the old.
        let changed = version_bytes(1000 + round, SIZE);
        server.folder().write("file", &changed);
        server.ask(&range("bytes=0-9").field("If-Range", date)).expect_file(&changed);
    }
}

#[test]
fn a_range_of_another_version_is_never_added_to_the_first() {
    let server = Server::start();
    for size in [SIZE, 2 << 20] {
        let mut tag = String::from("\"none\"");
        for round in 0..20 {
            let bytes = server.folder().write_version("file", round, size);
            server.ask(&range("bytes=5-").field("If-Range", &tag)).expect_file(&bytes);
            tag = tag_of(&bytes);
            let part = server.ask(&range("bytes=5-").field("If-Range", &tag)).expect(206);
            assert!(part.body == bytes[5..], "{part}");
        }
    }
}
