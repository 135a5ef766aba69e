//! Folders on the way to a file: few descriptors, a bound, and nothing left.

use std::fs::{self, File};
use std::path::Path;

use super::*;

fn opened(path: &Path) -> OwnedFd {
    OwnedFd::from(File::open(path).unwrap())
}

/// Makes so many folders below this one.
fn made(folder: &Path, count: usize) -> (CreatedDirectories, Result<OwnedFd, WriteError>) {
    let mut created = CreatedDirectories::default();
    let mut directory = Ok(opened(folder));
    for number in 0..count {
        let name = CString::new(number.to_string()).unwrap();
        directory = directory.and_then(|directory| created.enter(directory, name));
    }
    (created, directory)
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

/// How many descriptors of this process lead below `folder`.
fn descriptors_below(folder: &Path) -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    entries.filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.starts_with(folder))).count()
}

#[test]
fn however_deep_they_are_they_take_two_descriptors_and_go_again() {
    let folder = tempfile::tempdir().unwrap();
    let (created, innermost) = made(folder.path(), MOST);
    let innermost = innermost.unwrap();
    created.sync(&innermost).unwrap();
    assert_eq!(descriptors_below(&folder.path().canonicalize().unwrap()), 2);
    drop(created);
    assert!(is_empty(folder.path()));
}

#[test]
fn too_many_are_refused_and_none_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (created, innermost) = made(folder.path(), MOST + 1);
    assert!(matches!(innermost, Err(WriteError::TooDeep)), "{innermost:?}");
    drop(created);
    assert!(is_empty(folder.path()));
}

#[test]
fn what_is_kept_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mut created, innermost) = made(folder.path(), 3);
    created.keep();
    drop((created, innermost));
    assert!(folder.path().join("0/1/2").is_dir());
}

#[test]
fn another_folder_of_the_same_name_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (created, _innermost) = made(folder.path(), 2);
    // Somebody moves ours away, and puts a link to theirs in its place.
    fs::rename(folder.path().join("0"), folder.path().join("moved")).unwrap();
    fs::create_dir_all(folder.path().join("theirs/1")).unwrap();
    std::os::unix::fs::symlink("theirs", folder.path().join("0")).unwrap();
    drop(created);
    assert!(folder.path().join("theirs/1").is_dir());
    let (created, innermost) = made(&folder.path().join("theirs/1"), 2);
    fs::rename(folder.path().join("theirs/1/0"), folder.path().join("ours")).unwrap();
    fs::create_dir_all(folder.path().join("theirs/1/0/1")).unwrap();
    // It can still be made durable.
    created.sync(&innermost.unwrap()).unwrap();
    drop(created);
    assert!(folder.path().join("theirs/1/0/1").is_dir());
}
