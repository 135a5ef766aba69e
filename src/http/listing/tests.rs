//! Names in listings, pages of them, and the memory they use.

use std::fs;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::budget::{Budget, Counted};
use super::part::Page;
use super::rows::Rows;
use super::*;
use crate::http::tests::site;
use crate::root::{DirectoryEntry, Timestamp};

fn rows(entries: &[(&str, bool)]) -> Rows {
    let mut rows = Rows::new(&Budget::new(1 << 20));
    for &(name, is_directory) in entries {
        let modified = Timestamp { seconds: -1, nanoseconds: 0 };
        rows.push(&DirectoryEntry { name, is_directory, size: 3, modified }).unwrap();
    }
    rows.sort();
    rows
}

fn page(number: usize, size: usize) -> Page {
    Page { number: NonZeroUsize::new(number).unwrap(), size: NonZeroUsize::new(size).unwrap() }
}

fn html(rows: &Rows, part: Part) -> String {
    let mut page = Vec::new();
    super::page::write(&mut page, &ResourcePath::ROOT, rows, part).unwrap();
    String::from_utf8(page).unwrap()
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let names = ["<img src=x onerror=alert(1)>", "\"onclick=\"x", "javascript:alert(1)", "a'b&c"];
    let rows = rows(&names.map(|name| (name, false)));
    let page = html(&rows, Part::of(Form::Html, None));
    let rows = page.split("<table>").nth(1).unwrap();
    for forbidden in ["<img", "\"onclick", "href=\"javascript", "a'b"] {
        assert!(!rows.contains(forbidden), "{forbidden} in {rows}");
    }
    assert!(rows.contains("href=\"./javascript%3Aalert%281%29\""), "{rows}");
}

#[test]
fn json_rows_say_what_is_there() {
    let json = |entries: &[(&str, bool)]| {
        let mut text = Vec::new();
        super::json::write(&mut text, &rows(entries), Part::Whole).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()
    };
    let listed = json(&[("a\"\\\u{2028}", false), ("sub", true)]);
    assert_eq!((&listed[0]["name"], &listed[0]["type"]), (&"sub".into(), &"directory".into()));
    assert_eq!((&listed[1]["name"], &listed[1]["size"]), (&"a\"\\\u{2028}".into(), &3.into()));
    assert!(listed[1]["modified"].is_null(), "before 1970 there is no HTTP date");
    assert_eq!(json(&[]), serde_json::json!([]));
}

#[test]
fn a_query_names_a_part_or_is_ignored() {
    for (form, query, part) in [
        (Form::Html, None, Part::Page(page(1, 1000))),
        (Form::Json, None, Part::Whole),
        (Form::Json, Some("v=1"), Part::Whole),
        (Form::Html, Some("page=3"), Part::Page(page(3, 1000))),
        (Form::Json, Some("limit=5"), Part::Page(page(1, 5))),
        (Form::Json, Some("x&page=2&limit=50"), Part::Page(page(2, 50))),
        (Form::Html, Some("limit=999999999"), Part::Page(page(1, 10_000))),
        (Form::Html, Some("page=0&limit=-1"), Part::Page(page(1, 1000))),
        (Form::Html, Some("page=184467440737095516160"), Part::Page(page(1, 1000))),
        (Form::Html, Some("pages=2&page=x&page=4"), Part::Page(page(4, 1000))),
    ] {
        assert_eq!(Part::of(form, query), part, "{query:?}");
    }
}

#[test]
fn a_page_links_to_the_others_there_are() {
    let names: Vec<String> = (10..35).map(|number| format!("name{number}")).collect();
    let rows = rows(&names.iter().map(|name| (name.as_str(), false)).collect::<Vec<_>>());
    for (number, shown, links) in [
        (1, 10..20, &["Next?page=2&amp;limit=10", "Last?page=3&amp;limit=10"][..]),
        (2, 20..30, &["First?page=1", "Previous?page=1", "Next?page=3", "Last?page=3"]),
        (3, 30..35, &["First?page=1", "Previous?page=2"]),
        (9, 0..0, &["First?page=1", "Previous?page=3", "Last?page=3"]),
        (usize::MAX, 0..0, &["First?page=1", "Previous?page=3", "Last?page=3"]),
    ] {
        let page = html(&rows, Part::Page(page(number, 10)));
        let found = (10..35).filter(|number| page.contains(&format!("./name{number}\"")));
        assert_eq!(found.collect::<Vec<_>>(), shown.collect::<Vec<_>>(), "{page}");
        for name in ["First", "Previous", "Next", "Last"] {
            let link = links.iter().find_map(|link| link.strip_prefix(name));
            let found = page.contains(&format!(">{name}</a>"));
            assert_eq!(found, link.is_some(), "{name} in {page}");
            assert!(link.is_none_or(|link| page.contains(&format!("<a href=\"{link}"))), "{name} in {page}");
        }
    }
    assert!(!html(&rows, Part::Page(page(1, 25))).contains("<nav"), "one page needs no links");
}

#[test]
fn lists_count_until_they_are_dropped_and_no_further_than_the_budget() {
    let budget = Budget::new(1 << 20);
    let grow = |size: usize| {
        let mut list = Counted::new(&budget);
        list.write_all(&vec![0; size]).map(|()| list).map_err(NotListed::from)
    };
    let small: Vec<_> = (0..1000).map(|_| grow(1000).unwrap()).collect();
    assert_eq!(budget.used(), 0, "small lists are free");
    let large: Vec<_> = (0..2).map(|_| grow(400_000).unwrap()).collect();
    let used = budget.used();
    assert!((700_000..=1 << 20).contains(&used), "{used}");
    assert_eq!(grow(400_000).err(), Some(NotListed::OutOfBudget));
    assert_eq!(grow(600_000).err(), Some(NotListed::TooLarge));
    assert_eq!(budget.used(), used, "what was not granted is not counted");
    drop((small, large));
    assert_eq!(budget.used(), 0);
}

#[test]
fn clients_share_the_bytes_of_one_version_and_get_no_answer_older_than_their_question() {
    let folder = tempfile::tempdir().unwrap();
    let write = |number: usize| fs::write(folder.path().join(format!("{number:0200}")), "x").unwrap();
    (0..500).for_each(write);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (site, listings) = (site(folder.path()), Arc::new(Listings::default()));
        let ask = |part| {
            let asked = (Form::Json, part);
            listings.list(Question::new(&site, &ResourcePath::ROOT, asked, crate::access::Visitor::ANYBODY))
        };
        let waiting = listings.wait_for(&ResourcePath::ROOT);
        let first = ask(Part::Whole).await.unwrap();
        let again = ask(Part::Whole).await.unwrap();
        assert_eq!(first.body.as_ptr(), again.body.as_ptr());
        // The reading of the second one is kept, because somebody waits. It began before these ask.
        write(500);
        let (one, two) = (ask(Part::Whole), ask(Part::Whole));
        write(501);
        let (one, page, two) = tokio::join!(one, ask(Part::Page(page(1, 502))), two);
        let (one, page, two) = (one.unwrap().body, page.unwrap().body, two.unwrap().body);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&one).unwrap().as_array().unwrap().len(), 502);
        assert_eq!(one.as_ptr(), two.as_ptr());
        assert_eq!(one.as_ptr(), page.as_ptr(), "other pages with the same bytes");
        drop((waiting, one, page, two));
        drop((first, again));
        assert!(listings.is_idle(), "nothing is kept for nobody");
    });
}
