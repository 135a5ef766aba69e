//! `If-Modified-Since`, `If-Unmodified-Since` and the date of `If-Range`.
//!
//! Holds for every input: a date that was read is written in the one form to be sent (RFC 9110
//! 5.6.7), reads as the same date again, and keeps its order.

#![no_main]

use ifmatch::semantics::http_date::HttpDate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(date) = HttpDate::parse(data) else {
        return;
    };

    let written = date.to_string();
    assert_eq!(written.len(), "Sun, 06 Nov 1994 08:49:37 GMT".len());
    assert!(written.ends_with(" GMT"));
    assert_eq!(HttpDate::parse(written.as_bytes()), Some(date));

    let seconds = i64::try_from(date.unix()).expect("a date of four-digit years");
    assert_eq!(HttpDate::from_unix(seconds), Some(date));

    let later = date.next();
    assert!(later >= date);
    assert_eq!(HttpDate::parse(later.to_string().as_bytes()), Some(later));
});
