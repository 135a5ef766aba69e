//! Byte ranges (RFC 9110 14): read without the length of the representation, resolved with it.
//!
//! What a `Content-Range` or a multipart body looks like is not decided here, nor whether a method
//! has ranges at all (14.2: only GET has).

use super::trim_ows;

/// The most ranges that one request gets. More are answered with the whole representation
/// (RFC 9110 14.2 lets a server ignore the field; 17.15 tells why it should).
pub const MAX_RANGES: usize = 64;

/// The ranges of a `Range` field in the unit `bytes`, as written: they may lie outside of any
/// representation.
///
/// At least one range, at most `MAX_RANGES + 1`: one too many is all there is to know about a field
/// that has too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteRangeSet {
    specs: Vec<RangeSpec>,
}

/// One `range-spec` of RFC 9110 14.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RangeSpec {
    /// `first-` or `first-last`, both inclusive, `first <= last`.
    From { first: u64, last: Option<u64> },
    /// `-len`: the last `len` bytes.
    Suffix { len: u64 },
}

/// A part of a representation, from byte `first` to byte `last`, both inclusive.
///
/// `first <= last`, and both lie within the representation, if it comes from
/// [`ByteRangeSet::select`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte, counted from 0.
    pub first: u64,
    /// The last byte; it belongs to the range.
    pub last: u64,
}

impl ByteRange {
    /// How many bytes the range has: one at least.
    #[expect(clippy::len_without_is_empty, reason = "an inclusive range is never empty")]
    pub fn len(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// What is to be sent of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of it, as if no range had been asked for.
    Whole,
    /// One part, which may reach from the first byte to the last.
    Single(ByteRange),
    /// Two parts or more, none overlapping another, in the order of the request.
    Multiple(Vec<ByteRange>),
    /// No range that was asked for exists.
    Unsatisfiable,
}

impl ByteRangeSet {
    /// Reads the value of a `Range` field.
    ///
    /// `None` if the field is to be ignored (RFC 9110 14.2): another unit, bad syntax, or a range
    /// that ends before it begins. Empty members and whitespace around members are skipped (5.6.1).
    /// A number beyond `u64` reads as `u64::MAX`, which is beyond every representation too.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let (unit, set) = trim_ows(line).split_at_checked(b"bytes=".len())?;
        if !unit.eq_ignore_ascii_case(b"bytes=") {
            return None;
        }
        let members = set.split(|&byte| byte == b',').map(trim_ows);
        let members = members.filter(|member| !member.is_empty());
        let specs = members.take(MAX_RANGES + 1).map(RangeSpec::parse);
        let specs = specs.collect::<Option<Vec<_>>>()?;
        (!specs.is_empty()).then_some(Self { specs })
    }

    /// Chooses what to send of a representation of `complete_length` bytes.
    ///
    /// Ranges that reach past the end are cut there, those that begin past it are dropped. The
    /// whole representation is chosen instead of more than [`MAX_RANGES`] ranges and instead of
    /// ranges that overlap; the parts together are therefore never longer than the whole. It is
    /// also the suffix of an empty representation, which is satisfiable (RFC 9110 14.1.2) although
    /// no `Content-Range` can express it.
    pub fn select(&self, complete_length: u64) -> Selection {
        if self.specs.len() > MAX_RANGES {
            return Selection::Whole;
        }
        if complete_length == 0 && self.specs.iter().any(|spec| spec.is_nonzero_suffix()) {
            return Selection::Whole;
        }
        let resolved = self.specs.iter().map(|spec| spec.resolve(complete_length));
        let ranges: Vec<ByteRange> = resolved.flatten().collect();
        match ranges[..] {
            [] => Selection::Unsatisfiable,
            [only] => Selection::Single(only),
            _ if overlap(&ranges) => Selection::Whole,
            _ => Selection::Multiple(ranges),
        }
    }

    /// Whether the set is exactly `0-`: everything, asked for as a range, as media players do first.
    pub fn begins_whole(&self) -> bool {
        let everything = RangeSpec::From { first: 0, last: None };
        self.specs == [everything]
    }
}

impl RangeSpec {
    fn parse(member: &[u8]) -> Option<Self> {
        let dash = member.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (&member[..dash], &member[dash + 1..]);
        match (first, last) {
            (b"", _) => Some(Self::Suffix { len: number(last)? }),
            (_, b"") => Some(Self::From { first: number(first)?, last: None }),
            (_, _) => {
                let (first, last) = (number(first)?, number(last)?);
                let last = Some(last);
                (Some(first) <= last).then_some(Self::From { first, last })
            }
        }
    }

    /// The part of a representation of `complete_length` bytes that the range names, if any.
    fn resolve(self, complete_length: u64) -> Option<ByteRange> {
        let end = complete_length.checked_sub(1)?;
        let (first, last) = match self {
            Self::From { first, last } => (first, last.map_or(end, |last| last.min(end))),
            Self::Suffix { len } => (complete_length.saturating_sub(len), end),
        };
        (first <= last).then_some(ByteRange { first, last })
    }

    fn is_nonzero_suffix(self) -> bool {
        matches!(self, Self::Suffix { len: 1.. })
    }
}

/// `1*DIGIT`, at most `u64::MAX`.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_u64, |value, digit| {
        let digit = u64::from(digit - b'0');
        value.saturating_mul(10).saturating_add(digit)
    });
    Some(value)
}

/// Whether any two of the ranges share a byte.
fn overlap(ranges: &[ByteRange]) -> bool {
    let mut ascending = ranges.to_vec();
    ascending.sort_unstable_by_key(|range| range.first);
    let mut neighbours = ascending.windows(2);
    neighbours.any(|pair| pair[1].first <= pair[0].last)
}

#[cfg(test)]
mod tests;
