//! Reserved names there and back.

use proptest::prelude::*;

use super::*;

/// Numbers of every length, and those at the ends.
fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), (0_u32..64).prop_map(|bits| 1 << bits)]
}

fn any_seconds() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(-1), Just(0), Just(i64::MAX), any_number().prop_map(u64::cast_signed)]
}

/// Names that a file can have.
fn any_target() -> impl Strategy<Value = CString> {
    let byte = prop_oneof![Just(b'.'), 1..=b'.', b'0'..=u8::MAX];
    let bytes = prop::collection::vec(byte, 1..=LONGEST_NAME);
    bytes.prop_map(|bytes| CString::new(bytes).expect("no NUL"))
}

fn any_expected() -> impl Strategy<Value = Option<String>> {
    prop_oneof![Just(None), "[A-Za-z0-9_-]{22}".prop_map(Some), "[A-Za-z0-9_-]{43}".prop_map(Some)]
}

prop_compose! {
    fn any_reserved()(
        kind in prop_oneof![Just(Kind::Replace), Just(Kind::Remove), Just(Kind::Temporary)],
        inode in any_number(),
        seconds in any_seconds(),
        nanoseconds in 0..1_000_000_000_u32,
        size in any_number(),
        expected in any_expected(),
        target in any_target(),
    ) -> Reserved {
        let modified = Timestamp { seconds, nanoseconds };
        Reserved { kind, inode, modified, size, expected, target: TargetName::Whole(target) }
    }
}

proptest! {
    #[test]
    fn a_name_tells_all_that_went_into_it(reserved in any_reserved(), longest in 0..=LONGEST_NAME) {
        let name = reserved.encode(longest);
        prop_assert!(name.as_bytes().len() <= longest.max(Reserved::SHORT), "{:?}", name);
        let parsed = Reserved::parse(&name).expect("one of ours");
        let TargetName::Whole(target) = &reserved.target else { unreachable!() };
        prop_assert!(parsed.target.is(target), "{:?}", name);
        prop_assert!(!parsed.target.is(c"another/name"), "{:?}", name);
        prop_assert_eq!(Reserved { target: reserved.target.clone(), ..parsed }, reserved);
    }

    #[test]
    fn a_name_that_fits_has_its_target_in_full(reserved in any_reserved()) {
        let name = reserved.encode(usize::MAX);
        prop_assert_eq!(Reserved::likely_target(&name), reserved.target.name());
        prop_assert_eq!(Reserved::parse(&name), Some(reserved));
    }

    #[test]
    fn names_that_anybody_can_make_are_read_or_not_and_never_more(tail in ".{0,80}") {
        let name = CString::new(format!("{RESERVED_PREFIX}{}", tail.replace('\0', ""))).expect("no NUL");
        let _ = (Reserved::parse(&name), Reserved::likely_target(&name));
    }
}

#[test]
fn times_before_1970_are_read_as_they_are_written() {
    let seconds = |name: &CStr| Reserved::parse(name).map(|it| it.modified.seconds);
    assert_eq!(seconds(c".~ifmatch.d.2a.ffffffffffffffff.0.3.any.f"), Some(-1));
    assert_eq!(seconds(c".~ifmatch.d.2a.0.0.3.any.f"), Some(0));
}

#[test]
fn other_names_are_not_taken_for_ours() {
    for name in [
        c"notes.txt",
        c".~ifmatch.",
        c".~ifmatch.r.1.2.3",
        c".~ifmatch.z.1.2.3.4.any.x",
        c".~ifmatch.r.x.2.3.4.any.x",
        c".~ifmatch.r.+1.2.3.4.any.x",
        c".~ifmatch.r.1.02.3.4.any.x",
        c".~ifmatch.r.A.2.3.4.any.x",
        c".~ifmatch.R.1.2.3.4.any.x",
    ] {
        assert_eq!(Reserved::parse(name), None, "{name:?}");
    }
}
