//! How much a record takes, and which records go.

use super::super::tests::{digest, stamp};
use super::*;

/// A table of the standard library has a byte for each place, and is never less than 7/16 full once it has grown.
const FULLEST: f64 = 7.0 / 8.0;
const EMPTIEST: f64 = FULLEST / 2.0;

fn key(inode: u64) -> Key {
    Key::of(&stamp(inode)).unwrap()
}

fn table_of(inodes: std::ops::Range<u64>) -> Table {
    let table = Table::new(DigestAlgorithm::Xxh3);
    for inode in inodes {
        assert!(table.put(&key(inode), &digest(inode)));
    }
    table
}

fn has(table: &Table, inodes: std::ops::Range<u64>) -> usize {
    inodes.filter(|inode| table.find(&key(*inode)) == Some(digest(*inode))).count()
}

#[test]
fn a_file_takes_at_most_160_bytes() {
    let place = size_of::<(Inode, Known<16>)>();
    assert_eq!(place, 64);
    assert!((place + 1) as f64 / EMPTIEST <= 160.0);
    // What a million files take, as the parts have really grown.
    let table = table_of(0..1_000_000);
    let Table::Xxh3(parts) = &table else { panic!("another table") };
    let places = |part: &Mutex<HashMap<Inode, Known<16>>>| part.lock().capacity() as f64 / FULLEST;
    let bytes = parts.parts.iter().map(places).sum::<f64>() * (place + 1) as f64;
    assert!(bytes <= 160e6, "{bytes}");
}

#[test]
fn a_record_on_disk_is_the_record_that_was_saved() {
    let table = table_of(1..100);
    let mut copy = Table::new(DigestAlgorithm::Xxh3);
    let width = Key::WIDTH + 16;
    let saved = table.save(|part| match part.chunks(width).all(|record| copy.load(record)) {
        true => Ok(()),
        false => Err(()),
    });
    assert_eq!((saved, copy.len(), has(&copy, 1..100)), (Ok(()), 99, 99));
    for wrong in [width - 1, width + 1, width + 16, 3] {
        assert!(!copy.load(&vec![0; wrong]), "{wrong}");
    }
}

#[test]
fn a_saved_record_takes_the_mount_it_is_first_found_in() {
    let stamp = stamp(1);
    let other = Key::of(&Stamp { mount: stamp.mount + 1, ..stamp }).unwrap();
    let mut table = Table::new(DigestAlgorithm::Xxh3);
    let mut record = Vec::new();
    key(1).encode(&mut record);
    record.extend_from_slice(digest(1).as_bytes());
    assert!(table.load(&record));
    assert_eq!(table.find(&key(1)), Some(digest(1)));
    assert_eq!((table.find(&other), table.find(&key(1))), (None, Some(digest(1))));
}

#[test]
fn a_digest_of_another_algorithm_is_not_kept() {
    let table = Table::new(DigestAlgorithm::Blake3);
    assert!(!table.put(&key(1), &digest(1)));
    let blake3 = Digest::of(DigestAlgorithm::Blake3, b"1");
    assert!(table.put(&key(1), &blake3));
    assert_eq!(table.find(&key(1)), Some(blake3));
}

#[test]
fn after_a_walk_only_what_was_seen_is_left() {
    let table = table_of(0..1000);
    let changes = table.changes();
    table.begin_walk();
    assert_eq!(has(&table, 0..400), 400);
    table.put(&key(1000), &digest(1000));
    assert_eq!(table.len(), 1001, "while it lasts nothing goes");
    table.end_walk();
    assert_eq!((table.len(), has(&table, 0..400), has(&table, 1000..1001)), (401, 400, 1));
    assert!(table.changes() > changes);
}

#[test]
fn without_a_walk_there_is_a_bound_and_what_is_used_stays() {
    let table = Table::new(DigestAlgorithm::Xxh3);
    let Table::Xxh3(parts) = &table else { panic!("another table") };
    parts.limit.store(10, Ordering::Relaxed);
    let bound = 11 * PARTS as u64;
    for inode in 0..100_000 {
        table.put(&key(inode), &digest(inode));
        if inode >= 64 {
            // Many are forgotten; one that is asked for all the time is not.
            assert_eq!(has(&table, 1..2), 1, "after {inode}");
        }
        assert!(table.len() as u64 <= bound, "{}", table.len());
    }
    table.bound();
    assert_eq!(parts.limit.load(Ordering::Relaxed), KEPT_UNSEEN / PARTS);
}
