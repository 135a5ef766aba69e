//! Files that change between two requests: is the change seen at once, and does the tag tell it?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::case::Check::{Runs, Tries};
use crate::case::Level::{Must, Ours};
use crate::case::{Case, Group, Verdict, case, ensure, expect, not_offered};
use crate::question::other_version;
use crate::site::{
    Served, Site, day_ago, modified, overwrite, replace, replace_dated, set_modified, text_of,
};

/// Sections 8.8.1 and 8.8.3 of RFC 9110, and the promise that reads are current.
pub(crate) const GROUP: Group = Group { name: "changes", cases: CASES };

const STRONG: &str = "RFC 9110, 8.8.1";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("change-length", Must, STRONG, "bytes of another length have another tag", Tries(another_tag, "length")),
    case("change-in-place", Must, STRONG, "other bytes of the same length and date, written in place, have another tag", Tries(another_tag, "in place")),
    case("change-by-rename", Must, STRONG, "other bytes of the same length and date, renamed over, have another tag", Tries(another_tag, "rename")),
    case("change-same-second", Must, STRONG, "other bytes of the same length within one second have another tag", Tries(another_tag, "second")),
    case("change-304", Must, "RFC 9110, 13.1.2", "a strong tag of other bytes of the same length and date is not answered with 304", Runs(no_wrong_304)),
    case("change-date", Ours, "cp -p, rsync -t, rollback", "who has the date only is not told 304 for bytes that changed under the same date", Tries(date_tells, "same")),
    case("change-date-back", Ours, "cp -p, rsync -t, rollback", "nor when the date went back", Tries(date_tells, "back")),
    case("change-seen-rename", Ours, "Apache and lighttpd cache stat for a second", "a change by rename that was complete is in the next answer, 100 times", Tries(seen_at_once, "rename")),
    case("change-seen-in-place", Ours, "Apache and lighttpd cache stat for a second", "a change in place that was complete is in the next answer, 100 times", Tries(seen_at_once, "in place")),
    case("change-seen-same-length", Ours, "racy git", "even if neither length nor date tell of it, 100 times", Tries(seen_at_once, "same length")),
    case("change-new-file", Ours, "caches of missing names", "a file that was missing is there as soon as it is there", Runs(new_file_is_seen)),
    case("change-deleted", Ours, "caches of open files", "a file that was deleted is not there any more", Runs(deleted_file_is_gone)),
    case("change-racing", Must, STRONG, "while a file is replaced again and again no strong tag comes with two versions", Runs(one_version_a_tag)),
];

fn another_tag(site: &Site, how: &str) -> Verdict {
    let file = site.file()?;
    let before = site.strong_tag(&file)?;
    let new = match how {
        "length" => text_of(2, 900),
        _ => other_version(&file),
    };
    change(&file, &new, how)?;
    let response = site.get_changed(&file, &new)?;
    let Some(after) = response.strong_tag() else { return Ok(()) };
    ensure(before != after, || format!("both have {after}"))
}

fn change(file: &Served, new: &[u8], how: &str) -> Verdict {
    let date = modified(&file.path)?;
    match how {
        "in place" | "length" => {
            overwrite(&file.path, new)?;
            set_modified(&file.path, date)
        }
        "second" => replace_dated(&file.path, new, Some(date + Duration::from_millis(20))),
        _ => replace_dated(&file.path, new, Some(date)),
    }
}

fn no_wrong_304(site: &Site) -> Verdict {
    let file = site.file()?;
    let tag = site.strong_tag(&file)?;
    let new = other_version(&file);
    change(&file, &new, "rename")?;
    site.get_changed(&file, &new)?;
    let response = site.ask(&site.request("GET", &file.target).field("If-None-Match", tag))?;
    expect(&response, &[200])?;
    ensure(response.body == new, || "200 with other bytes than the file has".to_owned())
}

fn date_tells(site: &Site, how: &str) -> Verdict {
    let file = site.file()?;
    let full = site.get_file(&file)?;
    let Some(date) = full.field("Last-Modified") else { return not_offered("no Last-Modified") };
    let before = if how == "back" { day_ago() - Duration::from_secs(5000) } else { modified(&file.path)? };
    let new = other_version(&file);
    replace_dated(&file.path, &new, Some(before))?;
    site.get_changed(&file, &new)?;
    let response = site.ask(&site.request("GET", &file.target).field("If-Modified-Since", date))?;
    expect(&response, &[200])?;
    ensure(response.body == new, || "200 with other bytes than the file has".to_owned())
}

/// The next answer has the new bytes and their length, under a tag that no other bytes had.
fn seen_at_once(site: &Site, how: &str) -> Verdict {
    let file = site.file()?;
    let date = modified(&file.path)?;
    let mut tags = BTreeMap::new();
    for round in 1..=100 {
        let size = if how == "same length" { 1000 } else { 1000 + round as usize };
        let new = text_of(round, size);
        match how {
            "in place" => overwrite(&file.path, &new)?,
            "rename" => replace(&file.path, &new)?,
            _ => replace_dated(&file.path, &new, Some(date))?,
        }
        let response = site.get(&file.target)?;
        expect(&response, &[200])?;
        ensure(response.body == new, || format!("round {round}: the bytes of an earlier version"))?;
        if let Some(tag) = response.strong_tag()
            && let Some(earlier) = tags.insert(tag.to_owned(), round)
        {
            return Err(format!("round {round}: {tag}, as in round {earlier}").into());
        }
    }
    Ok(())
}

fn new_file_is_seen(site: &Site) -> Verdict {
    let file = site.absent();
    for _ in 0..3 {
        expect(&site.get(&file.target)?, &[404])?;
    }
    let bytes = text_of(1, 1000);
    replace(&file.path, &bytes)?;
    site.get_file(&Served { bytes, ..file })?;
    Ok(())
}

fn deleted_file_is_gone(site: &Site) -> Verdict {
    let file = site.file()?;
    for _ in 0..3 {
        site.get_file(&file)?;
    }
    std::fs::remove_file(&file.path).map_err(|error| error.to_string())?;
    expect(&site.get(&file.target)?, &[404])
}

/// The versions have different lengths, so that a tag of length and time tells them apart: only a server that looks
/// at one version and sends another gives the tag of the one to the other.
fn one_version_a_tag(site: &Site) -> Verdict {
    let file = site.file()?;
    let stop = AtomicBool::new(false);
    let mut tags: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| -> Verdict {
            for version in (1_u64..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                replace(&file.path, &text_of(version, 1000 + (version % 800) as usize))?;
            }
            Ok(())
        });
        let read = (|| -> Verdict {
            let mut answers = 0;
            for _ in 0..1000 {
                // That a server has no answer now and then is another matter.
                let answer = site.get(&file.target).ok().filter(|response| response.status == 200);
                let Some(response) = answer else { continue };
                answers += 1;
                let whole = response.body.starts_with(b"version ") && is_one_version(&response.body);
                ensure(!response.whole || whole, || "a body of two versions".to_owned())?;
                let Some(tag) = response.strong_tag().filter(|_| response.whole) else { continue };
                let known = tags.entry(tag.to_owned()).or_insert_with(|| response.body.clone());
                ensure(*known == response.body, || format!("{tag} with two versions"))?;
            }
            ensure(answers > 500, || format!("{answers} answers to 1,000 requests"))
        })();
        stop.store(true, Ordering::Relaxed);
        read.and(writer.join().expect("the writer"))
    })
}

/// Is every line of the text, and its length, of one version?
fn is_one_version(body: &[u8]) -> bool {
    let version = std::str::from_utf8(body).ok().and_then(|text| text.get(8..14)?.parse().ok());
    version.is_some_and(|version| body == text_of(version, body.len()))
}
