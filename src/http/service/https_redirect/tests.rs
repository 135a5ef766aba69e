//! Where clients are sent.

use super::*;

#[test]
fn who_asks_in_plain_text_is_sent_to_the_same_place() {
    for (host, wanted) in [
        ("example.org", Some("https://example.org:8443/a?b")),
        ("example.org:80", Some("https://example.org:8443/a?b")),
        ("[::1]:80", Some("https://[::1]:8443/a?b")),
        ("127.0.0.1", Some("https://127.0.0.1:8443/a?b")),
        ("", None),
        ("evil.example/path", None),
        ("user@evil.example", None),
        ("[::1", None),
        ("a b", None),
    ] {
        let found = without_port(host).map(|host| location(host, 8443, "/a?b"));
        assert_eq!(found.as_deref(), wanted, "{host}");
    }
    assert_eq!(location("example.org", 443, "/"), "https://example.org/");
}

#[test]
fn a_whole_uri_counts_more_than_the_host_field() {
    for (target, wanted) in [
        ("/x", Some("https://field:8443/x")),
        ("http://other/x?y", Some("https://other:8443/x?y")),
        ("http://other:80", Some("https://other:8443/")),
        ("http://user@other/", None),
        // Of CONNECT, which is no way out of here.
        ("evil.example:443", Some("https://field:8443/")),
    ] {
        let mut request = Request::new();
        *request.uri_mut() = target.parse().unwrap();
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("field"));
        let response = to_https(&request, 8443);
        let found = response.headers().get(header::LOCATION).map(|value| value.to_str().unwrap());
        assert_eq!(found, wanted, "{target}");
    }
}
