//! How times are written.

use super::*;

#[test]
fn a_time_is_a_number_with_a_unit_or_of_seconds() {
    for (text, wanted) in [
        ("10s", Some(10_000)),
        ("10", Some(10_000)),
        ("500ms", Some(500)),
        ("2m", Some(120_000)),
        ("24h", Some(86_400_000)),
        ("25h", None),
        ("0", None),
        ("0s", None),
        ("", None),
        ("s", None),
        ("1.5s", None),
        ("-1s", None),
        ("10 s", None),
        ("10S", None),
        ("1d", None),
        ("18446744073709551615h", None),
    ] {
        assert_eq!(duration(text).map(|time| time.as_millis()), wanted, "{text}");
    }
}
