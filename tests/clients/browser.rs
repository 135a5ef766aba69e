//! `site/editor.html` of the examples in a real browser: a reload that revalidates, and a form that meets 412.

use std::fmt::Write;
use std::fs;

use crate::harness::{eventually, put};
use crate::programs::{examples, logged, serving, url};
use crate::webdriver::Browser;

#[test]
fn a_page_edits_a_file_and_overwrites_nobody() {
    let mut server = serving();
    let browser = Browser::start(server.folder());
    let mut told = String::new();
    let mut tell = |what: &str, text: &str| writeln!(told, "{what}: {text}").unwrap();

    browser.go_to(&format!("{}/editor.html", url(&server)));
    tell("the page", &browser.wait_for("message", "Read."));
    tell("came as", &browser.text("came"));
    browser.reload();
    tell("loaded again", &browser.wait_for("message", "Read."));
    tell("came as", &browser.text("came"));
    for path in ["/editor.html", "/note.txt"] {
        eventually("the browser has revalidated", || (logged(&server, "GET", path, 304) == 1).then_some(()));
        assert_eq!(logged(&server, "GET", path, 200), 1, "{path}");
    }

    browser.type_into("text", "A line of mine.\n");
    browser.press("save");
    tell("saved", &browser.wait_for("message", "Saved."));
    assert_eq!(server.get("/note.txt").text(), "The first line.\nA line of mine.\n");

    // Somebody else saves, and then the form does: with a tag that is over.
    server.ask(&put("/note.txt", "The first line.\nA line of mine.\nAnother's line.\n")).expect(204);
    browser.type_into("text", "A second line of mine.\n");
    browser.press("save");
    tell("saved", &browser.wait_for("message", "Precondition failed."));
    assert_eq!(logged(&server, "PUT", "/note.txt", 412), 1);
    assert_eq!(server.get("/note.txt").text(), "The first line.\nA line of mine.\nAnother's line.\n");
    tell("theirs", &browser.text("theirs").replace('\n', " / "));
    tell("mine", &browser.value("text").trim_end().replace('\n', " / "));

    browser.type_into("text", "Another's line.\n");
    browser.press("save");
    tell("saved again", &browser.wait_for("message", "Saved."));
    tell("the file", &server.get("/note.txt").text().trim_end().replace('\n', " / "));

    let expected = fs::read_to_string(examples().join("browser.out")).unwrap();
    assert_eq!(told, expected, "left: what the page says, right: browser.out");
    server.assert_well();
}
