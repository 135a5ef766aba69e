//! Preconditions of PUT and DELETE (RFC 9110, 13): what lets a write through, what does not, and what stands above them.

use std::fs;

use crate::harness::folder::set_modified_seconds;
use crate::harness::{
    Launch, Request, Response, Server, assert_nothing_left, delete, put, tag_of, tree, version_bytes,
};

/// The time of every file here, in the three spellings of RFC 9110, 5.6.7, and as seconds.
const SECONDS: i64 = 784_111_777;
const SAME_DATE: [&str; 3] =
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
const EARLIER: [&str; 3] =
    ["Sun, 06 Nov 1994 08:49:36 GMT", "Sunday, 06-Nov-94 08:49:36 GMT", "Sun Nov  6 08:49:36 1994"];
const LATER: [&str; 3] =
    ["Sun, 06 Nov 1994 08:49:38 GMT", "Sunday, 06-Nov-94 08:49:38 GMT", "Sun Nov  6 08:49:38 1994"];
const NO_DATE: [&str; 8] = [
    "",
    "yesterday",
    "0",
    "784111777",
    "Sun, 06 Nov 1994 08:49:36",
    "Sun, 31 Feb 1994 08:49:36 GMT",
    "Sun, 06 Nov 1994 25:49:36 GMT",
    "\u{ff}\u{fe}",
];

/// Field lines and the status they must lead to; `{}` stands for the current tag without its quotes.
struct Case {
    lines: Vec<(&'static str, Vec<u8>)>,
    status: u16,
}

fn case(lines: &[(&'static str, &str)], status: u16) -> Case {
    Case { lines: lines.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect(), status }
}

fn bytes_case(name: &'static str, value: &[u8], status: u16) -> Case {
    Case { lines: vec![(name, value.to_vec())], status }
}

fn replaced(value: &[u8], wanted: &[u8], by: &[u8]) -> Vec<u8> {
    match value.windows(wanted.len()).position(|window| window == wanted) {
        Some(at) => [&value[..at], by, &replaced(&value[at + wanted.len()..], wanted, by)].concat(),
        None => value.to_vec(),
    }
}

impl Case {
    fn fill(&self, request: Request, tag: &str) -> Request {
        let opaque = tag.trim_matches('"').as_bytes();
        let lines = self.lines.iter();
        lines.fold(request, |request, (name, value)| request.field(name, replaced(value, b"{}", opaque)))
    }
}

/// Tries each case as PUT and as DELETE, of a small file and of a large one, with a small body and a large one. What is
/// refused has touched nothing: not the inode, not the time.
#[track_caller]
fn check(cases: &[Case]) {
    let server = Launch::writing().args(["--durability", "none"]).start();
    let mut names = 0..;
    for size in [1000, 600_000] {
        let (old, new) = (version_bytes(1, size), version_bytes(2, size + 1));
        for case in cases {
            for question in [put("/file", &new), delete("/file")] {
                // A server of its own would do, too: where one has seen later dates, Last-Modified does not go back.
                let path = server.folder().write(format!("file-{}", names.next().unwrap()), &old);
                set_modified_seconds(&path, SECONDS);
                let before = tree(&server.folder().root());
                let target = format!("/{}", path.file_name().unwrap().display());
                let question = case.fill(question.at(target), &tag_of(&old));
                let answer = server.ask(&question).expect(case.status);
                if case.status != 204 {
                    assert_eq!(tree(&server.folder().root()), before, "{answer}");
                    check_refusal(answer, &tag_of(&old));
                } else if answer.method == "PUT" {
                    assert!(fs::read(&path).unwrap() == new, "{answer}");
                    assert_eq!(answer.tag(), tag_of(&new), "{answer}");
                } else {
                    assert!(!path.exists(), "{answer}");
                }
                let _ = fs::remove_file(&path);
            }
        }
    }
    assert_nothing_left(&server);
}

#[track_caller]
fn check_refusal(answer: Response, tag: &str) {
    let status = answer.status;
    let answer = answer.expect_problem(status);
    let problem = answer.json();
    if status == 412 {
        assert_eq!(problem["current-etag"], tag, "{answer}");
        assert_eq!(answer.tag(), tag, "{answer}");
        let field = problem["failed-field"].as_str().unwrap_or_default();
        assert!(answer.request.to_lowercase().contains(&format!("\n{}:", field.to_lowercase())), "{answer}");
        assert!(answer.last_modified().is_some(), "{answer}");
    } else {
        // A line to copy, in which the tag has its quotes.
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("curl ") && detail.contains(": \""), "{answer}");
    }
}

/// The current tag as the last of a list of 100 kB.
fn long_list() -> String {
    let others = (0..3700).map(|number| format!("\"{number:022}\", ")).collect::<String>();
    assert!(others.len() > 95_000);
    others + "\"{}\""
}

#[test]
fn if_match_lets_a_write_through_by_strong_comparison_only() {
    let name = "If-Match";
    check(&[
        case(&[(name, "\"{}\"")], 204),
        case(&[(name, "*")], 204),
        case(&[(name, " \t*\t ")], 204),
        case(&[(name, "\"other\", \"{}\"")], 204),
        case(&[(name, "\"other\" , ,, \"{}\" ,")], 204),
        case(&[(name, "\"other\""), (name, "\"{}\"")], 204),
        case(&[("if-match", "\"{}\""), ("IF-MATCH", "\"other\"")], 204),
        case(&[(name, "\"a,b\", \"{}\"")], 204),
        case(&[(name, "W/\"other\", \"{}\"")], 204),
        case(&[(name, "\"{}\" ")], 204),
        case(&[(name, &long_list())], 204),
        case(&[(name, &long_list().replace("{}", "other"))], 412),
        case(&[(name, "\"other\"")], 412),
        case(&[(name, "\"\"")], 412),
        case(&[(name, "\"a,{},b\"")], 412),
        case(&[(name, "\"x{}\"")], 412),
        case(&[(name, "W/\"{}\"")], 412),
        case(&[(name, "W/\"{}\", \"other\"")], 412),
        bytes_case(name, b"\"\x80\xff\xfe\", \"{}\"", 204),
        bytes_case(name, b"\"\x80\xff\xfe\"", 412),
    ]);
}

#[test]
fn a_malformed_if_match_lets_no_write_through() {
    let name = "If-Match";
    let malformed = [
        "",
        " ",
        ",",
        "{}",
        "\"{}",
        "{}\"",
        "w/\"{}\"",
        "W/{}",
        "W/",
        "\"{}\" \"other\"",
        "'{}'",
        "*, \"{}\"",
        "\"{}\", *",
        "**",
        "\"{}\"; \"x\"",
        "\\\"{}\\\"",
    ];
    let mut cases: Vec<Case> = malformed.iter().map(|value| case(&[(name, value)], 400)).collect();
    cases.push(case(&[(name, "*"), (name, "\"{}\"")], 400));
    cases.push(case(&[(name, "\"{}\""), (name, "{}")], 400));
    cases.push(case(&[(name, &long_list().replace("\"{}\"", "{}"))], 400));
    cases.push(bytes_case(name, b"\x80\xff{}", 400));
    check(&cases);
}

#[test]
fn if_none_match_guards_what_it_names() {
    let name = "If-None-Match";
    check(&[
        case(&[(name, "*")], 412),
        case(&[(name, "\"{}\"")], 412),
        case(&[(name, "W/\"{}\"")], 412),
        case(&[(name, "\"other\", \"{}\"")], 412),
        case(&[(name, "\"other\""), (name, "\"{}\"")], 412),
        case(&[(name, &long_list())], 412),
        case(&[(name, "\"other\"")], 204),
        case(&[(name, "W/\"other\"")], 204),
        case(&[(name, "\"a,{},b\"")], 204),
        bytes_case(name, b"\"\x80\xff\xfe\", \"{}\"", 412),
        bytes_case(name, b"\"\x80\xff\xfe\"", 204),
    ]);
}

#[test]
fn a_malformed_if_none_match_lets_no_write_through() {
    let name = "If-None-Match";
    let malformed =
        ["", "other", "\"other", "'*'", "\"*", "*, \"other\"", "\"other\" \"more\"", "w/\"other\""];
    let mut cases: Vec<Case> = malformed.iter().map(|value| case(&[(name, value)], 400)).collect();
    cases.push(case(&[("If-Match", "\"{}\""), (name, "other")], 400));
    cases.push(case(&[(name, "\"other\""), (name, "*")], 400));
    cases.push(bytes_case(name, b"\x80\xff", 400));
    check(&cases);
}

#[test]
fn if_unmodified_since_is_read_in_every_spelling() {
    let mut cases = Vec::new();
    for (dates, status) in [(SAME_DATE, 204), (LATER, 204), (EARLIER, 412)] {
        cases.extend(dates.iter().map(|date| case(&[("If-Unmodified-Since", date)], status)));
    }
    cases.extend(NO_DATE.iter().map(|date| case(&[("If-Unmodified-Since", date)], 204)));
    check(&cases);
}

#[test]
fn the_fields_are_evaluated_in_the_order_of_rfc_9110() {
    let (matching, ius) = ("If-None-Match", "If-Unmodified-Since");
    check(&[
        case(&[("If-Match", "\"{}\""), (ius, EARLIER[0])], 204),
        case(&[("If-Match", "*"), (ius, EARLIER[0])], 204),
        case(&[("If-Match", "\"other\""), (ius, LATER[0])], 412),
        case(&[("If-Match", "\"{}\""), (matching, "\"{}\"")], 412),
        case(&[("If-Match", "\"{}\""), (matching, "*")], 412),
        case(&[("If-Match", "\"{}\""), (matching, "\"other\"")], 204),
        case(&[(ius, EARLIER[0]), (matching, "\"other\"")], 412),
        case(&[(ius, LATER[0]), (matching, "\"{}\"")], 412),
        case(&[(ius, LATER[0]), (matching, "\"other\"")], 204),
        // These are about reading.
        case(&[("If-Modified-Since", LATER[0])], 204),
        case(&[("If-Range", "\"other\"")], 204),
        case(&[("Range", "bytes=99999999-")], 204),
    ]);
}

#[test]
fn on_what_is_missing_only_creation_holds() {
    let server = Launch::writing().start();
    let before = tree(&server.folder().root());
    let cases: [(&str, &str, u16); 12] = [
        ("If-Match", "*", 412),
        ("If-Match", "\"other\"", 412),
        ("If-Match", "W/\"other\"", 412),
        ("If-Match", "malformed", 400),
        ("If-Match", "", 400),
        ("If-None-Match", "malformed", 400),
        ("If-None-Match", "*", 201),
        ("If-None-Match", "\"other\"", 201),
        ("If-None-Match", "W/\"other\"", 201),
        ("If-Unmodified-Since", EARLIER[0], 201),
        ("If-Unmodified-Since", "garbage", 201),
        ("If-Modified-Since", EARLIER[0], 201),
    ];
    for target in ["/missing", "/no/such/folder/missing"] {
        for (name, value, status) in cases {
            for body in [version_bytes(1, 100), version_bytes(2, 600_000)] {
                let answer = server.ask(&put(target, &body).field(name, value)).expect(status);
                if status == 201 {
                    server.get(target).expect_file(&body);
                    server.ask(&delete(target)).expect(204);
                    // Folders that a PUT has made stay when the file goes; a DELETE takes no folder away.
                    let _ = fs::remove_dir_all(server.folder().path("no"));
                } else {
                    let answer = answer.expect_problem(status);
                    if status == 412 {
                        assert_eq!(answer.json()["failed-field"], name, "{answer}");
                        assert_eq!(answer.field("ETag"), None, "{answer}");
                    }
                }
                assert_eq!(tree(&server.folder().root()), before);
            }
            let status = if status == 400 { 400 } else { 404 };
            server.ask(&delete(target).field(name, value)).expect_problem(status);
        }
    }
    assert_nothing_left(&server);
}

#[test]
fn what_is_refused_anyway_is_not_a_failed_precondition() {
    let server = Launch::new().args(["--allow-upload", "--max-upload-size", "1K"]).start();
    server.folder().write("file", "old");
    server.folder().write("sub/file", "old");
    let before = tree(&server.folder().root());
    let stale = |request: Request| request.field("If-Match", "\"stale\"");
    let refusals: Vec<(Request, u16)> = vec![
        (delete("/file"), 405),
        (put("/.hidden", "new"), 403),
        (put("/__ifmatch__/file", "new"), 403),
        (put("/file", "new").field("Sec-Fetch-Site", "cross-site"), 403),
        (put("/file", "new").host("evil.example"), 403),
        (put("/%2e%2e/file", "new"), 400),
        (put("/", "new"), 409),
        (put("/sub", "new"), 409),
        (put("/file/below", "new"), 409),
        (put("/file", version_bytes(1, 2000)), 413),
        (put("/missing", version_bytes(1, 2000)), 413),
        (put("/file", "new").field("Content-Range", "bytes 0-2/3"), 400),
        (put("/file", "new").field("Content-Encoding", "gzip"), 415),
        (put("/file", "new").field("Content-Digest", "sha-256=malformed"), 400),
    ];
    for (request, status) in refusals {
        for request in [stale(request.clone()), stale(request).field("Expect", "100-continue")] {
            let refused = server.ask(&request).expect_problem(status);
            assert_eq!(refused.field("ETag"), None, "{refused}");
            assert_eq!(tree(&server.folder().root()), before, "{refused}");
        }
    }
    let deleting = Launch::writing().start();
    deleting.ask(&stale(delete("/missing"))).expect_problem(404);
    assert_untouched_by_weak_tags(&deleting);
}

/// A weak tag never counts, and the answer says why.
fn assert_untouched_by_weak_tags(server: &Server) {
    let bytes = server.folder().write_version("file", 1, 1000);
    let weak = format!("W/{}", tag_of(&bytes));
    let failed = server.ask(&put("/file", "new").field("If-Match", weak)).expect_problem(412);
    let detail = failed.json()["detail"].as_str().unwrap_or_default().to_lowercase();
    assert!(detail.contains("weak"), "{failed}");
    server.get("/file").expect_file(&bytes);
}

#[test]
fn the_line_to_copy_has_the_tag_in_quotes() {
    let server = Launch::writing().start();
    let tag = tag_of(&server.folder().write_version("file", 1, 100));
    let bare = tag.trim_matches('"');
    for name in ["If-Match", "If-None-Match"] {
        let refused = server.ask(&put("/file", "new").field(name, bare)).expect_problem(400);
        let detail = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.contains(&format!("'{name}: {tag}'")), "{refused}");
        assert!(detail.contains("http://localhost/file"), "{refused}");
        // What would end the quotes of the shell does not come back.
        for hostile in ["x'; rm -rf ~; '", "`id`'", "$(id)'", "\u{1b}[2J'"] {
            let question = put("/file", "new").field(name, hostile.replace('\u{1b}', ""));
            let refused = server.ask(&question).expect_problem(400);
            assert!(!refused.text().contains("rm -rf") && !refused.text().contains("id)'"), "{refused}");
        }
    }
}
