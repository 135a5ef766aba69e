//! What was saved is read back, and nothing that is damaged ever gives a digest.

use super::super::tests::{digest, stamp};
use super::*;

const RECORDS: u64 = 40;

fn header(algorithm: DigestAlgorithm) -> Header {
    Header::new(algorithm, "a run of the machine\n")
}

fn key(inode: u64) -> Key {
    Key::of(&stamp(inode)).unwrap()
}

fn saved() -> Vec<u8> {
    let table = Table::new(DigestAlgorithm::Xxh3);
    for inode in 0..RECORDS {
        table.put(&key(inode), &digest(inode));
    }
    let mut bytes = Vec::new();
    write(&mut bytes, &header(DigestAlgorithm::Xxh3), &table).unwrap();
    bytes
}

fn read_back(bytes: &[u8]) -> Result<Table, Unusable> {
    read(bytes, bytes.len() as u64, &header(DigestAlgorithm::Xxh3))
}

#[test]
fn what_was_saved_is_read_back() {
    let bytes = saved();
    assert_eq!(bytes.len(), HEADER + RECORDS as usize * 52 + CHECKSUM);
    let table = read_back(&bytes).unwrap();
    assert_eq!(table.len() as u64, RECORDS);
    assert!((0..RECORDS).all(|inode| table.find(&key(inode)) == Some(digest(inode))));
    assert_eq!(table.changes(), 0, "what is on disk need not be saved");

    let table = Table::new(DigestAlgorithm::Blake3);
    let blake3 = Digest::of(DigestAlgorithm::Blake3, b"bytes");
    table.put(&key(1), &blake3);
    let (mut bytes, header) = (Vec::new(), header(DigestAlgorithm::Blake3));
    write(&mut bytes, &header, &table).unwrap();
    assert_eq!(read(&*bytes, bytes.len() as u64, &header).unwrap().find(&key(1)), Some(blake3));
}

#[test]
fn an_index_of_any_other_length_is_not_used() {
    let bytes = saved();
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        assert!(read_back(cut).is_err(), "{length} bytes");
        // The length may be wrong as well: the file was cut after it was asked for.
        assert!(read(cut, bytes.len() as u64, &header(DigestAlgorithm::Xxh3)).is_err());
        assert!(read(&*bytes, length as u64, &header(DigestAlgorithm::Xxh3)).is_err());
    }
    for more in 1..200 {
        let longer = [&*bytes, &vec![0; more]].concat();
        assert!(read_back(&longer).is_err(), "{more} bytes more");
    }
}

#[test]
fn an_index_with_any_bit_turned_over_is_not_used() {
    let mut bytes = saved();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read_back(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(read_back(&bytes).is_ok());
}

#[test]
fn records_that_changed_places_or_come_twice_are_not_used() {
    let bytes = saved();
    let record = |number: usize| HEADER + number * 52..HEADER + (number + 1) * 52;
    let mut swapped = bytes.clone();
    swapped.copy_within(record(1), record(0).start);
    swapped[record(1)].copy_from_slice(&bytes[record(0)]);
    assert!(matches!(read_back(&swapped), Err(Unusable::Damaged)));
    let twice = [&bytes[..record(0).end], &bytes[record(0).start..]].concat();
    assert!(matches!(read_back(&twice), Err(Unusable::Damaged)));
}

#[test]
fn an_index_of_another_version_hash_or_run_is_told_apart() {
    let bytes = saved();
    let other = |header| read(&*bytes, bytes.len() as u64, &header).err();
    let blake3 = header(DigestAlgorithm::Blake3);
    let boot = Header::new(DigestAlgorithm::Xxh3, "another run");
    assert!(matches!(other(blake3), Some(Unusable::Foreign)));
    assert!(matches!(other(boot), Some(Unusable::OtherBoot)));
    for at in [0, 15, 16, 20] {
        let mut changed = bytes.clone();
        changed[at] += 1;
        assert!(matches!(read_back(&changed), Err(Unusable::Foreign)), "byte {at}");
    }
}
