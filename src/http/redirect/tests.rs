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
