//! Who keeps whom out of a directory.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{Parents, SymlinkPolicy};

fn place(root: &Root, name: &str) -> Place {
    let name = format!("/{name}");
    let path = ResourcePath::parse(&name, Dotfiles::Hidden).unwrap().path;
    root.place(&path, Parents::Existing).unwrap()
}

/// A folder with two folders, and a link from one to the other.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("one")).unwrap();
    std::fs::create_dir(folder.path().join("two")).unwrap();
    std::os::unix::fs::symlink("one", folder.path().join("link")).unwrap();
    folder
}

fn root(folder: &tempfile::TempDir) -> Root {
    Root::open(folder.path(), SymlinkPolicy::Within).unwrap()
}

/// Whether, while one file of a folder is locked through `holder`, the lock on another is waited for.
fn waits(holder: &Root, held: &str, other: &Root, wanted: &str) -> bool {
    let held = place(holder, held);
    let lock = holder.lock(&held).unwrap();
    std::thread::scope(|scope| {
        let (sender, got_it) = std::sync::mpsc::channel();
        scope.spawn(move || {
            let wanted = place(other, wanted);
            let _lock = other.lock(&wanted).unwrap();
            sender.send(()).unwrap();
        });
        let waited = got_it.recv_timeout(Duration::from_millis(200)).is_err();
        drop(lock);
        if waited {
            got_it.recv().expect("the lock, once it is free");
        }
        waited
    })
}

#[test]
fn a_directory_has_one_writer_at_a_time_by_whatever_path() {
    let folder = folder();
    let (root, same) = (root(&folder), root(&folder));
    // As another process: its roots share nothing with ours.
    for (what, other) in [("one process", &root), ("two processes", &same)] {
        assert!(waits(&root, "one/a", other, "one/a"), "{what}: the same file");
        assert!(waits(&root, "one/a", other, "one/b"), "{what}: another file");
        assert!(waits(&root, "one/a", other, "link/a"), "{what}: through a link");
    }
    assert!(!waits(&root, "one/a", &same, "two/a"), "another directory");
    assert!(!waits(&root, "one/a", &same, "a"), "the directory above");
}

#[test]
fn roots_that_overlap_share_the_lock() {
    let folder = folder();
    let above = root(&folder);
    let below = Root::open(&folder.path().join("one"), SymlinkPolicy::Within).unwrap();
    assert!(waits(&above, "one/a", &below, "a"));
}

#[test]
fn a_directory_that_another_process_keeps_locked_is_refused_in_the_end() {
    let folder = folder();
    let (holder, other) = (root(&folder), root(&folder));
    let held = place(&holder, "one/a");
    let _lock = holder.lock(&held).unwrap();
    let wanted = place(&other, "one/a");
    let began = Instant::now();
    assert!(matches!(other.lock(&wanted), Err(WriteError::Locked)));
    assert!(began.elapsed() >= PATIENCE);
}

#[test]
fn no_directory_waits_for_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
    let places: Vec<Place> = (0..200)
        .map(|number| {
            std::fs::create_dir(folder.path().join(number.to_string())).unwrap();
            place(&root, &format!("{number}/file"))
        })
        .collect();
    let locks: Vec<_> = places.iter().map(|place| root.lock(place).map(drop).and(root.lock(place))).collect();
    assert!(locks.iter().all(Result::is_ok));
    drop(locks);
    assert!(root.locks.queues.lock().of.is_empty());
}

#[test]
fn the_holder_of_a_lock_is_known() {
    let folder = folder();
    let root = root(&folder);
    let held = place(&root, "one/a");
    let _lock = root.lock(&held).unwrap();
    assert_eq!(flock_holder(held.identity().unwrap()), Some(std::process::id()));
    assert_eq!(flock_holder(place(&root, "two/a").identity().unwrap()), None);
}

#[test]
fn writers_of_two_servers_never_meet() {
    const ROUNDS: u32 = 200;
    let folder = folder();
    let roots = [root(&folder), root(&folder)];
    let (inside, rounds) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for number in 0..4 {
            let root = &roots[number % 2];
            let (inside, rounds) = (&inside, &rounds);
            scope.spawn(move || {
                while rounds.fetch_add(1, Ordering::SeqCst) < ROUNDS {
                    let place = place(root, "one/a");
                    // On a busy machine one of them may be unlucky for too long.
                    let Ok(_lock) = root.lock(&place) else { continue };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two writers at once");
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
}
