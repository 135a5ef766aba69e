//! Tests of preconditions: rules by name, and every combination against a second implementation.

use proptest::prelude::*;

use super::*;
use crate::semantics::assert_rows;

use MethodClass::{Read, Write};
use PreconditionField::{IfMatch, IfNoneMatch, IfUnmodifiedSince};
use Verdict::{Failed, NotModified, Perform};

fn date(seconds: i64) -> HttpDate {
    HttpDate::from_unix(seconds).expect("a date within reach")
}

fn list(line: &str) -> Field<EntityTagList<'_>> {
    EntityTagList::parse([line.as_bytes()])
}

fn version(entity_tag: Option<&str>, last_modified: Option<i64>) -> Validators {
    let parse = |tag: &str| EntityTag::parse(tag.as_bytes()).map(EntityTag::into_owned);
    Validators {
        entity_tag: entity_tag.map(|tag| parse(tag).expect("a valid tag")),
        last_modified: last_modified.map(date),
    }
}

/// What is there in most tests: tag `"now"`, modified at second 10.
fn current() -> Option<Validators> {
    Some(version(Some("\"now\""), Some(10)))
}

/// There, but without a tag that could be vouched for.
fn untagged() -> Option<Validators> {
    Some(version(None, Some(10)))
}

/// There, but without a modification date.
fn undated() -> Option<Validators> {
    Some(version(Some("\"now\""), None))
}

fn if_match(line: &str) -> Preconditions<'_> {
    Preconditions { if_match: list(line), ..Preconditions::default() }
}

fn if_none_match(line: &str) -> Preconditions<'_> {
    Preconditions { if_none_match: list(line), ..Preconditions::default() }
}

fn if_modified_since(seconds: i64) -> Preconditions<'static> {
    Preconditions { if_modified_since: Some(date(seconds)), ..Preconditions::default() }
}

fn if_unmodified_since(seconds: i64) -> Preconditions<'static> {
    Preconditions { if_unmodified_since: Some(date(seconds)), ..Preconditions::default() }
}

type Row<'a> = (&'a str, Preconditions<'a>, Option<Validators>, Verdict);

/// Checks the rows for one class of methods.
fn assert_verdicts(method: MethodClass, rows: &[Row<'_>]) {
    assert_rows(rows.iter().map(|(name, preconditions, current, expected)| {
        let verdict = preconditions.evaluate(method, current.as_ref());
        (format!("{method:?}, {name}"), verdict, *expected)
    }));
}

/// Checks the rows for reads and for writes.
fn assert_verdicts_of_both(rows: &[Row<'_>]) {
    assert_verdicts(Read, rows);
    assert_verdicts(Write, rows);
}

#[test]
fn without_preconditions_everything_is_performed() {
    assert_verdicts_of_both(&[
        ("existing", Preconditions::default(), current(), Perform),
        ("missing", Preconditions::default(), None, Perform),
        ("untagged", Preconditions::default(), untagged(), Perform),
    ]);
}

#[test]
fn if_match_holds_for_the_current_tag_only() {
    assert_verdicts_of_both(&[
        ("right", if_match("\"now\""), current(), Perform),
        ("wrong", if_match("\"old\""), current(), Failed(IfMatch)),
        ("other case", if_match("\"NOW\""), current(), Failed(IfMatch)),
        ("right one last", if_match("\"old\", W/\"now\", \"now\""), current(), Perform),
        ("right one first", if_match("\"now\", \"old\""), current(), Perform),
        ("all wrong", if_match("\"old\", \"older\""), current(), Failed(IfMatch)),
        ("star, existing", if_match("*"), current(), Perform),
        ("star, missing", if_match("*"), None, Failed(IfMatch)),
        ("tag, missing", if_match("\"now\""), None, Failed(IfMatch)),
        ("quoted star", if_match("\"*\""), current(), Failed(IfMatch)),
    ]);
}

#[test]
fn if_match_with_a_weak_tag_fails() {
    let weak = || Some(version(Some("W/\"now\""), Some(10)));
    assert_verdicts_of_both(&[
        ("weak in the request", if_match("W/\"now\""), current(), Failed(IfMatch)),
        ("weak in both", if_match("W/\"now\""), weak(), Failed(IfMatch)),
        ("weak at the server", if_match("\"now\""), weak(), Failed(IfMatch)),
        ("star does not compare", if_match("*"), weak(), Perform),
    ]);
}

#[test]
fn a_malformed_if_match_never_holds() {
    let rows = ["now", "", ",", "\"now\", now", "\"now", "*, \"now\"", "**", "w/\"now\""];
    for line in rows {
        assert_verdicts_of_both(&[
            (line, if_match(line), current(), Failed(IfMatch)),
            (line, if_match(line), None, Failed(IfMatch)),
        ]);
    }
}

#[test]
fn if_match_reads_every_line_commas_and_high_bytes() {
    let strange = || Some(version(Some("\"a,b\u{e4}\""), Some(10)));
    let two_lines = Preconditions {
        if_match: EntityTagList::parse([&b"\"old\""[..], b"\"now\""]),
        ..Preconditions::default()
    };
    assert_verdicts_of_both(&[
        ("right in the second line", two_lines, current(), Perform),
        ("comma and obs-text", if_match("\"a,b\u{e4}\""), strange(), Perform),
        ("half of it", if_match("\"a\""), strange(), Failed(IfMatch)),
    ]);
}

#[test]
fn if_none_match_on_a_read_spares_the_client_what_it_has() {
    assert_verdicts(
        Read,
        &[
            ("right", if_none_match("\"now\""), current(), NotModified),
            ("right, weak", if_none_match("W/\"now\""), current(), NotModified),
            ("right one last", if_none_match("\"old\", \"now\""), current(), NotModified),
            ("wrong", if_none_match("\"old\""), current(), Perform),
            ("star, existing", if_none_match("*"), current(), NotModified),
            ("star, missing", if_none_match("*"), None, Perform),
            ("tag, missing", if_none_match("\"now\""), None, Perform),
            ("unquoted is malformed: sent whole", if_none_match("now"), current(), Perform),
            ("empty is malformed: sent whole", if_none_match(""), current(), Perform),
            ("malformed, missing", if_none_match("now"), None, Perform),
        ],
    );
}

#[test]
fn if_none_match_on_a_write_keeps_what_is_there() {
    assert_verdicts(
        Write,
        &[
            ("star, existing", if_none_match("*"), current(), Failed(IfNoneMatch)),
            ("star, missing", if_none_match("*"), None, Perform),
            ("right", if_none_match("\"now\""), current(), Failed(IfNoneMatch)),
            ("right, weak", if_none_match("W/\"now\""), current(), Failed(IfNoneMatch)),
            ("wrong", if_none_match("\"old\""), current(), Perform),
            ("tag, missing", if_none_match("\"now\""), None, Perform),
            ("malformed, existing", if_none_match("now"), current(), Failed(IfNoneMatch)),
            ("malformed, missing", if_none_match("now"), None, Failed(IfNoneMatch)),
            ("malformed star, missing", if_none_match("*, *"), None, Failed(IfNoneMatch)),
        ],
    );
}

#[test]
fn a_representation_without_a_tag_matches_only_the_star() {
    assert_verdicts_of_both(&[
        ("If-Match, tag", if_match("\"now\""), untagged(), Failed(IfMatch)),
        ("If-Match, star", if_match("*"), untagged(), Perform),
        ("If-None-Match, tag", if_none_match("\"now\""), untagged(), Perform),
    ]);
    assert_verdicts(Read, &[("star", if_none_match("*"), untagged(), NotModified)]);
    assert_verdicts(Write, &[("star", if_none_match("*"), untagged(), Failed(IfNoneMatch))]);
}

#[test]
fn if_unmodified_since_fails_once_modified() {
    assert_verdicts_of_both(&[
        ("before", if_unmodified_since(9), current(), Failed(IfUnmodifiedSince)),
        ("the same second", if_unmodified_since(10), current(), Perform),
        ("after", if_unmodified_since(11), current(), Perform),
        ("missing", if_unmodified_since(9), None, Perform),
        ("undated", if_unmodified_since(9), undated(), Perform),
        ("untagged", if_unmodified_since(9), untagged(), Failed(IfUnmodifiedSince)),
    ]);
}

#[test]
fn if_unmodified_since_is_ignored_beside_if_match() {
    let both = |line| Preconditions { if_unmodified_since: Some(date(9)), ..if_match(line) };
    assert_verdicts_of_both(&[
        ("true and false", both("\"now\""), current(), Perform),
        ("star and false", both("*"), current(), Perform),
        ("false and false", both("\"old\""), current(), Failed(IfMatch)),
        ("malformed and false", both("now"), current(), Failed(IfMatch)),
    ]);
}

#[test]
fn if_modified_since_on_a_read_spares_the_client_what_it_has() {
    let rows = [
        ("before", if_modified_since(9), current(), Perform),
        ("the same second", if_modified_since(10), current(), NotModified),
        ("after", if_modified_since(11), current(), NotModified),
        ("missing", if_modified_since(11), None, Perform),
        ("undated", if_modified_since(11), undated(), Perform),
        ("untagged", if_modified_since(11), untagged(), NotModified),
    ];
    assert_verdicts(Read, &rows);
}

#[test]
fn if_modified_since_on_a_write_is_ignored() {
    assert_verdicts(
        Write,
        &[
            ("modified", if_modified_since(9), current(), Perform),
            ("not modified", if_modified_since(11), current(), Perform),
        ],
    );
}

#[test]
fn if_modified_since_is_ignored_beside_if_none_match() {
    let both =
        |line, seconds| Preconditions { if_modified_since: Some(date(seconds)), ..if_none_match(line) };
    assert_verdicts(
        Read,
        &[
            ("differs, not modified", both("\"old\"", 11), current(), Perform),
            ("matches, modified", both("\"now\"", 9), current(), NotModified),
            ("malformed, not modified", both("now", 11), current(), Perform),
            ("unknown tag, not modified", both("\"now\"", 11), untagged(), Perform),
        ],
    );
}

#[test]
fn both_halves_of_the_order_count() {
    let both = |write_guard, read_guard| Preconditions {
        if_match: list(write_guard),
        if_none_match: list(read_guard),
        ..Preconditions::default()
    };
    let unmodified_then_tag =
        Preconditions { if_unmodified_since: Some(date(10)), ..if_none_match("\"now\"") };
    let modified_then_tag = Preconditions { if_unmodified_since: Some(date(9)), ..if_none_match("\"now\"") };
    assert_verdicts(
        Read,
        &[
            ("true, false", both("\"now\"", "\"now\""), current(), NotModified),
            ("false, false", both("\"old\"", "\"now\""), current(), Failed(IfMatch)),
            ("true, true", both("\"now\"", "\"old\""), current(), Perform),
            ("unmodified, false", unmodified_then_tag, current(), NotModified),
            ("modified, false", modified_then_tag, current(), Failed(IfUnmodifiedSince)),
        ],
    );
    assert_verdicts(
        Write,
        &[
            ("true, false", both("\"now\"", "*"), current(), Failed(IfNoneMatch)),
            ("false, true", both("*", "*"), None, Failed(IfMatch)),
        ],
    );
}

#[test]
fn no_field_at_all_is_empty_and_a_malformed_one_is_not() {
    assert_rows([
        ("none", Preconditions::default().is_empty(), true),
        ("If-Match", if_match("*").is_empty(), false),
        ("If-Match, malformed", if_match("").is_empty(), false),
        ("If-None-Match", if_none_match("\"a\"").is_empty(), false),
        ("If-None-Match, malformed", if_none_match("a").is_empty(), false),
        ("If-Modified-Since", if_modified_since(0).is_empty(), false),
        ("If-Unmodified-Since", if_unmodified_since(0).is_empty(), false),
    ]);
}

#[test]
fn the_malformed_field_is_named() {
    let both = Preconditions { if_match: Field::Malformed, ..if_none_match("a") };
    assert_rows([
        ("none", Preconditions::default().malformed_field(), None),
        ("good ones", if_match("*").malformed_field(), None),
        ("If-Match", if_match("a").malformed_field(), Some(IfMatch)),
        ("If-None-Match", if_none_match("a").malformed_field(), Some(IfNoneMatch)),
        ("both", both.malformed_field(), Some(IfMatch)),
    ]);
}

#[test]
fn fields_have_the_names_of_the_rfc() {
    let names = [IfMatch, IfUnmodifiedSince, IfNoneMatch].map(PreconditionField::name);
    assert_eq!(names, ["If-Match", "If-Unmodified-Since", "If-None-Match"]);
}

/// One request and what it meets, as plain text and numbers.
#[derive(Clone, Copy, Debug)]
struct Combination {
    method: MethodClass,
    /// Tag (`""`: none) and modification date of what is there.
    current: Option<(&'static str, Option<i64>)>,
    if_match: Option<&'static str>,
    if_none_match: Option<&'static str>,
    if_modified_since: Option<i64>,
    if_unmodified_since: Option<i64>,
}

const MALFORMED: &str = "a";
const LISTS: [Option<&str>; 8] = [
    None,
    Some("*"),
    Some("\"a\""),
    Some("W/\"a\""),
    Some("\"b\""),
    Some("\"b\", \"a\""),
    Some("W/\"b\", W/\"a\""),
    Some(MALFORMED),
];
const DATES: [Option<i64>; 4] = [None, Some(9), Some(10), Some(11)];
const CURRENT: [Option<(&str, Option<i64>)>; 7] = [
    None,
    Some(("", None)),
    Some(("", Some(10))),
    Some(("\"a\"", None)),
    Some(("\"a\"", Some(10))),
    Some(("W/\"a\"", None)),
    Some(("W/\"a\"", Some(10))),
];

/// Every reason not to perform the method, each with the number of its step in RFC 9110 13.2.2; the
/// earliest one is the answer. Works on the text of the fields and shares nothing with the code.
fn oracle(case: Combination) -> Verdict {
    let tag = case.current.map_or("", |(tag, _)| tag);
    let modified = case.current.and_then(|(_, modified)| modified);
    let members = |line: &'static str| line.split(", ");
    let is_read = case.method == Read;
    let mut reasons: Vec<(u8, Verdict)> = Vec::new();

    if let Some(line) = case.if_match {
        let star = line == "*" && case.current.is_some();
        let listed = tag.starts_with('"') && members(line).any(|member| member == tag);
        if !(star || listed) {
            reasons.push((1, Failed(IfMatch)));
        }
    }
    if let (None, Some(since), Some(modified)) = (case.if_match, case.if_unmodified_since, modified)
        && modified > since
    {
        reasons.push((2, Failed(IfUnmodifiedSince)));
    }
    if let Some(line) = case.if_none_match {
        let star = line == "*" && case.current.is_some();
        let opaque = |tag: &'static str| tag.trim_start_matches("W/");
        let listed = !tag.is_empty() && members(line).any(|member| opaque(member) == opaque(tag));
        if is_read && (star || listed) {
            reasons.push((3, NotModified));
        }
        if !is_read && (star || listed || line == MALFORMED) {
            reasons.push((3, Failed(IfNoneMatch)));
        }
    }
    if let (None, Some(since), Some(modified)) = (case.if_none_match, case.if_modified_since, modified)
        && is_read
        && modified <= since
    {
        reasons.push((4, NotModified));
    }
    let first = reasons.into_iter().min_by_key(|(step, _)| *step);
    first.map_or(Perform, |(_, verdict)| verdict)
}

fn evaluated(case: Combination) -> Verdict {
    let preconditions = Preconditions {
        if_match: case.if_match.map_or(Field::Absent, list),
        if_none_match: case.if_none_match.map_or(Field::Absent, list),
        if_modified_since: case.if_modified_since.map(date),
        if_unmodified_since: case.if_unmodified_since.map(date),
    };
    let current = case
        .current
        .map(|(tag, last_modified)| version(Some(tag).filter(|tag| !tag.is_empty()), last_modified));
    preconditions.evaluate(case.method, current.as_ref())
}

fn combinations() -> Vec<Combination> {
    let mut cases = Vec::new();
    for method in [Read, Write] {
        for current in CURRENT {
            for if_match in LISTS {
                for if_none_match in LISTS {
                    for if_modified_since in DATES {
                        cases.extend(DATES.map(|if_unmodified_since| Combination {
                            method,
                            current,
                            if_match,
                            if_none_match,
                            if_modified_since,
                            if_unmodified_since,
                        }));
                    }
                }
            }
        }
    }
    cases
}

#[test]
fn every_combination_of_fields_gives_the_verdict_of_the_oracle() {
    let cases = combinations();
    assert_eq!(cases.len(), 2 * 7 * 8 * 8 * 4 * 4);
    assert_rows(cases.into_iter().map(|case| (format!("{case:?}"), evaluated(case), oracle(case))));
}

#[test]
fn every_verdict_occurs_among_the_combinations() {
    let verdicts: Vec<Verdict> = combinations().into_iter().map(evaluated).collect();
    for verdict in [Perform, NotModified, Failed(IfMatch), Failed(IfUnmodifiedSince), Failed(IfNoneMatch)] {
        assert!(verdicts.contains(&verdict), "{verdict:?}");
    }
}

const EXAMPLE_DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

#[test]
fn if_range_is_one_tag_or_one_date() {
    let tag = |value| IfRange::Tag(EntityTag::parse(value).expect("a valid tag"));
    let example = || Some(IfRange::Date(date(784_111_777)));
    type Row<'a> = (&'a str, &'a [&'a [u8]], Option<IfRange<'a>>);
    let rows: &[Row<'_>] = &[
        ("absent", &[], None),
        ("strong tag", &[b"\"a\""], Some(tag(b"\"a\""))),
        ("weak tag", &[b"W/\"a\""], Some(tag(b"W/\"a\""))),
        ("tag with a comma", &[b" \"a,b\" "], Some(tag(b"\"a,b\""))),
        ("date", &[EXAMPLE_DATE], example()),
        ("RFC 850", &[b"Sunday, 06-Nov-94 08:49:37 GMT"], example()),
        ("asctime", &[b"Sun Nov  6 08:49:37 1994"], example()),
        ("star", &[b"*"], Some(IfRange::Malformed)),
        ("two tags", &[b"\"a\", \"b\""], Some(IfRange::Malformed)),
        ("two lines", &[b"\"a\"", b"\"a\""], Some(IfRange::Malformed)),
        ("unquoted", &[b"a"], Some(IfRange::Malformed)),
        ("not a date", &[b"Sun, 06 Nov 1994"], Some(IfRange::Malformed)),
        ("empty", &[b""], Some(IfRange::Malformed)),
    ];
    assert_rows(rows.iter().map(|(name, lines, expected)| {
        let parsed = IfRange::parse(lines.iter().copied());
        (name, parsed, expected.clone())
    }));
}

#[test]
fn if_range_holds_for_an_equal_strong_validator_only() {
    let tag = |text: &'static str| IfRange::Tag(EntityTag::parse(text.as_bytes()).expect("a tag"));
    let now = version(Some("\"now\""), Some(10));
    let weak = version(Some("W/\"now\""), Some(10));
    let untagged = version(None, Some(10));
    let undated = version(Some("\"now\""), None);
    let rows = [
        ("equal tags", tag("\"now\""), &now, 99, true),
        ("other tags", tag("\"old\""), &now, 99, false),
        ("weak in the request", tag("W/\"now\""), &now, 99, false),
        ("weak at the server", tag("\"now\""), &weak, 99, false),
        ("weak in both", tag("W/\"now\""), &weak, 99, false),
        ("tag, untagged", tag("\"now\""), &untagged, 99, false),
        ("tag, undated", tag("\"now\""), &undated, 10, true),
        ("equal dates, long ago", IfRange::Date(date(10)), &now, 99, true),
        ("equal dates, the next second", IfRange::Date(date(10)), &now, 11, true),
        ("equal dates, the same second", IfRange::Date(date(10)), &now, 10, false),
        ("equal dates, the clock behind", IfRange::Date(date(10)), &now, 9, false),
        ("a later date", IfRange::Date(date(11)), &now, 99, false),
        ("an earlier date", IfRange::Date(date(9)), &now, 99, false),
        ("date, undated", IfRange::Date(date(10)), &undated, 99, false),
        ("date, untagged", IfRange::Date(date(10)), &untagged, 99, true),
        ("malformed", IfRange::Malformed, &now, 99, false),
    ];
    assert_rows(rows.map(|(name, if_range, current, now, expected)| {
        (name, if_range.holds(current, date(now)), expected)
    }));
}

proptest! {
    #[test]
    fn parsing_if_range_never_panics(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..3),
    ) {
        let parsed = IfRange::parse(lines.iter().map(Vec::as_slice));
        prop_assert_eq!(parsed.is_none(), lines.is_empty());
    }
}
