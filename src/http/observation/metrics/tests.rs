//! What is counted comes out where it belongs.

use super::*;

#[test]
fn answers_are_counted_by_method_status_and_time() {
    let metrics = Metrics::default();
    metrics.count("GET", StatusCode::OK, 10);
    metrics.count("GET", StatusCode::OK, 5);
    metrics.count("GET", StatusCode::IM_A_TEAPOT, 0);
    metrics.count("PROPFIND", StatusCode::METHOD_NOT_ALLOWED, 0);
    metrics.count_failed(PreconditionField::IfMatch);
    metrics.time(Instant::now());
    metrics.time(Instant::now().checked_sub(Duration::from_secs(2)).unwrap());
    let mut out = Exposition(String::new());
    requests(&mut out, &metrics);
    for line in [
        "ifmatch_http_requests_total{method=\"GET\",status=\"200\"} 2",
        "ifmatch_http_requests_total{method=\"GET\",status=\"other\"} 1",
        "ifmatch_http_requests_total{method=\"other\",status=\"405\"} 1",
        "ifmatch_http_precondition_failures_total{field=\"If-Match\"} 1",
        "ifmatch_http_response_bytes_total 15",
        "ifmatch_http_request_duration_seconds_bucket{le=\"0.0005\"} 1",
        "ifmatch_http_request_duration_seconds_bucket{le=\"1\"} 1",
        "ifmatch_http_request_duration_seconds_bucket{le=\"10\"} 2",
        "ifmatch_http_request_duration_seconds_bucket{le=\"+Inf\"} 2",
        "ifmatch_http_request_duration_seconds_count 2",
    ] {
        assert!(out.0.lines().any(|written| written == line), "{line}\n{}", out.0);
    }
}
