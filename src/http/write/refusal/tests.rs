//! What refusals tell.

use super::*;

fn detail(field: PreconditionField, method: Method) -> String {
    let body = nothing_matches(field, &method).body();
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["failed-field"], field.name());
    assert!(problem["current-etag"].is_null(), "{body}");
    problem["detail"].as_str().unwrap().to_owned()
}

#[test]
fn advice_where_nothing_is_left_can_be_followed() {
    // The file was there when the condition was judged, and had gone when the answer was made.
    for method in [Method::PUT, Method::DELETE] {
        let gone = detail(PreconditionField::IfNoneMatch, method);
        assert!(!gone.contains("send If-None-Match") && gone.contains("send the request again"), "{gone}");
    }
    for field in [PreconditionField::IfMatch, PreconditionField::IfUnmodifiedSince] {
        assert!(detail(field, Method::PUT).contains("send If-None-Match: *"));
        assert!(!detail(field, Method::DELETE).contains("If-None-Match"));
    }
}
