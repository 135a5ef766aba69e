//! Names and fields that would be lines of a log, markup, or a way to another host.

use super::raw_answer;
use crate::harness::{Launch, Server, get, put};

#[test]
fn no_request_writes_its_own_log_lines() {
    let server = Launch::new().arg("-vv").start();
    server.folder().write("file", "x");
    for target in [
        "/%0aFORGED",
        "/%0d%0aFORGED",
        "/x%1b%5b31mRED",
        "/file?%0aFORGED",
        "/%e2%80%a8FORGED",
        "/file?\u{1b}RED",
    ] {
        raw_answer(&server, get(target).field("Connection", "close").bytes());
    }
    for value in ["\"\u{1b}[31m\"", "\u{85}FORGED", "\u{9b}31m"] {
        let request = get("/file")
            .field("User-Agent", value)
            .field("Referer", value)
            .field("If-None-Match", value)
            .host(value);
        raw_answer(&server, request.field("Connection", "close").bytes());
    }
    server.get("/file").expect(200);
    let log = server.stderr() + &server.stdout();
    assert!(!log.lines().any(|line| line.trim_start().starts_with("FORGED")), "{log}");
    let controls = |character: char| character.is_control() && character != '\n';
    assert!(!log.contains(controls), "{}", log.escape_debug());
    assert!(!log.contains('\u{2028}'), "{}", log.escape_debug());
}

#[test]
fn a_redirect_never_leads_to_another_host() {
    let server = Server::start();
    for name in ["evil.example", "\\evil.example", "sub", "http:", "@evil.example"] {
        server.folder().write(format!("{name}/index.html"), "x");
        server.folder().write(format!("sub/{name}/index.html"), "x");
    }
    for target in [
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "//evil.example?x=//y",
        "/%5cevil.example",
        "/\\evil.example",
        "/sub//evil.example",
        "http://evil.example/sub",
        "http://evil.example//evil.example",
        "/@evil.example",
        "/http:",
        "//http:",
        "//sub/",
        "//evil.example/%2e%2e",
        "//evil.example/..",
        "/%2fevil.example",
        "/%09/evil.example",
    ] {
        for host in ["localhost", "evil.example", "evil.example\"", ""] {
            let answers = raw_answer(&server, get(target).host(host).field("Connection", "close").bytes());
            let location = answers.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("location:").map(|at| at.trim().to_owned())
            });
            if let Some(location) = location {
                // Relative to the target: neither a host nor a scheme can stand at its beginning.
                let first = location.split('/').next().unwrap();
                let inside = (first == "." || !first.is_empty() && !first.contains(':'))
                    && !location.starts_with(".//")
                    && !location.contains('\\');
                assert!(inside, "{target} with Host: {host} leads to {location}");
            }
        }
    }
}

#[test]
fn an_uploaded_page_is_what_its_name_says_and_can_be_put_into_a_sandbox() {
    let page = "<!doctype html><script>alert(document.domain)</script>";
    let server = Launch::writing().args(["--header", "Content-Security-Policy: sandbox"]).start();
    for (name, media_type) in [
        ("/page.html", "text/html; charset=utf-8"),
        ("/page.txt", "text/plain; charset=utf-8"),
        ("/page.jpg", "image/jpeg"),
        ("/page", "text/plain; charset=utf-8"),
    ] {
        // The type that the client tells is not believed.
        server.ask(&put(name, page).field("Content-Type", "text/html")).expect(201);
        for request in
            [get(name), get(name).field("Content-Length", "0"), get(name).field("Range", "bytes=0-9")]
        {
            let answer = server.ask(&request).expect_one_of(&[200, 206]);
            assert_eq!(answer.field("Content-Type"), Some(media_type), "{answer}");
            assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"), "{answer}");
            assert_eq!(answer.field("Content-Security-Policy"), Some("sandbox"), "{answer}");
        }
    }
}
