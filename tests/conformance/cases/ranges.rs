//! Byte ranges: which bytes, under which label, and when a range is not to be answered with one. The file has 1000 bytes.

use crate::case::Check::{Runs, Tries};
use crate::case::Level::{Must, Should};
use crate::case::{Case, Group, Miss, Offer, On, Verdict, asks, case, ensure, expect, get, not_offered};
use crate::question::{content_range, other_version, slice_agrees};
use crate::site::{Site, replace_dated};
use crate::wire::{Response, find};

/// Section 14 of RFC 9110, and If-Range.
pub(crate) const GROUP: Group = Group { name: "ranges", cases: CASES };

const RANGE: &str = "RFC 9110, 14.2";
const BYTES: &str = "RFC 9110, 14.1.2";
const SENT: &str = "RFC 9110, 15.3.7";
const IF_RANGE: &str = "RFC 9110, 13.1.5";
const FIRST: &str = "Range: bytes=0-9";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("range-first-byte", Must, BYTES, "`bytes=0-0` is one byte", Tries(one_range, "bytes=0-0 bytes 0-0/1000")).needs(Offer::Ranges),
    case("range-middle", Must, BYTES, "`bytes=10-19` are ten bytes", Tries(one_range, "bytes=10-19 bytes 10-19/1000")).needs(Offer::Ranges),
    case("range-open", Must, BYTES, "`bytes=990-` are the last ten", Tries(one_range, "bytes=990- bytes 990-999/1000")).needs(Offer::Ranges),
    case("range-last-byte", Must, BYTES, "`bytes=-1` is the last byte", Tries(one_range, "bytes=-1 bytes 999-999/1000")).needs(Offer::Ranges),
    case("range-clamped", Must, BYTES, "a range that ends behind the end is cut there", Tries(one_range, "bytes=990-99999 bytes 990-999/1000")).needs(Offer::Ranges),
    case("range-suffix-long", Must, BYTES, "a suffix longer than the file is the file", get(&["Range: bytes=-99999"], &[200, 206])).needs(Offer::Ranges),
    case("range-suffix-zero", Must, BYTES, "an empty suffix is nothing that could be sent", get(&["Range: bytes=-0"], &[200, 416])).needs(Offer::Ranges),
    case("range-beyond", Must, BYTES, "a range that begins behind the end is not answered with 206", get(&["Range: bytes=99999-"], &[200, 416])).needs(Offer::Ranges),
    case("range-416-length", Should, "RFC 9110, 15.5.17", "a 416 tells the length of the file", Runs(unsatisfied_tells_the_length)).needs(Offer::Ranges),
    case("range-backwards", Must, "RFC 9110, 14.1.1", "`bytes=5-2` is no range", get(&["Range: bytes=5-2"], &[200, 400, 416])).needs(Offer::Ranges),
    case("range-garbage", Must, RANGE, "`bytes=a-b` is no range", get(&["Range: bytes=a-b"], &[200, 400, 416])).needs(Offer::Ranges),
    case("range-unit", Must, RANGE, "a unit that nobody knows is ignored", get(&["Range: lines=0-9"], &[200])).needs(Offer::Ranges),
    case("range-head", Must, RANGE, "HEAD ignores Range", asks("HEAD", On::File, &[FIRST], &[200])).needs(Offer::Ranges),
    case("range-head-beyond", Must, RANGE, "even one that could not be satisfied", asks("HEAD", On::File, &["Range: bytes=99999-"], &[200])).needs(Offer::Ranges),
    case("range-missing", Must, RANGE, "a range of nothing: 404", asks("GET", On::Missing, &[FIRST], &[404])).needs(Offer::Ranges),
    case("range-overflow-last", Must, BYTES, "2^64 as the end is behind the end, and nothing else", get(&["Range: bytes=0-18446744073709551616"], &[200, 206, 416])).needs(Offer::Ranges),
    case("range-overflow-first", Must, BYTES, "2^64 as the beginning is behind the end", get(&["Range: bytes=18446744073709551616-"], &[200, 400, 416])).needs(Offer::Ranges),
    case("range-overflow-suffix", Must, "nginx, CVE-2017-7529", "a suffix of nearly 2^63 brings nothing but the file", get(&["Range: bytes=-9223372036854775608"], &[200, 206, 416])).needs(Offer::Ranges),
    case("range-empty-file", Must, BYTES, "an empty file has no first byte", Tries(of_nothing, "bytes=0-0")).needs(Offer::Ranges),
    case("range-empty-file-suffix", Must, BYTES, "and no last one", Tries(of_nothing, "bytes=-1")).needs(Offer::Ranges),
    case("range-206-tag", Must, SENT, "a 206 carries the ETag of the 200", Tries(partial_carries, "ETag")).needs(Offer::Ranges),
    case("range-206-date", Must, SENT, "a 206 carries Date", Tries(partial_carries, "Date")).needs(Offer::Ranges),
    case("range-206-cache-control", Must, SENT, "a 206 carries the Cache-Control of the 200", Tries(partial_carries, "Cache-Control")).needs(Offer::Ranges),
    case("range-single-no-multipart", Must, "RFC 9110, 15.3.7.2", "one range is not sent as multipart", Runs(single_is_no_multipart)).needs(Offer::Ranges),
    case("range-several", Must, "RFC 9110, 15.3.7.2", "of several ranges every part is what its Content-Range says", Tries(several, "bytes=0-9, 500-509, -10")).needs(Offer::Ranges),
    case("range-several-all", Should, RANGE, "and no range is left out", Tries(all_of_several, "bytes=0-9, 500-509, -10")).needs(Offer::Ranges),
    case("range-descending", Must, "RFC 9110, 15.3.7.2", "ranges in descending order", Tries(several, "bytes=900-909, 500-509, 0-9")).needs(Offer::Ranges),
    case("range-overlapping", Must, "RFC 9110, 15.3.7.2", "ranges that overlap", Tries(several, "bytes=0-99, 50-149")).needs(Offer::Ranges),
    case("range-some-beyond", Must, BYTES, "one satisfiable range among others is enough: no 416", get(&["Range: bytes=0-9, 99999-"], &[200, 206])).needs(Offer::Ranges),
    case("range-bomb", Must, "Apache, CVE-2011-3192", "1,000 overlapping ranges do not bring a thousand copies", Tries(bomb, "GET")).needs(Offer::Ranges),
    case("range-bomb-head", Must, "Apache, CVE-2011-3192", "nor are they computed for HEAD", Tries(bomb, "HEAD")).needs(Offer::Ranges),

    case("if-range-current", Should, IF_RANGE, "If-Range with the current tag: 206", get(&[FIRST, "If-Range: {tag}"], &[206])).needs(Offer::Ranges),
    case("if-range-other", Must, IF_RANGE, "with another tag: the whole file", get(&[FIRST, "If-Range: \"no-such-tag\""], &[200])).needs(Offer::Ranges),
    case("if-range-other-beyond", Must, IF_RANGE, "and no 416 either", get(&["Range: bytes=99999-", "If-Range: \"no-such-tag\""], &[200])).needs(Offer::Ranges),
    case("if-range-weak", Must, IF_RANGE, "with a weak tag: the whole file", get(&[FIRST, "If-Range: {weak}"], &[200])).needs(Offer::Ranges),
    case("if-range-date", Should, IF_RANGE, "with the date of an old file: 206", get(&[FIRST, "If-Range: {date}"], &[206])).needs(Offer::Ranges),
    case("if-range-date-later", Must, IF_RANGE, "with a later date: the whole file, for dates match exactly", get(&[FIRST, "If-Range: {date-after}"], &[200])).needs(Offer::Ranges),
    case("if-range-date-earlier", Must, IF_RANGE, "with an earlier date: the whole file", get(&[FIRST, "If-Range: {date-before}"], &[200])).needs(Offer::Ranges),
    case("if-range-garbage", Must, IF_RANGE, "with what is neither: the whole file", get(&[FIRST, "If-Range: yesterday"], &[200])).needs(Offer::Ranges),
    case("if-range-alone", Must, IF_RANGE, "without Range it is ignored", get(&["If-Range: {sent}"], &[200])).needs(Offer::Ranges),
    case("if-range-splice", Must, IF_RANGE, "a download is not resumed from a version of the same length and date", Runs(no_splice)).needs(Offer::Ranges),
    case("if-range-young-date", Must, "RFC 9110, 8.8.2.2", "the date of a file that changed in this very second is weak: the whole file", Runs(young_date)).needs(Offer::Ranges),
];

/// A range, and the Content-Range it must bring.
fn one_range(site: &Site, spec: &str) -> Verdict {
    let (range, told) = spec.split_once(' ').expect("a range and a Content-Range");
    let file = site.file()?;
    let response = site.ask(&site.request("GET", &file.target).field("Range", range))?;
    expect(&response, &[206])?;
    slice_agrees(&response, &file.bytes)?;
    ensure(response.field("Content-Range") == Some(told), || {
        format!("Content-Range is {} instead of {told}", response.told("Content-Range"))
    })
}

fn unsatisfied_tells_the_length(site: &Site) -> Verdict {
    let file = site.file()?;
    let response = site.ask(&site.request("GET", &file.target).field("Range", "bytes=99999-"))?;
    if response.status == 200 {
        return not_offered("such a range is ignored");
    }
    expect(&response, &[416])?;
    let told = response.told("Content-Range");
    ensure(told == "bytes */1000", || format!("Content-Range is {told}"))
}

fn of_nothing(site: &Site, range: &str) -> Verdict {
    let file = site.file_of(b"")?;
    let response = site.ask(&site.request("GET", &file.target).field("Range", range))?;
    expect(&response, &[200, 416])?;
    ensure(response.status == 416 || response.body.is_empty(), || "200 with a body".to_owned())
}

fn partial_carries(site: &Site, name: &str) -> Verdict {
    let file = site.file()?;
    let full = site.get_file(&file)?;
    let part = site.ask(&site.request("GET", &file.target).field("Range", "bytes=0-9"))?;
    expect(&part, &[206])?;
    let (before, after) = (full.told(name), part.told(name));
    match name {
        "Date" => ensure(part.has(name), || "a 206 without Date".to_owned()),
        _ if !full.has(name) => not_offered("not in the 200 either"),
        _ => ensure(before == after, || format!("{name} is {before} in the 200, and {after} in the 206")),
    }
}

fn single_is_no_multipart(site: &Site) -> Verdict {
    let file = site.file()?;
    let response = site.ask(&site.request("GET", &file.target).field("Range", "bytes=0-9"))?;
    expect(&response, &[206])?;
    let kind = response.field("Content-Type").unwrap_or_default();
    ensure(!kind.starts_with("multipart/"), || format!("one range as {kind}"))
}

/// The parts of an answer to several ranges, as (first, last) positions. All bytes were compared.
fn parts(site: &Site, ranges: &str) -> Result<Vec<(usize, usize)>, Miss> {
    let file = site.file()?;
    let response = site.ask(&site.request("GET", &file.target).field("Range", ranges))?;
    expect(&response, &[200, 206])?;
    if response.status == 200 {
        ensure(response.body == file.bytes, || "200 with other bytes than the file has".to_owned())?;
        return Ok(vec![(0, file.bytes.len() - 1)]);
    }
    let kind = response.field("Content-Type").unwrap_or_default().to_owned();
    let Some(boundary) =
        kind.strip_prefix("multipart/byteranges").and_then(|rest| rest.split("boundary=").nth(1))
    else {
        slice_agrees(&response, &file.bytes)?;
        let told = response.field("Content-Range").and_then(content_range);
        return Ok(told.map(|(first, last, _)| (first, last)).into_iter().collect());
    };
    ensure(response.field("Content-Range").is_none(), || {
        "multipart with a Content-Range of its own".to_owned()
    })?;
    read_parts(&response, boundary.trim_matches('"'), &file.bytes)
}

fn read_parts(response: &Response, boundary: &str, bytes: &[u8]) -> Result<Vec<(usize, usize)>, Miss> {
    let delimiter = format!("--{boundary}");
    let mut found = Vec::new();
    let at =
        find(&response.body, delimiter.as_bytes()).ok_or("no boundary in a multipart body".to_owned())?;
    let mut rest = &response.body[at + delimiter.len()..];
    while !rest.starts_with(b"--") {
        let end = find(rest, b"\r\n\r\n").ok_or("a part without a head".to_owned())?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let line = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("Content-Range").then(|| value.trim().to_owned())
        });
        let told = line.ok_or("a part without Content-Range".to_owned())?;
        let (first, last, length) = content_range(&told)
            .filter(|range| range.1 < bytes.len())
            .ok_or(format!("Content-Range: {told}"))?;
        let body = &rest[end + 4..];
        ensure(length == bytes.len(), || format!("Content-Range: {told}"))?;
        ensure(body.starts_with(&bytes[first..=last]), || format!("other bytes than those of {told}"))?;
        rest = body[last + 1 - first..]
            .strip_prefix(b"\r\n")
            .and_then(|rest| rest.strip_prefix(delimiter.as_bytes()))
            .ok_or_else(|| format!("no boundary after the part {told}"))?;
        found.push((first, last));
    }
    Ok(found)
}

fn several(site: &Site, ranges: &str) -> Verdict {
    let found = parts(site, ranges)?;
    ensure(!found.is_empty(), || "206 without a part".to_owned())
}

fn all_of_several(site: &Site, ranges: &str) -> Verdict {
    let found = parts(site, ranges)?;
    let missing = [(0, 9), (500, 509), (990, 999)]
        .into_iter()
        .find(|wanted| !found.iter().any(|part| part.0 <= wanted.0 && wanted.1 <= part.1));
    ensure(missing.is_none(), || format!("{missing:?} is in no part of {found:?}"))
}

fn bomb(site: &Site, method: &str) -> Verdict {
    let file = site.file_of(&crate::site::text_of(1, 100_000))?;
    let ranges: Vec<String> = (0..1000).map(|first| format!("{first}-")).collect();
    let range = format!("bytes={}", ranges.join(","));
    let response = site.ask(&site.request(method, &file.target).field("Range", range))?;
    expect(&response, &[200, 206, 400, 403, 413, 416, 431])?;
    ensure(response.body.len() < 3 * file.bytes.len(), || {
        format!("{} bytes for a file of {}", response.body.len(), file.bytes.len())
    })?;
    let length = response.field("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
    ensure(length < 3 * file.bytes.len(), || format!("a Content-Length of {length}"))
}

/// A download that began with one version goes on when the file is another one: as long, and with the old date.
fn no_splice(site: &Site) -> Verdict {
    let file = site.file()?;
    let tag = site.strong_tag(&file)?;
    let new = other_version(&file);
    let date = crate::site::modified(&file.path)?;
    replace_dated(&file.path, &new, Some(date))?;
    site.get_changed(&file, &new)?;
    let request = site.request("GET", &file.target).field("Range", "bytes=500-").field("If-Range", tag);
    let response = site.ask(&request)?;
    expect(&response, &[200])?;
    ensure(response.body == new, || "200 with other bytes than the file has".to_owned())
}

/// Only where Last-Modified is the second of the answer itself is it certain that the date is weak.
fn young_date(site: &Site) -> Verdict {
    let mut weak = false;
    for _ in 0..20 {
        let file = site.absent();
        crate::site::write(&file.path, &crate::site::text_of(1, 1000))?;
        let full = site.get(&file.target)?;
        let Some(date) = full.field("Last-Modified").map(str::to_owned) else { continue };
        let response = site
            .ask(&site.request("GET", &file.target).field("Range", "bytes=0-9").field("If-Range", &date))?;
        if response.field("Date") == Some(&date) {
            weak = true;
            expect(&response, &[200])?;
        }
    }
    if weak { Ok(()) } else { not_offered("no date of a young file is the date of the answer") }
}
