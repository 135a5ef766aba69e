//! URLs of servers.

use super::*;

#[test]
fn a_url_names_an_address_and_what_to_ask() {
    for (url, address, path) in [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", BESIDE),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080", BESIDE),
        ("http://localhost:9000/health", "127.0.0.1:9000", "/health"),
        ("http://localhost", "127.0.0.1:80", BESIDE),
        ("http://0.0.0.0:80/", "127.0.0.1:80", BESIDE),
        ("http://[::1]:8080/", "[::1]:8080", BESIDE),
        ("http://[::]:8080/", "[::1]:8080", BESIDE),
        ("http://[::1]/", "[::1]:80", BESIDE),
    ] {
        let endpoint = Endpoint::Plain(address.parse().unwrap());
        assert_eq!(named(url).unwrap(), HealthTarget { endpoint, path: path.to_owned() }, "{url}");
    }
    for (url, endpoint) in [
        ("https://127.0.0.1:8443/", Endpoint::Encrypted("127.0.0.1:8443".parse().unwrap())),
        ("https://[::]", Endpoint::Encrypted("[::1]:443".parse().unwrap())),
        ("unix:/run/a socket", Endpoint::Socket("/run/a socket".into())),
    ] {
        assert_eq!(named(url).unwrap(), HealthTarget { endpoint, path: BESIDE.to_owned() }, "{url}");
    }
}

#[test]
fn what_is_no_such_url_is_refused() {
    for url in [
        "",
        "8080",
        "127.0.0.1:8080",
        "ftp://127.0.0.1/",
        "http://",
        "http://name.example/",
        "http://localhostile/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:80/a b",
        "http://127.0.0.1:80/\r\nX: y",
        "http://user@127.0.0.1/",
        "unix:",
        "unix:relative",
    ] {
        assert!(named(url).is_err(), "{url}");
    }
}
