//! Lease probes beside readers and writers.

use std::fs::{File, OpenOptions};

use super::*;

#[test]
fn a_writer_makes_the_probe_busy_and_its_end_frees_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "bytes").unwrap();
    let reader = File::open(&path).unwrap();
    assert_eq!(probe(&reader), LeaseProbe::Granted);
    let writer = OpenOptions::new().append(true).open(&path).unwrap();
    assert_eq!(probe(&reader), LeaseProbe::Busy);
    drop(writer);
    assert_eq!(probe(&reader), LeaseProbe::Granted);
}

#[test]
fn other_readers_do_not_disturb_the_probe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "bytes").unwrap();
    let (one, _other) = (File::open(&path).unwrap(), File::open(&path).unwrap());
    assert_eq!(probe(&one), LeaseProbe::Granted);
}

#[test]
fn what_cannot_be_leased_is_unavailable() {
    assert_eq!(probe(File::open("/dev/null").unwrap()), LeaseProbe::Unavailable);
}
