//! How rates, sizes and numbers of connections are written.

use super::*;

#[test]
fn a_rate_is_a_number_in_a_time() {
    for (text, wanted) in [
        ("20/s", Some((20, 1))),
        ("20", None),
        ("600/m", Some((600, 60))),
        ("1/h", Some((1, 3600))),
        (" 5 / s", Some((5, 1))),
        ("0/s", None),
        ("", None),
        ("/s", None),
        ("20/d", None),
        ("-1/s", None),
        ("1.5/s", None),
        ("99999999999/s", None),
    ] {
        let found = rate(text).ok().map(|rate| (rate.requests.get(), rate.period.as_secs()));
        assert_eq!(found, wanted, "{text}");
    }
}

#[test]
fn a_head_may_be_limited_within_what_can_be_read() {
    for (text, wanted) in [
        ("4K", Some(4096)),
        ("128K", Some(131_072)),
        ("8192", Some(8192)),
        ("4095", None),
        ("129K", None),
        ("", None),
    ] {
        assert_eq!(head_size(text).ok(), wanted, "{text}");
    }
}

#[test]
fn there_is_always_a_connection() {
    assert!(connections("0").is_err() && connections("1") == Ok(1));
}
