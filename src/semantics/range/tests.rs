//! Tests of byte ranges.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::semantics::assert_rows;

fn range(first: u64, last: u64) -> ByteRange {
    ByteRange { first, last }
}

fn single(first: u64, last: u64) -> Option<Selection> {
    Some(Selection::Single(range(first, last)))
}

fn multiple<const N: usize>(ranges: [(u64, u64); N]) -> Option<Selection> {
    let ranges = ranges.map(|(first, last)| range(first, last));
    Some(Selection::Multiple(ranges.to_vec()))
}

/// What the field selects; `None`: it is ignored.
fn selected(field: &[u8], complete_length: u64) -> Option<Selection> {
    ByteRangeSet::parse(field).map(|set| set.select(complete_length))
}

const WHOLE: Option<Selection> = Some(Selection::Whole);
const UNSATISFIABLE: Option<Selection> = Some(Selection::Unsatisfiable);
const IGNORED: Option<Selection> = None;

#[test]
fn of_ten_thousand_bytes_a_field_selects() {
    let rows: &[(&str, &str, Option<Selection>)] = &[
        ("the first byte", "bytes=0-0", single(0, 0)),
        ("the first 500 bytes", "bytes=0-499", single(0, 499)),
        ("the second 500 bytes", "bytes=500-999", single(500, 999)),
        ("from a byte on", "bytes=9500-", single(9500, 9999)),
        ("the last byte by number", "bytes=9999-9999", single(9999, 9999)),
        ("the last byte by suffix", "bytes=-1", single(9999, 9999)),
        ("the last 500 bytes", "bytes=-500", single(9500, 9999)),
        ("everything is still a part", "bytes=0-", single(0, 9999)),
        ("everything with its end", "bytes=0-9999", single(0, 9999)),
        ("everything as a suffix", "bytes=-10000", single(0, 9999)),
        ("an end past the end", "bytes=0-99999", single(0, 9999)),
        ("a suffix longer than the file", "bytes=-99999", single(0, 9999)),
        ("an empty suffix", "bytes=-0", UNSATISFIABLE),
        ("a beginning at the end", "bytes=10000-", UNSATISFIABLE),
        ("a beginning past the end", "bytes=99999-", UNSATISFIABLE),
        ("both past the end", "bytes=99999-100000", UNSATISFIABLE),
        ("two parts", "bytes=0-0,-1", multiple([(0, 0), (9999, 9999)])),
        ("two parts and spaces", "bytes=0-0 ,\t5-6", multiple([(0, 0), (5, 6)])),
        ("descending", "bytes=500-600,0-9", multiple([(500, 600), (0, 9)])),
        ("adjacent", "bytes=500-600,601-999", multiple([(500, 600), (601, 999)])),
        ("one of two past the end", "bytes=99999-,5-6", single(5, 6)),
        ("one of three past the end", "bytes=5-6,99999-,-1", multiple([(5, 6), (9999, 9999)])),
        ("one of two an empty suffix", "bytes=-0,5-6", single(5, 6)),
        ("all of several past the end", "bytes=10000-,20000-30000,-0", UNSATISFIABLE),
        ("overlapping in a byte", "bytes=0-5,5-9", WHOLE),
        ("overlapping, descending", "bytes=5-9,0-5", WHOLE),
        ("one inside another", "bytes=0-99,10-19", WHOLE),
        ("twice the same", "bytes=1-1,1-1", WHOLE),
        ("overlapping, a third between", "bytes=0-9,100-109,5-6", WHOLE),
        ("overlapping by a suffix", "bytes=9000-9500,-500", WHOLE),
        ("overlapping after the cut", "bytes=9000-99999,9999-", WHOLE),
        ("upper-case unit", "BYTES=0-0", single(0, 0)),
        ("mixed-case unit", "Bytes=0-0", single(0, 0)),
        ("whitespace around the field", " bytes=0-0\t", single(0, 0)),
        ("whitespace before a member", "bytes= 0-0", single(0, 0)),
        ("empty members", "bytes=,, 0-0 ,,", single(0, 0)),
        ("leading zeros", "bytes=00000000000000000000000000-0007", single(0, 7)),
        ("an end that needs 65 bits", "bytes=5-18446744073709551616", single(5, 9999)),
        ("an end of 40 digits", "bytes=5-9999999999999999999999999999999999999999", single(5, 9999)),
        ("a beginning that needs 65 bits", "bytes=18446744073709551616-", UNSATISFIABLE),
        ("a suffix that needs 65 bits", "bytes=-18446744073709551616", single(0, 9999)),
        ("the largest numbers", "bytes=18446744073709551615-18446744073709551615", UNSATISFIABLE),
        ("last before first", "bytes=5-2", IGNORED),
        ("last before first among others", "bytes=0-0,5-2", IGNORED),
        ("last before a first that needs 65 bits", "bytes=18446744073709551616-5", IGNORED),
        ("another unit", "items=0-5", IGNORED),
        ("a longer unit", "kilobytes=0-5", IGNORED),
        ("no unit", "0-5", IGNORED),
        ("no unit but the sign", "=0-5", IGNORED),
        ("a space before the sign", "bytes =0-5", IGNORED),
        ("a colon for the sign", "bytes:0-5", IGNORED),
        ("a space for the sign", "bytes 0-5", IGNORED),
        ("unit only", "bytes", IGNORED),
        ("no range", "bytes=", IGNORED),
        ("no range but commas", "bytes=, ,", IGNORED),
        ("no dash", "bytes=5", IGNORED),
        ("a dash only", "bytes=-", IGNORED),
        ("two dashes", "bytes=--1", IGNORED),
        ("three numbers", "bytes=1-2-3", IGNORED),
        ("a space inside", "bytes=0 -5", IGNORED),
        ("a space behind the dash", "bytes=0- 5", IGNORED),
        ("a plus sign", "bytes=+0-5", IGNORED),
        ("a negative end", "bytes=0--5", IGNORED),
        ("hexadecimal", "bytes=0x0-0x5", IGNORED),
        ("letters", "bytes=a-b", IGNORED),
        ("letters among numbers", "bytes=0-5,x", IGNORED),
        ("semicolons", "bytes=0-0;5-6", IGNORED),
        ("a star", "bytes=*", IGNORED),
        ("a Content-Range", "bytes 0-5/10000", IGNORED),
        ("the unit twice", "bytes=0-0,bytes=5-6", IGNORED),
        ("empty", "", IGNORED),
        ("digits that are not ASCII", "bytes=٠-٥", IGNORED),
    ];
    assert_rows(
        rows.iter()
            .map(|(name, field, expected)| (name, selected(field.as_bytes(), 10_000), expected.clone())),
    );
}

#[test]
fn of_an_empty_representation_a_field_selects() {
    assert_rows([
        ("from the first byte", selected(b"bytes=0-", 0), UNSATISFIABLE),
        ("the first byte", selected(b"bytes=0-0", 0), UNSATISFIABLE),
        ("an empty suffix", selected(b"bytes=-0", 0), UNSATISFIABLE),
        ("a suffix", selected(b"bytes=-5", 0), WHOLE),
        ("a suffix among others", selected(b"bytes=0-5,-0,-5", 0), WHOLE),
        ("another unit", selected(b"items=-5", 0), IGNORED),
    ]);
}

#[test]
fn of_a_single_byte_a_field_selects() {
    assert_rows([
        ("the byte", selected(b"bytes=0-0", 1), single(0, 0)),
        ("everything", selected(b"bytes=0-", 1), single(0, 0)),
        ("a longer suffix", selected(b"bytes=-2", 1), single(0, 0)),
        ("the byte twice", selected(b"bytes=0-0,-1", 1), WHOLE),
        ("the next byte", selected(b"bytes=1-1", 1), UNSATISFIABLE),
    ]);
}

#[test]
fn of_the_longest_representation_a_field_selects() {
    let end = u64::MAX - 1;
    let field = format!("bytes={end}-");
    assert_rows([
        ("everything", selected(b"bytes=0-", u64::MAX), single(0, end)),
        ("the last byte", selected(field.as_bytes(), u64::MAX), single(end, end)),
        ("a suffix beyond", selected(b"bytes=-99999999999999999999", u64::MAX), single(0, end)),
    ]);
    assert_eq!(range(0, end).len(), u64::MAX);
}

#[test]
fn the_length_of_a_range_counts_both_ends() {
    assert_eq!((range(0, 0).len(), range(5, 9).len()), (1, 5));
}

fn many(count: usize) -> String {
    let ranges: Vec<String> = (0..count).map(|n| format!("{}-{}", 2 * n, 2 * n)).collect();
    format!("bytes={}", ranges.join(","))
}

#[test]
fn as_many_ranges_as_allowed_are_all_selected() {
    let Some(Selection::Multiple(ranges)) = selected(many(MAX_RANGES).as_bytes(), 10_000) else {
        panic!("not several ranges");
    };
    let expected: Vec<ByteRange> = (0..64).map(|n| range(2 * n, 2 * n)).collect();
    assert_eq!(ranges, expected);
}

#[test]
fn more_ranges_than_allowed_are_answered_with_the_whole() {
    let over = many(MAX_RANGES + 1);
    assert_rows([
        ("one too many", selected(over.as_bytes(), 10_000), WHOLE),
        ("all but one past the end", selected(over.as_bytes(), 1), WHOLE),
        ("a thousand", selected(many(1_000).as_bytes(), 10_000), WHOLE),
        ("garbage behind them is not read", selected((over + ",x").as_bytes(), 10_000), WHOLE),
    ]);
}

#[test]
fn a_range_bomb_costs_no_more_than_its_first_ranges() {
    let bomb = "bytes=".to_owned() + &"0-,".repeat(100_000);
    let set = ByteRangeSet::parse(bomb.as_bytes()).expect("good syntax");
    assert_eq!(set.specs.len(), MAX_RANGES + 1);
    assert!(set.specs.capacity() <= 2 * (MAX_RANGES + 1), "{}", set.specs.capacity());
    assert_eq!(set.select(u64::MAX), Selection::Whole);
}

/// Ten times what a request can carry. Were it read in quadratic time, each row would take minutes.
#[test]
fn long_fields_take_linear_time() {
    let rows = [
        ("ranges", "0-0,".repeat(250_000)),
        ("empty members", ",".repeat(1_000_000)),
        ("whitespace", " ".repeat(1_000_000) + "x"),
        ("digits", "9".repeat(1_000_000)),
        ("dashes", "-".repeat(1_000_000)),
    ];
    for (name, set) in rows {
        let start = Instant::now();
        let _ = selected(format!("bytes={set}").as_bytes(), 10_000);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(5), "{name}: {took:?}");
    }
}

#[test]
fn only_zero_to_the_end_begins_whole() {
    let rows = [
        ("from the first byte", "bytes=0-", true),
        ("written otherwise", "Bytes= 00-,", true),
        ("from the second byte", "bytes=1-", false),
        ("with an end", "bytes=0-9999", false),
        ("with the largest end", "bytes=0-18446744073709551615", false),
        ("a suffix", "bytes=-0", false),
        ("twice", "bytes=0-,0-", false),
        ("and another", "bytes=0-,-1", false),
    ];
    assert_rows(rows.map(|(name, field, expected)| {
        let set = ByteRangeSet::parse(field.as_bytes()).expect("good syntax");
        (name, set.begins_whole(), expected)
    }));
}

/// Numbers near the lengths in use, and now and then any number.
fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..40_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn any_spec() -> impl Strategy<Value = RangeSpec> {
    prop_oneof![
        (any_number(), any_number())
            .prop_map(|(one, other)| RangeSpec::From { first: one.min(other), last: Some(one.max(other)) }),
        any_number().prop_map(|first| RangeSpec::From { first, last: None }),
        any_number().prop_map(|len| RangeSpec::Suffix { len }),
    ]
}

fn written(specs: &[RangeSpec]) -> String {
    let members: Vec<String> = specs
        .iter()
        .map(|spec| match spec {
            RangeSpec::From { first, last: Some(last) } => format!("{first}-{last}"),
            RangeSpec::From { first, last: None } => format!("{first}-"),
            RangeSpec::Suffix { len } => format!("-{len}"),
        })
        .collect();
    format!("bytes={}", members.join(","))
}

fn any_set() -> impl Strategy<Value = ByteRangeSet> {
    let specs = prop::collection::vec(any_spec(), 1..6);
    specs.prop_map(|specs| ByteRangeSet { specs })
}

/// Bytes that often look like a range set.
fn any_field() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"0".to_vec()),
        Just(b"99999999999999999999".to_vec()),
        Just(b"-".to_vec()),
        Just(b",".to_vec()),
        Just(b" ".to_vec()),
        Just(b"bytes=".to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// The bytes that a range names, one by one: slow and obvious.
fn bytes_of(spec: &RangeSpec, complete_length: u64) -> Vec<u64> {
    let named = |byte: &u64| match *spec {
        RangeSpec::From { first, last } => *byte >= first && last.is_none_or(|last| *byte <= last),
        RangeSpec::Suffix { len } => complete_length - *byte <= len,
    };
    (0..complete_length).filter(named).collect()
}

proptest! {
    #[test]
    fn parsing_arbitrary_bytes_never_panics(tail in any_field(), complete_length in any::<u64>()) {
        let _ = selected(&tail, complete_length);
        let _ = selected(&[b"bytes=", tail.as_slice()].concat(), complete_length);
    }

    #[test]
    fn what_is_read_is_what_was_written(set in any_set()) {
        prop_assert_eq!(ByteRangeSet::parse(written(&set.specs).as_bytes()), Some(set));
    }

    #[test]
    fn selected_ranges_lie_inside_apart_and_are_not_longer_than_the_whole(
        set in any_set(),
        complete_length in any_number(),
    ) {
        let ranges = match set.select(complete_length) {
            Selection::Whole | Selection::Unsatisfiable => return Ok(()),
            Selection::Single(only) => vec![only],
            Selection::Multiple(ranges) => ranges,
        };
        let mut total = 0_u128;
        for (n, one) in ranges.iter().enumerate() {
            prop_assert!(one.first <= one.last && one.last < complete_length, "{:?}", one);
            for other in &ranges[n + 1..] {
                prop_assert!(one.last < other.first || other.last < one.first, "{:?}", ranges);
            }
            total += u128::from(one.len());
        }
        prop_assert!(total <= u128::from(complete_length));
    }

    #[test]
    fn a_selection_has_exactly_the_bytes_asked_for(set in any_set(), complete_length in 1..40_u64) {
        let asked = set.specs.iter().map(|spec| bytes_of(spec, complete_length));
        let asked: Vec<Vec<u64>> = asked.filter(|bytes| !bytes.is_empty()).collect();
        let flat: Vec<u64> = asked.concat();
        let distinct: HashSet<u64> = flat.iter().copied().collect();
        let sent = |range: &ByteRange| (range.first..=range.last).collect::<Vec<u64>>();
        match set.select(complete_length) {
            Selection::Unsatisfiable => prop_assert!(asked.is_empty()),
            Selection::Single(only) => prop_assert_eq!(vec![sent(&only)], asked),
            Selection::Multiple(ranges) => {
                prop_assert!(ranges.len() > 1);
                prop_assert_eq!(ranges.iter().map(sent).collect::<Vec<_>>(), asked);
            }
            Selection::Whole => prop_assert!(distinct.len() < flat.len(), "nothing overlaps"),
        }
    }
}
