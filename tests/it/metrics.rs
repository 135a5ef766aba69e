//! What is counted and logged of answers.

use std::collections::HashMap;

use prometheus_parse::{Sample, Scrape, Value};

use crate::harness::{Launch, Server, delete, eventually, get, head, put};

/// The samples, read by a parser that is not ours; every name has a help text and a type.
fn scrape(server: &Server) -> Vec<Sample> {
    let answer = server.ask(&get("/__ifmatch__/metrics")).expect(200);
    assert_eq!(answer.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    let text = String::from_utf8(answer.body).unwrap();
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    for sample in &scrape.samples {
        assert!(sample.metric.starts_with("ifmatch_"), "{sample:?}");
        // The parser keeps the sum and the count of a histogram apart from it.
        let metric = sample.metric.trim_end_matches("_sum").trim_end_matches("_count");
        let is_part = metric != sample.metric;
        assert!(is_part || !matches!(sample.value, Value::Untyped(_)), "{sample:?} has no type");
        assert!(scrape.docs.contains_key(metric), "{sample:?} has no help text");
    }
    scrape.samples
}

/// The value of the sample with this name and these labels.
fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let wanted: HashMap<&str, &str> = labels.iter().copied().collect();
    let found = samples.iter().find(|sample| {
        sample.metric == name
            && sample.labels.len() == wanted.len()
            && wanted.iter().all(|(label, value)| sample.labels.get(label) == Some(*value))
    });
    match found.map(|sample| &sample.value) {
        Some(Value::Counter(value) | Value::Gauge(value)) => *value,
        None => 0.0,
        Some(other) => panic!("{name}: {other:?}"),
    }
}

#[test]
fn answers_are_counted_in_both_lanes() {
    let server = Launch::writing().start();
    server.folder().write("file", "0123456789");
    let tag = server.get_settled("/file").expect(200).tag().to_owned();
    let before = scrape(&server);
    for _ in 0..5 {
        server.ask(&get("/file")).expect(200);
        server.ask(&get("/file").field("Content-Length", "0")).expect(200);
        server.ask(&get("/file").field("If-None-Match", &tag)).expect(304);
        server.ask(&head("/missing")).expect(404);
    }
    server.ask(&put("/file", "x").field("If-Match", "\"stale\"")).expect(412);
    server.ask(&put("/file", "x").field("If-None-Match", "*")).expect(412);
    server.ask(&delete("/file").field("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")).expect(412);
    server.ask(&put("/new", "x")).expect(201);
    let after = scrape(&server);
    let grown =
        |name: &str, labels: &[(&str, &str)]| value(&after, name, labels) - value(&before, name, labels);
    let requests =
        |method, status| grown("ifmatch_http_requests_total", &[("method", method), ("status", status)]);
    for (method, status, count) in [
        ("GET", "200", 11.0), // with the first look at the figures
        ("GET", "304", 5.0),
        ("HEAD", "404", 5.0),
        ("PUT", "412", 2.0),
        ("PUT", "201", 1.0),
        ("DELETE", "412", 1.0),
    ] {
        assert_eq!(requests(method, status), count, "{method} {status}");
    }
    for field in ["If-Match", "If-None-Match", "If-Unmodified-Since"] {
        assert_eq!(grown("ifmatch_http_precondition_failures_total", &[("field", field)]), 1.0, "{field}");
    }
    assert_eq!(grown("ifmatch_http_answers_at_once_total", &[]), 15.0);
    assert!(grown("ifmatch_http_response_bytes_total", &[]) >= 100.0);
    let histogram = |samples: &[Sample]| {
        let found = samples.iter().find(|sample| sample.metric == "ifmatch_http_request_duration_seconds");
        match found.map(|sample| &sample.value) {
            Some(Value::Histogram(buckets)) => {
                assert!(buckets.windows(2).all(|two| two[0].count <= two[1].count), "{buckets:?}");
                buckets.last().unwrap().count
            }
            other => panic!("{other:?}"),
        }
    };
    // Five by the long way, four writes, and the first look.
    assert_eq!(histogram(&after) - histogram(&before), 10.0);
    for (name, labels, wanted) in [
        ("ifmatch_up", &[][..], 1.0),
        ("ifmatch_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0),
        ("ifmatch_watcher_state", &[("state", "failed")], 0.0),
        ("ifmatch_conflict_copies_total", &[], 0.0),
    ] {
        assert_eq!(value(&after, name, labels), wanted, "{name}");
    }
    let guards = after.iter().filter(|sample| sample.metric == "ifmatch_cas_guard");
    let on = guards.filter(|sample| matches!(sample.value, Value::Gauge(value) if value > 0.0)).count();
    assert_eq!(on, 1);
}

#[test]
fn no_path_is_revealed() {
    let server = Launch::writing().start();
    server.folder().write("a-name-that-is-nobodys-business", "x");
    server.ask(&get("/a-name-that-is-nobodys-business")).expect(200);
    server.ask(&get("/zebra")).expect(404);
    let answer = server.ask(&get("/__ifmatch__/metrics")).expect(200);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(!text.contains("name-that") && !text.contains("zebra") && !text.contains("ifmatch-it"), "{text}");
}

#[test]
fn a_line_of_the_log_is_in_the_combined_format() {
    let server = Launch::new().arg("-v").start();
    server.folder().write("file", "0123456789");
    server.get_settled("/file").expect(200);
    for (lane, length) in [("express", None), ("long", Some("0"))] {
        let target = format!("/file?{lane}");
        let mut asked = get(&target).field("User-Agent", "a \"b\"\tc").field("Referer", "http://other/");
        if let Some(length) = length {
            asked = asked.field("Content-Length", length);
        }
        server.ask(&asked).expect(200);
        let line = eventually("the line is written", || {
            server.stderr().lines().find(|line| line.contains(&target)).map(str::to_owned)
        });
        let rest = format!("\"GET {target} HTTP/1.1\" 200 10 \"http://other/\" \"a \\\"b\\\"\\tc\"");
        assert!(
            line.contains("127.0.0.1 - - [") && line.contains(" +0000] ") && line.ends_with(&rest),
            "{line}"
        );
    }
}

#[test]
fn a_line_of_the_json_log_has_its_parts_by_name() {
    let server = Launch::new().args(["-v", "--log-format", "json"]).start();
    server.folder().write("file", "0123456789");
    server.get_settled("/file").expect(200);
    server.ask(&get("/file?json").field("User-Agent", "me")).expect(200);
    let line = eventually("the line is written", || {
        server.stderr().lines().find(|line| line.contains("/file?json")).map(str::to_owned)
    });
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (name, wanted) in [
        ("peer", serde_json::json!("127.0.0.1")),
        ("method", "GET".into()),
        ("uri", "/file?json".into()),
        ("target", "ifmatch::access".into()),
        ("status", 200.into()),
        ("bytes", 10.into()),
        ("user_agent", "me".into()),
        ("account", "-".into()),
    ] {
        assert_eq!(line[name], wanted, "{name} in {line}");
    }
}

#[test]
fn health_and_metrics_can_have_an_address_of_their_own() {
    let server = Launch::new().args(["--admin-bind", "127.0.0.1:0"]).start();
    server.folder().write("file", "x");
    server.get("/file").expect_file(b"x");
    let line = eventually("the other address is told", || {
        server.stdout().lines().find(|line| line.ends_with(" tells health and metrics")).map(str::to_owned)
    });
    let address = line.trim().strip_prefix("http://").unwrap().split('/').next().unwrap().parse().unwrap();
    for (target, status) in [
        ("/health", 200),
        ("/metrics", 200),
        ("/__ifmatch__/health", 200),
        ("/__ifmatch__/metrics", 200),
        ("/", 404),
        ("/file", 404),
    ] {
        let mut client = crate::harness::Client::connect(address);
        client.ask(&get(target)).expect(status);
        assert_eq!(server.get(target).status == 200, matches!(target, "/" | "/file"), "{target}");
    }
    let mut client = crate::harness::Client::connect(address);
    client.ask(&put("/file", "y")).expect(404);
}
