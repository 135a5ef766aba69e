//! For whom a browser may ask: names of this machine, and what browsers say.

use super::*;

#[test]
fn names_of_this_machine_are_known() {
    for host in [
        "localhost",
        "localhost:8080",
        "LOCALHOST",
        "app.localhost:1",
        "127.0.0.1",
        "127.9.9.9:80",
        "[::1]",
        "[::1]:80",
        "localhost.",
    ] {
        assert!(is_loopback(host), "{host}");
    }
    for host in [
        "example.com",
        "localhost.example.com",
        "notlocalhost",
        "128.0.0.1",
        "[::2]:80",
        "",
        "0.0.0.0",
        "127.0.0.1.example.com",
        "127.1",
        "2130706433",
        "localhost..",
        ".localhost.example",
        "[127.0.0.1]",
        "[]",
        ":80",
    ] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
    for host in [
        "localhost",
        "example.com:8080",
        "example.com.",
        "a_b.example",
        "127.0.0.1:80",
        "[::1]",
        "[2001:db8::7]:80",
        "[v1.fe80::a]",
        "xn--bcher-kva.example",
        "b%C3%BCcher.example",
        "",
        "localhost:",
        ":80",
    ] {
        assert!(is_host(host.as_bytes()), "{host}");
    }
    for host in [
        &b"a b"[..],
        b"a/b",
        b"a@b",
        b"http://a",
        b"a:b",
        b"a:80:80",
        b"a, b",
        b"[::1",
        b"[::1]x",
        b"[::1]:x",
        b"[a/b]",
        b"::1",
        b"b\xfccher",
        b"<script>",
        b"a\"b",
        b"a\\b",
    ] {
        assert!(!is_host(host), "{}", host.escape_ascii());
    }
}

#[test]
fn what_a_browser_says_of_the_site_decides() {
    let rows = [
        ("no browser", &[][..], false),
        ("typed by a person", &[("sec-fetch-site", "none")], false),
        ("our own page", &[("sec-fetch-site", "same-origin"), ("origin", "http://h:1")], false),
        (
            "our own page through a proxy",
            &[("sec-fetch-site", "same-origin"), ("origin", "https://public")],
            false,
        ),
        ("another port", &[("sec-fetch-site", "same-site")], true),
        ("another site", &[("sec-fetch-site", "cross-site")], true),
        ("an older browser, our own page", &[("origin", "http://h:1")], false),
        ("an older browser, another site", &[("origin", "http://evil.example")], true),
        ("an older browser, another port", &[("origin", "http://h:2")], true),
        ("a sandboxed frame", &[("origin", "null")], true),
    ];
    for (name, fields, refused) in rows {
        let mut headers = HeaderMap::new();
        for (field, value) in fields {
            headers.insert(HeaderName::from_static(field), HeaderValue::from_static(value));
        }
        assert_eq!(is_cross_site(&headers, Some("h:1"), Encryption::Unknown), refused, "{name}");
    }
}

#[test]
fn the_scheme_of_an_origin_counts() {
    let rows = [
        ("http://h:1", Encryption::Unknown, true),
        // A proxy may encrypt.
        ("https://h:1", Encryption::Unknown, true),
        ("HTTPS://H:1", Encryption::Unknown, true),
        ("https://h:1", Encryption::Own, true),
        ("http://h:1", Encryption::Own, false),
        ("chrome-extension://h:1", Encryption::Unknown, false),
        ("file://h:1", Encryption::Unknown, false),
        ("://h:1", Encryption::Unknown, false),
        ("h:1", Encryption::Unknown, false),
        ("null", Encryption::Own, false),
    ];
    for (origin, encryption, own) in rows {
        assert_eq!(is_own_origin(origin, Some("h:1"), encryption), own, "{origin} {encryption:?}");
        let mut headers = HeaderMap::new();
        for origin in ["http://h:1", origin] {
            headers.append(ORIGIN, HeaderValue::from_static(origin));
        }
        // Of two no one can know which counts.
        let foreign = !own || encryption == Encryption::Own;
        assert_eq!(is_cross_site(&headers, Some("h:1"), encryption), foreign, "{origin} {encryption:?}");
    }
}

#[test]
fn a_glance_at_a_host_finds_what_a_look_finds() {
    let hosts = Hosts::Loopback(vec!["example.com".to_owned()]);
    for host in [
        "127.0.0.1",
        "127.0.0.1:80",
        "localhost",
        "localhost:8080",
        "localhost:",
        "127.0.0.1:8x",
        "127.0.0.10",
        "localhost.evil",
        "localhost:80:80",
        "LOCALHOST",
        "a.localhost",
        "[::1]:80",
        "example.com:80",
        "evil.com",
        "",
        "127.0.0.1.evil.com:80",
    ] {
        assert_eq!(hosts.include_field(host.as_bytes()), hosts.include(host), "{host}");
    }
    assert!(!hosts.include_field(b"\xff") && Hosts::Any.include_field(b"\xff"));
}
