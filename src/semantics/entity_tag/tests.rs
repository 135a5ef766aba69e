//! Tests of entity tags and of the lists they come in.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::semantics::assert_rows;

fn strong(opaque: &[u8]) -> EntityTag<'_> {
    EntityTag::strong(opaque).expect("a valid opaque value")
}

fn weak(opaque: &[u8]) -> EntityTag<'_> {
    EntityTag::weak(opaque).expect("a valid opaque value")
}

fn tags<'a>(tags: impl Into<Vec<EntityTag<'a>>>) -> Field<EntityTagList<'a>> {
    Field::Present(EntityTagList::Tags(tags.into()))
}

#[test]
fn one_tag_is_read_exactly_or_not_at_all() {
    let rows: &[(&str, &[u8], Result<EntityTag<'_>, MalformedField>)] = &[
        ("strong", b"\"xyzzy\"", Ok(strong(b"xyzzy"))),
        ("weak", b"W/\"xyzzy\"", Ok(weak(b"xyzzy"))),
        ("empty opaque", b"\"\"", Ok(strong(b""))),
        ("weak, empty opaque", b"W/\"\"", Ok(weak(b""))),
        ("a comma inside", b"\"a,b\"", Ok(strong(b"a,b"))),
        ("a star inside", b"\"*\"", Ok(strong(b"*"))),
        ("W/ inside", b"\"W/a\"", Ok(strong(b"W/a"))),
        ("a backslash is a byte", b"\"a\\\"", Ok(strong(b"a\\"))),
        ("lowest and highest ASCII", b"\"!~\"", Ok(strong(b"!~"))),
        ("obs-text", b"\"\x80\xFF\"", Ok(strong(b"\x80\xFF"))),
        ("spaces and tabs around", b" \t\"a\"\t ", Ok(strong(b"a"))),
        ("nothing", b"", Err(MalformedField)),
        ("whitespace only", b" \t", Err(MalformedField)),
        ("unquoted", b"xyzzy", Err(MalformedField)),
        ("unquoted, one letter", b"W", Err(MalformedField)),
        ("single quotes", b"'xyzzy'", Err(MalformedField)),
        ("not opened", b"xyzzy\"", Err(MalformedField)),
        ("not closed", b"\"xyzzy", Err(MalformedField)),
        ("one quote", b"\"", Err(MalformedField)),
        ("weak without a tag", b"W/", Err(MalformedField)),
        ("weak, unquoted", b"W/xyzzy", Err(MalformedField)),
        ("lower-case w", b"w/\"xyzzy\"", Err(MalformedField)),
        ("a space after W/", b"W/ \"xyzzy\"", Err(MalformedField)),
        ("weak twice", b"W/W/\"xyzzy\"", Err(MalformedField)),
        ("a space inside", b"\"a b\"", Err(MalformedField)),
        ("a tab inside", b"\"a\tb\"", Err(MalformedField)),
        ("NUL inside", b"\"a\0b\"", Err(MalformedField)),
        ("DEL inside", b"\"a\x7Fb\"", Err(MalformedField)),
        ("an escaped quote", b"\"a\\\"b\"", Err(MalformedField)),
        ("a letter behind", b"\"a\"b", Err(MalformedField)),
        ("two tags", b"\"a\", \"b\"", Err(MalformedField)),
        ("star", b"*", Err(MalformedField)),
        ("a line feed around", b"\"a\"\n", Err(MalformedField)),
    ];
    assert_rows(rows.iter().map(|(name, value, expected)| (name, EntityTag::parse(value), expected.clone())));
}

#[test]
fn a_tag_is_made_of_etagc_bytes_only() {
    for byte in 0..=u8::MAX {
        let allowed = byte == b'!' || (byte > b'"' && byte != 0x7F);
        let opaque = [b'a', byte];
        assert_eq!(EntityTag::strong(&opaque).is_ok(), allowed, "{byte:#04x}");
        assert_eq!(EntityTag::weak(&opaque).is_ok(), allowed, "{byte:#04x}");
    }
}

#[test]
fn comparisons_are_those_of_the_table_in_8_8_3_2() {
    let rows = [
        ("W/1 W/1", weak(b"1"), weak(b"1"), (false, true)),
        ("W/1 W/2", weak(b"1"), weak(b"2"), (false, false)),
        ("W/1 1", weak(b"1"), strong(b"1"), (false, true)),
        ("1 W/1", strong(b"1"), weak(b"1"), (false, true)),
        ("1 1", strong(b"1"), strong(b"1"), (true, true)),
        ("1 2", strong(b"1"), strong(b"2"), (false, false)),
        ("a A", strong(b"a"), strong(b"A"), (false, false)),
        ("a ab", strong(b"a"), strong(b"ab"), (false, false)),
    ];
    assert_rows(
        rows.map(|(name, one, other, expected)| {
            (name, (one.strong_eq(&other), one.weak_eq(&other)), expected)
        }),
    );
}

#[test]
fn a_tag_prints_as_it_stands_in_a_field() {
    assert_rows([
        ("strong", strong(b"a,b").to_string(), "\"a,b\"".to_owned()),
        ("weak", weak(b"a").to_string(), "W/\"a\"".to_owned()),
        ("empty", strong(b"").to_string(), "\"\"".to_owned()),
        ("UTF-8", strong("ä".as_bytes()).to_string(), "\"ä\"".to_owned()),
        ("other bytes", strong(b"\xE4").to_string(), "\"\u{FFFD}\"".to_owned()),
    ]);
}

#[test]
fn an_owned_tag_is_the_same_tag() {
    let tag = weak(b"a").into_owned();
    assert_eq!(tag, weak(b"a"));
    assert_eq!((tag.strength(), tag.opaque()), (Strength::Weak, &b"a"[..]));
}

#[test]
fn all_lines_of_a_field_are_one_list() {
    type Row<'a> = (&'a str, &'a [&'a [u8]], Field<EntityTagList<'a>>);
    let any = Field::Present(EntityTagList::Any);
    let (a, b, c) = (strong(b"a"), strong(b"b"), strong(b"c"));
    let rows: &[Row<'_>] = &[
        ("no line", &[], Field::Absent),
        ("one tag", &[b"\"a\""], tags([a.clone()])),
        ("a weak tag", &[b"W/\"a\""], tags([weak(b"a")])),
        (
            "three tags keep their order",
            &[b"\"b\", W/\"x\" ,\"a\""],
            tags([b.clone(), weak(b"x"), a.clone()]),
        ),
        ("no spaces", &[b"\"a\",\"b\""], tags([a.clone(), b.clone()])),
        ("the same tag twice", &[b"\"a\",\"a\""], tags([a.clone(), a.clone()])),
        ("two lines", &[b"\"a\"", b"\"b\""], tags([a.clone(), b.clone()])),
        (
            "three lines, two tags in one",
            &[b"\"a\"", b"\"b\", \"c\"", b"\"a\""],
            tags([a.clone(), b.clone(), c, a.clone()]),
        ),
        ("a comma inside", &[b"\"a,b\", \"b\""], tags([strong(b"a,b"), b.clone()])),
        ("only commas inside", &[b"\",,\""], tags([strong(b",,")])),
        ("obs-text", &[b"\"\xC3\xA4\xFF\""], tags([strong(b"\xC3\xA4\xFF")])),
        ("empty members", &[b", ,\"a\",, \t,\"b\","], tags([a.clone(), b.clone()])),
        ("an empty line and a tag", &[b"", b"\"a\""], tags([a.clone()])),
        ("star", &[b"*"], any.clone()),
        ("star with whitespace", &[b" \t* "], any),
        ("a quoted star is a tag", &[b"\"*\""], tags([strong(b"*")])),
        ("star and a tag", &[b"*, \"a\""], Field::Malformed),
        ("a tag and star", &[b"\"a\", *"], Field::Malformed),
        ("star and a tag in lines", &[b"*", b"\"a\""], Field::Malformed),
        ("a tag and star in lines", &[b"\"a\"", b"*"], Field::Malformed),
        ("two stars", &[b"*, *"], Field::Malformed),
        ("two lines of stars", &[b"*", b"*"], Field::Malformed),
        ("two stars in a row", &[b"**"], Field::Malformed),
        ("star and an empty member", &[b"*,"], Field::Malformed),
        ("star and an empty line", &[b"*", b""], Field::Malformed),
        ("a weak star", &[b"W/*"], Field::Malformed),
        ("empty", &[b""], Field::Malformed),
        ("whitespace only", &[b" \t "], Field::Malformed),
        ("commas only", &[b",, ,"], Field::Malformed),
        ("several empty lines", &[b"", b" ", b","], Field::Malformed),
        ("unquoted", &[b"a"], Field::Malformed),
        ("the right tag, then garbage", &[b"\"a\", b"], Field::Malformed),
        ("garbage, then the right tag", &[b"b, \"a\""], Field::Malformed),
        ("garbage in another line", &[b"\"a\"", b"b"], Field::Malformed),
        ("no comma between", &[b"\"a\" \"b\""], Field::Malformed),
        ("nothing between", &[b"\"a\"\"b\""], Field::Malformed),
        ("a semicolon between", &[b"\"a\"; \"b\""], Field::Malformed),
        ("not closed", &[b"\"a\", \"b"], Field::Malformed),
        ("closed in the next line", &[b"\"a", b"b\""], Field::Malformed),
        ("lower-case w", &[b"w/\"a\""], Field::Malformed),
        ("a space inside", &[b"\"a b\""], Field::Malformed),
        ("a control byte", &[b"\"a\x01\""], Field::Malformed),
    ];
    assert_rows(rows.iter().map(|(name, lines, expected)| {
        let parsed = EntityTagList::parse(lines.iter().copied());
        (name, parsed, expected.clone())
    }));
}

#[test]
fn a_hundred_kilobytes_of_tags_are_all_read() {
    let line = "\"aaaaaaaa\", ".repeat(100_000 / 12) + "W/\"last\"";
    let parsed = EntityTagList::parse([line.as_bytes()]);
    let Field::Present(EntityTagList::Tags(tags)) = parsed else {
        panic!("{parsed:?}");
    };
    assert_eq!(tags.len(), 100_000 / 12 + 1);
    assert_eq!(tags.last(), Some(&weak(b"last")));
}

/// Ten times what a request can carry. Were it read in quadratic time, each row would take minutes.
#[test]
fn long_fields_take_linear_time() {
    let rows = [
        ("tags", "\"\",".repeat(333_333)),
        ("empty members", ",".repeat(1_000_000)),
        ("whitespace", " ".repeat(1_000_000)),
        ("whitespace behind a tag", "\"a\"".to_owned() + &" ".repeat(1_000_000)),
        ("one tag, not closed", "\"".to_owned() + &"a".repeat(1_000_000)),
        ("quotes", "\"".repeat(1_000_000)),
    ];
    for (name, line) in rows {
        let start = Instant::now();
        let _ = EntityTagList::parse([line.as_bytes()]);
        let _ = EntityTag::parse(line.as_bytes());
        let took = start.elapsed();
        assert!(took < Duration::from_secs(5), "{name}: {took:?}");
    }
}

fn any_opaque() -> impl Strategy<Value = Vec<u8>> {
    let etagc = prop_oneof![1 => Just(0x21_u8), 92 => 0x23..=0x7E_u8, 128 => 0x80..=0xFF_u8];
    // A good share of commas: they are what goes wrong.
    prop::collection::vec(prop_oneof![4 => etagc, 1 => Just(b',')], 0..12)
}

fn any_tag() -> impl Strategy<Value = EntityTag<'static>> {
    (any::<bool>(), any_opaque()).prop_map(|(is_weak, opaque)| {
        let tag = if is_weak { EntityTag::weak(opaque) } else { EntityTag::strong(opaque) };
        tag.expect("etagc only")
    })
}

/// The tag in a field, byte for byte, where `Display` would replace what is not UTF-8.
fn written(tag: &EntityTag<'_>) -> Vec<u8> {
    let prefix: &[u8] = match tag.strength() {
        Strength::Strong => b"\"",
        Strength::Weak => b"W/\"",
    };
    [prefix, tag.opaque(), b"\""].concat()
}

/// Bytes that often look like tags.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\"".to_vec()),
        Just(b"W/\"".to_vec()),
        Just(b",".to_vec()),
        Just(b" ".to_vec()),
        Just(b"*".to_vec()),
        Just(b"\"a\"".to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn parsing_arbitrary_bytes_never_panics(lines in prop::collection::vec(any_line(), 0..4)) {
        for line in &lines {
            let _ = EntityTag::parse(line);
        }
        let parsed = EntityTagList::parse(lines.iter().map(Vec::as_slice));
        prop_assert_eq!(parsed == Field::Absent, lines.is_empty());
    }

    #[test]
    fn what_is_read_is_what_was_written(tag in any_tag()) {
        let bytes = written(&tag);
        prop_assert_eq!(EntityTag::parse(&bytes), Ok(tag.clone()));
        if std::str::from_utf8(tag.opaque()).is_ok() {
            prop_assert_eq!(tag.to_string().into_bytes(), bytes);
        }
    }

    #[test]
    fn commas_inside_quotes_never_split_a_list(
        tags in prop::collection::vec(any_tag(), 1..8),
        separator in prop_oneof![Just(","), Just(", "), Just(" ,\t"), Just(",,"), Just(" , ,")],
    ) {
        let written: Vec<Vec<u8>> = tags.iter().map(written).collect();
        let joined = written.join(separator.as_bytes());
        let expected = Field::Present(EntityTagList::Tags(tags));
        prop_assert_eq!(EntityTagList::parse([joined.as_slice()]), expected.clone());
        prop_assert_eq!(EntityTagList::parse(written.iter().map(Vec::as_slice)), expected);
    }

    #[test]
    fn one_bad_member_spoils_the_list(
        tags in prop::collection::vec(any_tag(), 1..6),
        bad in prop_oneof![Just("a"), Just("*"), Just("w/\"a\""), Just("\"a\"\"b\""), Just("'a'")],
        at in any::<prop::sample::Index>(),
    ) {
        let mut written: Vec<Vec<u8>> = tags.iter().map(written).collect();
        written.insert(at.index(tags.len() + 1), bad.into());
        let joined = written.join(b",".as_slice());
        prop_assert_eq!(EntityTagList::parse([joined.as_slice()]), Field::Malformed);
        prop_assert_eq!(EntityTagList::parse(written.iter().map(Vec::as_slice)), Field::Malformed);
    }

    #[test]
    fn strongly_equal_tags_are_weakly_equal(one in any_tag(), other in any_tag(), same in any::<bool>()) {
        let other = if same { one.clone() } else { other };
        prop_assert!(!one.strong_eq(&other) || one.weak_eq(&other));
        prop_assert_eq!(one.strong_eq(&other), other.strong_eq(&one));
        prop_assert_eq!(one.weak_eq(&other), other.weak_eq(&one));
        prop_assert!(one.weak_eq(&one));
    }
}
