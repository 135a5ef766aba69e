//! Mounts are noticed on a kernel that numbers them anew, and on one that does not.

use std::process::Command;

use super::*;

/// A tmpfs on a fresh folder, unmounted when the value is dropped.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(folder.path()).status();
        assert!(status.unwrap().success(), "mounting needs root");
        Self(folder)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_mount_and_an_unmount_move_the_mark_of_an_older_kernel() {
    let mounts = Mounts::watched();
    let before = mounts.mark();
    let mounted = Mounted::new();
    let between = mounts.mark();
    drop(mounted);
    let after = mounts.mark();
    assert!(before != between && between != after, "{before:?} {between:?} {after:?}");
}

#[test]
fn the_mark_of_an_older_kernel_stays_while_nothing_is_mounted() {
    let mounts = Mounts::watched();
    // Other tests mount things, too: one quiet moment is enough.
    assert!((0..1000).any(|_| mounts.mark() == mounts.mark()));
}

#[test]
fn without_the_list_of_mounts_no_mark_is_like_another() {
    let mounts = Mounts::Watched(Mutex::new(Watched { list: None, changes: 0 }));
    assert_ne!(mounts.mark(), mounts.mark());
}
