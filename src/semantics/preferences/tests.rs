//! Tests of preferences.

use proptest::prelude::*;

use super::*;
use crate::semantics::assert_rows;

/// A row of a table: its name, the lines of the field, and what they mean.
type Row = (&'static str, &'static [&'static [u8]], Option<Return>);

#[test]
fn the_first_return_decides_whatever_stands_around_it() {
    use Return::{Minimal, Representation};
    let rows: &[Row] = &[
        ("no line", &[], None),
        ("an empty line", &[b""], None),
        ("representation", &[b"return=representation"], Some(Representation)),
        ("minimal", &[b"return=minimal"], Some(Minimal)),
        ("the name in capitals", &[b"RETURN=minimal"], Some(Minimal)),
        ("the value in capitals", &[b"return=Minimal"], None),
        ("a quoted value", &[b"return=\"minimal\""], Some(Minimal)),
        ("an escape in a quoted value", &[b"return=\"mini\\mal\""], Some(Minimal)),
        ("whitespace everywhere", &[b" \treturn \t= minimal\t "], Some(Minimal)),
        ("without a value", &[b"return"], None),
        ("an empty value", &[b"return="], None),
        ("an empty quoted value", &[b"return=\"\""], None),
        ("an unknown value", &[b"return=everything"], None),
        ("behind another preference", &[b"respond-async, wait=10, return=minimal"], Some(Minimal)),
        ("empty members", &[b",, ,return=minimal,"], Some(Minimal)),
        ("before another preference", &[b"return=minimal,handling=lenient"], Some(Minimal)),
        ("on the second line", &[b"wait=1", b"return=minimal"], Some(Minimal)),
        ("twice on a line", &[b"return=minimal, return=representation"], Some(Minimal)),
        ("twice on two lines", &[b"return=representation", b"return=minimal"], Some(Representation)),
        ("unknown, then known", &[b"return=everything, return=minimal"], None),
        ("without a value, then known", &[b"return, return=minimal"], None),
        ("with parameters", &[b"return=minimal; a=b;c"], Some(Minimal)),
        ("with a quoted parameter", &[b"return=minimal;a=\"x, return=representation\""], Some(Minimal)),
        ("inside another's quotes", &[b"a=\"x, return=minimal\""], None),
        ("behind quotes with a comma", &[b"a=\"x,\\\",y\", return=minimal"], Some(Minimal)),
        ("as a parameter of another", &[b"a=b; return=minimal"], None),
        ("another name with the same end", &[b"xreturn=minimal"], None),
        ("a quoted value that does not end", &[b"return=\"minimal"], None),
        ("a quoted value with something behind", &[b"return=\"minimal\"x"], None),
        ("a quoted value that ends in a backslash", &[b"return=\"minimal\\"], None),
        ("two equal signs", &[b"return==minimal"], None),
        ("bytes that are not text", &[b"\xFF=\xFE, return=minimal"], Some(Minimal)),
    ];
    assert_rows(
        rows.iter().map(|(name, lines, expected)| (name, Return::of(lines.iter().copied()), *expected)),
    );
}

#[test]
fn what_was_applied_reads_as_what_was_preferred() {
    for preference in [Return::Representation, Return::Minimal] {
        assert_eq!(Return::of([preference.applied().as_bytes()]), Some(preference));
    }
}

proptest! {
    #[test]
    fn no_line_is_too_strange(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4)) {
        let _ = Return::of(lines.iter().map(Vec::as_slice));
    }

    #[test]
    fn a_preference_behind_complete_members_is_found(before in "([a-z]{1,6}(=\"[ -!#-\\[\\]-~]{0,9}\")?, ?){0,4}") {
        prop_assume!(!before.to_ascii_lowercase().contains("return"));
        let line = format!("{before}return=minimal");
        prop_assert_eq!(Return::of([line.as_bytes()]), Some(Return::Minimal));
    }
}
