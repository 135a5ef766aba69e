//! Compressed answers: each coding its own tag, and no range of one under the tag of another.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::case::Check::{Runs, Tries};
use crate::case::Level::{Must, Ours, Should};
use crate::case::{Case, Group, Miss, Offer, Verdict, case, ensure, expect, not_offered};
use crate::request::Request;
use crate::site::{Served, Site, day_ago, on_disk, set_modified, text_of, write};
use crate::wire::Response;

/// Section 12.5.3 of RFC 9110, and what 8.8.3.3 says about tags.
pub(crate) const GROUP: Group = Group { name: "codings", cases: CASES };

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("gzip-bytes", Must, "RFC 9110, 8.4", "what is said to be gzip unpacks to the file", Runs(unpacks)).needs(Offer::Gzip),
    case("gzip-tag", Must, "RFC 9110, 8.8.3.3", "a strong tag of the packed bytes is not that of the file", Runs(own_tag)).needs(Offer::Gzip),
    case("gzip-vary", Should, "RFC 9110, 12.5.5", "a packed answer has Vary: Accept-Encoding", Tries(varies, "gzip")).needs(Offer::Gzip),
    case("gzip-vary-identity", Should, "RFC 9110, 12.5.5", "and so has the answer to who did not ask for gzip", Tries(varies, "")).needs(Offer::Gzip),
    case("gzip-304", Must, "RFC 9110, 13.1.2", "the tag of a packed answer brings a 304", Runs(revalidates)).needs(Offer::Gzip),
    case("gzip-304-tag", Must, "RFC 9110, 15.4.5", "with the ETag and the Vary of the 200", Runs(not_modified_is_of_the_variant)).needs(Offer::Gzip),
    case("gzip-im", Must, "RFC 9110, 13.1.1; Apache 45023", "a strong tag of a packed answer is current for If-Match", Runs(if_match)).needs(Offer::Gzip),
    case("gzip-q0", Must, "RFC 9110, 12.5.3", "`gzip;q=0` wants no gzip", Tries(unpacked, "gzip;q=0")).needs(Offer::Gzip),
    case("gzip-none", Must, "RFC 9110, 12.5.3", "`identity` wants no gzip", Tries(unpacked, "identity")).needs(Offer::Gzip),
    case("gzip-range", Must, "RFC 9110, 14.2", "a range is of the bytes that the answer's coding and tag name", Runs(range_of_a_variant)).needs(Offer::Gzip),
    case("gzip-if-range", Must, "RFC 9110, 13.1.5", "a packed download is not resumed with bytes of the file", Runs(no_mixed_resume)).needs(Offer::Gzip),
    case("gzip-put", Ours, "Apache 45023: -gzip", "a write under the tag of a packed answer goes through", Runs(write_under_a_variant)).needs(Offer::Gzip),
    case("gzip-sidecar-stale", Ours, "serve-handler, nginx gzip_static", "a packed sibling that does not match the file any more is not sent", Runs(stale_sidecar)),
];

/// A file that is worth packing, and the request for it in gzip.
fn packed(site: &Site) -> Result<(Served, Request, Response), Miss> {
    let file = site.file_of(&text_of(1, 60_000))?;
    let request = site.request("GET", &file.target).field("Accept-Encoding", "gzip");
    let response = site.ask(&request)?;
    expect(&response, &[200])?;
    ensure(response.lists("Content-Encoding", "gzip"), || "no gzip this time".to_owned())?;
    Ok((file, request, response))
}

/// Is gzip to be had? Many servers pack nothing that is short.
pub(crate) fn offered(site: &Site) -> bool {
    packed(site).is_ok()
}

/// What `gzip -d` makes of these bytes.
fn unpack(bytes: &[u8]) -> Result<Vec<u8>, Miss> {
    let failed = |error: std::io::Error| format!("gzip (Debian package gzip): {error}");
    let mut child = Command::new("gzip")
        .args(["-d", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let mut input = child.stdin.take().expect("a pipe");
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().map_err(failed)?;
    let _ = writer.join();
    ensure(output.status.success(), || "gzip cannot unpack it".to_owned())?;
    Ok(output.stdout)
}

fn unpacks(site: &Site) -> Verdict {
    let (file, _, response) = packed(site)?;
    ensure(unpack(&response.body)? == file.bytes, || "it unpacks to something else".to_owned())
}

fn own_tag(site: &Site) -> Verdict {
    let (file, _, response) = packed(site)?;
    let Some(tag) = response.strong_tag() else { return not_offered("no strong ETag in gzip") };
    let plain = site.get_file(&file)?;
    ensure(plain.field("ETag") != Some(tag), || format!("both have {tag}"))
}

fn varies(site: &Site, accepted: &str) -> Verdict {
    let (file, _, _) = packed(site)?;
    let mut request = site.request("GET", &file.target);
    if !accepted.is_empty() {
        request = request.field("Accept-Encoding", accepted);
    }
    let response = site.ask(&request)?;
    expect(&response, &[200])?;
    ensure(response.lists("Vary", "Accept-Encoding"), || format!("Vary: {}", response.told("Vary")))
}

/// The 304 to the tag of the packed answer.
fn not_modified(site: &Site) -> Result<(Response, Response), Miss> {
    let (_, request, response) = packed(site)?;
    let Some(tag) = response.field("ETag") else { return not_offered("no ETag in gzip") };
    let short = site.ask(&request.field("If-None-Match", tag))?;
    expect(&short, &[304])?;
    Ok((response, short))
}

fn revalidates(site: &Site) -> Verdict {
    not_modified(site).map(|_| ())
}

fn not_modified_is_of_the_variant(site: &Site) -> Verdict {
    let (full, short) = not_modified(site)?;
    for name in ["ETag", "Vary"] {
        let (one, other) = (full.told(name), short.told(name));
        ensure(one == other, || format!("{name} is {one} in the 200, and {other} in the 304"))?;
    }
    Ok(())
}

fn if_match(site: &Site) -> Verdict {
    let (_, request, response) = packed(site)?;
    let Some(tag) = response.strong_tag() else { return not_offered("no strong ETag in gzip") };
    expect(&site.ask(&request.field("If-Match", tag))?, &[200])
}

fn unpacked(site: &Site, accepted: &str) -> Verdict {
    let (file, _, _) = packed(site)?;
    let response = site.ask(&site.request("GET", &file.target).field("Accept-Encoding", accepted))?;
    expect(&response, &[200])?;
    ensure(response.field("Content-Encoding").is_none() && response.body == file.bytes, || {
        format!("Content-Encoding: {}", response.told("Content-Encoding"))
    })
}

/// The slice that a 206 brings must be one of the bytes that its own tag and coding stand for.
fn slice_of(part: &Response, file: &Served, full: &Response) -> Verdict {
    let whole = match part.lists("Content-Encoding", "gzip") {
        true => &full.body,
        false => &file.bytes,
    };
    crate::question::slice_agrees(part, whole)
}

fn range_of_a_variant(site: &Site) -> Verdict {
    let (file, request, full) = packed(site)?;
    let part = site.ask(&request.field("Range", "bytes=10-29"))?;
    expect(&part, &[200, 206])?;
    if part.status == 200 {
        return Ok(());
    }
    slice_of(&part, &file, &full)?;
    let plain = site.get_file(&file)?;
    let wanted = if part.lists("Content-Encoding", "gzip") { &full } else { &plain };
    let Some(tag) = part.strong_tag() else { return Ok(()) };
    ensure(wanted.field("ETag") == Some(tag), || {
        format!("a range under {tag}, of bytes whose tag is {}", wanted.told("ETag"))
    })
}

fn no_mixed_resume(site: &Site) -> Verdict {
    let (_, request, full) = packed(site)?;
    let Some(tag) = full.strong_tag() else { return not_offered("no strong ETag in gzip") };
    let part = site.ask(&request.field("Range", "bytes=10-29").field("If-Range", tag))?;
    expect(&part, &[200, 206])?;
    ensure(part.status == 200 || full.body.get(10..30) == Some(&part.body), || {
        "206 with bytes of something else than what has that tag".to_owned()
    })
}

fn write_under_a_variant(site: &Site) -> Verdict {
    let (file, _, full) = packed(site)?;
    let probe = site.ask(&site.put(&site.absent().target, b"probe"))?;
    if !probe.is_success() {
        return not_offered("PUT");
    }
    let Some(tag) = full.strong_tag() else { return not_offered("no strong ETag in gzip") };
    let response = site.ask(&site.put(&file.target, b"new\n").field("If-Match", tag))?;
    expect(&response, &[200, 204])?;
    ensure(on_disk(&file.path).as_deref() == Some(b"new\n"), || "the old version is still there".to_owned())
}

/// A sibling that does not match the file can be told by what it unpacks to.
fn stale_sidecar(site: &Site) -> Verdict {
    let file = site.file_of(&text_of(1, 60_000))?;
    let request = site.request("GET", &file.target).field("Accept-Encoding", "gzip");
    let sibling = site.root().join(format!("{}.gz", file.target.rsplit('/').next().unwrap_or_default()));
    write(&sibling, &pack(&file.bytes)?)?;
    set_modified(&sibling, day_ago())?;
    let served = site.ask(&request)?;
    if on_disk(&sibling) != Some(served.body) {
        return not_offered("packed siblings");
    }
    let new = text_of(2, 60_000);
    write(&file.path, &new)?;
    let response = site.ask(&request)?;
    expect(&response, &[200])?;
    let sent = match response.lists("Content-Encoding", "gzip") {
        true => unpack(&response.body)?,
        false => response.body,
    };
    ensure(sent == new, || "the sibling of the old version".to_owned())
}

/// What `gzip -1` makes of these bytes: few servers pack in the same way.
fn pack(bytes: &[u8]) -> Result<Vec<u8>, Miss> {
    let scratch = std::env::temp_dir().join(format!("ifmatch-conformance-{}", std::process::id()));
    write(&scratch, bytes)?;
    let output = Command::new("gzip").args(["-1", "-c"]).arg(&scratch).output();
    let _ = std::fs::remove_file(&scratch);
    Ok(output.map_err(|error| format!("gzip (Debian package gzip): {error}"))?.stdout)
}
