//! `If-Match` and `If-None-Match`: the field lines are the input's lines.
//!
//! Holds for every input: several lines mean what one line joined from them means (RFC 9110 5.3),
//! a list that was read can be written and read again unchanged, and the two comparisons keep to
//! the table of RFC 9110 8.8.3.2.

#![no_main]

use ifmatch::semantics::Field;
use ifmatch::semantics::entity_tag::{EntityTag, EntityTagList, Strength};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let list = EntityTagList::parse(lines.iter().copied());

    let joined = lines.join(b", ".as_slice());
    assert_eq!(list, EntityTagList::parse([joined.as_slice()]), "several lines, and one");

    match list {
        Field::Absent => panic!("a field with lines is not absent"),
        Field::Malformed => {}
        Field::Present(EntityTagList::Any) => assert_eq!(data.trim_ascii(), b"*"),
        Field::Present(EntityTagList::Tags(tags)) => check_tags(&tags),
    }
});

fn check_tags(tags: &[EntityTag<'_>]) {
    assert!(!tags.is_empty());

    let written = tags.iter().map(write).collect::<Vec<_>>().join(b",".as_slice());
    let Field::Present(EntityTagList::Tags(again)) = EntityTagList::parse([written.as_slice()]) else {
        panic!("what was written cannot be read: {written:?}");
    };
    assert_eq!(again, tags);

    for one in tags {
        assert_eq!(EntityTag::parse(&write(one)).as_ref(), Ok(one));
        assert_eq!(one.strong_eq(one), one.strength() == Strength::Strong);
        assert!(one.weak_eq(one));
    }
    for pair in tags.windows(2) {
        let (one, other) = (&pair[0], &pair[1]);
        assert_eq!(one.strong_eq(other), other.strong_eq(one));
        assert_eq!(one.weak_eq(other), other.weak_eq(one));
        assert!(one.weak_eq(other) || !one.strong_eq(other), "strongly equal, but not weakly");
    }
}

/// The tag as it stands in a field, byte for byte; `Display` is for people.
fn write(tag: &EntityTag<'_>) -> Vec<u8> {
    let opening: &[u8] = match tag.strength() {
        Strength::Strong => b"\"",
        Strength::Weak => b"W/\"",
    };
    [opening, tag.opaque(), b"\""].concat()
}
