//! The date of HTTP fields (RFC 9110 5.6.7): whole seconds, read in all three spellings, written
//! in one.
//!
//! It does not know what time it is.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::trim_ows;

/// A moment in whole seconds since the Unix epoch, from 0 to the last second of the year 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HttpDate(u64);

impl HttpDate {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// 31 December 9999, 23:59:59: the last second that four digits of year can name.
    const LAST: u64 = 253_402_300_799;

    /// The date so many seconds after the epoch; `None` before the epoch and after the year 9999.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        let seconds = u64::try_from(seconds).ok()?;
        (seconds <= Self::LAST).then_some(Self(seconds))
    }

    /// The second of this moment; before the epoch that is the epoch.
    pub fn of(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(Self::LAST))
    }

    /// Seconds since the Unix epoch.
    pub fn unix(self) -> u64 {
        self.0
    }

    /// Reads an HTTP-date in any of its three forms (IMF-fixdate, RFC 850, asctime), with optional
    /// whitespace around it. Anything else is `None`, a weekday that is not that day's included.
    ///
    /// Three things the grammar allows and seconds since the epoch cannot say:
    /// - A year before 1970 is read as the epoch. Nothing served is as old, so every comparison
    ///   comes out right; to call such a date invalid would switch `If-Unmodified-Since` off for
    ///   clients that send year 1 for "never" (the zero time of Go and of .NET).
    /// - The leap second 23:59:60 is read as the second before it: of the two neighbours that is
    ///   the one that claims less.
    /// - The two-digit year of RFC 850 means 1970 to 2069. That keeps to the rule of 5.6.7, nothing
    ///   more than 50 years ahead, from 2019 on, and needs no clock.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(trim_ows(value)).ok()?;
        if text.len() > "Wednesday, 06-Nov-94 08:49:37 GMT".len() {
            return None;
        }
        // The library trims every kind of whitespace; HTTP's are spaces and tabs, and those are gone.
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return None;
        }
        since_the_epoch(text).or_else(|| before_the_epoch(text)).or_else(|| leap_second(text))
    }

    /// The date one second later; the last date there is stays as it is.
    pub fn next(self) -> Self {
        Self((self.0 + 1).min(Self::LAST))
    }
}

/// IMF-fixdate, the one form to be sent: `Sun, 06 Nov 1994 08:49:37 GMT`.
impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The conversion panics outside the years 1970 to 9999, which no `HttpDate` leaves.
        let time = UNIX_EPOCH + Duration::from_secs(self.0);
        httpdate::HttpDate::from(time).fmt(f)
    }
}

/// Reads all lines of a field that holds one date.
///
/// `None` if the field is absent, invalid or more than one line: RFC 9110 13.1.3 and 13.1.4 have
/// such a field ignored.
pub fn parse_field<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<HttpDate> {
    let mut lines = lines.into_iter();
    let only = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    HttpDate::parse(only)
}

fn since_the_epoch(text: &str) -> Option<HttpDate> {
    let time = SystemTime::from(text.parse::<httpdate::HttpDate>().ok()?);
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds <= HttpDate::LAST).then_some(HttpDate(seconds))
}

/// The epoch, if `text` is a date in the years 0 to 1969.
///
/// The calendar repeats after 400 years, weekdays included; so such a date is valid if and only if
/// it is valid 2000 years later.
fn before_the_epoch(text: &str) -> Option<HttpDate> {
    let year_at = match text.len() {
        29 => 12, // Sun, 06 Nov 1994 08:49:37 GMT
        24 => 20, // Sun Nov  6 08:49:37 1994
        _ => return None,
    };
    let year = text.get(year_at..year_at + 4)?;
    if !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let later = year.parse::<u16>().ok().filter(|&year| year < 1970)? + 2000;
    let (before, after) = (&text[..year_at], &text[year_at + 4..]);
    since_the_epoch(&format!("{before}{later}{after}")).map(|_| HttpDate(0))
}

/// The second before the leap second that `text` names.
fn leap_second(text: &str) -> Option<HttpDate> {
    let (before, after) = text.split_once("23:59:60")?;
    since_the_epoch(&format!("{before}23:59:59{after}"))
}

#[cfg(test)]
mod tests;
