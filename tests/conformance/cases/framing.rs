//! Where a request ends and an answer begins: smuggling, malformed heads, and requests that come before the last answer.

use std::time::Duration;

use crate::case::Check::{Runs, Tries};
use crate::case::Level::{Must, Ours, Should};
use crate::case::{Case, Group, Miss, Offer, Verdict, case, ensure, expect, not_offered};
use crate::request::shown;
use crate::site::Site;
use crate::wire::Response;

use super::sending::lives;

/// RFC 9112.
pub(crate) const GROUP: Group = Group { name: "framing", cases: CASES };

const LENGTH: &str = "RFC 9112, 6.3";
const REUSE: &str = "RFC 9112, 9.3.2";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("frame-cl-te", Must, "RFC 9112, 6.1; actix-http < 3.12.1, Caddy", "Content-Length beside chunked: nothing behind it on this connection is answered", Tries(smuggled, "Content-Length: 5|Transfer-Encoding: chunked")),
    case("frame-te-cl", Must, "RFC 9112, 6.1", "nor in the other order", Tries(smuggled, "Transfer-Encoding: chunked|Content-Length: 5")),
    case("frame-two-lengths", Must, LENGTH, "two lengths: 400", Tries(refused, "Content-Length: 5|Content-Length: 6")),
    case("frame-length-plus", Must, LENGTH, "`Content-Length: +5`: 400", Tries(refused, "Content-Length: +5")),
    case("frame-length-negative", Must, LENGTH, "`Content-Length: -5`: 400", Tries(refused, "Content-Length: -5")),
    case("frame-length-words", Must, LENGTH, "`Content-Length: 5 5`: 400", Tries(refused, "Content-Length: 5 5")),
    case("frame-length-list", Must, LENGTH, "`Content-Length: 5, 6`: 400", Tries(refused, "Content-Length: 5, 6")),
    case("frame-chunked-not-last", Must, "RFC 9112, 6.3; RUSTSEC-2021-0081", "`Transfer-Encoding: chunked, identity`: 400", Tries(refused, "Transfer-Encoding: chunked, identity")),
    case("frame-chunked-unknown", Must, LENGTH, "`Transfer-Encoding: xchunked`: 400 or 501", Tries(refused, "Transfer-Encoding: xchunked")),
    case("frame-no-host", Must, "RFC 9112, 3.2", "HTTP/1.1 without Host: 400", Tries(head, "GET {target} HTTP/1.1||400")),
    case("frame-two-hosts", Must, "RFC 9112, 3.2", "two Host lines: 400", Tries(head, "GET {target} HTTP/1.1|Host: a|Host: b||400")),
    case("frame-bad-host", Must, "RFC 9112, 3.2", "a Host that is no host: 400", Tries(head, "GET {target} HTTP/1.1|Host: a b||400")),
    case("frame-space-before-colon", Must, "RFC 9112, 5.1", "a space between name and colon: 400", Tries(head, "GET {target} HTTP/1.1|Host: localhost|If-Match : \"x\"||400")),
    case("frame-no-name", Should, "RFC 9112, 2.2", "a field line without a name is not accepted", Tries(head, "GET {target} HTTP/1.1|Host: localhost|: x||400")),
    case("frame-no-colon", Should, "RFC 9112, 2.2", "nor one without a colon", Tries(head, "GET {target} HTTP/1.1|Host: localhost|If-Match||400")),
    case("frame-nul", Must, "RFC 9110, 5.5", "a NUL in a field value: refused or replaced", Tries(head, "GET {target} HTTP/1.1|Host: localhost|X-A: a\0b||400 200")),
    case("frame-folded", Must, "RFC 9112, 5.2", "a folded line: refused, or read as a space", Tries(head, "GET {target} HTTP/1.1|Host: localhost|X-A: a| b||400 200")),
    case("frame-no-target", Should, "RFC 9112, 2.2", "a request line without a target: 400", Tries(head, "GET HTTP/1.1|Host: localhost||400")),
    case("frame-version", Ours, "RFC 9110, 15.6.6", "HTTP/7.0: 505 or 400", Tries(head, "GET {target} HTTP/7.0|Host: localhost||400 505")),
    case("frame-1.0", Must, "RFC 9112, C.2.1", "HTTP/1.0 without Host: 200", Tries(head, "GET {target} HTTP/1.0||200")),
    case("frame-absolute", Must, "RFC 9112, 3.2.2", "a target in absolute form: 200", Tries(head, "GET http://localhost{target} HTTP/1.1|Host: localhost||200")),
    case("frame-unknown-method", Should, "RFC 9110, 9.1", "a method that nobody knows: 501, or 405", Tries(head, "FROBNICATE {target} HTTP/1.1|Host: localhost||501 405")),
    case("frame-405-allow", Must, "RFC 9110, 15.5.6", "a 405 lists what is allowed", Runs(refused_method_lists_others)),
    case("frame-expectation", Must, "RFC 9110, 10.1.1", "an expectation that nobody knows: 417, or ignored", Tries(head, "GET {target} HTTP/1.1|Host: localhost|Expect: miracles||417 200 400")),
    case("frame-lower-case", Must, "RFC 9110, 9.1", "`get` is not GET", Tries(head, "get {target} HTTP/1.1|Host: localhost||400 403 404 405 501")),
    case("frame-large-head", Ours, "RFC 6585, 5", "a head of 100 kB gets an answer", Runs(large_head)),
    case("pipe-get", Must, REUSE, "two requests at once: two answers, in order", Tries(pipelined, "GET")),
    case("pipe-head", Must, "RFC 9112, 6.3; miniserve", "HEAD, then GET: the answers stay in step", Tries(pipelined, "HEAD")),
    case("pipe-304", Must, REUSE, "a 304, then GET", Tries(pipelined, "GET If-None-Match: *")),
    case("pipe-412", Must, REUSE, "a 412, then GET", Tries(pipelined, "GET If-Match: \"x\"")),
    case("pipe-416", Must, REUSE, "a 416, then GET", Tries(pipelined, "GET Range: bytes=99999-")),
    case("pipe-404", Must, REUSE, "a 404, then GET", Tries(pipelined, "MISSING")),
    case("pipe-get-body", Must, "RFC 9110, 9.3.1", "a GET with a body, then GET: the body is no request", Tries(pipelined, "GET with a body")),
    case("pipe-refused-put", Must, "RFC 9112, 9.6", "a PUT that is refused with 412, then GET: the body is no request", Tries(pipelined, "PUT")).needs(Offer::Put),
    case("pipe-refused-method", Must, "RFC 9112, 9.6", "a POST that is refused, then GET: the body is no request", Tries(pipelined, "POST")),
];

/// What would be a second answer.
const MARK: &str = "smuggled";

/// A body that ends early by one reading, and behind it a request that only the other reading hides.
fn smuggled(site: &Site, lines: &str) -> Verdict {
    let file = site.file()?;
    let hidden = site.file_of(MARK.as_bytes())?;
    let mut connection = site.connect()?;
    let fields: Vec<&str> = lines.split('|').collect();
    let inner = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", hidden.target);
    let head = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", file.target, fields.join("\r\n"));
    connection.send(format!("{head}0\r\n\r\n{inner}"));
    let (answers, _) = connection.rest(Duration::from_secs(3));
    let text = String::from_utf8_lossy(&answers).into_owned();
    ensure(text.starts_with("HTTP/1."), || format!("no answer: {}", shown(&answers)))?;
    ensure(!text.contains(MARK), || "the request behind it was answered on the same connection".to_owned())
}

/// A request whose body has no certain end.
fn refused(site: &Site, lines: &str) -> Verdict {
    let file = site.file()?;
    let fields: Vec<&str> = lines.split('|').collect();
    let mut connection = site.connect()?;
    let head = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", file.target, fields.join("\r\n"));
    connection.send(format!("{head}0\r\n\r\n"));
    let response = connection.read("GET")?;
    expect(&response, &[400, 411, 413, 501])
}

/// A head, line by line, and the statuses that are right.
fn head(site: &Site, spec: &str) -> Verdict {
    let (lines, statuses) = spec.split_once("||").expect("lines and statuses");
    let statuses: Vec<u16> = statuses.split(' ').map(|status| status.parse().expect("a status")).collect();
    let file = site.file()?;
    let lines = lines.replace("{target}", &file.target).replace('|', "\r\n");
    let mut connection = site.connect()?;
    connection.send(format!("{lines}\r\n\r\n"));
    // Who cannot make anything of it may close the connection; but 400 is what says so.
    let response = connection.read("GET")?;
    expect(&response, &statuses)?;
    ensure(response.status != 200 || response.body == file.bytes, || {
        "200 with other bytes than the file has".to_owned()
    })
}

fn refused_method_lists_others(site: &Site) -> Verdict {
    let file = site.file()?;
    for method in ["POST", "PATCH", "FROBNICATE"] {
        let response = site.ask(&site.request(method, &file.target).field("Content-Length", "0"))?;
        if response.status == 405 {
            return ensure(response.field("Allow").is_some(), || format!("405 to {method} without Allow"));
        }
    }
    not_offered("no method is answered with 405")
}

fn large_head(site: &Site) -> Verdict {
    let file = site.file()?;
    let request = site.request("GET", &file.target).field("X-Long", "x".repeat(100_000));
    let response = site.ask(&request)?;
    expect(&response, &[200, 400, 413, 414, 431])?;
    lives(site)
}

/// A first request whose body is a request of its own, and a second one behind it.
fn pipelined(site: &Site, first: &str) -> Verdict {
    let (file, second) = (site.file()?, site.file_of(b"the second answer")?);
    let hidden = site.file_of(MARK.as_bytes())?;
    let body = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", hidden.target);
    let method = match first.split(' ').next() {
        Some("MISSING") | None => "GET",
        Some(method) => method,
    };
    let target = if first == "MISSING" { site.absent().target } else { file.target.clone() };
    let mut request = site.request(method, target);
    match first {
        "PUT" => request = request.field("If-Match", "\"x\"").body(&body),
        "POST" | "GET with a body" => request = request.body(&body),
        _ => {
            if let Some((name, value)) = first.strip_prefix("GET ").and_then(|line| line.split_once(": ")) {
                request = request.field(name, value);
            }
        }
    }
    let mut connection = site.connect()?;
    connection.send(request.bytes());
    connection.send(site.request("GET", &second.target).bytes());
    let one = connection.read(method)?;
    ensure(one.status < 500 || one.status == 501, || format!("{} to the first request", one.status))?;
    in_step(connection.read("GET"), &one)
}

/// The answer to the second request: its own, or none, because the first answer has closed the connection.
fn in_step(two: Result<Response, Miss>, one: &Response) -> Verdict {
    match two {
        Ok(two) => ensure(two.status == 200 && two.body == b"the second answer", || {
            format!("after {} came {} with {}", one.status, two.status, shown(&two.body))
        }),
        // RFC 9112, 9.6: after `close` nothing more is answered; some close without saying so when the body is not read.
        Err(_) if one.lists("Connection", "close") || one.status >= 400 => Ok(()),
        Err(miss) => Err(miss),
    }
}
