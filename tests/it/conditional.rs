//! Conditional requests on GET and HEAD (RFC 9110, 13): every field by itself, their order, and what stands above them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use crate::harness::folder::set_modified_seconds;
use crate::harness::server::is_root;
use crate::harness::{Folder, Launch, Request, Response, Server, get, request, tag_of, version_bytes};

/// The time of every file here, in the three spellings of RFC 9110, 5.6.7, and as seconds.
const SECONDS: i64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const SAME_DATE: [&str; 3] = [DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
const EARLIER: [&str; 3] =
    ["Sun, 06 Nov 1994 08:49:36 GMT", "Sunday, 06-Nov-94 08:49:36 GMT", "Sun Nov  6 08:49:36 1994"];
const LATER: [&str; 3] =
    ["Sun, 06 Nov 1994 08:49:38 GMT", "Sunday, 06-Nov-94 08:49:38 GMT", "Sun Nov  6 08:49:38 1994"];
const NO_DATE: [&str; 9] = [
    "",
    "yesterday",
    "0",
    "784111777",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 31 Feb 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT; length=5",
    "\u{ff}\u{fe}",
];

/// A server with a small file, a large one and a folder; the names are those of the targets.
fn served() -> Server {
    let server = Server::start();
    server.folder().write_version("small", 1, 1000);
    server.folder().write_version("large", 2, 2 << 20);
    for name in ["small", "large"] {
        set_modified_seconds(&server.folder().path(name), SECONDS);
    }
    server
}

/// Field lines and the status they must lead to; `{}` stands for the current tag without its quotes.
struct Case {
    lines: Vec<(&'static str, Vec<u8>)>,
    status: u16,
}

fn case(lines: &[(&'static str, &str)], status: u16) -> Case {
    Case { lines: lines.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect(), status }
}

/// Asks with GET and with HEAD for both files; the two methods must agree in everything but the body.
#[track_caller]
fn check(server: &Server, cases: &[Case]) {
    for target in ["/small", "/large"] {
        let current = server.get_settled(target).expect(200);
        let opaque = current.tag().trim_matches('"').to_owned();
        for case in cases {
            let filled = |method: &str| {
                case.lines.iter().fold(request(method, target), |request, (name, value)| {
                    request.field(name, replaced(value, b"{}", opaque.as_bytes()))
                })
            };
            let response = server.ask(&filled("GET")).expect(case.status);
            check_answer(&response, &current, target);
            let of_head = server.ask(&filled("HEAD")).expect(case.status);
            assert_same_fields(&response, &of_head);
        }
    }
}

fn check_answer(response: &Response, current: &Response, target: &str) {
    match response.status {
        200 => assert!(response.body == current.body, "{response}"),
        304 => {
            assert!(response.body.is_empty(), "{response}");
            assert_eq!(response.field("ETag"), current.field("ETag"), "{response}");
            assert_eq!(response.field("Cache-Control"), current.field("Cache-Control"), "{response}");
            assert_eq!(response.field("Vary"), current.field("Vary"), "{response}");
            assert!(response.date_field("Date").is_some(), "{response}");
            let length = response.field("Content-Length");
            assert!(length.is_none() || length == current.field("Content-Length"), "{response}");
        }
        412 => {
            assert_eq!(response.field("ETag"), current.field("ETag"), "{response}");
            assert_eq!(response.field("Last-Modified"), current.field("Last-Modified"), "{response}");
            let problem = response.json();
            assert_eq!(problem["status"], 412, "{response}");
            assert_eq!(problem["current-etag"], current.tag(), "{response}");
        }
        _ => panic!("not the status of a conditional request for {target}\n{response}"),
    }
}

/// HEAD says what GET would say, except for the moment at which it says it.
#[track_caller]
pub(crate) fn assert_same_fields(of_get: &Response, of_head: &Response) {
    let fields = |response: &Response| {
        let mut fields = response.fields.clone();
        fields.retain(|(name, _)| !name.eq_ignore_ascii_case("Date"));
        fields.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        fields.sort();
        fields
    };
    assert_eq!(of_get.status, of_head.status, "{of_get}\n{of_head}");
    assert_eq!(fields(of_get), fields(of_head), "HEAD differs from GET\n{of_get}\n{of_head}");
    assert!(of_head.body.is_empty(), "{of_head}");
}

fn replaced(value: &[u8], wanted: &[u8], by: &[u8]) -> Vec<u8> {
    match value.windows(wanted.len()).position(|window| window == wanted) {
        Some(at) => [&value[..at], by, &replaced(&value[at + wanted.len()..], wanted, by)].concat(),
        None => value.to_vec(),
    }
}

/// The current tag as the last of a list of 100 kB.
fn long_list() -> String {
    let others = (0..3700).map(|number| format!("\"{number:022}\", ")).collect::<String>();
    assert!(others.len() > 95_000);
    others + "\"{}\""
}

#[test]
fn if_match_is_evaluated_by_strong_comparison() {
    let name = "If-Match";
    let mut cases = vec![
        case(&[(name, "\"{}\"")], 200),
        case(&[(name, "*")], 200),
        case(&[(name, " \t*\t ")], 200),
        case(&[(name, "\"other\", \"{}\"")], 200),
        case(&[(name, "\"other\" , ,, \"{}\" ,")], 200),
        case(&[(name, "\"other\""), (name, "\"{}\"")], 200),
        case(&[("if-match", "\"{}\""), ("IF-MATCH", "\"other\"")], 200),
        case(&[(name, "\"a,b\", \"{}\"")], 200),
        case(&[(name, "W/\"other\", \"{}\"")], 200),
        case(&[(name, "\"other\"")], 412),
        case(&[(name, "\"\"")], 412),
        case(&[(name, "\"a,{},b\"")], 412),
        case(&[(name, "\"a,\"")], 412),
        case(&[(name, "W/\"{}\"")], 412),
        case(&[(name, "\"{}\" ")], 200),
        case(&[(name, "\"x{}\"")], 412),
        case(&[(name, &long_list())], 200),
    ];
    let mut above_ascii = case(&[(name, "")], 200);
    above_ascii.lines[0].1 = b"\"\x80\xff\xfe\", \"{}\"".to_vec();
    cases.push(above_ascii);
    let mut only_above_ascii = case(&[(name, "")], 412);
    only_above_ascii.lines[0].1 = b"\"\x80\xff\xfe\"".to_vec();
    cases.push(only_above_ascii);
    check(&served(), &cases);
}

#[test]
fn a_malformed_if_match_never_matches() {
    let name = "If-Match";
    let malformed = [
        "",
        "{}",
        "\"{}",
        "{}\"",
        "w/\"{}\"",
        "\"{}\" \"other\"",
        "'{}'",
        "*, \"{}\"",
        "\"{}\", *",
        "\"{}\"; \"x\"",
        ",",
    ];
    let mut cases: Vec<Case> = malformed.iter().map(|value| case(&[(name, value)], 412)).collect();
    cases.push(case(&[(name, "*"), (name, "\"{}\"")], 412));
    cases.push(case(&[(name, "\"{}\""), (name, "{}")], 412));
    let mut bytes = case(&[(name, "")], 412);
    bytes.lines[0].1 = b"\x80\xff{}".to_vec();
    cases.push(bytes);
    check(&served(), &cases);
}

#[test]
fn if_none_match_is_evaluated_by_weak_comparison() {
    let name = "If-None-Match";
    let mut cases = vec![
        case(&[(name, "\"{}\"")], 304),
        case(&[(name, "W/\"{}\"")], 304),
        case(&[(name, "*")], 304),
        case(&[(name, "\"other\", \"{}\"")], 304),
        case(&[(name, "\"other\""), (name, "\"{}\"")], 304),
        case(&[(name, "\"other\" , ,, W/\"{}\" ,")], 304),
        case(&[(name, "\"a,b\", \"{}\"")], 304),
        case(&[(name, "\"other\"")], 200),
        case(&[(name, "W/\"other\"")], 200),
        case(&[(name, "\"a,{},b\"")], 200),
        case(&[(name, "\"\"")], 200),
        case(&[(name, "\"{}-gzip\"")], 200),
        case(&[(name, &long_list())], 304),
    ];
    let mut above_ascii = case(&[(name, "")], 304);
    above_ascii.lines[0].1 = b"\"\x80\xff\xfe\", \"{}\"".to_vec();
    cases.push(above_ascii);
    check(&served(), &cases);
}

#[test]
fn a_malformed_if_none_match_is_ignored_when_reading() {
    let name = "If-None-Match";
    let malformed =
        ["", "{}", "\"{}", "{}\"", "w/\"{}\"", "\"{}\" \"other\"", "'{}'", "*, \"{}\"", "\"{}\"; \"x\""];
    let mut cases: Vec<Case> = malformed.iter().map(|value| case(&[(name, value)], 200)).collect();
    cases.push(case(&[(name, "*"), (name, "\"{}\"")], 200));
    let mut bytes = case(&[(name, "")], 200);
    bytes.lines[0].1 = b"\x80\xff{}".to_vec();
    cases.push(bytes);
    check(&served(), &cases);
}

#[test]
fn if_unmodified_since_reads_every_spelling_of_a_date() {
    let mut cases = Vec::new();
    for (dates, status) in [(SAME_DATE, 200), (LATER, 200), (EARLIER, 412)] {
        cases.extend(dates.iter().map(|date| case(&[("If-Unmodified-Since", date)], status)));
    }
    cases.extend(NO_DATE.iter().map(|date| case(&[("If-Unmodified-Since", date)], 200)));
    check(&served(), &cases);
}

#[test]
fn if_modified_since_reads_every_spelling_of_a_date() {
    let mut cases = Vec::new();
    for (dates, status) in [(SAME_DATE, 304), (LATER, 304), (EARLIER, 200)] {
        cases.extend(dates.iter().map(|date| case(&[("If-Modified-Since", date)], status)));
    }
    cases.extend(NO_DATE.iter().map(|date| case(&[("If-Modified-Since", date)], 200)));
    // RFC 9110, 13.1.3: a field with more than one member is ignored.
    cases.push(case(&[("If-Modified-Since", DATE), ("If-Modified-Since", DATE)], 200));
    check(&served(), &cases);
}

#[test]
fn the_fields_are_evaluated_in_the_order_of_rfc_9110() {
    let (matching, ims, ius) = ("If-None-Match", "If-Modified-Since", "If-Unmodified-Since");
    let cases = [
        case(&[("If-Match", "\"{}\""), (ius, EARLIER[0])], 200),
        case(&[("If-Match", "\"other\""), (ius, LATER[0])], 412),
        case(&[("If-Match", "\"other\""), (matching, "\"{}\"")], 412),
        case(&[("If-Match", "\"{}\""), (matching, "\"{}\"")], 304),
        case(&[("If-Match", "\"{}\""), (matching, "\"other\"")], 200),
        case(&[(matching, "\"other\""), (ims, LATER[0])], 200),
        case(&[(matching, "\"{}\""), (ims, EARLIER[0])], 304),
        case(&[(matching, "\"{}\""), (ims, "garbage")], 304),
        case(&[(ius, EARLIER[0]), (matching, "\"{}\"")], 412),
        case(&[(ius, LATER[0]), (matching, "\"{}\"")], 304),
        case(&[(ius, EARLIER[0]), (ims, LATER[0])], 412),
        case(&[(ius, DATE), (ims, DATE)], 304),
        case(&[("If-Match", "*"), (ius, EARLIER[0]), (matching, "\"other\""), (ims, LATER[0])], 200),
    ];
    check(&served(), &cases);
}

#[test]
fn a_condition_comes_before_a_range() {
    let bad_range = ("Range", "bytes=99999999-");
    let cases = [
        case(&[bad_range, ("If-Match", "\"other\"")], 412),
        case(&[bad_range, ("If-Unmodified-Since", EARLIER[0])], 412),
        case(&[bad_range, ("If-None-Match", "\"{}\"")], 304),
        case(&[bad_range, ("If-Modified-Since", LATER[0])], 304),
        case(&[bad_range, ("If-Range", "\"other\"")], 200),
    ];
    check(&served(), &cases);
}

#[test]
fn the_failed_field_is_named() {
    let server = served();
    let tag = tag_of(&version_bytes(1, 1000));
    let failures: [(&str, &str); 4] = [
        ("If-Match", "\"other\""),
        ("If-Match", "unquoted"),
        ("If-Match", "W/\"weak\""),
        ("If-Unmodified-Since", EARLIER[0]),
    ];
    for (name, value) in failures {
        for accept in ["*/*", "text/*", "application/json"] {
            let response = server.ask(&get("/small").field(name, value).field("Accept", accept)).expect(412);
            let problem = response.json();
            assert_eq!(problem["failed-field"], name, "{response}");
            assert_eq!(problem["current-etag"], tag.as_str(), "{response}");
            for member in ["type", "title", "detail"] {
                assert!(
                    problem[member].as_str().is_some_and(|text| !text.is_empty()),
                    "no {member}\n{response}"
                );
            }
            assert_eq!(response.field("ETag"), Some(tag.as_str()), "{response}");
            assert_eq!(response.field("Last-Modified"), Some(DATE), "{response}");
        }
    }
}

#[test]
fn what_is_missing_is_missing_whatever_the_condition() {
    let server = served();
    for (name, value) in [
        ("If-Match", "*"),
        ("If-Match", "\"other\""),
        ("If-Match", "malformed"),
        ("If-None-Match", "*"),
        ("If-None-Match", "\"other\""),
        ("If-Unmodified-Since", EARLIER[0]),
        ("If-Modified-Since", LATER[0]),
    ] {
        for method in ["GET", "HEAD"] {
            for target in ["/missing", "/missing/", "/small/", "/.hidden", "/__ifmatch__/nothing"] {
                server.ask(&request(method, target).field(name, value)).expect(404);
            }
            server.ask(&request(method, "/%2e%2e/x").field(name, value)).expect(400);
        }
    }
}

#[test]
fn a_refused_method_is_refused_whatever_the_condition() {
    let server = served();
    for method in ["PUT", "DELETE", "POST", "PATCH"] {
        for value in ["\"other\"", "*", "malformed"] {
            let refused =
                server.ask(&request(method, "/small").field("If-Match", value).body("")).expect(405);
            assert!(refused.field("ETag").is_none(), "{refused}");
        }
    }
    server.get("/small").expect_file(&version_bytes(1, 1000));
}

#[test]
fn a_forbidden_file_is_forbidden_whatever_the_condition() {
    let folder = Arc::new(Folder::new());
    let path = folder.write("secret", "secret");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let launch = if is_root() { Launch::new().by_nobody() } else { Launch::new() };
    let server = launch.start_in(folder);
    server.get("/secret").expect(403);
    for (name, value) in
        [("If-Match", "\"other\""), ("If-None-Match", "*"), ("If-Unmodified-Since", EARLIER[0])]
    {
        let refused = server.ask(&get("/secret").field(name, value)).expect(403);
        assert!(refused.field("ETag").is_none(), "{refused}");
    }
}

#[test]
fn a_listing_is_conditional_as_well() {
    let server = served();
    for accept in ["text/html", "application/json"] {
        let ask = |request: Request| server.ask(&request.field("Accept", accept));
        let listing = ask(get("/")).expect(200);
        let not_modified = ask(get("/").field("If-None-Match", listing.tag())).expect(304);
        assert_eq!(not_modified.field("ETag"), listing.field("ETag"), "{not_modified}");
        assert!(not_modified.lists("Vary", "Accept"), "{not_modified}");
        ask(get("/").field("If-None-Match", "\"other\"")).expect(200);
        ask(get("/").field("If-Match", listing.tag())).expect(200);
        let failed = ask(get("/").field("If-Match", "\"other\"")).expect(412);
        assert_eq!(failed.field("ETag"), listing.field("ETag"), "{failed}");
    }
}

#[test]
fn head_says_what_get_says() {
    let server = served();
    server.folder().write("folder/index.html", "index");
    server.folder().write("empty", "");
    let targets = [
        "/small",
        "/large",
        "/empty",
        "/",
        "/folder/",
        "/folder",
        "/missing",
        "/%2e%2e",
        "/__ifmatch__/health",
    ];
    for target in targets {
        for accept in ["*/*", "text/html", "application/json"] {
            let ask = |method: &str| {
                server
                    .ask(&request(method, target).field("Accept", accept).field("If-None-Match", "\"other\""))
            };
            assert_same_fields(&ask("GET"), &ask("HEAD"));
        }
    }
}
