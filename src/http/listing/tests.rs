//! Names in listings.

use super::*;
use crate::root::Timestamp;

fn entry(name: &str, is_directory: bool) -> DirectoryEntry {
    let modified = Timestamp { seconds: -1, nanoseconds: 0 };
    DirectoryEntry { name: name.to_owned(), is_directory, size: 3, modified }
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let names = ["<img src=x onerror=alert(1)>", "\"onclick=\"x", "javascript:alert(1)", "a'b&c"];
    let entries: Vec<_> = names.iter().map(|name| entry(name, false)).collect();
    let page = html(&ResourcePath::ROOT, &entries);
    let rows = page.split("<table>").nth(1).unwrap();
    for forbidden in ["<img", "\"onclick", "href=\"javascript", "a'b"] {
        assert!(!rows.contains(forbidden), "{forbidden} in {rows}");
    }
    assert!(rows.contains("href=\"./javascript%3Aalert%281%29\""), "{rows}");
}

#[test]
fn json_rows_say_what_is_there() {
    let text = json(&[entry("sub", true), entry("a", false)]);
    let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(rows[0]["type"], "directory");
    assert_eq!((&rows[1]["name"], &rows[1]["size"]), (&"a".into(), &3.into()));
    assert!(rows[1]["modified"].is_null(), "before 1970 there is no HTTP date");
}
