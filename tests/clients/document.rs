//! `docs/412.md` and the README of the examples: the code is that of the examples, the tables are what the server
//! answers, and links lead somewhere.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::harness::{Launch, Request, Server, delete, get, put, request};
use crate::programs::examples;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(repository().join("docs/412.md")).unwrap()
}

/// The rows of the table whose first cell has this title, as their cells.
#[track_caller]
fn table<'a>(page: &'a str, title: &str) -> Vec<Vec<&'a str>> {
    let row = |line: &'a str| line.trim().trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let lines = page.lines().skip_while(|line| !line.starts_with(&format!("| {title} |")));
    let rows: Vec<_> = lines.skip(2).take_while(|line| line.starts_with('|')).map(row).collect();
    assert!(rows.len() > 3, "the table of {title}");
    rows
}

/// What stands between backticks.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// A server with a file that has been there for long, and a request of each method for it.
fn with_a_file() -> (Server, Vec<Request>) {
    let server = Launch::writing().start();
    restore(&server);
    (server, vec![get("/file"), request("HEAD", "/file"), put("/file", "mine"), delete("/file")])
}

/// Makes the file what it was. Returns its tag.
fn restore(server: &Server) -> String {
    server.folder().write("file", "what is there now");
    server.get("/file").expect(200).tag()
}

#[test]
fn the_field_and_the_method_decide_the_status() {
    let (server, requests) = with_a_file();
    let date =
        |ahead: u64| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(ahead));
    for row in table(&page(), "does not hold") {
        let field = code(row[0])[0];
        for (question, cell) in requests.iter().zip(&row[1..]) {
            let value = match field {
                "If-Match" => "\"stale\"".to_owned(),
                "If-Unmodified-Since" => date(1_000_000_000),
                "If-None-Match" => restore(&server),
                "If-Modified-Since" => httpdate::fmt_http_date(SystemTime::now()),
                _ => panic!("{field}"),
            };
            restore(&server);
            // What ignores the field does what it would do without it.
            let expected = if *cell == "ignored" { 204 } else { cell.parse().unwrap() };
            server.ask(&question.clone().field(field, value)).expect(expected);
        }
    }
}

#[test]
fn each_request_of_the_page_has_its_status() {
    for row in table(&page(), "request") {
        let (server, _) = with_a_file();
        let tag = restore(&server);
        if row[1] == "missing" {
            fs::remove_file(server.folder().path("file")).unwrap();
        }
        let parts = code(row[0]);
        let mut question = if parts[0] == "PUT" { put("/file", "mine") } else { request(parts[0], "/file") };
        for field in &parts[1..] {
            let (name, value) = field.split_once(": ").unwrap();
            let value = match value {
                "now" => httpdate::fmt_http_date(SystemTime::now()),
                "current" => tag.trim_matches('"').to_owned(),
                _ => value.replace("\"current\"", &tag),
            };
            question = question.field(name, value);
        }
        server.ask(&question).expect(row[2].parse().unwrap());
    }
}

#[test]
fn each_of_the_neighbours_is_met_and_changes_nothing() {
    let (server, _) = with_a_file();
    let strict = Launch::writing().arg("--require-preconditions").start();
    restore(&strict);
    let tag = restore(&server);
    for row in table(&page(), "status") {
        let (status, reason) = row[0].split_once(' ').unwrap();
        let writer = (status == "409")
            .then(|| OpenOptions::new().append(true).open(server.folder().path("file")).unwrap());
        let answer = match status {
            "304" => server.ask(&get("/file").field("If-None-Match", &tag)),
            "409" => server.ask(&put("/file", "mine").field("If-Match", &tag)),
            "412" => server.ask(&put("/file", "mine").field("If-Match", "\"stale\"")),
            "416" => server.ask(&get("/file").field("Range", "bytes=999999-")),
            "428" => strict.ask(&put("/file", "mine")),
            _ => panic!("{status}"),
        };
        drop(writer);
        let answer = answer.expect(status.parse().unwrap());
        if status != "304" {
            assert_eq!(answer.json()["title"], reason, "{answer}");
        }
        match status {
            "409" => assert!(answer.field("Retry-After").is_some(), "{answer}"),
            "412" => {
                assert_eq!((answer.tag(), &answer.json()["failed-field"]), (tag.clone(), &"If-Match".into()))
            }
            "416" => assert_eq!(answer.field("Content-Range"), Some("bytes */17")),
            _ => {}
        }
        for server in [&server, &strict] {
            server.get("/file").expect_file(b"what is there now");
        }
    }
}

#[test]
fn the_code_on_the_page_is_that_of_the_examples() {
    let page = page();
    let mut found = BTreeSet::new();
    for section in page.split("\n### ").skip(1) {
        let (_, link) = section.split_once("](../examples/clients/").expect("a link to the example");
        let name = link.split(')').next().unwrap();
        let block = section.split("\n```").nth(1).expect("a block of code");
        let (language, snippet) = block.split_once('\n').unwrap();
        let example = fs::read_to_string(examples().join(name)).unwrap();
        assert!(
            snippet.lines().count() > 5 && example.contains(&format!("{snippet}\n")),
            "{name}:\n{snippet}"
        );
        found.insert(language.to_owned());
    }
    assert_eq!(found, ["js", "php", "python", "sh"].map(str::to_owned).into());
    // There is no other code that nobody has tested.
    assert_eq!(page.matches("\n```\n").count(), found.len() + page.matches("```mermaid\n").count());
}

#[test]
fn links_lead_somewhere_and_every_example_is_told_of() {
    let of_examples = fs::read_to_string(examples().join("README.md")).unwrap();
    for (folder, text) in [(repository().join("docs"), page()), (examples(), of_examples.clone())] {
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            assert!(folder.join(link).exists(), "{link}");
        }
    }
    let told: BTreeSet<String> =
        table(&of_examples, "example").iter().map(|row| code(row[0])[0].to_owned()).collect();
    for name in &told {
        assert!(examples().join(name).is_file(), "{name}");
    }
    for entry in fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        let is_example = matches!(path.extension().and_then(|end| end.to_str()), Some("sh" | "php" | "py"));
        let name = Path::file_name(&path).unwrap().to_str().unwrap();
        assert!(!is_example || told.contains(name), "{name} is not in the README");
    }
}
