//! How a question of a table is asked and judged: the placeholders in its field lines, and what must be true of the
//! answer and of the disk besides the status.

use std::time::{Duration, SystemTime};

use crate::case::{Miss, On, Question, Verdict, ensure, expect, not_offered};
use crate::site::{Served, Site, on_disk, text_of};
use crate::wire::Response;

/// What a write brings.
const NEW: &[u8] = b"what the upload brings\n";

/// Asks, and judges the answer.
pub(crate) fn ask(site: &Site, question: &Question) -> Verdict {
    let (file, current) = match question.on {
        On::File => {
            let file = site.file()?;
            let current = site.get_file(&file)?;
            (file, Some(current))
        }
        On::Missing => (site.absent(), None),
    };
    let mut request = site.request(question.method, &file.target);
    for line in question.fields {
        let (name, value) = line.split_once(':').expect("a field line of a table has a colon");
        request = request.field(name, filled(value.trim(), current.as_ref())?);
    }
    if question.method == "PUT" {
        request = request.body(NEW);
    }
    let response = site.ask(&request)?;
    expect(&response, question.answers)?;
    match question.method {
        "GET" => agrees(&response, &file, current.as_ref()),
        "HEAD" => ensure(response.body.is_empty(), || "an answer to HEAD with a body".to_owned()),
        _ => disk_agrees(question, &response, &file),
    }
}

/// Does a GET bring what its status says?
fn agrees(response: &Response, file: &Served, current: Option<&Response>) -> Verdict {
    match response.status {
        200 => ensure(response.whole && response.body == file.bytes, || {
            "200 with other bytes than the file has".to_owned()
        }),
        206 => slice_agrees(response, &file.bytes),
        304 => {
            let before = current.and_then(|current| current.field("ETag"));
            ensure(response.field("ETag").is_none_or(|tag| Some(tag) == before), || {
                "304 with another ETag than that of the 200".to_owned()
            })
        }
        // An error page is not the file.
        _ => ensure(response.body != file.bytes || file.bytes.is_empty(), || {
            format!("{} with the bytes of the file", response.status)
        }),
    }
}

/// Does a 206 for one range bring the bytes that its Content-Range names?
pub(crate) fn slice_agrees(response: &Response, bytes: &[u8]) -> Verdict {
    let told = response.field("Content-Range").unwrap_or_default();
    let (first, last, length) = content_range(told).ok_or_else(|| format!("Content-Range: {told}"))?;
    ensure(length == bytes.len(), || format!("Content-Range: {told}, of {} bytes", bytes.len()))?;
    let named = bytes.get(first..=last).ok_or_else(|| format!("Content-Range: {told}"))?;
    ensure(response.whole && response.body == named, || {
        format!("206 whose bytes are not those of Content-Range: {told}")
    })
}

/// The numbers of `bytes first-last/length`.
pub(crate) fn content_range(value: &str) -> Option<(usize, usize, usize)> {
    let (range, length) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last, length.parse().ok()?))
}

/// Is on the disk what the status of a write says?
fn disk_agrees(question: &Question, response: &Response, file: &Served) -> Verdict {
    let found = on_disk(&file.path);
    let wanted = match (question.method, response.is_success()) {
        ("PUT", true) => Some(NEW.to_vec()),
        ("DELETE", true) => None,
        _ => (question.on == On::File).then(|| file.bytes.clone()),
    };
    ensure(found == wanted, || {
        let shown = match found.as_deref() {
            None => "nothing",
            Some(NEW) => "the new version",
            Some(bytes) if bytes == file.bytes => "the old version",
            Some(_) => "something else",
        };
        format!("{} to {}, and on the disk is {shown}", response.status, question.method)
    })
}

/// A field value with its placeholders filled in.
fn filled(value: &str, current: Option<&Response>) -> Result<Vec<u8>, Miss> {
    let mut value = value.to_owned();
    if value.contains("{tag}") || value.contains("{opaque}") {
        let Some(tag) = current.and_then(Response::strong_tag) else { return not_offered("no strong ETag") };
        value = value.replace("{tag}", tag).replace("{opaque}", tag.trim_matches('"'));
    }
    if value.contains("{sent}") || value.contains("{weak}") {
        let Some(tag) = current.and_then(|current| current.field("ETag")) else {
            return not_offered("no ETag");
        };
        let weak = format!("W/{}", tag.trim_start_matches("W/"));
        value = value.replace("{sent}", tag).replace("{weak}", &weak);
    }
    if value.contains("{date") {
        let modified = current.and_then(|current| current.field("Last-Modified"));
        let Some(modified) = modified.and_then(|date| httpdate::parse_http_date(date).ok()) else {
            return not_offered("no Last-Modified");
        };
        value = dated(value, modified);
    }
    // A byte that is no ASCII stands as itself, not as UTF-8.
    let high = value.contains("{high}");
    let mut bytes = value.replace("{many}", &many_tags()).into_bytes();
    while let Some(at) = bytes.windows(6).position(|window| window == b"{high}").filter(|_| high) {
        bytes.splice(at..at + 6, [0xe9]);
    }
    Ok(bytes)
}

fn dated(value: String, modified: SystemTime) -> String {
    let hour = Duration::from_secs(3600);
    value
        .replace("{date}", &httpdate::fmt_http_date(modified))
        .replace("{date-before}", &httpdate::fmt_http_date(modified - hour))
        .replace("{date-after}", &httpdate::fmt_http_date(modified + hour))
        .replace("{date-rfc850}", &rfc850(modified))
        .replace("{date-rfc850-before}", &rfc850(modified - hour))
        .replace("{date-asctime}", &asctime(modified))
        .replace("{date-asctime-before}", &asctime(modified - hour))
}

/// The spelling of RFC 850: `Sunday, 06-Nov-94 08:49:37 GMT`.
fn rfc850(time: SystemTime) -> String {
    let date = httpdate::fmt_http_date(time);
    let day = match &date[..3] {
        "Mon" => "Monday",
        "Tue" => "Tuesday",
        "Wed" => "Wednesday",
        "Thu" => "Thursday",
        "Fri" => "Friday",
        "Sat" => "Saturday",
        _ => "Sunday",
    };
    format!("{day}, {}-{}-{} {}", &date[5..7], &date[8..11], &date[14..16], &date[17..])
}

/// The spelling of C's `asctime`: `Sun Nov  6 08:49:37 1994`.
fn asctime(time: SystemTime) -> String {
    let date = httpdate::fmt_http_date(time);
    let day = date[5..7].trim_start_matches('0');
    format!("{} {} {day:>2} {} {}", &date[..3], &date[8..11], &date[17..25], &date[12..16])
}

/// 100 kB of tags that name nothing.
fn many_tags() -> String {
    (0..5000).map(|number| format!("\"{number:016}\"")).collect::<Vec<_>>().join(", ")
}

/// Another version of a file, of the same length.
pub(crate) fn other_version(file: &Served) -> Vec<u8> {
    text_of(2, file.bytes.len())
}
