//! What is an origin.

use super::*;

#[test]
fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
    let listed = |text: &str| Origins::Listed(vec![text.to_owned()]);
    let cases = [
        ("https://app.example", Ok(listed("https://app.example"))),
        ("http://localhost:3000", Ok(listed("http://localhost:3000"))),
        ("http://[::1]:3000", Ok(listed("http://[::1]:3000"))),
        ("HTTPS://App.Example", Ok(listed("https://app.example"))),
        ("https://app.example:443", Ok(listed("https://app.example"))),
        ("http://app.example:80", Ok(listed("http://app.example"))),
        ("http://app.example:443", Ok(listed("http://app.example:443"))),
        ("https://app.example:", Err(())),
        ("moz-extension://a-b-c", Ok(listed("moz-extension://a-b-c"))),
        ("*", Ok(Origins::Any)),
        ("app.example", Err(())),
        ("https://app.example/", Err(())),
        ("https://app.example/path", Err(())),
        ("https://*.example", Err(())),
        ("https://", Err(())),
        ("null", Err(())),
        ("https://a\r\nb", Err(())),
    ];
    for (text, expected) in cases {
        assert_eq!(Origins::parse([text]).map_err(drop), expected, "{text}");
    }
    assert_eq!(Origins::parse([]), Ok(Origins::None));
    assert_eq!(Origins::parse(["*", "*"]), Ok(Origins::Any));
    for texts in [["https://a.example", "*"], ["*", "https://a.example"]] {
        let error = Origins::parse(texts).unwrap_err().to_string();
        assert!(error.contains("https://a.example") && error.contains("one or the other"), "{error}");
    }
}
