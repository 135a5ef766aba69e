//! Outcomes of preconditions and ranges together.

use super::*;
use crate::semantics::entity_tag::EntityTag;
use crate::semantics::preconditions::{IfRange, Preconditions};
use crate::semantics::range::ByteRangeSet;

/// The outcome of a GET and of a HEAD with these conditions, of a representation with tag `"right"`,
/// 100 bytes.
fn outcomes(if_none_match: &[&str], if_range: Option<&str>, range: &str) -> (Outcome, Outcome) {
    use crate::semantics::entity_tag::EntityTagList;
    let conditions = Conditions {
        preconditions: Preconditions {
            if_none_match: EntityTagList::parse(if_none_match.iter().map(|line| line.as_bytes())),
            ..Preconditions::default()
        },
        if_range: IfRange::parse(if_range.iter().map(|line| line.as_bytes())),
        range: ByteRangeSet::parse(range.as_bytes()),
        wanted_digest: None,
    };
    let tag = EntityTag::strong(b"right".as_slice()).unwrap();
    let current = Validators { entity_tag: Some(tag), last_modified: None };
    let decide = |method| decide(&method, &conditions, &current, 100, HttpDate::EPOCH);
    (decide(Method::GET), decide(Method::HEAD))
}

#[test]
fn preconditions_win_over_ranges_and_head_has_no_ranges() {
    let part = Outcome::Part(ByteRange { first: 0, last: 9 });
    for (name, if_none_match, if_range, range, get) in [
        ("a range", vec![], None, "bytes=0-9", part),
        ("304 over 416", vec!["\"right\""], None, "bytes=900-", Outcome::NotModified),
        ("416", vec!["\"other\""], None, "bytes=900-", Outcome::Unsatisfiable),
        ("If-Range wrong", vec![], Some("\"other\""), "bytes=0-9", Outcome::Whole),
        ("If-Range wrong and unsatisfiable", vec![], Some("\"other\""), "bytes=900-", Outcome::Whole),
        ("If-Range weak", vec![], Some("W/\"right\""), "bytes=0-9", Outcome::Whole),
        ("another unit", vec![], None, "items=0-9", Outcome::Whole),
    ] {
        let head = if get == Outcome::NotModified { Outcome::NotModified } else { Outcome::Whole };
        assert_eq!(outcomes(&if_none_match, if_range, range), (get, head), "{name}");
    }
}
