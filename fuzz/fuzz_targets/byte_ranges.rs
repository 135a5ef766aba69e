//! `Range`: the first eight bytes of the input are the length of the representation, the rest is
//! the field's value.
//!
//! Holds for every input: what is selected lies within the representation, its parts are disjoint
//! and few, a longer representation only satisfies more, and decoration that the grammar allows
//! changes nothing.

#![no_main]

use ifmatch::semantics::range::{ByteRange, ByteRangeSet, MAX_RANGES, Selection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((length, value)) = data.split_first_chunk::<8>() else {
        return;
    };
    let length = u64::from_le_bytes(*length);
    let Some(set) = ByteRangeSet::parse(value) else {
        return;
    };

    let selection = set.select(length);
    match &selection {
        Selection::Whole => {}
        Selection::Single(range) => check_parts(std::slice::from_ref(range), length),
        Selection::Multiple(ranges) => {
            assert!((2..=MAX_RANGES).contains(&ranges.len()));
            check_parts(ranges, length);
        }
        Selection::Unsatisfiable => {
            assert_eq!(set.select(length / 2), Selection::Unsatisfiable, "a shorter one");
            assert_eq!(set.select(0), Selection::Unsatisfiable, "an empty one");
        }
    }

    let decorated = [b"\t ".as_slice(), value.trim_ascii(), b" ,\t, "].concat();
    assert_eq!(ByteRangeSet::parse(&decorated).map(|set| set.select(length)), Some(selection));
});

/// The parts are inside, and no byte is in two of them.
fn check_parts(ranges: &[ByteRange], length: u64) {
    let mut ascending: Vec<_> = ranges.iter().map(|range| (range.first, range.last)).collect();
    ascending.sort_unstable();
    let mut next_free = 0;
    for (first, last) in ascending {
        assert!(next_free <= first && first <= last && last < length);
        next_free = last + 1;
    }
    let total: u64 = ranges.iter().map(ByteRange::len).sum();
    assert!(1 <= total && total <= length);
}
