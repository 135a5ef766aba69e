//! Lease probes and leases beside readers and writers.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;

use super::*;

/// A file in a folder of its own, which goes with the first value.
fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "bytes").unwrap();
    (folder, path)
}

fn leased(path: &Path) -> LeasedFile {
    let file = OpenFile::new(OwnedFd::from(File::open(path).unwrap())).unwrap();
    LeasedFile::take(file).expect("nobody writes")
}

/// Tries to open for writing without waiting for the end of a lease.
fn try_to_write(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

#[test]
fn a_writer_makes_the_probe_busy_and_its_end_frees_it() {
    let (_folder, path) = file();
    let reader = File::open(&path).unwrap();
    assert_eq!(probe(&reader), LeaseProbe::Granted);
    let writer = OpenOptions::new().append(true).open(&path).unwrap();
    assert_eq!(probe(&reader), LeaseProbe::Busy);
    drop(writer);
    assert_eq!(probe(&reader), LeaseProbe::Granted);
}

#[test]
fn other_readers_do_not_disturb_the_probe() {
    let (_folder, path) = file();
    let (one, _other) = (File::open(&path).unwrap(), File::open(&path).unwrap());
    assert_eq!(probe(&one), LeaseProbe::Granted);
}

#[test]
fn what_cannot_be_leased_is_unavailable() {
    assert_eq!(probe(File::open("/dev/null").unwrap()), LeaseProbe::Unavailable);
}

#[test]
fn a_file_that_somebody_writes_to_cannot_be_leased() {
    let (_folder, path) = file();
    let _writer = OpenOptions::new().write(true).open(&path).unwrap();
    let file = OpenFile::new(OwnedFd::from(File::open(&path).unwrap())).unwrap();
    let (_, refused) = LeasedFile::take(file).expect_err("a writer is there");
    assert_eq!(refused, LeaseProbe::Busy);
}

#[test]
fn a_lease_stays_unbroken_while_others_only_read_rename_or_unlink() {
    let (folder, path) = file();
    let leased = leased(&path);
    let _reader = File::open(&path).unwrap();
    let other = folder.path().join("other");
    std::fs::rename(&path, &other).unwrap();
    std::fs::hard_link(&other, &path).unwrap();
    std::fs::remove_file(&other).unwrap();
    assert!(leased.is_unbroken() && leased.is_undisturbed());
}

#[test]
fn a_writer_waits_for_the_end_of_the_lease_and_shows() {
    let (_folder, path) = file();
    let leased = leased(&path);
    let writer = std::thread::spawn({
        let path = path.clone();
        move || std::fs::write(path, "written")
    });
    while leased.is_undisturbed() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!leased.is_unbroken(), "asking does not bring the lease back");
    assert_eq!(std::fs::read(&path).unwrap(), b"bytes", "the writer is held up");
    drop(leased.release());
    writer.join().unwrap().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"written");
}

#[test]
fn a_writer_who_did_not_wait_has_disturbed_the_lease_all_the_same() {
    let (_folder, path) = file();
    let leased = leased(&path);
    assert!(try_to_write(&path).is_err());
    assert!(!leased.is_unbroken());
}

#[test]
fn the_end_of_the_value_is_the_end_of_the_lease() {
    let (_folder, path) = file();
    let leased = leased(&path);
    drop(leased);
    try_to_write(&path).expect("no lease is in the way");
}

/// As when the kernel's patience with the holder is over: the writer is let in, and done before it is looked.
#[test]
fn a_lease_that_was_taken_away_does_not_count_as_unbroken_when_the_writer_is_gone() {
    let (_folder, path) = file();
    let leased = leased(&path);
    fcntl(leased.file().as_fd(), libc::F_SETLEASE, libc::F_UNLCK).unwrap();
    std::fs::write(&path, "written").unwrap();
    assert!(!leased.is_unbroken());
}

/// Root without CAP_LEASE (the default in containers) may lease its own files only: one that is given away while
/// it is leased stays leased.
#[test]
fn a_lease_outlives_a_change_of_owner() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (_folder, path) = file();
    let leased = leased(&path);
    let foreign = std::os::unix::fs::chown(&path, Some(1000), Some(1000));
    // Capabilities belong to the thread, which ends with the test.
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::LEASE);
    if foreign.is_err() || set_capabilities(None, sets).is_err() {
        return;
    }
    assert_eq!(probe(File::open(&path).unwrap()), LeaseProbe::Unavailable);
    assert!(leased.is_unbroken(), "nobody has written");
    assert!(try_to_write(&path).is_err());
    assert!(!leased.is_unbroken(), "somebody has");
}
