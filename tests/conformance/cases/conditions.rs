//! Conditional GET and HEAD: each field alone, their order, the three spellings of a date, and what a 304 carries.

use crate::case::Level::{Must, Ours, Should};
use crate::case::{Case, Group, Miss, On, Verdict, asks, case, ensure, expect, get, not_offered};
use crate::site::{Site, set_modified};
use crate::wire::Response;

/// Sections 13.1.1 to 13.2.2 of RFC 9110.
pub(crate) const GROUP: Group = Group { name: "conditional requests", cases: CASES };

const IM: &str = "RFC 9110, 13.1.1";
const INM: &str = "RFC 9110, 13.1.2";
const IMS: &str = "RFC 9110, 13.1.3";
const IUS: &str = "RFC 9110, 13.1.4";
const ORDER: &str = "RFC 9110, 13.2.2";
const DATES: &str = "RFC 9110, 5.6.7";
const NOT_MODIFIED: &str = "RFC 9110, 15.4.5";
const LISTS: &str = "RFC 9110, 5.6.1";

const DIFFERS: &str = "\"no-such-tag\"";
const IM_DIFFERS: &str = "If-Match: \"no-such-tag\"";
const INM_DIFFERS: &str = "If-None-Match: \"no-such-tag\"";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("im-current", Must, IM, "If-Match with the current tag: 200", get(&["If-Match: {tag}"], &[200])),
    case("im-other", Must, IM, "If-Match with another tag: 412", get(&[IM_DIFFERS], &[412])),
    case("im-other-head", Must, IM, "the same for HEAD", asks("HEAD", On::File, &[IM_DIFFERS], &[412])),
    case("im-any", Must, IM, "`If-Match: *` for a file: 200", get(&["If-Match: *"], &[200])),
    case("im-any-missing", Must, "RFC 9110, 13.2.1", "`If-Match: *` for nothing: 404, for preconditions count only where there would be a success",
        asks("GET", On::Missing, &["If-Match: *"], &[404])),
    case("im-other-missing", Must, "RFC 9110, 13.2.1", "If-Match with a tag for nothing: 404",
        asks("GET", On::Missing, &[IM_DIFFERS], &[404])),
    case("im-list", Must, IM, "a list whose last tag is the current one: 200", get(&["If-Match: \"x\", \"y\", {tag}"], &[200])),
    case("im-list-tight", Must, LISTS, "a list without spaces: 200", get(&["If-Match: \"x\",{tag}"], &[200])),
    case("im-list-gaps", Must, LISTS, "a list with empty members: 200", get(&["If-Match: , \"x\", ,, {tag}"], &[200])),
    case("im-lines", Must, "RFC 9110, 5.3", "two field lines are one list: 200", get(&["If-Match: \"x\"", "If-Match: {tag}"], &[200])),
    case("im-comma", Must, "RFC 9110, 8.8.3", "a comma within quotes ends no tag: 200", get(&["If-Match: \"x,y\", {tag}"], &[200])),
    case("im-comma-inside", Must, "RFC 9110, 8.8.3", "the current tag within the quotes of another is not the current tag: 412",
        get(&["If-Match: \"x,{opaque},y\""], &[412])),
    case("im-weak", Must, IM, "the current tag, marked weak: 412, for the comparison is strong", get(&["If-Match: {weak}"], &[412])),
    case("im-high-bytes", Must, "RFC 9110, 8.8.3", "a tag with a byte above 0x7f differs: 412, and is not passed over", get(&["If-Match: \"{high}\""], &[412])),
    case("im-unquoted", Ours, IM, "the current tag without its quotes is no tag: 412 or 400", get(&["If-Match: {opaque}"], &[400, 412])),
    case("im-100kb", Ours, IM, "100 kB of tags get an answer, and no success", get(&["If-Match: {many}"], &[400, 412, 413, 414, 431])),
    case("im-412-tag", Ours, IM, "a 412 tells the current tag", crate::case::Check::Runs(refusal_tells_the_tag)),
    case("im-412-problem", Ours, "RFC 9457", "a 412 is a problem document that names the field", crate::case::Check::Runs(refusal_is_a_problem)),

    case("inm-current", Must, INM, "If-None-Match with the current tag: 304", get(&["If-None-Match: {sent}"], &[304])),
    case("inm-current-head", Must, INM, "the same for HEAD", asks("HEAD", On::File, &["If-None-Match: {sent}"], &[304])),
    case("inm-other", Must, INM, "If-None-Match with another tag: 200", get(&[INM_DIFFERS], &[200])),
    case("inm-any", Must, INM, "`If-None-Match: *` for a file: 304", get(&["If-None-Match: *"], &[304])),
    case("inm-any-missing", Must, INM, "`If-None-Match: *` for nothing: 404", asks("GET", On::Missing, &["If-None-Match: *"], &[404])),
    case("inm-list", Must, INM, "a list whose last tag is the current one: 304", get(&["If-None-Match: \"x\", W/\"y\", {sent}"], &[304])),
    case("inm-list-gaps", Must, LISTS, "a list with empty members: 304", get(&["If-None-Match: , \"x\", ,,{sent}"], &[304])),
    case("inm-lines", Must, "RFC 9110, 5.3", "two field lines are one list: 304", get(&["If-None-Match: \"x\"", "If-None-Match: {sent}"], &[304])),
    case("inm-comma", Must, "RFC 9110, 8.8.3", "a comma within quotes ends no tag: 304", get(&["If-None-Match: \"x,y\", {sent}"], &[304])),
    case("inm-weak", Must, INM, "the current tag, marked weak: 304, for the comparison is weak", get(&["If-None-Match: {weak}"], &[304])),
    case("inm-high-bytes", Must, "RFC 9110, 8.8.3", "a tag with a byte above 0x7f differs: 200", get(&["If-None-Match: \"{high}\""], &[200])),
    case("inm-high-bytes-list", Must, "RFC 9110, 8.8.3", "and does not hide the current one behind it: 304", get(&["If-None-Match: \"{high}\", {sent}"], &[304])),

    case("order-im-ius", Must, ORDER, "If-Match holds, If-Unmodified-Since does not: 200", get(&["If-Match: {tag}", "If-Unmodified-Since: {date-before}"], &[200])),
    case("order-im-inm", Must, ORDER, "If-Match fails, If-None-Match too: 412", get(&[IM_DIFFERS, "If-None-Match: {sent}"], &[412])),
    case("order-im-then-inm", Must, ORDER, "If-Match holds, If-None-Match does not: 304", get(&["If-Match: {tag}", "If-None-Match: {tag}"], &[304])),
    case("order-im-then-ims", Must, ORDER, "If-Match holds, not modified since: 304", get(&["If-Match: {tag}", "If-Modified-Since: {date}"], &[304])),
    case("order-ius-inm", Must, ORDER, "If-Unmodified-Since fails, If-None-Match too: 412", get(&["If-Unmodified-Since: {date-before}", "If-None-Match: {sent}"], &[412])),
    case("order-ius-then-inm", Must, ORDER, "If-Unmodified-Since holds, If-None-Match does not: 304", get(&["If-Unmodified-Since: {date}", "If-None-Match: {sent}"], &[304])),
    case("order-inm-ims-200", Must, IMS, "another tag, and not modified since: 200, for the tag decides alone", get(&[INM_DIFFERS, "If-Modified-Since: {date}"], &[200])),
    case("order-inm-ims-304", Must, IMS, "the current tag, and modified since: 304", get(&["If-None-Match: {sent}", "If-Modified-Since: {date-before}"], &[304])),
    case("order-412-416", Must, ORDER, "412 before 416", get(&[IM_DIFFERS, "Range: bytes=99999-"], &[412])),
    case("order-304-416", Must, ORDER, "304 before 416", get(&["If-None-Match: {sent}", "Range: bytes=99999-"], &[304])),
    case("order-304-206", Must, ORDER, "304 before 206", get(&["If-None-Match: {sent}", "Range: bytes=0-1"], &[304])),
    case("order-405-412", Must, "RFC 9110, 13.2.1", "a method that is refused is not refused with 412",
        asks("POST", On::File, &[IM_DIFFERS, "Content-Length: 0"], &[400, 401, 403, 404, 405, 409, 411, 415, 422, 501])),
    case("order-options", Must, "RFC 9110, 13.2.1", "OPTIONS selects nothing, so that no precondition counts",
        asks("OPTIONS", On::File, &[IM_DIFFERS], &[200, 204, 400, 403, 404, 405, 501])),

    case("ims-equal", Should, IMS, "If-Modified-Since with the date of the file: 304", get(&["If-Modified-Since: {date}"], &[304])),
    case("ims-later", Should, IMS, "with a later date: 304", get(&["If-Modified-Since: {date-after}"], &[304])),
    case("ims-earlier", Must, IMS, "with an earlier date: 200", get(&["If-Modified-Since: {date-before}"], &[200])),
    case("ims-garbage", Must, IMS, "with what is no date: ignored", get(&["If-Modified-Since: yesterday"], &[200])),
    case("ims-two", Must, IMS, "with two dates: ignored", get(&["If-Modified-Since: {date}, {date}"], &[200])),
    case("ims-rfc850", Must, DATES, "a date as in RFC 850 is read", get(&["If-Modified-Since: {date-rfc850}"], &[304])),
    case("ims-asctime", Must, DATES, "a date as of asctime is read", get(&["If-Modified-Since: {date-asctime}"], &[304])),
    case("ims-missing", Must, IMS, "for nothing: 404", asks("GET", On::Missing, &["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], &[404])),
    case("ius-equal", Must, IUS, "If-Unmodified-Since with the date of the file: 200", get(&["If-Unmodified-Since: {date}"], &[200])),
    case("ius-later", Must, IUS, "with a later date: 200", get(&["If-Unmodified-Since: {date-after}"], &[200])),
    case("ius-earlier", Must, IUS, "with an earlier date: 412", get(&["If-Unmodified-Since: {date-before}"], &[412])),
    case("ius-garbage", Must, IUS, "with what is no date: ignored", get(&["If-Unmodified-Since: yesterday"], &[200])),
    case("ius-rfc850", Must, DATES, "an earlier date as in RFC 850 is read: 412", get(&["If-Unmodified-Since: {date-rfc850-before}"], &[412])),
    case("ius-asctime", Must, DATES, "an earlier date as of asctime is read: 412", get(&["If-Unmodified-Since: {date-asctime-before}"], &[412])),
    case("ius-missing", Must, "RFC 9110, 13.2.1", "for nothing: 404", asks("GET", On::Missing, &["If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], &[404])),
    case("ius-no-date", Must, IUS, "for a file without Last-Modified: ignored", crate::case::Check::Runs(unmodified_without_a_date)),

    case("304-tag", Must, NOT_MODIFIED, "a 304 carries the ETag of the 200", crate::case::Check::Tries(not_modified_carries, "ETag")),
    case("304-date", Must, NOT_MODIFIED, "a 304 carries Date", crate::case::Check::Tries(not_modified_carries, "Date")),
    case("304-cache-control", Must, NOT_MODIFIED, "a 304 carries the Cache-Control of the 200, if that has one", crate::case::Check::Tries(not_modified_carries, "Cache-Control")),
    case("304-vary", Must, NOT_MODIFIED, "a 304 carries the Vary of the 200, if that has one", crate::case::Check::Tries(not_modified_carries, "Vary")),
    case("304-expires", Must, NOT_MODIFIED, "a 304 carries Expires, if the 200 has it", crate::case::Check::Tries(not_modified_carries, "Expires")),
    case("304-length", Must, "RFC 9110, 8.6", "a Content-Length of a 304 is that of the 200", crate::case::Check::Tries(not_modified_carries, "Content-Length")),
    case("304-by-date", Must, NOT_MODIFIED, "a 304 that If-Modified-Since has brought about carries the ETag as well", crate::case::Check::Runs(not_modified_by_date)),
];

/// The 412 to an If-Match that names another tag.
fn refusal(site: &Site) -> Result<(Response, Option<String>), Miss> {
    let file = site.file()?;
    let tag = site.get_file(&file)?.field("ETag").map(str::to_owned);
    let response = site.ask(&site.request("GET", &file.target).field("If-Match", DIFFERS))?;
    expect(&response, &[412])?;
    Ok((response, tag))
}

fn refusal_tells_the_tag(site: &Site) -> Verdict {
    let (response, tag) = refusal(site)?;
    ensure(response.field("ETag").is_some() && response.field("ETag") == tag.as_deref(), || {
        format!("412 with the ETag {} instead of {}", response.told("ETag"), tag.unwrap_or_default())
    })
}

fn refusal_is_a_problem(site: &Site) -> Verdict {
    let (response, _) = refusal(site)?;
    let kind = response.field("Content-Type").unwrap_or_default();
    ensure(kind.starts_with("application/problem+json"), || format!("412 as {kind:?}"))?;
    let names = String::from_utf8_lossy(&response.body).contains("If-Match");
    ensure(names, || "a problem document that does not name If-Match".to_owned())
}

/// A file of 1970 has no useful date; where none is sent, there is nothing that If-Unmodified-Since could be compared with.
fn unmodified_without_a_date(site: &Site) -> Verdict {
    let file = site.file()?;
    set_modified(&file.path, std::time::SystemTime::UNIX_EPOCH)?;
    if site.get_file(&file)?.field("Last-Modified").is_some() {
        return not_offered("Last-Modified is sent for a file of 1970");
    }
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let response = site.ask(&site.request("GET", &file.target).field("If-Unmodified-Since", date))?;
    expect(&response, &[200])
}

/// A 200 and the 304 that names its tag.
fn revalidated(site: &Site) -> Result<(Response, Response), Miss> {
    let file = site.file()?;
    let full = site.get_file(&file)?;
    let Some(tag) = full.field("ETag") else { return not_offered("no ETag") };
    let short = site.ask(&site.request("GET", &file.target).field("If-None-Match", tag))?;
    expect(&short, &[304])?;
    Ok((full, short))
}

fn not_modified_carries(site: &Site, name: &str) -> Verdict {
    let (full, short) = revalidated(site)?;
    let (before, after) = (full.told(name), short.told(name));
    match name {
        // It may be left out.
        "Content-Length" if !short.has(name) => Ok(()),
        "Date" => ensure(short.has(name), || "a 304 without Date".to_owned()),
        _ if !full.has(name) => not_offered("not in the 200 either"),
        _ => ensure(before == after, || format!("{name} is {before} in the 200, and {after} in the 304")),
    }
}

fn not_modified_by_date(site: &Site) -> Verdict {
    let file = site.file()?;
    let full = site.get_file(&file)?;
    let Some(date) = full.field("Last-Modified") else { return not_offered("no Last-Modified") };
    let short = site.ask(&site.request("GET", &file.target).field("If-Modified-Since", date))?;
    expect(&short, &[304])?;
    let (before, after) = (full.told("ETag"), short.told("ETag"));
    ensure(before == after, || format!("ETag is {before} in the 200, and {after} in the 304"))
}
