//! Names of conflict copies.

use std::time::Duration;

use super::*;
use crate::resource_path::{Dotfiles, ResourcePath};

fn named(name: &CStr, seconds: u64) -> String {
    conflict_name(name, UNIX_EPOCH + Duration::from_secs(seconds), 0, 255).into_string().expect("UTF-8")
}

#[test]
fn a_conflict_copy_is_named_after_its_file_and_the_time() {
    let table = [
        (c"notes.txt", "notes.conflict-20261122T151309Z-000000.txt"),
        (c"archive.tar.gz", "archive.tar.conflict-20261122T151309Z-000000.gz"),
        (c"Makefile", "Makefile.conflict-20261122T151309Z-000000"),
        (c".profile", ".profile.conflict-20261122T151309Z-000000"),
    ];
    for (name, expected) in table {
        assert_eq!(named(name, 1_795_360_389), expected);
        // Who may read it is found out by that of its file.
        let path = format!("docs/{expected}");
        let copy = ResourcePath::from_names(&path, Dotfiles::Served).expect("a path");
        let original = format!("docs/{}", name.to_str().expect("UTF-8"));
        assert_eq!(copy.conflict_original().expect("a copy").as_str(), original);
    }
}

#[test]
fn dates_are_right_around_leap_days_and_ends_of_years() {
    let table = [
        (0, "19700101T000000Z"),
        (951_782_399, "20000228T235959Z"),
        (951_782_400, "20000229T000000Z"),
        (951_868_800, "20000301T000000Z"),
        (1_735_689_599, "20241231T235959Z"),
        (4_107_542_400, "21000301T000000Z"),
    ];
    for (seconds, expected) in table {
        assert_eq!(compact(seconds), expected);
    }
}

#[test]
fn a_long_name_is_cut_between_characters() {
    for longest in [255, 143, SHORTEST_LIMIT] {
        for length in 60..=255 {
            let name = CString::new(format!("{}.txt", "é".repeat(length / 2))).expect("no NUL");
            let copy = conflict_name(&name, UNIX_EPOCH, 0, longest);
            assert!(copy.as_bytes().len() <= longest);
            assert!(copy.to_str().expect("UTF-8").ends_with(".txt"));
        }
    }
}
