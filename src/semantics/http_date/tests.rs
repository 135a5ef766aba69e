//! Tests of HTTP dates.

use proptest::prelude::*;

use super::*;
use crate::semantics::assert_rows;

/// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 5.6.7.
const EXAMPLE: u64 = 784_111_777;

#[test]
fn the_three_spellings_are_read_and_nothing_else() {
    let rows: &[(&str, &str, Option<u64>)] = &[
        ("IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", Some(EXAMPLE)),
        ("RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", Some(EXAMPLE)),
        ("asctime", "Sun Nov  6 08:49:37 1994", Some(EXAMPLE)),
        ("asctime, two-digit day", "Tue Nov 15 08:12:31 1994", Some(784_887_151)),
        ("whitespace around", " \tSun, 06 Nov 1994 08:49:37 GMT\t ", Some(EXAMPLE)),
        ("the epoch", "Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("the last second", "Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
        ("a leap day", "Thu, 29 Feb 2024 12:00:00 GMT", Some(1_709_208_000)),
        ("29 February 2000", "Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400)),
        ("RFC 850, year 69", "Tuesday, 01-Jan-69 00:00:00 GMT", Some(3_124_224_000)),
        ("RFC 850, year 70", "Thursday, 01-Jan-70 00:00:00 GMT", Some(0)),
        ("RFC 850, longest weekday", "Wednesday, 09-Nov-94 08:49:37 GMT", Some(EXAMPLE + 3 * 86_400)),
        ("one second before the epoch", "Wed, 31 Dec 1969 23:59:59 GMT", Some(0)),
        ("year 1, zero time of Go and .NET", "Mon, 01 Jan 0001 00:00:00 GMT", Some(0)),
        ("year 0", "Sat, 01 Jan 0000 00:00:00 GMT", Some(0)),
        ("asctime before the epoch", "Wed Dec 31 23:59:59 1969", Some(0)),
        ("year 1, another weekday", "Tue, 01 Jan 0001 00:00:00 GMT", None),
        ("29 February 1900", "Thu, 29 Feb 1900 00:00:00 GMT", None),
        ("leap second", "Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_799)),
        ("leap second, RFC 850", "Saturday, 31-Dec-16 23:59:60 GMT", Some(1_483_228_799)),
        ("leap second, asctime", "Sat Dec 31 23:59:60 2016", Some(1_483_228_799)),
        ("second 60 at noon", "Sat, 31 Dec 2016 12:00:60 GMT", None),
        ("second 61", "Sat, 31 Dec 2016 23:59:61 GMT", None),
        ("hour 24", "Sun, 06 Nov 1994 24:00:00 GMT", None),
        ("minute 60", "Sun, 06 Nov 1994 08:60:37 GMT", None),
        ("day 0", "Sun, 00 Nov 1994 08:49:37 GMT", None),
        ("31 November", "Thu, 31 Nov 1994 08:49:37 GMT", None),
        ("29 February 2023", "Wed, 29 Feb 2023 12:00:00 GMT", None),
        ("29 February 2100", "Mon, 29 Feb 2100 12:00:00 GMT", None),
        ("another weekday", "Mon, 06 Nov 1994 08:49:37 GMT", None),
        ("no such month", "Sun, 06 Nox 1994 08:49:37 GMT", None),
        ("lower-case month", "Sun, 06 nov 1994 08:49:37 GMT", None),
        ("lower-case zone", "Sun, 06 Nov 1994 08:49:37 gmt", None),
        ("zone UTC", "Sun, 06 Nov 1994 08:49:37 UTC", None),
        ("numeric zone", "Sun, 06 Nov 1994 08:49:37 +0000", None),
        ("no zone", "Sun, 06 Nov 1994 08:49:37", None),
        ("one-digit day", "Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("asctime with a zone", "Sun Nov  6 08:49:37 1994 GMT", None),
        ("asctime, day with a zero is the same day", "Sun Nov 06 08:49:37 1994", Some(EXAMPLE)),
        ("two spaces", "Sun,  06 Nov 1994 08:49:37 GMT", None),
        ("five-digit year", "Sat, 01 Jan 10000 00:00:00 GMT", None),
        ("signed year", "Mon, 01 Jan +001 00:00:00 GMT", None),
        ("RFC 3339", "1994-11-06T08:49:37Z", None),
        ("seconds", "784111777", None),
        ("zero", "0", None),
        ("negative", "-1", None),
        ("a tag", "\"xyzzy\"", None),
        ("two dates", "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("a line feed behind", "Sun, 06 Nov 1994 08:49:37 GMT\n", None),
        ("a form feed before", "\x0CSun, 06 Nov 1994 08:49:37 GMT", None),
        ("not ASCII", "Sün, 06 Nov 1994 08:49:37 GMT", None),
        ("empty", "", None),
        ("whitespace only", " \t", None),
    ];
    assert_rows(rows.iter().map(|(name, value, expected)| {
        let parsed = HttpDate::parse(value.as_bytes()).map(HttpDate::unix);
        (name, parsed, *expected)
    }));
}

#[test]
fn bytes_that_are_not_utf_8_are_no_date() {
    assert_eq!(HttpDate::parse(b"Sun, 06 Nov 1994 08:49:37 GM\xFF"), None);
    assert_eq!(HttpDate::parse(&[0x80; 29]), None);
}

#[test]
fn a_date_prints_as_imf_fixdate() {
    let rows = [
        ("the epoch", 0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("the example", EXAMPLE, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("the end", HttpDate::LAST, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ];
    assert_rows(
        rows.map(|(name, seconds, expected)| (name, HttpDate(seconds).to_string(), expected.to_owned())),
    );
}

#[test]
fn a_date_lies_between_the_epoch_and_the_year_9999() {
    let rows = [
        ("before the epoch", -1, None),
        ("long before the epoch", i64::MIN, None),
        ("the epoch", 0, Some(0)),
        ("the last second", 253_402_300_799, Some(253_402_300_799)),
        ("the year 10000", 253_402_300_800, None),
        ("the end of time", i64::MAX, None),
    ];
    assert_rows(
        rows.map(|(name, seconds, expected)| {
            (name, HttpDate::from_unix(seconds).map(HttpDate::unix), expected)
        }),
    );
}

#[test]
fn the_next_date_is_one_second_later_until_the_last() {
    assert_eq!(HttpDate(7).next(), HttpDate(8));
    assert_eq!(HttpDate(HttpDate::LAST).next(), HttpDate(HttpDate::LAST));
}

#[test]
fn a_date_field_is_exactly_one_valid_line() {
    let date: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
    type Row<'a> = (&'a str, &'a [&'a [u8]], Option<HttpDate>);
    let rows: &[Row<'_>] = &[
        ("absent", &[], None),
        ("one date", &[date], Some(HttpDate(EXAMPLE))),
        ("the same date twice", &[date, date], None),
        ("a date and an empty line", &[date, b""], None),
        ("garbage", &[b"yesterday"], None),
        ("empty", &[b""], None),
    ];
    assert_rows(
        rows.iter().map(|(name, lines, expected)| (name, parse_field(lines.iter().copied()), *expected)),
    );
}

fn any_date() -> impl Strategy<Value = HttpDate> {
    (0..=HttpDate::LAST).prop_map(HttpDate)
}

/// Bytes that often begin like a date.
fn damaged_date() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (any_date(), prop::collection::vec(change, 0..4)).prop_map(|(date, changes)| {
        let mut bytes = date.to_string().into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn parsing_arbitrary_bytes_never_panics(value in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = HttpDate::parse(&value);
    }

    #[test]
    fn a_damaged_date_is_read_as_a_date_or_not_at_all(value in damaged_date()) {
        prop_assert!(HttpDate::parse(&value).is_none_or(|date| date.unix() <= HttpDate::LAST));
    }

    #[test]
    fn what_is_read_is_what_was_printed(date in any_date()) {
        prop_assert_eq!(HttpDate::parse(date.to_string().as_bytes()), Some(date));
    }

    #[test]
    fn the_obsolete_spellings_name_the_same_second(date in any_date()) {
        let fixdate = date.to_string();
        let parts: Vec<&str> = fixdate.split([' ', ',']).filter(|part| !part.is_empty()).collect();
        let [weekday, day, month, year, time, _] = parts[..] else { panic!("{fixdate}") };
        let day: u8 = day.parse().expect("a number");
        let asctime = format!("{weekday} {month} {day:>2} {time} {year}");
        prop_assert_eq!(HttpDate::parse(asctime.as_bytes()), Some(date), "{}", asctime);

        if ("1970".."2070").contains(&year) {
            let names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
            let name = names.iter().find(|name| name.starts_with(weekday)).expect("a weekday");
            let rfc850 = format!("{name}, {day:02}-{month}-{} {time} GMT", &year[2..]);
            prop_assert_eq!(HttpDate::parse(rfc850.as_bytes()), Some(date), "{}", rfc850);
        }
    }

    #[test]
    fn dates_compare_as_their_seconds_do(one in any_date(), other in any_date()) {
        prop_assert_eq!(one.cmp(&other), one.unix().cmp(&other.unix()));
    }
}
