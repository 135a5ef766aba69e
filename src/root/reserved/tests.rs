//! Reserved names there and back.

use super::*;

fn reserved(kind: Kind, expected: Option<&str>, target: &CStr) -> Reserved {
    let stamp = Stamp {
        device: 7,
        inode: u64::MAX,
        size: u64::MAX,
        modified: Timestamp { seconds: 1_790_000_000, nanoseconds: 999_999_999 },
        changed: Timestamp { seconds: 0, nanoseconds: 0 },
    };
    Reserved::new(kind, &stamp, expected, target)
}

#[test]
fn a_name_tells_all_that_went_into_it() {
    for kind in [Kind::Replace, Kind::Remove, Kind::Temporary] {
        for expected in [None, Some("a7qGx-Bp9W1aELQ18cj_nA")] {
            for target in [c"notes.txt", c"a.b.c..", c".hidden", c"x y\n\xff"] {
                let reserved = reserved(kind, expected, target);
                let name = reserved.encode();
                assert_eq!(Reserved::parse(&name), Some(reserved), "{name:?}");
            }
        }
    }
}

#[test]
fn a_name_is_never_too_long_and_finds_its_target_all_the_same() {
    let digest = "0".repeat(43);
    for length in 1..=LONGEST_NAME {
        let target = CString::new("n".repeat(length)).expect("no NUL");
        let name = reserved(Kind::Replace, Some(&digest), &target).encode();
        assert!(name.as_bytes().len() <= LONGEST_NAME, "{length}");
        let parsed = Reserved::parse(&name).expect("one of ours");
        assert!(parsed.target.is(&target), "{length}");
        assert!(!parsed.target.is(c"another"), "{length}");
    }
}

#[test]
fn other_names_are_not_taken_for_ours() {
    for name in [
        c"notes.txt",
        c".~ifmatch.",
        c".~ifmatch.r.1.2.3",
        c".~ifmatch.z.1.2.3.4.any.x",
        c".~ifmatch.r.x.2.3.4.any.x",
    ] {
        assert_eq!(Reserved::parse(name), None, "{name:?}");
    }
}
