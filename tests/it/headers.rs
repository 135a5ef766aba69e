//! The operator's header fields, `immutable`, and web pages of other origins.

use crate::harness::{Launch, Request, Response, Server, delete, get, head, put, request, tag_of};

/// The answers that are given at once, and those that actix gives: a field that is not plain takes the long way.
fn by_both_ways(server: &Server, asked: &Request) -> [Response; 2] {
    server.ask(asked);
    let at_once = server.ask(asked);
    [at_once, server.ask(&asked.clone().field("Want-Repr-Digest", "unknown=1"))]
}

fn assert_fields(response: &Response, fields: &[(&str, Option<&str>)]) {
    for (name, expected) in fields {
        assert_eq!(response.lines(name), expected.iter().copied().collect::<Vec<_>>(), "{name}\n{response}");
    }
}

#[test]
fn a_field_of_the_operator_is_in_every_answer() {
    let fields =
        ["--header", "X-Site: one: two", "--header", "X-Other: first", "--header", "x-other: second"];
    let server = Launch::writing().args(fields).start();
    server.folder().write("file", "x");
    server.folder().folder("sub");
    let expected = [("X-Site", vec!["one: two"]), ("X-Other", vec!["first", "second"])];
    let cases = [
        (get("/file"), [200, 200]),
        (head("/file"), [200, 200]),
        (get("/file").field("If-None-Match", tag_of(b"x")), [304, 304]),
        (get("/file").field("If-Match", "\"other\""), [412, 412]),
        (get("/file").field("Range", "bytes=0-0"), [206, 206]),
        (get("/file").field("Range", "bytes=5-"), [416, 416]),
        (get("/missing"), [404, 404]),
        (get("/missing").field("Accept", "text/html"), [404, 404]),
        (get("/sub/"), [200, 200]),
        (get("/sub"), [301, 301]),
        (get("/%2e%2e/x"), [400, 400]),
        (request("OPTIONS", "/file"), [204, 204]),
        (request("PATCH", "/file"), [405, 405]),
        (put("/file", "y").field("If-Match", "\"other\""), [412, 412]),
        (put("/new", "y"), [201, 204]),
        (delete("/new"), [204, 404]),
    ];
    for (asked, statuses) in cases {
        for response in by_both_ways(&server, &asked) {
            let response = response.expect_one_of(&statuses);
            for (name, lines) in &expected {
                assert_eq!(&response.lines(name), lines, "{asked:?}\n{response}");
            }
        }
    }
    for own in ["/__ifmatch__/health", "/__ifmatch__/metrics"] {
        assert_fields(&server.get(own), &[("X-Site", None)]);
    }
}

#[test]
fn both_ways_send_the_same_fields() {
    let server = Launch::new().args(["--security-headers", "--header", "X-Site: a", "--cors"]).start();
    server.folder().write("file", "x");
    for asked in
        [get("/file"), head("/file"), get("/missing"), get("/file").field("If-None-Match", tag_of(b"x"))]
    {
        for asked in [asked.clone(), asked.field("Origin", "https://app.example")] {
            let [one, other] = by_both_ways(&server, &asked).map(|response| {
                let mut fields = response.fields.clone();
                fields.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
                fields.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
                fields.sort();
                (response.status, fields)
            });
            assert_eq!(one, other);
        }
    }
    let metrics = server.get("/__ifmatch__/metrics").text();
    let at_once =
        metrics.lines().find(|line| line.starts_with("ifmatch_http_answers_at_once_total ")).unwrap();
    assert!(at_once.rsplit(' ').next().unwrap().parse::<u32>().unwrap() >= 4, "{at_once}");
}

#[test]
fn the_preset_makes_browsers_careful_and_can_be_changed() {
    let change = ["--security-headers", "--header", "Referrer-Policy: no-referrer"];
    let server = Launch::new().args(change).start();
    server.folder().write("file", "x");
    for response in by_both_ways(&server, &get("/file")) {
        assert_fields(
            &response,
            &[
                ("X-Content-Type-Options", Some("nosniff")),
                ("X-Frame-Options", Some("SAMEORIGIN")),
                ("Content-Security-Policy", Some("frame-ancestors 'self'")),
                ("Referrer-Policy", Some("no-referrer")),
                ("Cross-Origin-Opener-Policy", Some("same-origin")),
                // Nothing is encrypted here.
                ("Strict-Transport-Security", None),
            ],
        );
    }
}

#[test]
fn pages_of_the_server_follow_the_policy_of_the_operator_as_well_as_their_own() {
    let policy = "frame-ancestors 'none'";
    let server = Launch::new().args(["--header", &format!("Content-Security-Policy: {policy}")]).start();
    server.folder().write("file", "x");
    server.folder().folder("sub");
    for (target, status) in [("/sub/", 200), ("/missing", 404)] {
        let page = server.ask(&get(target).field("Accept", "text/html")).expect(status);
        let policies = page.lines("Content-Security-Policy");
        assert_eq!(policies.len(), 2, "{page}");
        assert!(policies[0].starts_with("default-src 'none'") && policies[1] == policy, "{page}");
    }
    for response in by_both_ways(&server, &get("/file")) {
        assert_fields(&response, &[("Content-Security-Policy", Some(policy))]);
    }
}

#[test]
fn only_what_nobody_can_write_is_immutable() {
    let forever = Some("public, max-age=31536000, immutable");
    let hash = "alice:$2y$04$abcdefghijklmnopqrstuuXRH0QvSSMdmKwWZd7VmJfZl3w1mXq5m";
    let writable = format!("{hash}@/up:rw");
    let cases: [(&[&str], &str, Option<&str>); 7] = [
        (&["--immutable"], "/app.3f2a9c1b.js", forever),
        (&["--immutable"], "/app.js", Some("no-cache")),
        (&[], "/app.3f2a9c1b.js", Some("no-cache")),
        (&["--immutable", "-A"], "/app.3f2a9c1b.js", Some("no-cache")),
        (&["--immutable", "-A", "--auth", &writable], "/app.3f2a9c1b.js", forever),
        (&["--immutable", "-A", "--auth", &writable], "/up/app.3f2a9c1b.js", Some("no-cache")),
        (&["--cache-control", "max-age=9, immutable", "--allow-upload"], "/app.js", Some("no-cache")),
    ];
    for (arguments, target, expected) in cases {
        let server = Launch::new().args(arguments).start();
        server.folder().write(&target[1..], "x");
        for response in by_both_ways(&server, &get(target)) {
            assert_eq!(response.field("Cache-Control"), expected, "{arguments:?} {target}\n{response}");
        }
    }
}

#[test]
fn what_not_everybody_may_read_is_not_for_shared_caches() {
    let hash = "alice:$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";
    let server = Launch::new()
        .args(["--immutable", "--cache-control", "public, max-age=60", "-a", hash, "-a", "@/in:-"])
        .start();
    let token = "Basic YWxpY2U6c2VjcmV0";
    for (target, expected) in [
        ("/a.txt", "public, max-age=60"),
        ("/app.3f2a9c1b.js", "public, max-age=31536000, immutable"),
        ("/in/a.txt", "private, max-age=60"),
        ("/in/app.3f2a9c1b.js", "private, max-age=31536000, immutable"),
    ] {
        server.folder().write(&target[1..], "x");
        for response in by_both_ways(&server, &get(target).field("Authorization", token)) {
            assert_eq!(response.expect(200).field("Cache-Control"), Some(expected), "{target}");
        }
    }
}

#[test]
fn the_page_for_what_is_missing_is_not_kept() {
    let server = Launch::new().args(["--cache-control", "max-age=60, immutable"]).start();
    server.folder().write("404.html", "nothing here");
    assert_eq!(server.get("/404.html").field("Cache-Control"), Some("max-age=60, immutable"));
    for response in by_both_ways(&server, &get("/missing")) {
        assert_eq!(response.expect(404).field("Cache-Control"), Some("no-cache"));
    }
}

#[test]
fn pages_of_any_origin_may_read_but_not_write() {
    let server = Launch::writing().arg("--cors").start();
    server.folder().write("file", "x");
    let from = |asked: Request| asked.field("Origin", "https://app.example");
    for response in by_both_ways(&server, &from(get("/file"))) {
        assert_fields(&response, &[("Access-Control-Allow-Origin", Some("*")), ("Vary", None)]);
        assert!(response.lists("Access-Control-Expose-Headers", "ETag"), "{response}");
    }
    for asked in [get("/missing"), get("/"), get("/file").field("If-None-Match", tag_of(b"x"))] {
        assert_fields(&server.ask(&asked), &[("Access-Control-Allow-Origin", Some("*"))]);
    }
    let preflight = from(request("OPTIONS", "/file")).field("Access-Control-Request-Method", "PUT");
    let answer = server.ask(&preflight).expect(204);
    assert_fields(&answer, &[("Access-Control-Allow-Methods", Some("GET, HEAD, OPTIONS"))]);
    server.ask(&from(put("/file", "y"))).expect_problem(403);
    server.get("/file").expect_file(b"x");
}

/// What a page is told that wants to ask with these fields.
fn allowed_fields(server: &Server, method: &str, fields: &str) -> Response {
    let preflight = request("OPTIONS", "/file")
        .field("Origin", "https://app.example")
        .field("Access-Control-Request-Method", method)
        .field("Access-Control-Request-Headers", fields);
    server.ask(&preflight).expect(204)
}

#[test]
fn where_pages_may_only_read_they_may_send_any_field() {
    for (launch, vary) in [
        (Launch::new().arg("--cors"), "Access-Control-Request-Headers"),
        (Launch::writing().arg("--cors"), "Access-Control-Request-Headers"),
        (Launch::new().arg("--cors=https://app.example"), "Access-Control-Request-Headers, Origin"),
    ] {
        let server = launch.start();
        server.folder().write("file", "x");
        for fields in [
            "cache-control,pragma",
            "traceparent, tracestate,x-requested-with",
            "x-anything",
            "authorization",
        ] {
            let answer = allowed_fields(&server, "GET", fields);
            assert_fields(&answer, &[("Access-Control-Allow-Headers", Some(fields)), ("Vary", Some(vary))]);
            assert_fields(&answer, &[("Access-Control-Allow-Methods", Some("GET, HEAD, OPTIONS"))]);
        }
        let long = ["x"; 600].join(",");
        for fields in ["x-one, , x-two", "x one", "x:one", "", "x\u{e4}", long.as_str()] {
            let answer = allowed_fields(&server, "GET", fields);
            assert!(answer.lists("Access-Control-Allow-Headers", "Cache-Control"), "{answer}");
            assert_ne!(answer.field("Access-Control-Allow-Headers"), Some(fields), "{answer}");
        }
    }
}

#[test]
fn where_pages_may_write_they_may_send_known_fields_only() {
    let server = Launch::writing().arg("--cors=https://app.example").start();
    for method in ["GET", "PUT"] {
        let answer = allowed_fields(&server, method, "cache-control, x-http-method-override");
        for known in ["Cache-Control", "Pragma", "X-Requested-With", "traceparent", "If-Match"] {
            assert!(answer.lists("Access-Control-Allow-Headers", known), "{answer}");
        }
        assert!(!answer.lists("Access-Control-Allow-Headers", "x-http-method-override"), "{answer}");
        assert_fields(&answer, &[("Vary", Some("Origin"))]);
    }
}

#[test]
fn pages_of_a_named_origin_may_read_and_write() {
    let server =
        Launch::writing().args(["--cors=https://app.example", "--cors=http://localhost:3000"]).start();
    server.folder().write("file", "x");
    for (origin, allowed) in [
        ("https://app.example", Some("https://app.example")),
        ("http://localhost:3000", Some("http://localhost:3000")),
        ("https://evil.example", None),
        ("https://app.example.evil.example", None),
        ("http://app.example", None),
        ("null", None),
    ] {
        for response in by_both_ways(&server, &get("/file").field("Origin", origin)) {
            assert_fields(&response, &[("Access-Control-Allow-Origin", allowed), ("Vary", Some("Origin"))]);
        }
        let missing = server.ask(&get("/missing").field("Origin", origin)).expect(404);
        assert_fields(
            &missing,
            &[("Access-Control-Allow-Origin", allowed), ("Vary", Some("Accept, Origin"))],
        );
        let preflight =
            request("OPTIONS", "/file").field("Origin", origin).field("Access-Control-Request-Method", "PUT");
        let answer = server.ask(&preflight).expect(204);
        assert_fields(&answer, &[("Access-Control-Allow-Origin", allowed), ("Vary", Some("Origin"))]);
        assert_eq!(answer.lists("Access-Control-Allow-Methods", "PUT"), allowed.is_some(), "{answer}");
        assert_eq!(answer.lists("Access-Control-Allow-Headers", "If-Match"), allowed.is_some(), "{answer}");
        let written = server.ask(&put("/file", "x").field("Origin", origin).field("If-Match", tag_of(b"x")));
        assert_eq!(written.status, if allowed.is_some() { 204 } else { 403 }, "{written}");
        assert_fields(&written, &[("Access-Control-Allow-Origin", allowed)]);
    }
    // Who has no origin gets the same answer, and caches are told that there are others.
    for response in by_both_ways(&server, &get("/file")) {
        assert_fields(&response, &[("Access-Control-Allow-Origin", None), ("Vary", Some("Origin"))]);
    }
}

#[test]
fn a_field_that_cannot_be_sent_is_an_error_at_start() {
    for (arguments, expected) in [
        (["--header", "ETag: \"mine\""], "ifmatch: --header: ETag is made by the server itself\n"),
        (
            ["--header", "no colon"],
            "ifmatch: --header: \"no colon\" has no colon; a field is written NAME: VALUE\n",
        ),
        (["--cache-control", "a\nb"], "ifmatch: --cache-control: \"a\\nb\" cannot stand in a header field\n"),
        (["--cors=app.example", "-q"], "ifmatch: --cors: \"app.example\" is not an origin; "),
        (["--cors", "--cors=https://a.example"], "ifmatch: --cors: * is for pages of all origins, "),
    ] {
        let folder = crate::harness::Folder::new();
        let output = Launch::new().command(&folder).args(arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.starts_with(expected), "{error}");
    }
}
