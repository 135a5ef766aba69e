//! The dates of histories.

use super::*;
use crate::root::{Filesystem, ReadStyle, Stamping, Timestamp, Timestamps};
use crate::validator_store::digest::DigestAlgorithm;
use crate::validator_store::text::Text;

const FILESYSTEM: Filesystem = Filesystem {
    name: "test",
    timestamps: Timestamps::Multigrain,
    locality: Locality::Local,
    read_style: ReadStyle::InPlace,
    stamping: Stamping::Partial,
};

fn read(bytes: &'static str, modified: i64, changed: i64) -> Read {
    let time = |seconds| Timestamp { seconds, nanoseconds: 0 };
    let root = tempfile::tempdir().unwrap();
    let root = crate::root::Root::open(root.path(), crate::root::SymlinkPolicy::Within).unwrap();
    let stamp =
        Stamp { mount: 1, device: 1, inode: 1, size: 5, modified: time(modified), changed: time(changed) };
    Read {
        path: ResourcePath::ROOT,
        location: root.locate(&ResourcePath::ROOT).unwrap(),
        reading: Reading {
            stamp,
            digest: Digest::of(DigestAlgorithm::Xxh3, bytes.as_bytes()),
            body: None,
            text: Text::Plain,
            filesystem: FILESYSTEM,
            proof: Proof::Lease,
        },
        certainty: Certainty::Certain,
        began: Instant::now(),
        mounts: crate::root::MountMark::default(),
    }
}

/// The dates of a history of (bytes, mtime, ctime).
fn dates(history: &[(&'static str, i64, i64)]) -> Vec<Option<u64>> {
    let mut previous: Option<Entry<()>> = None;
    let mut dates = Vec::new();
    for &(bytes, modified, changed) in history {
        let entry = Entry::new(read(bytes, modified, changed), previous.as_ref(), &|_, _, _| ());
        dates.push(entry.validators().last_modified.map(HttpDate::unix));
        previous = Some(entry);
    }
    dates
}

#[test]
fn last_modified_is_mtime_where_mtime_can_be_believed() {
    for (modified, changed, expected) in [
        (1000, 1000, Some(1000)),
        (1000, 2000, Some(1000)),
        (9000, 2000, Some(2000)),
        (0, 2000, None),
        (1, 2000, None),
        (2, 2000, Some(2)),
        (-5, 2000, None),
        (i64::MAX, 2000, Some(2000)),
        (i64::MIN, 2000, None),
    ] {
        assert_eq!(dates(&[("a", modified, changed)]), [expected], "mtime {modified}, ctime {changed}");
    }
}

#[test]
fn a_date_that_was_given_to_other_bytes_is_never_given_again() {
    for (name, history, expected) in [
        ("mtime advances", vec![("a", 10, 10), ("b", 20, 20)], vec![10, 20]),
        ("touch", vec![("a", 10, 10), ("a", 30, 30)], vec![10, 30]),
        ("touched back", vec![("a", 10, 10), ("a", 5, 30)], vec![10, 5]),
        ("cp -p of an older file", vec![("a", 10, 10), ("b", 5, 20)], vec![10, 20]),
        ("same mtime", vec![("a", 10, 10), ("b", 10, 20)], vec![10, 20]),
        ("two saves in one second", vec![("a", 10, 10), ("b", 10, 10)], vec![10, 11]),
        ("three saves in one second", vec![("a", 10, 10), ("b", 10, 10), ("c", 10, 10)], vec![10, 11, 12]),
        ("rollback", vec![("a", 10, 10), ("b", 20, 20), ("a", 10, 30)], vec![10, 20, 30]),
        ("rollback, then chmod", vec![("a", 10, 10), ("b", 5, 20), ("b", 5, 40)], vec![10, 20, 20]),
        ("rollback, then touched back", vec![("b", 20, 20), ("a", 5, 30), ("a", 3, 40)], vec![20, 30, 30]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(Some).collect();
        assert_eq!(dates(&history), expected, "{name}");
    }
}

#[test]
fn many_saves_in_one_second_do_not_move_the_date_far_ahead() {
    let now = || HttpDate::of(SystemTime::now());
    let seconds = i64::try_from(now().unix()).unwrap();
    let history: Vec<_> =
        ["a", "b"].into_iter().cycle().take(100).map(|bytes| (bytes, seconds, seconds)).collect();
    let dates = dates(&history);
    assert!(dates[1] > dates[0] && dates.is_sorted(), "{dates:?}");
    assert!(*dates.last().unwrap() <= Some(now().unix() + 2), "{dates:?}");
}

#[test]
fn bytes_that_may_be_changing_have_a_tag_and_no_date() {
    let fleeting = Read { certainty: Certainty::Fleeting, ..read("a", 10, 10) };
    let entry: Entry<()> = Entry::new(fleeting, None, &|_, _, _| ());
    assert!(entry.validators().entity_tag.is_some() && entry.validators().last_modified.is_none());
}
