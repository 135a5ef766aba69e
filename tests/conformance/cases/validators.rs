//! What a server says about a file that nobody changes: tag, date, and the rest of what describes it.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use crate::case::Check::{Runs, Tries};
use crate::case::Level::{Must, Ours, Should};
use crate::case::{Case, Group, Verdict, case, ensure, expect, not_offered};
use crate::site::{Site, day_ago, replace_dated, set_modified, text_of, write};

/// Section 8 of RFC 9110.
pub(crate) const GROUP: Group = Group { name: "validators", cases: CASES };

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("tag-sent", Should, "RFC 9110, 8.8.3", "a file has an ETag", Tries(has_field, "ETag")),
    case("tag-strong", Ours, "RFC 9110, 8.8.1", "and a strong one", Runs(tag_is_strong)),
    case("tag-syntax", Must, "RFC 9110, 8.8.3", "an ETag is quoted, with nothing in it that may not be", Runs(tag_has_its_form)),
    case("tag-touch", Ours, "Docker, Nix, git checkout", "the same bytes at another time have the same tag", Runs(same_after_touch)),
    case("tag-copy", Ours, "Docker, Nix, git checkout", "a copy has the same tag", Runs(same_for_a_copy)),
    case("tag-inode", Ours, "Docker, Nix, git checkout", "the same bytes in another inode have the same tag", Runs(same_in_another_inode)),
    case("tag-leaks-inode", Ours, "Apache, CVE-2003-1418", "no tag tells the number of the inode", Runs(no_inode_in_a_tag)),
    case("tag-one-for-all-spellings", Must, "RFC 3986, 6.2.2.2", "an encoded letter in a path is that letter", Runs(encoded_letter)),
    case("date-sent", Should, "RFC 9110, 8.8.2", "a file has a Last-Modified", Tries(has_field, "Last-Modified")),
    case("date-form", Must, "RFC 9110, 5.6.7", "Last-Modified and Date are spelled as IMF-fixdate", Runs(dates_have_their_form)),
    case("date-of-answer", Must, "RFC 9110, 6.6.1", "an answer has a Date", Tries(has_field, "Date")),
    case("date-future", Must, "RFC 9110, 8.8.2.1", "Last-Modified is never later than Date", Runs(never_in_the_future)),
    case("date-epoch", Ours, "Nix, caddy #5548", "a modification time of 0 is no date of anything", Tries(no_useless_date, "0")),
    case("date-one", Ours, "Nix, caddy #7730", "nor is one of 1", Tries(no_useless_date, "1")),
    case("head-equals-get", Should, "RFC 9110, 9.3.2", "HEAD carries the fields that GET does", Runs(head_is_get)),
    case("head-no-body", Must, "RFC 9110, 9.3.2", "HEAD has no body", Runs(head_has_no_body)),
    case("length", Must, "RFC 9110, 8.6", "Content-Length is the length of the file", Runs(length_is_right)),
    case("type", Should, "RFC 9110, 8.3", "a file named .html is text/html", Runs(type_is_sent)),
    case("empty-file", Must, "RFC 9110, 8.6", "an empty file: 200 without a byte", Runs(empty_file)),
    case("missing", Must, "RFC 9110, 15.5.5", "what is not there: 404", Runs(missing)),
    case("nosniff", Ours, "X-Content-Type-Options", "no browser is to guess what a file is", Runs(no_guessing)),
    case("cache-control", Ours, "RFC 9111, 4.2.2", "an answer says how long it may be kept; otherwise caches guess", Tries(has_field, "Cache-Control")),
];

fn has_field(site: &Site, name: &str) -> Verdict {
    let response = site.get_file(&site.file()?)?;
    ensure(response.field(name).is_some(), || format!("no {name}"))
}

fn tag_is_strong(site: &Site) -> Verdict {
    let response = site.get_file(&site.file()?)?;
    ensure(response.strong_tag().is_some(), || format!("ETag: {}", response.told("ETag")))
}

fn tag_has_its_form(site: &Site) -> Verdict {
    let response = site.get_file(&site.file()?)?;
    let Some(tag) = response.field("ETag") else { return not_offered("no ETag") };
    let opaque = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let fits = |byte: u8| byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80;
    ensure(inner.is_some_and(|inner| inner.bytes().all(fits)), || format!("ETag: {tag}"))
}

fn same_after_touch(site: &Site) -> Verdict {
    let file = site.file()?;
    let before = site.strong_tag(&file)?;
    set_modified(&file.path, day_ago() - Duration::from_secs(1000))?;
    let after = site.strong_tag(&file)?;
    ensure(before == after, || format!("{before} became {after}"))
}

fn same_for_a_copy(site: &Site) -> Verdict {
    let (file, copy) = (site.file()?, site.file()?);
    set_modified(&copy.path, day_ago() - Duration::from_secs(2000))?;
    let (one, other) = (site.strong_tag(&file)?, site.strong_tag(&copy)?);
    ensure(one == other, || format!("{one} and {other}"))
}

fn same_in_another_inode(site: &Site) -> Verdict {
    let file = site.file()?;
    let before = site.strong_tag(&file)?;
    replace_dated(&file.path, &file.bytes, Some(day_ago() - Duration::from_secs(3000)))?;
    let after = site.strong_tag(&file)?;
    ensure(before == after, || format!("{before} became {after}"))
}

fn no_inode_in_a_tag(site: &Site) -> Verdict {
    let file = site.file()?;
    let response = site.get_file(&file)?;
    let Some(tag) = response.field("ETag") else { return not_offered("no ETag") };
    let inode = std::fs::metadata(&file.path).map_err(|error| error.to_string())?.ino();
    let parts: Vec<&str> = tag.split(|character: char| !character.is_ascii_alphanumeric()).collect();
    let forms = [inode.to_string(), format!("{inode:x}"), format!("{inode:X}")];
    ensure(!parts.iter().any(|part| forms.iter().any(|form| form == part)), || {
        format!("{tag} has the inode {inode}")
    })
}

fn encoded_letter(site: &Site) -> Verdict {
    let file = site.file()?;
    let plain = site.get_file(&file)?;
    let encoded = site.get(&file.target.replace("case", "%63as%65"))?;
    expect(&encoded, &[200])?;
    ensure(encoded.body == file.bytes && encoded.field("ETag") == plain.field("ETag"), || {
        "another answer than for the plain path".to_owned()
    })
}

fn dates_have_their_form(site: &Site) -> Verdict {
    let response = site.get_file(&site.file()?)?;
    for name in ["Date", "Last-Modified"] {
        let Some(value) = response.field(name) else { continue };
        let again = httpdate::parse_http_date(value).map(httpdate::fmt_http_date);
        ensure(again.is_ok_and(|again| again == value), || format!("{name}: {value}"))?;
    }
    Ok(())
}

fn never_in_the_future(site: &Site) -> Verdict {
    let file = site.file()?;
    set_modified(&file.path, SystemTime::now() + Duration::from_secs(86_400))?;
    let response = site.get_file(&file)?;
    let read = |name| response.field(name).and_then(|value| httpdate::parse_http_date(value).ok());
    let Some(modified) = read("Last-Modified") else { return Ok(()) };
    ensure(read("Date").is_some_and(|date| modified <= date), || {
        format!("Last-Modified: {}, Date: {}", response.told("Last-Modified"), response.told("Date"))
    })
}

fn no_useless_date(site: &Site, seconds: &str) -> Verdict {
    let file = site.file()?;
    let seconds = seconds.parse().expect("a number of seconds");
    set_modified(&file.path, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))?;
    let response = site.get_file(&file)?;
    ensure(!response.has("Last-Modified"), || format!("Last-Modified: {}", response.told("Last-Modified")))
}

fn head_is_get(site: &Site) -> Verdict {
    let file = site.file()?;
    let full = site.get_file(&file)?;
    let head = site.ask(&site.request("HEAD", &file.target))?;
    expect(&head, &[200])?;
    for name in
        ["ETag", "Last-Modified", "Content-Type", "Content-Length", "Cache-Control", "Accept-Ranges", "Vary"]
    {
        let (one, other) = (full.told(name), head.told(name));
        ensure(one == other, || format!("{name} is {one} for GET, and {other} for HEAD"))?;
    }
    Ok(())
}

/// What follows an answer to HEAD is a miss wherever it is seen; here it is looked for.
fn head_has_no_body(site: &Site) -> Verdict {
    let response = site.ask(&site.request("HEAD", &site.file()?.target))?;
    expect(&response, &[200])
}

fn length_is_right(site: &Site) -> Verdict {
    let file = site.file()?;
    let response = site.get_file(&file)?;
    let Some(length) = response.field("Content-Length") else { return not_offered("no Content-Length") };
    ensure(length == file.bytes.len().to_string(), || format!("Content-Length: {length}"))
}

fn type_is_sent(site: &Site) -> Verdict {
    let name = format!("{}.html", site.name());
    write(&site.root().join(&name), &text_of(1, 100))?;
    let response = site.get(&site.target(&name))?;
    expect(&response, &[200])?;
    let kind = response.field("Content-Type").unwrap_or_default();
    ensure(kind.starts_with("text/html"), || format!("Content-Type: {kind}"))
}

fn empty_file(site: &Site) -> Verdict {
    let response = site.get_file(&site.file_of(b"")?)?;
    ensure(response.field("Content-Length") == Some("0"), || {
        format!("Content-Length: {}", response.told("Content-Length"))
    })
}

fn missing(site: &Site) -> Verdict {
    expect(&site.get(&site.absent().target)?, &[404])
}

fn no_guessing(site: &Site) -> Verdict {
    let response = site.get_file(&site.file()?)?;
    ensure(response.lists("X-Content-Type-Options", "nosniff"), || {
        "no X-Content-Type-Options: nosniff".to_owned()
    })
}
