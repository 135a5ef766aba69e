//! Trying out what a swap can rest on.

use super::*;
use crate::root::SymlinkPolicy;

fn try_swap(folder: &std::path::Path) -> Result<SwapGuard, WriteError> {
    Root::open(folder, SymlinkPolicy::Within).unwrap().try_swap()
}

#[test]
fn a_local_folder_has_leases_and_exchanges_and_nothing_is_left_in_it() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(try_swap(folder.path()), Ok(SwapGuard::Lease));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn files_of_the_folder_have_no_part_in_it() {
    for outside in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let probe = folder.path().join("probe");
        match outside {
            true => std::os::unix::fs::symlink("/", &probe).unwrap(),
            false => std::fs::write(&probe, "somebody's").unwrap(),
        }
        assert_eq!(try_swap(folder.path()), Ok(SwapGuard::Lease));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn servers_that_try_it_at_the_same_time_do_not_mislead_each_other() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(try_swap(folder.path()), Ok(SwapGuard::Lease));
                }
            });
        }
    });
}

#[test]
fn a_folder_that_is_gone_cannot_be_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
    drop(folder);
    assert_eq!(root.try_swap(), Err(WriteError::RootGone));
}
