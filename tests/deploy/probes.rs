//! What a proxy does to conditional requests, uploads and what is kept: each probe finds out one thing and says it in a
//! few words. With the configurations of `deploy/` the words must be the good ones. With the configurations that people
//! usually write they are the reason for ours.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::exchange::{A_WHILE, Part, ask_slowly};
use crate::figures::{settle, table};
use crate::harness::{Ending, Response, content::version_of, eventually, get, put, tag_of, version_bytes};
use crate::proxies::{HOST, KINDS, Kind, Stack, Whose, versions};

/// Something to find out.
struct Probe {
    name: &'static str,
    /// What it must find with the configurations of `deploy/`.
    good: &'static str,
    find: fn(&Stack) -> String,
}

const PROBES: &[Probe] = &[
    Probe { name: "the tag, if gzip is accepted", good: "as sent", find: tag_under_gzip },
    Probe { name: "GET, If-None-Match: that tag", good: "304", find: revalidation },
    Probe { name: "GET, a range, If-Range: that tag", good: "206", find: resumption },
    Probe { name: "PUT, If-Match: that tag", good: "204", find: replacement },
    Probe { name: "GET, If-Match: a stale tag", good: "412 with tag and problem", find: failed_get },
    Probe { name: "another GET after that", good: "200", find: get_after_failed_get },
    Probe { name: "PUT, If-Match: a stale tag", good: "412 with tag and problem", find: failed_put },
    Probe { name: "… of 64 MiB", good: "412 while it is sent", find: failed_large_put },
    Probe { name: "… with Expect: 100-continue", good: "412, no body is sent", find: failed_expectation },
    Probe { name: "PUT of 4 MiB", good: "201", find: large_put },
    Probe { name: "an upload reaches ifmatch", good: "while it is sent", find: upload_in_parts },
    Probe { name: "PUT by a page of the same site", good: "204", find: put_by_a_page },
    Probe { name: "GET after a change", good: "new bytes, 20 of 20", find: get_after_changes },
    Probe { name: "a file changes while it is sent", good: "never mixed", find: change_while_sent },
    Probe { name: "GET again: ifmatch answers", good: "200", find: get_again },
    // The last one, because it is.
    Probe { name: "GET again when ifmatch is gone", good: "an error", find: get_from_nobody },
];

/// Where a proxy cannot do better, or does better.
const EXCEPTIONS: &[(Kind, &str, &str)] = &[
    // These ask for the body themselves, and cannot be told not to.
    (Kind::Nginx, "… with Expect: 100-continue", "100 by the proxy, then 412"),
    (Kind::NginxCache, "… with Expect: 100-continue", "100 by the proxy, then 412"),
    (Kind::Varnish, "… with Expect: 100-continue", "100 by the proxy, then 412"),
    // mod_proxy_http sends all of the body before it reads the answer. Clients that send Expect are spared that.
    (Kind::Apache, "… of 64 MiB", "412 after the last byte"),
    (Kind::ApacheCache, "… of 64 MiB", "412 after the last byte"),
    // What a cache is for.
    (Kind::NginxCache, "GET again: ifmatch answers", "304"),
    (Kind::ApacheCache, "GET again: ifmatch answers", "304"),
    (Kind::Varnish, "GET again: ifmatch answers", "304"),
];

impl Probe {
    fn expected(&self, kind: Kind) -> &'static str {
        let exception = EXCEPTIONS.iter().find(|(other, name, _)| *other == kind && *name == self.name);
        exception.map_or(self.good, |(_, _, words)| words)
    }
}

/// What all probes find, with each of the proxies, in the order of the probes.
fn findings(whose: Whose) -> Vec<Vec<String>> {
    let of_kind = |kind| {
        let stack = Stack::start(kind, whose);
        PROBES.iter().map(|probe| (probe.find)(&stack)).collect::<Vec<_>>()
    };
    let columns: Vec<Vec<String>> = std::thread::scope(|scope| {
        let columns = KINDS.map(|kind| scope.spawn(move || of_kind(kind)));
        columns.into_iter().map(|column| column.join().expect("a proxy that can be measured")).collect()
    });
    (0..PROBES.len()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
}

fn write_down(name: &str, found: &[Vec<String>]) {
    let headings: Vec<&str> = [""].into_iter().chain(KINDS.map(Kind::file)).collect();
    let rows: Vec<(&str, Vec<String>)> =
        PROBES.iter().zip(found).map(|(probe, cells)| (probe.name, cells.clone())).collect();
    settle("behind-a-proxy.md", name, &versions(), &table(&headings, &rows));
}

#[test]
fn the_configurations_of_deploy_let_everything_through() {
    let found = findings(Whose::Ours);
    let mut faults = Vec::new();
    for (probe, cells) in PROBES.iter().zip(&found) {
        for (kind, words) in KINDS.into_iter().zip(cells) {
            let expected = probe.expected(kind);
            if words != expected {
                faults.push(format!("{}: {}: {words}, and not {expected}", kind.file(), probe.name));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    write_down("deploy", &found);
}

#[test]
fn the_usual_configurations_do_harm() {
    let found = findings(Whose::Usual);
    write_down("usual", &found);
    // A probe that finds no harm anywhere might not be able to.
    let harmless = |(probe, cells): (&Probe, &Vec<String>)| {
        let harm = KINDS.into_iter().zip(cells).any(|(kind, words)| words != probe.expected(kind));
        (!harm).then_some(probe.name)
    };
    let harmless: Vec<&str> = PROBES.iter().zip(&found).filter_map(harmless).collect();
    // That one finds harm in tests/deploy/comparison.rs, of other servers.
    assert_eq!(harmless, ["a file changes while it is sent"]);
}

const TEXT: usize = 200_000;

/// A cache may be done with storing a little later than with answering.
const TO_STORE: Duration = Duration::from_millis(500);

/// A file of text, which compresses, but not to next to nothing.
fn text(version: u64) -> Vec<u8> {
    let mut bytes = String::new();
    for line in 0.. {
        bytes += &format!("version {version}, line {line}\n");
        if bytes.len() >= TEXT {
            break;
        }
    }
    bytes.truncate(TEXT);
    bytes.into_bytes()
}

/// The answer that a client gets who accepts compression, and the file.
fn compressed(stack: &Stack, name: &str) -> (String, Vec<u8>, Response) {
    let bytes = text(1);
    stack.server.folder().write(name, &bytes);
    let target = format!("/{name}");
    let response = stack.ask(&get(&target).field("Accept-Encoding", "gzip"));
    (target, bytes, response)
}

fn tag_sent(response: &Response) -> &str {
    response.field("ETag").unwrap_or_default()
}

fn tag_under_gzip(stack: &Stack) -> String {
    let (_, bytes, response) = compressed(stack, "tag.txt");
    let right = tag_of(&bytes);
    match tag_sent(&response) {
        "" => "none".to_owned(),
        tag if tag == right && response.body != bytes => "as sent, for other bytes".to_owned(),
        tag if tag == right => "as sent".to_owned(),
        tag if tag == format!("W/{right}") => "weakened: `W/\"…\"`".to_owned(),
        tag => tag
            .strip_prefix(right.trim_end_matches('"'))
            .map_or_else(|| format!("`{tag}`"), |suffix| format!("with a suffix: `\"…{suffix}`")),
    }
}

fn revalidation(stack: &Stack) -> String {
    let (target, _, response) = compressed(stack, "again.txt");
    let request = get(target).field("Accept-Encoding", "gzip").field("If-None-Match", tag_sent(&response));
    match stack.ask(&request).status {
        200 => "200, the whole file".to_owned(),
        status => status.to_string(),
    }
}

/// The client has the first 1000 bytes, of whatever it was sent, and asks for the others.
fn resumption(stack: &Stack) -> String {
    let (target, _, whole) = compressed(stack, "resume.txt");
    let request = get(target).field("Accept-Encoding", "gzip").field("Range", "bytes=1000-");
    let rest = stack.ask(&request.field("If-Range", tag_sent(&whole)));
    match rest.status {
        206 if rest.body == whole.body[1000.min(whole.body.len())..] => "206".to_owned(),
        206 => "206, of other bytes".to_owned(),
        200 => "200, the whole file".to_owned(),
        status => status.to_string(),
    }
}

fn replacement(stack: &Stack) -> String {
    let (target, _, response) = compressed(stack, "replace.txt");
    stack.ask(&put(target, text(2)).field("If-Match", tag_sent(&response))).status.to_string()
}

/// Is it the refusal that ifmatch has sent, whole?
fn refusal(response: &Response, bytes: &[u8]) -> String {
    let tag = response.field("ETag") == Some(tag_of(bytes).as_str());
    let problem = response.field("Content-Type") == Some("application/problem+json")
        && serde_json::from_slice::<serde_json::Value>(&response.body)
            .is_ok_and(|problem| problem["current-etag"] == tag_of(bytes));
    match (tag, problem) {
        (true, true) => format!("{} with tag and problem", response.status),
        (true, false) => format!("{} with the tag only", response.status),
        (false, _) => response.status.to_string(),
    }
}

fn failed_get(stack: &Stack) -> String {
    let bytes = text(1);
    stack.server.folder().write("stale-get.txt", &bytes);
    // A cache has the file already.
    stack.ask(&get("/stale-get.txt"));
    std::thread::sleep(TO_STORE);
    refusal(&stack.ask(&get("/stale-get.txt").field("If-Match", "\"stale\"")), &bytes)
}

fn get_after_failed_get(stack: &Stack) -> String {
    std::thread::sleep(TO_STORE);
    match stack.ask(&get("/stale-get.txt")).status {
        412 => "412 from the cache".to_owned(),
        status => status.to_string(),
    }
}

fn failed_put(stack: &Stack) -> String {
    let bytes = text(1);
    stack.server.folder().write("stale-put.txt", &bytes);
    refusal(&stack.ask(&put("/stale-put.txt", text(2)).field("If-Match", "\"stale\"")), &bytes)
}

fn failed_large_put(stack: &Stack) -> String {
    const SIZE: usize = 64 << 20;
    let bytes = text(1);
    stack.server.folder().write("stale-large.txt", &bytes);
    let request = put("/stale-large.txt", vec![b'x'; SIZE]).host(HOST).field("If-Match", "\"stale\"");
    match ask_slowly(stack.address(), &request) {
        (None, _) => "the connection is reset".to_owned(),
        (Some(response), _) if !refusal(&response, &bytes).ends_with("problem") => {
            response.status.to_string()
        }
        (Some(_), sent) if sent + (1 << 20) < SIZE => "412 while it is sent".to_owned(),
        (Some(_), _) => "412 after the last byte".to_owned(),
    }
}

fn failed_expectation(stack: &Stack) -> String {
    let bytes = text(1);
    stack.server.folder().write("expect.txt", &bytes);
    let request = put("/expect.txt", text(2)).host(HOST).field("If-Match", "\"stale\"");
    // Where both can come first, it is sometimes the one and sometimes the other.
    let refused = (0..20).map(|_| match Part::begin(stack.address(), request.clone()) {
        Err(answer) => Ok(answer.status),
        Ok(part) => Err(part.finish().status),
    });
    match refused.collect::<Result<Vec<_>, _>>() {
        Ok(statuses) => format!("{}, no body is sent", statuses[0]),
        Err(status) => format!("100 by the proxy, then {status}"),
    }
}

fn large_put(stack: &Stack) -> String {
    stack.ask(&put("/large.bin", version_bytes(1, 4 << 20))).status.to_string()
}

/// Part of an upload is sent. Has ifmatch a file without a name for it then?
fn upload_in_parts(stack: &Stack) -> String {
    // As much as ifmatch does not keep in memory, and nginx takes without being told to.
    let part = match Part::begin(stack.address(), put("/parts.bin", vec![b'x'; 1_000_000]).host(HOST)) {
        Ok(part) => part,
        Err(refusal) => return refusal.status.to_string(),
    };
    let begun = Instant::now();
    let mut staged = false;
    while !staged && begun.elapsed() < A_WHILE {
        std::thread::sleep(Duration::from_millis(10));
        staged = stack.server.nameless_files() > 0;
    }
    match part.finish().status {
        201 if staged => "while it is sent".to_owned(),
        201 => "after its last byte".to_owned(),
        status => status.to_string(),
    }
}

/// A browser tells where the page comes from, with the port if it is not the usual one.
fn put_by_a_page(stack: &Stack) -> String {
    stack.server.folder().write("page.txt", "one");
    let host = format!("{HOST}:{}", stack.address().port());
    let request = put("/page.txt", "two").host(&host).field("Origin", format!("http://{host}"));
    crate::exchange::ask(stack.address(), &request).status.to_string()
}

fn get_after_changes(stack: &Stack) -> String {
    let mut new = 0;
    for version in 1..=20 {
        let bytes = stack.server.folder().write_version("changing.bin", version, 5000);
        let response = stack.ask(&get("/changing.bin"));
        new += u32::from(response.body == bytes && response.tag() == tag_of(&bytes));
    }
    format!("new bytes, {new} of 20")
}

/// A reader has a part of a large file when that is overwritten. He may get the rest of the old one, or be cut off.
fn change_while_sent(stack: &Stack) -> String {
    const SIZE: usize = 64 << 20;
    let request = get("/torn.bin").host(HOST).field("Connection", "close");
    stack.server.folder().write_version("torn.bin", 1, SIZE);
    let mut client = crate::harness::Client::connect(stack.address());
    client.send(request.bytes());
    let mut response = client.try_read_head(&request).expect("an answer");
    stack.server.folder().write_version("torn.bin", 2, SIZE);
    crate::exchange::read_rest(&mut client, &mut response);
    let whole = response.ending == Ending::Complete && !response.lists("Transfer-Encoding", "chunked");
    if whole && version_of(&response.body).is_none() {
        return "mixed".to_owned();
    }
    // Nothing of a mixture may stay in a cache either.
    match version_of(&stack.ask(&get("/torn.bin")).body) {
        Some(_) => "never mixed".to_owned(),
        None => "mixed afterwards".to_owned(),
    }
}

/// The same file again, by clients that have nothing.
fn get_again(stack: &Stack) -> String {
    stack.server.folder().write("unchanged.txt", text(1));
    for _ in 0..3 {
        assert_eq!(stack.ask(&get("/unchanged.txt")).body, text(1));
        std::thread::sleep(TO_STORE);
    }
    // Somebody who asks ifmatch itself: what is logged after the others.
    stack.server.get("/unchanged.txt?end");
    stack.answered_at_least("/unchanged.txt?end", 1);
    let answers = stack.answered("/unchanged.txt");
    match answers.get(1..) {
        None | Some([]) => "nothing, it is not asked".to_owned(),
        Some(later) if later.iter().all(|status| status == &later[0]) => later[0].clone(),
        Some(later) => later.join(", "),
    }
}

fn get_from_nobody(stack: &Stack) -> String {
    stack.server.signal(rustix::process::Signal::KILL);
    eventually("nobody listens", || TcpStream::connect(stack.server.address()).is_err().then_some(()));
    match stack.ask(&get("/unchanged.txt")).status {
        502..=504 => "an error".to_owned(),
        200 => "200, out of the cache".to_owned(),
        status => status.to_string(),
    }
}
