//! Commits that others get in the way of.

use super::super::tests::{Folder, resource};
use super::*;
use crate::resource_path::Dotfiles;
use crate::root::SymlinkPolicy;

/// As when another write made the folder, failed and removed it again, or somebody else removed it.
#[tokio::test]
async fn a_folder_that_is_removed_after_it_was_found_is_looked_for_again() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("sub")).unwrap();
    let mut version = {
        let place = folder.place("sub/f");
        crate::root::StagedFile::at(&place).unwrap().complete().unwrap()
    };
    let mut found = 0;
    let outcome = folder.writer.repeat(
        &crate::resource_path::ResourcePath::ROOT,
        || {
            found += 1;
            if found > 1 {
                return folder.writer.place_for_put(
                    &resource("sub/f"),
                    Intent::Put(None),
                    &Preconditions::default(),
                );
            }
            let place = folder.place("sub/f");
            std::fs::remove_dir(folder.path("sub")).unwrap();
            Ok(place)
        },
        |_, place, _| match version.create(place)? {
            Creation::Done => Ok(Step::Done(WriteOutcome::Deleted, None)),
            Creation::Exists => Ok(Step::Again),
        },
    );
    assert!(matches!(outcome, Ok(WriteOutcome::Deleted)));
    assert_eq!(found, 2);
    assert_eq!(folder.read("sub/f").as_deref(), Some(""));
}

#[tokio::test]
async fn others_who_are_always_faster_are_given_way_in_the_end() {
    let folder = Folder::new();
    let mut attempts = 0;
    let outcome = folder.writer.repeat(
        &crate::resource_path::ResourcePath::ROOT,
        || Ok(folder.place("f")),
        |_, _, _| {
            attempts += 1;
            Ok(Step::Again)
        },
    );
    assert!(matches!(outcome, Err(Refusal::Writers)));
    assert_eq!(attempts, ATTEMPTS);
}

#[tokio::test]
async fn a_writer_who_does_not_end_is_waited_for_a_moment_and_not_under_the_lock() {
    let folder = Folder::new();
    let other = crate::root::Root::open(&folder.path(""), SymlinkPolicy::Within).unwrap();
    let path = crate::resource_path::ResourcePath::ROOT.child("f", Dotfiles::Hidden).unwrap();
    let theirs = other.place(&path, Parents::Existing).unwrap();
    let mut locked = 0;
    let began = Instant::now();
    let outcome = folder.writer.repeat(
        &crate::resource_path::ResourcePath::ROOT,
        || {
            // Between two attempts the directory is free.
            locked += u32::from(other.lock(&theirs).is_ok());
            Ok(folder.place("f"))
        },
        |_, _, _| Ok(Step::Wait),
    );
    assert!(matches!(outcome, Err(Refusal::Writers)));
    assert!(began.elapsed() >= WRITERS_PATIENCE && locked > 1);
}
